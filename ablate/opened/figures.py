"""Figures of an opened study, in the look of the report's, drawn from its `study.json`."""

from __future__ import annotations

import matplotlib
from matplotlib.figure import Figure

from ablate.errors import DataError
from ablate.render.figure import HELPS, HURTS, INK, LINES, NONE, PALE, STYLE, empty_figure
from ablate.summary import frames
from ablate.summary.model import Summary

COLOURS = {
    **dict.fromkeys(("helps", "may_help", "suggests_help"), HELPS),
    **dict.fromkeys(("hurts", "may_hurt", "suggests_hurt"), HURTS),
}


def gains(
    summary: Summary, estimand: str | None = None, *, task: str | None = None, metric: str | None = None
) -> Figure:
    """Gain of each stage with its interval; right is better; filled where it is a claim that holds.

    One estimand: the one asked for, or the plan's first; the others are named below.
    """
    metric, task = metric or summary.head.primary, task or summary.head.headline
    shown = frames.effects(summary, estimand, task=task, metric=metric)
    if shown.empty:
        raise DataError(f"{summary.head.name} has no gain in {metric} of {task}")
    first, *others = shown["estimand"].unique()
    shown = shown[shown["estimand"] == first]
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = empty_figure(7.0, 1.3 + 0.42 * len(shown))
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for place, row in enumerate(shown.itertuples()):
            colour = COLOURS.get(row.kind, NONE)
            axis.plot(
                [row.turned_low, row.turned_high],
                [place] * 2,
                color=colour,
                linewidth=2.2,
                solid_capstyle="butt",
            )
            face = colour if row.kind in ("helps", "hurts") else "white"
            axis.plot(row.turned, place, "o", color=colour, markerfacecolor=face, markersize=6, zorder=3)
        axis.set_yticks(range(len(shown)), list(shown["stage"]))
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color=PALE, linewidth=0.6)
        axis.set_axisbelow(True)
        label = f"gain in {metric} of {task}, right is better; 95 % intervals over seeds"
        also = f"\nshown: {first}; by estimand=: {', '.join(others)}" if others else ""
        axis.set_xlabel(label + also, fontsize=9)
        axis.set_title(summary.head.title)
    return figure


def curves(summary: Summary, task: str | None = None, *, metric: str | None = None) -> Figure:
    """Score against tokens: mean over seeds of each arm, and the range of its seeds; nothing is smoothed."""
    metric, task = metric or summary.head.primary, task or summary.head.headline
    shown = frames.curves(summary, task, metric=metric)
    if shown.empty:
        raise DataError(f"{summary.head.name} has no curve of {metric} of {task}")
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = empty_figure(7.5, 4.2)
        for number, (arm, part) in enumerate(shown.groupby("arm", sort=False)):
            told = part.groupby("tokens")["score"].agg(["mean", "min", "max"])
            colour, style = LINES[number % len(LINES)], ("-", "--", ":", "-.")[number // len(LINES) % 4]
            width = 2.4 if arm == summary.head.reference else 1.3
            axis.plot(told.index, told["mean"], style, color=colour, linewidth=width, label=arm)
            axis.fill_between(told.index, told["min"], told["max"], color=colour, alpha=0.12, linewidth=0)
        axis.set_xlabel("training tokens")
        axis.set_ylabel(f"{metric} of {task}")
        axis.grid(color=PALE, linewidth=0.6)
        axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        axis.set_title(summary.head.title)
    return figure
