# %% [markdown]
# # Your own figure
#
# The report draws a dozen figures. The one that your paper or your slides need is the thirteenth, and it should take ten lines: every number of a
# study is a pandas frame with documented columns. This notebook draws three, each of which makes a point about how to read
# ablations.

# %%
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import t

import ablate
from ablate.summary.frames import COLUMNS

# %matplotlib inline

RESULTS = Path("results") if Path("results").is_dir() else Path("../results")
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titleweight": "bold", "font.size": 10}  # fmt: skip
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#b5b5b5"  # Okabe and Ito: told apart with any colour vision
matplotlib.rcParams.update(STYLE)
study = ablate.open_study(RESULTS / "demo")
study

# %% [markdown]
# What a column is, and its unit, is one look away:

# %%
pd.Series(COLUMNS["pairs"]).to_frame("what it is")

# %% [markdown]
# ## 1. Curves: the raw means, two arms at a time
#
# Score against tokens, one thin line per seed and one thick line per arm. Nothing is smoothed: an average over time would
# make the lines look surer than the runs are, and neighbouring checkpoints of one run are not new evidence. Eleven arms in one panel are a
# plate of spaghetti; the full recipe against one arm per panel can be read.

# %%
curves = study.curves(task="facts", metric="prob")
shown = ["without_gopher_quality", "without_c4_quality", "without_minhash_dedup", "without_pii"]
figure = Figure(figsize=(10, 2.9), layout="constrained")
axes = figure.subplots(1, len(shown), sharey=True)
for axis, arm in zip(axes, shown, strict=True):
    for name, colour in (("full", BLUE), (arm, ORANGE)):
        mine = curves[curves["arm"] == name].pivot(index="tokens", columns="seed", values="score")
        axis.plot(mine.index / 1e3, mine, color=colour, alpha=0.25, linewidth=0.8)
        axis.plot(mine.index / 1e3, mine.mean(axis=1), color=colour, linewidth=2.2)
    axis.axhline(0.25, color=GREY, linestyle=":", linewidth=1)
    axis.set_title(arm.replace("without_", "without "), fontsize=10)
    axis.set_xlabel("thousand tokens")
axes[0].set_ylabel("probability of the right answer")
axes[0].annotate("full recipe", (150, 0.62), color=BLUE, fontsize=9)
axes[0].annotate("one stage less", (240, 0.3), color=ORANGE, fontsize=9)
axes[0].annotate("chance", (40, 0.255), color="#777777", fontsize=8)
figure

# %% [markdown]
# ## 2. Paired against unpaired, on the same data
#
# Both arms are trained under the same seeds: same initial weights. If a seed is lucky, it is lucky for both, and the difference does not
# see it. Throw the pairing away, as every plot of two means with error bars does, and the noise that both share is counted twice. How much that
# costs is an empirical question, and the frames answer it. The interval below is the textbook's: mean ± t · standard error, with and
# without pairing, over all stages and every task and metric of the two studies.


# %%
def widths(s: ablate.opened.study.OpenedStudy) -> pd.DataFrame:
    """Half-widths of 95 % intervals per gain: paired by seed, and Welch's from the two arms apart."""
    scores, rows = s.scores(), []
    for (task, metric), part in scores.groupby(["task", "metric"], sort=False):
        table = part.pivot(index="seed", columns="arm", values="score")
        for arm in table.columns.drop("full"):
            one, two = table["full"], table[arm]
            n, apart = len(table), one - two
            if apart.std() == 0:  # the two arms are the same texts
                continue
            paired = t.ppf(0.975, n - 1) * apart.std() / np.sqrt(n)
            a, b = one.var() / n, two.var() / n
            df = (a + b) ** 2 / ((a**2 + b**2) / (n - 1))
            unpaired = t.ppf(0.975, df) * np.sqrt(a + b)
            rows.append((s.name, task, metric, arm, paired, unpaired))
    return pd.DataFrame(rows, columns=["study", "task", "metric", "arm", "paired", "unpaired"])


both = pd.concat([widths(study), widths(ablate.open_study(RESULTS / "web_loo"))], ignore_index=True)
both["ratio"] = both["unpaired"] / both["paired"]
both.groupby("study")["ratio"].describe(percentiles=[0.1, 0.5, 0.9]).round(2)

# %%
figure = Figure(figsize=(5.2, 4.6), layout="constrained")
axis = figure.subplots()
for name, colour, mark in (("demo", BLUE, "o"), ("web_loo", ORANGE, "^")):
    mine = both[both["study"] == name]
    axis.plot(mine["unpaired"], mine["paired"], mark, color=colour, alpha=0.55, markeredgewidth=0, label=name)
limits = [both[["paired", "unpaired"]].min().min() * 0.8, both[["paired", "unpaired"]].max().max() * 1.25]
axis.plot(limits, limits, color="#222222", linewidth=0.8)
axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
axis.set_xlabel("half-width, unpaired (metric's units)")
axis.set_ylabel("half-width, paired")
axis.set_title("Below the line, pairing pays")
axis.legend(frameon=False, loc="upper left")
figure

# %% [markdown]
# Below the line pairing made the interval narrower; above it, wider. Here the median ratio is near 1: one gain's interval becomes four times narrower, another's half as wide again.
# That is less than folklore has it, and the reason is arithmetic. Pairing spends half of the degrees of freedom (with five seeds the factor of the interval
# grows from 2.3 to 2.8), so it has to earn a sixth of the width back before it pays, and arms whose texts differ a lot have little in common for a seed to act on. **What you
# must not do** is to look at both and report the narrower one. Plan the pairing, and report it.
#
# ## 3. A figure for a talk
#
# Two claims in one picture: what a stage is worth, against how much text it takes away. A stage at the top left is a bargain. One at the bottom right
# throws text away for nothing. The share of text removed comes from `funnel()`, which is in order of the recipe.

# %%
funnel = study.funnel("full")
taken = 100 * (1 - funnel.set_index("stage")["bytes"] / funnel.set_index("stage")["bytes"].shift())
gains = study.effects(task="aggregate", metric="prob").assign(removed=lambda f: f["factor"].map(taken))
figure = Figure(figsize=(7.5, 4.4), layout="constrained")
axis = figure.subplots()
axis.axhline(0, color="#222222", linewidth=0.8)
aside = {
    "pii": (8, -10),
    "exact_dedup": (8, -13),
    "c4_quality": (-8, -3),
    "extraction": (8, -8),
    "gopher_repetition": (8, 9),
}
for row in gains.itertuples():
    colour = BLUE if row.kind == "helps" else GREY
    axis.plot([row.removed] * 2, [row.turned_low, row.turned_high], color=colour, linewidth=1.6)
    axis.plot(row.removed, row.turned, "o", color=colour, markersize=7)
    dx, dy = aside.get(row.factor, (8, 5))
    axis.annotate(
        row.factor,
        (row.removed, row.turned),
        (dx, dy),
        textcoords="offset points",
        fontsize=9,
        ha="left" if dx > 0 else "right",
    )
axis.set_xlabel("text removed by the stage, % of what reached it")
axis.set_ylabel("gain in probability of the right answer, above chance")
axis.set_title("What a stage gives, and what it takes (blue: holds after correction)")
axis.set_xlim(-2, 66)
figure

# %% [markdown]
# Save with `figure.savefig("gains.pdf")`. For the data beside it, `gains.to_csv(...)`; for the table,
# `study.table("gains", "latex")`, which the next notebook is about.
