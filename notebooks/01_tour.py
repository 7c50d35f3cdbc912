# %% [markdown]
# # A tour of one study
#
# You changed a filter and the benchmark moved by half a point. Was it the filter, or the seed? That is the question a study in
# ablate answers, and this notebook reads one: eight corpora cut from the same real web pages, a small language model trained on each of
# them five times, the same test items for all.
#
# Five words are enough to read everything that follows.
#
# | word | meaning |
# | :-- | :-- |
# | **arm** | one variant of the pipeline, and so one corpus: `full`, `without_language`, ... |
# | **seed** | one repetition of an arm: other initial weights, another order of the documents |
# | **gain** | how much better the proxy model is with a stage than without it; plus is always better here |
# | **interval** | where the true gain lies, in 95 of 100 such studies |
# | **noise floor** | how far two runs of the *same* arm lie apart |
#
# Nothing here trains anything or asks a network: results are read from the folder of a report.

# %%
from pathlib import Path

from matplotlib.figure import Figure

import ablate

# %matplotlib inline

RESULTS = Path("results") if Path("results").is_dir() else Path("../results")
study = ablate.open_study(RESULTS / "web_loo")
study

# %% [markdown]
# A study begins with a question and a prediction, both frozen in its plan before the first run. They are the best protection there is against
# finding what one looked for.

# %%
print(study.summary.head.question)
print()
print("Predicted:", study.summary.head.prediction)

# %% [markdown]
# ## What was run
#
# Every arm with every seed. `missing` lists the planned runs without a result; look at it first, because a gain from four seeds of five is
# another gain.

# %%
runs = study.runs()
runs.groupby("arm", sort=False).agg(
    runs=("seed", "size"), done=("status", lambda s: (s == "done").sum()), tokens=("tokens", "first")
)

# %%
study.missing

# %% [markdown]
# ## What each stage is worth
#
# `effects()` is the table behind every figure of the report. The columns that begin with `turned` are turned so that plus is better whatever the
# metric: this study's headline is *bits per byte* of the right answers, where fewer is better.

# %%
headline = study.effects(task=study.summary.head.headline, metric=study.primary)
headline[["stage", "turned", "turned_low", "turned_high", "p_value", "p_adjusted", "verdict", "mde"]].round(3)

# %% [markdown]
# The same as a picture. A filled point would be a claim that holds after correcting for the number of stages asked about.

# %%
study.figure("gains")

# %% [markdown]
# ## What *no effect seen* means
#
# It does **not** mean that the stage does nothing. It means that this study could not tell its gain from zero. The column `mde` says how
# large an effect had to be before four of five such studies would have called it: the grey bars below. A gain may hide anywhere inside its bar. Read
# the two together, and *no effect seen* becomes a sentence with content: "had it been larger than this, we would probably know".

# %%
figure = Figure(figsize=(8, 3.8), layout="constrained")
axis = figure.subplots()
for place, row in enumerate(headline.itertuples()):
    axis.barh(place, 2 * row.mde, left=-row.mde, height=0.62, color="#e4e4e4", zorder=1)
    axis.plot([row.turned_low, row.turned_high], [place, place], color="#0072b2", linewidth=2.4, zorder=2)
    axis.plot(row.turned, place, "o", color="#0072b2", markerfacecolor="white", markersize=7, zorder=3)
axis.axvline(0, color="#222222", linewidth=0.8)
axis.set_yticks(range(len(headline)), headline["stage"])
axis.invert_yaxis()
axis.set_xlabel(f"gain in {study.primary}, right is better; grey: what could have been missed")
axis.set_title("Every gain lies inside what this study cannot see", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# ## One stage, seed by seed
#
# An average of five hides whether all five agree. `pairs()` gives the difference under each seed. Runs of one seed share their initial weights, so
# that what the weights do to both arms cancels in the difference.

# %%
pairs = study.pairs("language")
pairs[["seed", "turned"]].round(4)

# %%
stages = list(headline["stage"])
every = study.pairs()
figure = Figure(figsize=(8, 3.8), layout="constrained")
axis = figure.subplots()
for place, stage in enumerate(stages):
    mine = every[every["stage"] == stage]["turned"]
    chosen = stage == "language"
    colour = "#d55e00" if chosen else "#9a9a9a"
    axis.plot(mine, [place] * len(mine), "o", color=colour, alpha=0.75, markersize=7, markeredgewidth=0)
    axis.plot([mine.mean()] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2.5)
axis.axvline(0, color="#222222", linewidth=0.8)
axis.set_yticks(range(len(stages)), stages)
axis.invert_yaxis()
axis.set_xlabel(f"difference in {study.primary} under one seed, right is better; line: their mean")
axis.set_title("A dot per seed", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# ## Can this metric rank these arms at all?
#
# Before asking which stage helps, ask whether the yardstick moves. Below, `seed_sd` is the spread between runs of one arm, and `range_of_arms` the
# distance from the best arm to the worst. Where the range is a few times the spread of a run, the ranking may mean something. Where both are of
# one size, it is a ranking of seeds. `screening()` draws the conclusion, criterion by criterion.

# %%
noise = study.noise()
noise.assign(ratio=noise["range_of_arms"] / noise["seed_sd"])[
    ["metric", "task", "seed_sd", "range_of_arms", "ratio"]
].round(3)

# %%
study.screening()[["task", "metric", "believed", "failed"]]

# %% [markdown]
# A small proxy on half a million tokens answers multiple-choice questions by chance; this is what the screening says, and why the study's prediction
# did not lean on accuracy.
#
# ## A study that does see something
#
# The demo runs on a generated web with planted defects, where removing junk matters. The same calls, another folder. Side by side with real pages,
# `compare` matches stages by name and says where sizes must **not** be compared.

# %%
demo = ablate.open_study(RESULTS / "demo")
demo.figure("gains")

# %%
both = ablate.compare([demo, study])
both[["study", "stage", "gain", "low", "high", "verdict", "comparable"]].round(3)

# %%
print(both.loc[~both["comparable"], "why_not"].iloc[0].replace("; ", "\n"))

# %% [markdown]
# Signs may be set side by side; these sizes may not. Where to go from here: `02_your_own_figure` draws from the same frames,
# `05_plan_a_study` asks how many seeds it would have taken to see more.
