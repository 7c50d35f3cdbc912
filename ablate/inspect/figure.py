"""Figures of the views: retention by group, and candidates by true similarity; SVG and PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.inspect.retention import Retention, leads
from ablate.render.figure import HELPS, HURTS, INK, NONE, PALE, STYLE

SHOWN = 4
"""Groups per stage and direction."""
LABEL = 38


def retention_figure(lines: Sequence[Retention], title: str) -> Figure:
    """A panel for each stage with groups that stand out: their shares kept beside the stage's own."""
    stages = list(dict.fromkeys(line.stage for line in lines))
    panels = {stage: _chosen([line for line in lines if line.stage == stage]) for stage in stages}
    quiet = [stage for stage in stages if not panels[stage]]
    panels = {stage: shown for stage, shown in panels.items() if shown}
    with matplotlib.rc_context(STYLE):
        columns = min(2, max(1, len(panels)))
        depth = [
            max(len(shown) for shown in list(panels.values())[first : first + columns])
            for first in range(0, len(panels), columns)
        ] or [1]
        height = 0.95 + sum(0.85 + 0.27 * count for count in depth)
        figure = Figure(figsize=(1.4 + 5.8 * columns, height), layout="constrained")
        # A panel needs room for its title and ticks as well, about three rows.
        ratios = [count + 3 for count in depth]
        axes = figure.subplots(len(depth), columns, squeeze=False, height_ratios=ratios).ravel()
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        for number, (stage, shown) in enumerate(panels.items()):
            _panel(axes[number], stage, shown, depth[number // columns])
        if not panels:
            axes[0].text(0, 0.5, "No group stands out from its stage's overall share.", va="center")
        figure.suptitle(f"{title}: whom each stage removes", x=0.01, ha="left", weight="bold")
        notes = (
            "documents kept, %, with Wilson's 95 % intervals; in brackets: documents that reached the stage\n"
            "dashed: the stage's overall share; orange: removed more often than that; blue: less often"
        )
        if quiet:
            notes += "\n" + textwrap.fill(f"no group stands out: {', '.join(quiet)}", 110)
        figure.supxlabel(notes, fontsize=9)
    return figure


def _chosen(lines: Sequence[Retention]) -> list[Retention]:
    shown = [*leads(lines, "over-removed")[:SHOWN], *leads(lines, "under-removed")[:SHOWN]]
    return sorted(shown, key=lambda line: (line.share, line.column, line.group))


def _panel(axis: Axes, stage: str, shown: Sequence[Retention], depth: int) -> None:
    overall = 100 * shown[0].overall
    axis.axvline(overall, color=INK, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    for position, line in enumerate(shown):
        colour = HURTS if line.lead == "over-removed" else HELPS
        axis.plot(
            [100 * line.low, 100 * line.high],
            [position] * 2,
            color=colour,
            linewidth=2.2,
            solid_capstyle="butt",
        )
        axis.plot(100 * line.share, position, "o", color=colour, markersize=5.5, zorder=3, clip_on=False)
    names = [textwrap.shorten(line.group, LABEL, placeholder=" ...") or line.group[:LABEL] for line in shown]
    labels = [f"{line.column}: {name} ({line.before:,})" for line, name in zip(shown, names, strict=True)]
    axis.set_yticks(range(len(shown)), labels, fontsize=8.5)
    axis.set_ylim(depth - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlim(0, 100)
    axis.set_title(f"{stage} (keeps {overall:.1f} %)", fontsize=10)


def curve_figure(
    similarity: np.ndarray,
    theory: np.ndarray | None,
    bins: Sequence[tuple[float, int, int, float, float]],
    title: str,
) -> Figure:
    """Share of pairs that became candidates, by true similarity, with the S-curve.

    Args:
        similarity, theory: shape (k,) each: the curve; None for a stage without one.
        bins: mean similarity, pairs, candidates, low and high end of the share's interval.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axis = figure.subplots()
        if theory is not None:
            axis.plot(similarity, theory, color=NONE, linewidth=1.6, label="1 - (1 - s^rows)^bands", zorder=1)
        for number, (where, pairs, candidates, low, high) in enumerate(bins):
            label = "observed, 95 % interval" if number == 0 else None
            axis.plot([where] * 2, [low, high], color=HELPS, linewidth=2.2, solid_capstyle="butt")
            axis.plot(
                where,
                candidates / pairs,
                "o",
                color=HELPS,
                markersize=5.5,
                label=label,
                zorder=3,
                clip_on=False,
            )
            axis.annotate(
                f"{pairs:,}",
                (where, high),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                va="bottom",
                rotation=90,
                fontsize=7.5,
            )
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.2)
        axis.set_yticks(np.linspace(0, 1, 6))
        axis.set_xlabel("true Jaccard similarity of the shingles; numbers: pairs", fontsize=9)
        axis.set_ylabel("share of pairs that are candidates", fontsize=9)
        axis.grid(color=PALE, linewidth=0.6)
        axis.set_axisbelow(True)
        if bins or theory is not None:
            axis.legend(frameon=False, fontsize=8.5, loc="upper left")
        axis.set_title(title)
    return figure
