# %% [markdown]
# # What a filter removed
#
# A filter that helps may help for the wrong reason, and one that shows no gain may still throw away the pages that you care about. Before arguing about a score, look
# at what went: by reason, by kind of page, as the threshold moves, and with your own eyes.

# %%
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import ablate
from ablate.pool.testbed.pages import TestbedConfig, generate
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition

# %matplotlib inline

RESULTS = Path("results") if Path("results").is_dir() else Path("../results")
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9a9a9a"
study = ablate.open_study(RESULTS / "web_loo")

# %% [markdown]
# ## How much went, and where
#
# The funnel of the full recipe on real pages. `kept` is the share of the documents that *reached* the stage: a late filter looks gentle because the early ones were not.

# %%
funnel = study.funnel("full")
funnel[["stage", "documents", "bytes", "tokens", "kept"]].round(3)

# %%
figure = Figure(figsize=(7.2, 3.3), layout="constrained")
axis = figure.subplots()
share = 100 * funnel["documents"] / funnel["documents"].iloc[0]
axis.barh(funnel["stage"], 100, color="#f0f0f0", height=0.7)
axis.barh(funnel["stage"], share, color=BLUE, height=0.7)
for place, value in enumerate(share):
    axis.annotate(
        f"{value:.0f} %",
        (value, place),
        (-5, 0),
        textcoords="offset points",
        va="center",
        ha="right",
        color="white",
        fontsize=9,
    )
axis.invert_yaxis()
axis.set_xlim(0, 100)
axis.set_xlabel("documents left after the stage, % of those that came in")
axis.set_title("Real web pages through the full recipe", loc="left", fontweight="bold")
axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
axis.tick_params(length=0)
figure

# %% [markdown]
# ## For which reason
#
# Each document goes for the first rule that it breaks. Most filters turn out to be one or two rules in practice; the others could be deleted without anybody
# noticing.

# %%
dropped = study.dropped("full").query("what == 'dropped'")
figure = Figure(figsize=(7, 4.2), layout="constrained")
axis = figure.subplots()
most = dropped.sort_values("count", ascending=False).head(16)
colours = {stage: f"C{n}" for n, stage in enumerate(dict.fromkeys(dropped["stage"]))}
for stage, part in most.groupby("stage", sort=False):
    axis.barh(
        [list(most["reason"]).index(reason) for reason in part["reason"]],
        part["count"],
        color=colours[stage],
        height=0.7,
        label=stage,
    )
