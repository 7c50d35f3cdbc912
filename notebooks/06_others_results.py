# %% [markdown]
# # Others' results
#
# You need not have trained the models. A table of a paper, a CSV from a colleague or a folder that lm-eval wrote becomes a study with one command, and gets the same intervals, corrections and page as your own, or the plain statement that
# there is nothing to build an interval on.

# %%
import contextlib
import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import ablate
from ablate.cli import main

# %matplotlib inline

RESULTS = (Path("results") if Path("results").is_dir() else Path("../results")).resolve()
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9a9a9a"
scratch = tempfile.TemporaryDirectory()
FOLDER = Path(scratch.name)


def run(*words: str) -> None:
    """Give a command of ablate in the scratch folder, as a shell would, and show its first lines."""
    with contextlib.chdir(FOLDER), contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(list(words)) == 0
    print("\n".join(line[:132] for line in printed.getvalue().splitlines()[:10]))


# %% [markdown]
# ## A table of a paper: one score per filter
#
# FineWeb compared sixteen candidate filters (appendix E.4, table 2). The table ships as data, with its place in the paper:

# %%
fineweb = ablate.published("fineweb_table2")
print(fineweb.citation)
table = fineweb.frame[["level", "value", "tokens_removed_percent", "runs", "note"]]
table

# %% [markdown]
# A CSV needs four columns: arm, seed, task, score. `metric` is a fifth.

