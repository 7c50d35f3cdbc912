"""Figures: stage gains, score against tokens, funnel; SVG and PNG, the same bytes every time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy import stats

from ablate.design.chains import GENERATION
from ablate.design.controls import PARTS
from ablate.effects.estimate import Floats
from ablate.effects.verdict import CLAIMS, Kind
from ablate.render.figure import HELPS, HURTS, INK, LINES, NONE, PALE, STYLE, empty_figure, save
from ablate.report.effects_table import headline
from ablate.report.row import Row, by_estimand, figure_name
from ablate.report.selection import splits
from ablate.study.results import AGGREGATE, HELDOUT, Study

COLOURS = {
    **dict.fromkeys((Kind.HELPS, Kind.MAY_HELP, Kind.SUGGESTS_HELP), HELPS),
    **dict.fromkeys((Kind.HURTS, Kind.MAY_HURT, Kind.SUGGESTS_HURT), HURTS),
}
"""Of a gain by its verdict; others are grey."""

HALF = 30
"""Characters of a long name that are shown at each end."""


OWN = re.compile(r"(curves|funnel|gains(_.*)?|generations|selection_and_volume)\.(svg|png)")
"""Names that figures of a report can have."""


def write_figures(study: Study, rows: Sequence[Row], folder: Path) -> list[str]:
    """Draw every figure that the records allow, and remove those of an earlier report that they no longer allow.

    Returns:
        Names of the figures.
    """
    drawn = {"curves": curves(study), "funnel": funnel(study), "generations": generations(study)}
    for number, (estimand, group) in enumerate(by_estimand(rows).items()):
        if estimand not in PARTS:
            drawn[figure_name(number, estimand)] = gains(study, group)
    if not study.waiting:
        drawn["selection_and_volume"] = selection_and_volume(study, rows)
    names = []
    for name, figure in drawn.items():
        if figure is None:
            continue
        save(figure, folder / name)
        names.append(name)
    for path in folder.glob("*"):
        if OWN.fullmatch(path.name) and path.stem not in names:
            path.unlink()
    return names


def _short(name: str) -> str:
    """A name that fits beside an axis: the middle of a longer one is left out."""
    return name if len(name) <= 2 * HALF else f"{name[: HALF - 1]} … {name[1 - HALF :]}"


def _colour(row: Row) -> str:
    return COLOURS.get(row.verdict.kind, NONE)


def gains(study: Study, rows: Sequence[Row]) -> Figure | None:
    """Gain of each contrast with its interval, in the design's order; right is always better."""
    lead = headline(rows, study)
    others = [row for row in rows if row.metric == study.primary and row.task != AGGREGATE]
    tasks = [task for task in study.tasks if any(row.task == task for row in others)]
    panels = (
        [("all tasks" if len(study.aggregated(study.primary)) > 1 else lead[0].task, lead)] if lead else []
    )
    if lead and (lead[0].task != AGGREGATE or len(study.aggregated(study.primary)) == 1):
        panels = []  # the task has a panel of its own
    panels += [(task, [row for row in others if row.task == task]) for task in tasks][: 5 - len(panels)]
    if not panels:
        return None
    with matplotlib.rc_context(STYLE):
        count = len(panels[0][1])
        figure, axes = empty_figure(3.1 + 2.9 * len(panels), 1.5 + 0.42 * count, len(panels))
        for axis, (title, shown) in zip(axes, panels, strict=True):
            _gain_panel(axis, shown, title, first=axis is axes[0])
        better = "" if study.metrics[study.primary] else ", turned so that right is better"
        what = "what each stage is worth" if study.curated else f"gain over {study.plan.reference}"
        figure.suptitle(f"{study.plan.title}: {what}", x=0.01, ha="left", weight="bold")
        figure.supxlabel(
            f"{lead[0].kind.replace('_', ' ')} in {study.primary}{better}; "
            + (
                "preliminary, planned runs are missing"
                if study.waiting
                else "bars are 95 % intervals over seeds"
            ),
            fontsize=9,
        )
    return figure