for place, count in enumerate(most["count"]):
    axis.annotate(f"{count:,}", (count, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
axis.set_yticks(range(len(most)), most["reason"])
axis.invert_yaxis()
axis.set_xlabel("documents dropped")
axis.legend(frameon=False, fontsize=9, loc="lower right")
axis.set_title("Sixteen largest reasons", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# ## Was it the filter, or only fewer documents?
#
# A filter changes two things at once: *which* documents are left, and *how many*. A control drops as many at random. If the filter
# beats that control, it chose well. Size-matched controls were run for two filters:

# %%
controls = ablate.open_study(RESULTS / "web_loo" / "controls")
found = controls.effects(task="aggregate", metric=controls.primary).sort_values("factor", kind="stable")
figure = Figure(figsize=(7.5, 2.8), layout="constrained")
axis = figure.subplots()
meaning = {
    "add_one_in": (BLUE, "with the filter"),
    "selection": ("#009e73", "filter against removal at random"),
    "volume": (ORANGE, "removal at random"),
}
for place, row in enumerate(found.itertuples()):
    colour, words = meaning[row.estimand]
    axis.plot([row.turned_low, row.turned_high], [place] * 2, color=colour, linewidth=2.4)
    axis.plot(row.turned, place, "o", color=colour, markersize=7)
axis.set_yticks(
    range(len(found)), [f"{row.factor}: {meaning[row.estimand][1]}" for row in found.itertuples()]
)
axis.axvline(0, color="#222222", linewidth=0.8)
axis.invert_yaxis()
axis.set_xlabel(f"gain in {controls.primary}, right is better")
axis.set_title("Choice pays, fewer tokens cost", loc="left", fontweight="bold")
axis.spines[["top", "right", "left"]].set_visible(False)
axis.tick_params(axis="y", length=0)
figure

# %% [markdown]
# The blue row is what one would have published. It is the sum of the two below it: what the choice is worth (green, against a removal of as many tokens at random), and what having less text
# costs (orange). In this study every corpus is read once, so half of the text is half of the training; the choice more than makes up for it.
#
# ## Whom it hits
#
# On real pages nobody knows which document deserved to go. So ablate ships a generated web in which that is known: each page has a kind, planted. Here
# are 1,000 of its pages, and two of Gopher's filters asked about each. A stage measures a text once (`measure_many`), and decides from the measurements as often as you like (`decide`).

# %%
pages = list(generate(TestbedConfig(pages=1000)))
texts = [page.text for page in pages]
kind = pd.Series([page.truth["kind"] for page in pages], name="kind")
filters = {"gopher_quality": GopherQuality(), "gopher_repetition": GopherRepetition()}
measured = {name: stage.measure_many(texts) for name, stage in filters.items()}
verdicts = {name: stage.decide(measured[name]) for name, stage in filters.items()}
hit = pd.DataFrame({name: 100 * (~verdict.keep) for name, verdict in verdicts.items()}).groupby(kind).mean()
hit.insert(0, "pages", kind.value_counts())
hit.rename(columns={name: f"{name}, % dropped" for name in filters}).round(1)

# %% [markdown]
# The rows are what was planted, the columns what each filter took. A filter is as good as its row `clean` is near 0. The two do each other's work on some
# kinds and not on others. This is why leaving one stage out of a full recipe often shows nothing: another one stands in for it.
#
# ## What the threshold does
#
# `min_stop_words` asks for so many different ones of eight English function words. The curve costs nothing: the texts were measured above, and each of its points is a decision. Up to the published
# value it is flat here: the foreign pages that go do so for another of the filter's rules.

# %%
rows = []
for least in range(9):
    keep = (
        dataclasses.replace(filters["gopher_quality"], min_stop_words=least)
        .decide(measured["gopher_quality"])
        .keep
    )
    rows.append(pd.Series(100 * keep).groupby(kind).mean().rename(least))
curve = pd.DataFrame(rows)
figure = Figure(figsize=(7.5, 3.8), layout="constrained")
axis = figure.subplots()
styles = {
    "clean": (BLUE, 3, "-"),
    "foreign": (ORANGE, 2, "-"),
    "symbols": ("#009e73", 1.6, "--"),
    "repetitive": ("#cc79a7", 1.6, "-"),
    "braces": ("#e69f00", 1.6, "-"),
    "reposts": (GREY, 1.6, "-"),
    "quiz": ("#222222", 1.6, ":"),
}
for name, (colour, width, style) in styles.items():
    axis.plot(
        curve.index, curve[name], style, color=colour, linewidth=width, marker="o", markersize=4, label=name
    )
axis.axvline(GopherQuality().min_stop_words, color=GREY, linestyle=":", linewidth=1)
axis.annotate(
    "published value",
    (GopherQuality().min_stop_words, 104),
    (4, 0),
    textcoords="offset points",
    fontsize=8,
    color="#666666",
)
axis.set_ylim(-4, 112)
axis.set_xlabel("stop words asked for")
axis.set_ylabel("pages kept, %")
axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
axis.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# On real text, the same question about FineWeb's punctuation rule, with models trained at each of fourteen values. Plus is better than the published 0.12:

# %%
dose = ablate.open_study(RESULTS / "dose")
points = dose.effects(estimand="dose", task="aggregate", metric=dose.primary)
points = points.assign(value=points["level"].astype(float)).sort_values("value")
figure = Figure(figsize=(7.5, 3.4), layout="constrained")
axis = figure.subplots()
axis.axhline(0, color="#222222", linewidth=0.8)
for row in points.itertuples():
    axis.plot([row.value] * 2, [row.turned_low, row.turned_high], color=BLUE, linewidth=1.6, alpha=0.6)
axis.plot(points["value"], points["turned"], "o", color=BLUE, markerfacecolor="white", markersize=6)
axis.plot(0.12, 0, "D", color=ORANGE, markersize=7)
axis.annotate("published", (0.12, 0), (4, 10), textcoords="offset points", color=ORANGE, fontsize=9)
axis.set_xlabel("share of lines that must end in punctuation")
axis.set_ylabel(f"gain in {dose.primary} over 0.12")
axis.set_title("No single value is told from the published one", loc="left", fontweight="bold")
axis.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## With your own eyes
#
# Nothing replaces reading twenty of them. Below, for each reason, texts that the quality filter dropped, drawn at random and cut to a line. For your own study, `ablate inspect audit`
# writes such samples for every stage, from the real pool.

# %%
verdict = verdicts["gopher_quality"]
generator = np.random.default_rng(0)
for number, reason in enumerate(verdict.reasons, start=1):
    where = np.flatnonzero(verdict.code == number)
    if len(where):
        print(f"\n{reason}: {len(where)} pages")
        for row in generator.choice(where, min(5, len(where)), replace=False):
            print(f"  [{kind[row]}] {' '.join(texts[row].split())[:105]}")
