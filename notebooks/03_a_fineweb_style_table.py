# %% [markdown]
# # A FineWeb-style table, with published numbers beside it
#
# Papers on data curation print two kinds of tables. FineWeb's go stage by stage: the score, the difference, how much text went.
# DataComp-LM's have a row per variant and a tick per stage. Both are one call here, in the format that your paper is written in, and with them
# comes what those papers leave out: an error for every number.

# %%
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import ablate

# %matplotlib inline

RESULTS = Path("results") if Path("results").is_dir() else Path("../results")
study = ablate.open_study(RESULTS / "demo")


class Shown(str):
    """Markdown that a notebook shows as a table."""

    def _repr_markdown_(self) -> str:
        return str(self)


# %% [markdown]
# ## Stage by stage

# %%
Shown(study.table("stages", "markdown"))

# %% [markdown]
# How to read a row: the model is trained without that stage and loses the gain. `±` is the standard error over seeds; of a
# gain it is that of the *paired* differences, which is why it can be smaller than those of the two scores. A star is a claim that holds after
# correcting for all stages asked about. Where a stage changed no text the gain is 0, exactly: both arms are the same corpus, and a table that printed seed noise there
# would invent an effect.
#
# ## A row per arm

# %%
Shown(study.table("design", "markdown"))

# %% [markdown]
# ## Into the paper
#
# `latex`, `latex_siunitx`, `typst`, `html`, `csv` and `markdown`. The comment at its top says which plan the numbers are from: a reader of
# the source can find the study that made the table.

# %%
print(study.table("stages", "latex"))

# %% [markdown]
# ## Beside published numbers
#
# The tables of the papers ship with the package as data, each row with its place in the paper, its scale, and its noise where anybody states it.

# %%
theirs = ablate.published("dclm_table17")
print(theirs.citation)
theirs.frame[["level", "value", "gain", "tokens_removed_percent", "runs", "sd"]]

# %%
Shown(study.table("beside", "markdown", published="dclm_table17"))

# %% [markdown]
# **Which rows can be compared?** Only those about the same stage, and of those the *sign*, the share of text removed, and whether each
# holds by its own noise. Never the sizes: theirs are points of CORE at billions of tokens, ours a probability at half a million. The last
# column says it in words, and says *not comparable* where the stage or the question is another. No arithmetic between ours and theirs is
# printed anywhere, on purpose.
#
# The same restraint helps when reading the paper alone. Below are DataComp-LM's model-based filters (table 4) with bars of ± 1.96 standard deviations of
# a *difference of two runs*. The paper prints one run each and no noise; the noise here is measured on replicates that its authors published for
# models of that size.

# %%
filters = ablate.published("dclm_table4").frame.query("metric == 'CORE' and gain.notna()").sort_values("gain")
error = 1.96 * 2**0.5 * filters["sd"]
figure = Figure(figsize=(7.5, 3.4), layout="constrained")
axis = figure.subplots()
told = filters["gain"].abs() > error
for colour, mine in (("#0072b2", told), ("#9a9a9a", ~told)):
    axis.errorbar(
        filters["gain"][mine],
        np.flatnonzero(mine),
        xerr=error[mine],
        fmt="o",
        color=colour,
        elinewidth=1.6,
        capsize=0,
        markersize=7,
    )
axis.set_yticks(range(len(filters)), filters["level"])
axis.axvline(0, color="#222222", linewidth=0.8)
axis.set_xlabel("gain over RefinedWeb as reproduced, points of CORE; bars: noise stated by us")
axis.set_title("DataComp-LM, table 4: which filters stand clear of the noise", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# Mind what the bars do not show: the winner of seven was *chosen*. Of seven filters that were all equal, the best would lead the worst by about
# the length of half a bar (2.7 standard deviations of a run), by luck alone.
#
# `published(...).bibtex` is ready for your bibliography:

# %%
print(theirs.bibtex)