def _gain_panel(axis: Axes, rows: Sequence[Row], title: str, first: bool) -> None:
    axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for position, row in enumerate(rows):
        sign = 1 if row.higher_is_better else -1
        colour = _colour(row)
        if math.isnan(row.estimate):
            axis.text(0, position, " missing", va="center", color=HURTS, fontsize=9)
            continue
        if not math.isnan(row.ci_low):
            axis.plot(
                [sign * row.ci_low, sign * row.ci_high],
                [position] * 2,
                color=colour,
                linewidth=2.2,
                solid_capstyle="butt",
            )
        face = colour if row.verdict.kind in CLAIMS else "white"
        axis.plot(
            sign * row.estimate, position, "o", color=colour, markerfacecolor=face, markersize=6, zorder=3
        )
    axis.set_yticks(range(len(rows)), [_short(row.name) for row in rows] if first else [""] * len(rows))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.locator_params(axis="x", nbins=5)
    axis.set_title(title, fontsize=10)
    ends = [abs(end) for row in rows for end in (row.ci_low, row.ci_high, row.estimate)]
    if max((end for end in ends if not math.isnan(end)), default=0.0) > 0:
        axis.margins(x=0.08)


def curves(study: Study) -> Figure | None:
    """Primary score against tokens seen, mean over seeds with the range of the seeds."""
    points = sorted({point.tokens for record in study.records.values() for point in record.curve})
    tasks = study.aggregated(study.primary) or [
        task for task in study.tasks if study.primary in study.tasks[task].higher_is_better
    ]
    if len(points) < 2 or not tasks:
        return None
    with matplotlib.rc_context(STYLE):
        shown = tasks[:3]
        figure, axes = empty_figure(2.8 + 3.6 * len(shown), 4.2, len(shown))
        for axis, task in zip(axes, shown, strict=True):
            table = np.stack([study.scores(task, study.primary, point) for point in points])
            for number, arm in enumerate(study.arms):
                runs = table[:, number, :]
                runs = runs[:, np.isfinite(runs).any(axis=0)]
                if runs.shape[1] == 0:
                    continue
                there = np.isfinite(runs).any(axis=1)
                x, runs = np.asarray(points)[there], runs[there]
                style = ("-", "--", ":", "-.")[number // len(LINES) % 4]
                colour = LINES[number % len(LINES)]
                width = 2.4 if arm == study.plan.reference else 1.3
                axis.plot(
                    x,
                    np.nanmean(runs, axis=1),
                    style,
                    color=colour,
                    linewidth=width,
                    label=_short(arm),
                    zorder=3 if width > 2 else 2,
                )
                if runs.shape[1] > 1:
                    axis.fill_between(
                        x,
                        np.nanmin(runs, axis=1),
                        np.nanmax(runs, axis=1),
                        color=colour,
                        alpha=0.12,
                        linewidth=0,
                    )
            chance = study.tasks[task].chance.get(study.primary)
            if chance is not None:
                axis.axhline(chance, color=NONE, linestyle=(0, (2, 2)), linewidth=1)
                axis.text(points[-1], chance, "chance", color=NONE, fontsize=8, ha="right", va="bottom")
            axis.set_title(task if task != HELDOUT else "held-out text")
            axis.set_xlabel("training tokens")
            axis.xaxis.set_major_formatter(FuncFormatter(_tokens))
            axis.grid(color=PALE, linewidth=0.6)
        axes[0].set_ylabel(study.primary)
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    return figure


def generations(study: Study) -> Figure | None:
    """Score of every chain by generation: the mean over seeds, with its 95 % interval; a panel for each task."""
    arms = {name: levels for name, levels in study.plan.levels.items() if name in study.arms}
    if not any(factor.name == GENERATION for factor in study.plan.factors):
        return None
    chains: dict[str, list[tuple[int, str]]] = {}
    for name, levels in arms.items():
        rest = " ".join(level for factor, level in levels.items() if factor != GENERATION)
        chains.setdefault(rest, []).append((int(levels[GENERATION]), name))
    asked = dict.fromkeys([*((task, study.primary) for task in study.tasks), (HELDOUT, "bpb")])
    panels = [(task, metric) for task, metric in asked if study.has(task, metric)]
    if not panels:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(1.8 + 3.0 * len(panels), 3.6, len(panels))
        for axis, (task, metric) in zip(axes, panels, strict=True):
            scores = study.scores(task, metric)
            for number, (chain, members) in enumerate(chains.items()):
                members.sort()
                runs = scores[[study.arms.index(arm) for _, arm in members]]
                low, mean, high = _bands(runs)
                style = ("-", "--", ":", "-.")[number // len(LINES) % 4]
                colour, x = LINES[number % len(LINES)], [generation for generation, _ in members]
                axis.plot(x, mean, style, color=colour, linewidth=1.5, label=_short(chain or "chain"))
                axis.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            axis.set_title(task if task != HELDOUT else "held-out text")
            axis.set_xlabel("generation")
            axis.set_ylabel(metric)
            axis.set_xticks(sorted({int(levels[GENERATION]) for levels in arms.values()}))
            axis.grid(color=PALE, linewidth=0.6)
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        figure.suptitle(f"{study.plan.title}: by generation", x=0.01, ha="left", weight="bold")
    return figure


def _bands(runs: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean over seeds and the ends of its 95 % interval (Student's t): each shape (arms,); NaN where there are too few.

    Args:
        runs: shape (arms, seeds), NaN for what is missing.
    """
    count = np.isfinite(runs).sum(axis=1)
    mean, half = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    for place, many in enumerate(count.tolist()):
        if many:
            mean[place] = np.nanmean(runs[place])
        if many > 1:
            error = np.nanstd(runs[place], ddof=1) / math.sqrt(many)
            half[place] = stats.t.ppf(0.975, many - 1) * error
    return mean - half, mean, mean + half


def selection_and_volume(study: Study, rows: Sequence[Row]) -> Figure | None:
    """Each gain that a control splits above its two parts, with their intervals; right is always better."""
    found = splits(study, rows)
    if not found:
        return None
    sign = 1 if study.metrics[study.primary] else -1
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = empty_figure(7.5, 1.6 + 0.75 * len(found))
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for name, offset, colour in (
            ("gain", -0.25, INK),
            ("selection", 0.0, HELPS),
            ("volume", 0.25, LINES[1]),
        ):
            for place, split in enumerate(found):
                row = getattr(split, name)
                if row is None or math.isnan(row.estimate):
                    continue
                at = place + offset
                if not math.isnan(row.ci_low):
                    ends = [sign * row.ci_low, sign * row.ci_high]
                    axis.plot(ends, [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
                axis.plot(sign * row.estimate, at, "o", color=colour, markersize=5.5, zorder=3)
            axis.plot([], [], "o-", color=colour, label=name)
        axis.set_yticks(range(len(found)), [_short(split.stage) for split in found])
        axis.set_ylim(len(found) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color=PALE, linewidth=0.6)
        axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        better = "" if sign > 0 else ", turned so that right is better"
        axis.set_xlabel(f"{study.primary}{better}; bars are 95 % intervals over seeds", fontsize=9)
        figure.suptitle(f"{study.plan.title}: gain = selection + volume", x=0.01, ha="left", weight="bold")
    return figure


def _tokens(value: float, _: Any) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def funnel(study: Study) -> Figure | None:
    """Documents left after each stage of the reference arm, with the reasons for what was dropped."""
    lines = study.funnel(study.plan.reference)
    if lines is None:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(9, 1.1 + 0.42 * len(lines), 2)
        for axis, left, scale, unit in (
            (axes[0], [line["documents"] for line in lines], 1, "documents"),
            (axes[1], [line["bytes"] for line in lines], 1e6, "MB of text"),
        ):
            values = [count / scale for count in left]
            axis.barh(range(len(lines)), values, color=[INK] + [HELPS] * (len(lines) - 1), height=0.62)
            for position, value in enumerate(values):
                share = "" if position == 0 else f"  ({100 * value / values[position - 1]:.0f} % kept)"
                label = f"{value:,.0f}" if scale == 1 else f"{value:,.1f}"
                axis.text(value, position, f" {label}{share}", va="center", fontsize=8.5)
            names = [line["stage"] for line in lines] if axis is axes[0] else [""] * len(lines)
            axis.set_yticks(range(len(lines)), [_short(name) for name in names])
            axis.set_ylim(len(lines) - 0.5, -0.6)
            axis.set_xlim(0, max(values) * 1.32)
            axis.tick_params(axis="y", length=0)
            axis.set_xticks([])
            axis.spines["bottom"].set_visible(False)
            axis.set_title(f"{unit} left", fontsize=10)
        figure.suptitle(
            f"{study.plan.title}: funnel of arm {study.plan.reference}",
            x=0.01,
            ha="left",
            weight="bold",
        )
    return figure