# %%
with (FOLDER / "fineweb.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["arm", "seed", "task", "metric", "score"])
    writer.writerows((row.level, 0, "nine tasks", "acc", row.value) for row in table.itertuples())

run("import", "study.name=fineweb", "results.csv=fineweb.csv")

# %%
sixteen = ablate.open_study(FOLDER / "studies" / "fineweb")
sixteen.effects(task="aggregate")[["stage", "estimate", "ci_low", "ci_high", "verdict"]].head()

# %% [markdown]
# **One seed, no verdict.** The paper prints means of two runs and no spread, so nothing here says how far two runs of one filter lie apart. No interval is invented. What one *can* do is turn the question around: how small would the
# noise have to be for the ranking to mean anything? If all sixteen filters were equal, the best and the worst would still differ, by some 3.5 standard deviations of a score (the expected range of sixteen normal draws):

# %%
generator = np.random.default_rng(0)
ranges = np.ptp(generator.standard_normal((20_000, len(table))), axis=1)
seen = table["value"].max() - table["value"].min()
print(
    f"expected range of {len(table)} equal filters: {ranges.mean():.2f} sd of a score; 95 % stay below {np.quantile(ranges, 0.95):.2f}"
)
print(f"seen: {seen:.2f} points")
print(
    f"luck alone could do that if a run has a standard deviation of {seen / np.quantile(ranges, 0.95) * 2**0.5:.2f} points or more"
)

# %%
shown = table.sort_values("value")
figure = Figure(figsize=(8, 4.6), layout="constrained")
axis = figure.subplots()
chosen = shown["note"].str.contains("chosen")
axis.hlines(shown["level"], shown["value"].min() - 0.05, shown["value"], color="#e4e4e4")
axis.plot(shown["value"][~chosen], shown["level"][~chosen], "o", color=GREY, markersize=7)
axis.plot(shown["value"][chosen], shown["level"][chosen], "o", color=BLUE, markersize=8)
axis.set_yticks(range(len(shown)), shown["level"])
middle = shown["value"].mean()
for sd, shade in ((0.3, "#0072b21c"), (0.15, "#0072b21c")):
    half = 0.5 * np.quantile(ranges, 0.95) * sd / 2**0.5
    axis.axvspan(middle - half, middle + half, color=shade, linewidth=0)
axis.set_xlabel("aggregate accuracy, %; bands: span of equal filters at a run's sd of 0.15 and 0.3 points")
axis.set_title("FineWeb's candidates (blue: marked as chosen)", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# ## Where does a noise figure come from?
#
# From replicates: the same data trained twice. Most papers have none; the authors of DataComp-LM published a database of their models, and in it a few data sets occur more than once.

# %%
replicates = pd.read_csv(RESULTS / "published" / "dclm_replicates.csv")
groups = replicates.groupby("data")["mean_accuracy"]
pooled = float(np.sqrt(groups.var().mul(groups.size() - 1).sum() / (groups.size() - 1).sum()))
print(
    f"{len(replicates)} models in {groups.ngroups} groups: standard deviation of a run {100 * pooled:.2f} points"
)
groups.agg(["size", "mean", "std"]).round(4)

# %% [markdown]
# With it, 24 comparisons of single runs can be read again. Grey: not told from two runs of the same thing.

# %%
models = ablate.published("dclm_models").frame.dropna(subset=["gain"])
models = models[models["design"] != "replicate"].sort_values("gain").reset_index(drop=True)
bar = 100 * 1.96 * 2**0.5 * pooled
figure = Figure(figsize=(8, 5.6), layout="constrained")
axis = figure.subplots()
axis.axvspan(-bar, bar, color="#eeeeee")
told = 100 * models["gain"].abs() > bar
for mask, colour in ((told, BLUE), (~told, GREY)):
    axis.plot(100 * models["gain"][mask], models.index[mask], "o", color=colour, markersize=6)
axis.axvline(0, color="#222222", linewidth=0.8)
words = [
    f"{row.context}: {row.level}" + (f" vs {row.versus}" if row.versus else "") for row in models.itertuples()
]
axis.set_yticks(range(len(models)), words, fontsize=8)
axis.set_xlabel("gain, points of mean accuracy; band: 95 % of differences between replicates")
axis.set_title(
    f"{told.sum()} of {len(models)} comparisons stand clear of the noise", loc="left", fontweight="bold"
)
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# ## With seeds: the full treatment
#
# To see that an import loses nothing, take a study whose answer is known, write its scores as a colleague might send them, and read them back. The column `tokens` makes curves; here only the end is sent.

# %%
demo = ablate.open_study(RESULTS / "demo")
sent = demo.scores(task="facts", metric="prob")
sent[["arm", "seed", "task", "metric", "score"]].to_csv(FOLDER / "demo.csv", index=False)
run("import", "study.name=theirs", "results.csv=demo.csv", "results.reference=full")

# %%
theirs = ablate.open_study(FOLDER / "studies" / "theirs")
ours = demo.effects(task="facts", metric="prob").set_index("factor")["turned"]
back = theirs.effects(task="facts", metric="prob")
pd.DataFrame(
    {
        "arm": back["level"] if (back["level"] != "on").any() else back["factor"],
        "change": back["turned"],
        "low": back["turned_low"],
        "high": back["turned_high"],
        "verdict": back["verdict"],
    }
).round(4)

# %% [markdown]
# The signs are turned: an import compares *each arm with the reference*, so a stage that helps shows as an arm that lost. And a score alone cannot say that two arms are the same texts, so where the study knows a gain to be
# 0 the import has an interval around it. The sizes are those of the study:

# %%
back_by_stage = back.assign(
    stage=back["level"].str.replace("without_", "").str.replace("=raw", "")
).set_index("stage")["turned"]
pd.DataFrame({"in the study": ours, "imported, sign turned": -back_by_stage}).round(6)

# %% [markdown]
# ## A folder that lm-eval wrote
#
# The same for the `results_*.json` of lm-eval; arm and seed are read from the folders' names, and with its `samples_*.jsonl` items and smooth scores come too:
#
# ```
# ablate import study.name=theirs 'results.lm_eval=[lm_eval_out]' "results.pattern='{arm}/seed-{seed}'" results.primary=acc_norm
# ```
#
# Everything of the other notebooks works on an imported study, `dashboard` included.

# %%
page = theirs.dashboard(FOLDER / "theirs.html")
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB")
scratch.cleanup()
