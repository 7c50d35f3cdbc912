# %% [markdown]
# # Plan a study
#
# The most expensive ablation is the one that could not have seen anything. How many seeds, how many arms and which design are decided before the first run, from one number: the noise
# of a run. This notebook goes from that number to a plan, and then checks a plan that was made against what came.

# %%
import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.linalg import hadamard

import ablate
from ablate.effects.detectable import forecast
from ablate.effects.power import seeds_needed

# %matplotlib inline

RESULTS = Path("results") if Path("results").is_dir() else Path("../results")
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9a9a9a"

# %% [markdown]
# ## 1. The noise of a run
#
# Any earlier study with the same proxy and tasks knows it. `mde_noise` is the spread of a run beyond what its seed does to all arms alike, pooled over the arms. Published values, for comparison, are in
# `noise_reference`; they are of other metrics and other scales, and a reminder that half a point is often nothing.

# %%
web = ablate.open_study(RESULTS / "web_loo")
headline = web.effects(task=web.summary.head.headline, metric=web.primary)
noise = float(headline["mde_noise"].iloc[0])
print(f"noise of a run of {web.name}: {noise:.4f} {web.primary}")
ablate.published("noise_reference").frame[["level", "metric", "unit", "value", "runs", "sd"]]

# %% [markdown]
# ## 2. What so many seeds can see
#
# `forecast` says which effect, in one stage, four of five such studies would call *helps* or *hurts* after the correction for all stages asked about. A design is a matrix of weights: a row per gain, a column per arm. Leave-one-out
# compares the full recipe with each arm that lacks a stage:

# %%
STAGES = 7


def leave_one_out(k: int) -> np.ndarray:
    """Weights of k gains over k + 1 arms: full recipe less the arm without the stage."""
    return np.hstack([np.ones((k, 1)), -np.eye(k)])


leave_one_out(3)

# %% [markdown]
# A two-level factorial switches many stages at once, each on in half of the arms. A gain is then the mean of one half of the arms less the mean of the other, so every run counts for every stage. Eight arms suffice for seven stages:


# %%
def factorial(k: int) -> np.ndarray:
    """Weights of k main effects over the fewest arms of a Hadamard design."""
    arms = 2 ** math.ceil(math.log2(k + 1))
    return hadamard(arms)[1 : k + 1] / (arms / 2)


factorial(3)

# %%
seeds = range(3, 13)
designs = {"leave one out": leave_one_out(STAGES), "fractional factorial": factorial(STAGES)}
visible = pd.DataFrame(
    {name: [forecast(weights, n, noise) for n in seeds] for name, weights in designs.items()},
    index=pd.Index(seeds, name="seeds"),
)
visible.insert(0, "runs", (STAGES + 1) * visible.index)
visible.round(4)

# %%
figure = Figure(figsize=(7.5, 4), layout="constrained")
axis = figure.subplots()
for name, colour, above in zip(designs, (ORANGE, BLUE), (8, -16), strict=True):
    axis.plot(visible["runs"], visible[name], "o-", color=colour, linewidth=2, markersize=5)
    axis.annotate(
        name,
        (visible["runs"].iloc[-1], visible[name].iloc[-1]),
        (0, above),
        textcoords="offset points",
        color=colour,
        ha="right",
    )
axis.axhline(noise, color=GREY, linestyle=":")
axis.annotate(
    "noise of one run",
    (visible["runs"].iloc[0], noise),
    (0, 4),
    textcoords="offset points",
    fontsize=9,
    color="#666666",
)
axis.set(
    ylim=(0, None),
    xlabel=f"runs ({STAGES + 1} arms times seeds)",
    ylabel=f"smallest effect that is called ({web.primary})",
)
axis.set_title("Seeds help twice: smaller error, and a noise that is known", loc="left", fontweight="bold")
axis.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# Two things stand out. With three seeds almost nothing is visible (with two it is another factor of ten): the noise itself is barely known, and the intervals pay for that. And for the same number of runs the factorial sees smaller effects.
# It answers **another question**, though: what a stage is worth on average over recipes, not what the finished recipe would lose without it. Where stages do each other's work the two differ, and both are right.
#
# How many seeds would it take to see an effect of the size you care about? `seeds_needed` answers for one paired comparison, here with the level divided by the number of stages (Bonferroni):

# %%
wanted = [0.01, 0.02, 0.03, 0.05, 0.1]
pd.DataFrame(
    {
        "effect": wanted,
        "seeds, one stage": [seeds_needed(effect, noise * 2**0.5) for effect in wanted],
        "seeds, seven stages": [
            seeds_needed(effect, noise * 2**0.5, alpha=0.05 / STAGES) for effect in wanted
        ],
    }
).set_index("effect")

# %% [markdown]
# ## 3. What it costs
#
# From the runs of the earlier study. Hours scale with the tokens and the parameters of the proxy; `ablate plan` measures a short probe on your machine and does this sum for you.

# %%
cost = web.cost().query("arm != 'trunk'")
per_run = cost["run_s"].mean()
affordable = visible.assign(core_hours=visible["runs"] * per_run * cost["threads"].mean() / 3600)
print(f"a run: {per_run:.0f} s on {cost['threads'].mean():.0f} thread(s)")
affordable.round(3)

# %% [markdown]
# ## 4. Does such a forecast hold?
#
# The demo was planned with a noise of 0.058, from other seeds, and eleven claims: ten stages, and one of them on a single task. Two of its stages turned out to change no text at all, which a plan cannot know. Forecast before, and realised after:

# %%
demo = ablate.open_study(RESULTS / "demo")
found = demo.effects(task="aggregate", metric=demo.primary)
planned_noise = 0.058
table = pd.DataFrame(
    {
        "planned": [
            planned_noise,
            forecast(leave_one_out(len(found)), len(demo.seeds), planned_noise, tests=len(found) + 1),
        ],
        "realised": [found["mde_noise"].iloc[0], found["mde"].dropna().iloc[0]],
    },
    index=["noise of a run", "smallest effect that is called"],
)
table["realised / planned"] = table["realised"] / table["planned"]
table.round(3)

# %% [markdown]
# The realised figure is the larger one where the noise is known from few runs only: a reader of one study cannot count on the noise that the plan could take for known.
#
# And the effects themselves? Every planned claim of the demo, against what it could see:

# %%
figure = Figure(figsize=(7.5, 3.8), layout="constrained")
axis = figure.subplots()
limit = table.loc["smallest effect that is called", "planned"]
axis.axvspan(-limit, limit, color="#eeeeee")
for place, row in enumerate(found.itertuples()):
    colour = BLUE if row.kind == "helps" else GREY
    axis.plot([row.turned_low, row.turned_high], [place] * 2, color=colour, linewidth=2)
    axis.plot(
        row.turned,
        place,
        "o",
        color=colour,
        markerfacecolor=colour if row.kind == "helps" else "white",
        markersize=6,
    )
axis.axvline(0, color="#222222", linewidth=0.8)
axis.set_yticks(range(len(found)), found["stage"])
axis.invert_yaxis()
axis.set_xlabel("gain; grey: smaller than what the plan promised to see")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# A claim inside the band is not wrong: four of five is a promise about repeats, and the paired noise of one stage can be smaller than the average's. But a study whose band covers every effect that you believe possible should not be run. The next step is one command:
#
# ```
# ablate plan study=demo 'seeds=[0,1,2,3,4]' plan.noise=0.058
# ```
