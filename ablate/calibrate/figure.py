"""Figures of a calibration: coverage of every simulated cell; estimates against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from ablate.calibrate.populations import POPULATIONS
from ablate.calibrate.simulate import BAND, Cell
from ablate.calibrate.trained import Trained
from ablate.render.figure import HELPS, HURTS, INK, LINES, NONE, PALE, STYLE, empty_figure, save

DPI = 130


def coverage(cells: Sequence[Cell], path: Path) -> None:
    """One row per kind of noise, one mark per design, estimand and whether arms share their seeds."""
    rows = [name for name in POPULATIONS if any(c.noise == name for c in cells)]
    seeds = sorted({c.seeds for c in cells})
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(2.4 + 2.4 * len(seeds), 1.6 + 0.34 * len(rows), len(seeds))
        for axis, n in zip(axes, seeds, strict=True):
            axis.axvspan(100 * BAND[0], 100 * BAND[1], color=PALE, zorder=0)
            axis.axvline(95, color=INK, linewidth=0.8, zorder=1)
            for cell in cells:
                if cell.seeds == n and not cell.interactions:
                    y = rows.index(cell.noise) + (-0.17 if cell.shared else 0.17)
                    colour = HURTS if cell.narrow else NONE if cell.wide else HELPS
                    axis.plot(
                        100 * cell.coverage,
                        y,
                        "o" if cell.shared else "s",
                        color=colour,
                        markersize=3,
                        alpha=0.6,
                    )
            names = [name.replace("_", " ") for name in rows] if axis is axes[0] else [""] * len(rows)
            axis.set_yticks(range(len(rows)), names, fontsize=8)
            axis.set_ylim(len(rows) - 0.5, -0.5)
            axis.tick_params(axis="y", length=0)
            axis.set_title(f"{n} seeds", fontsize=10)
            axis.set_xlim(50, 100)
        for label, colour, marker in (
            ("held", HELPS, "o"),
            ("wider than needed", NONE, "o"),
            ("too narrow: not claimed", HURTS, "o"),
            ("arms share seeds", INK, "o"),
            ("each arm its own", INK, "s"),
        ):
            axes[-1].plot([], [], marker, color=colour, markersize=4, label=label)
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        figure.suptitle("Coverage of 95 % intervals; band 93.5 to 96.5 %", x=0.01, ha="left", weight="bold")
        figure.supxlabel(
            "studies whose interval held the truth, %: mean over contrasts, a mark for each design and estimand",
            fontsize=9,
        )
    save(figure, path, dpi=DPI)


def trained(found: Mapping[str, Trained], path: Path) -> None:
    """Three-seed estimates with their intervals by the truth of the other seeds, and detection against power."""
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(4.6 * (len(found) + 1), 4.2, len(found) + 1)
        for axis, (name, one) in zip(axes, found.items(), strict=False):
            factors = list(dict.fromkeys(c.factor for c in one.contrasts))
            ends = [c.truth for c in one.contrasts]
            width = (max(ends) - min(ends)) or 1.0
            for c in one.contrasts:
                there = [other for other in one.contrasts if other.factor == c.factor]
                x = c.truth + 0.012 * width * (there.index(c) - len(there) / 2) / len(there) * 6
                colour = NONE if c.covered else HURTS
                axis.plot([x, x], [c.ci_low, c.ci_high], color=colour, linewidth=0.9, zorder=1)
                axis.plot(
                    x, c.estimate, "o", color=LINES[1 + factors.index(c.factor) % 7], markersize=3, zorder=2
                )
            span = [min(ends) - 0.05 * width, max(ends) + 0.05 * width]
            axis.plot(span, span, color=INK, linewidth=0.9)
            for number, factor in enumerate(factors):
                axis.plot([], [], "o", color=LINES[1 + number % 7], markersize=4, label=factor)
            low, high = np.percentile([v for c in one.contrasts for v in (c.ci_low, c.ci_high)], [2, 98])
            axis.set_ylim(low, high)
            axis.legend(frameon=False, fontsize=7)
            axis.set_title(f"{name}: {one.seeds} seeds against the rest", fontsize=10)
            axis.set_xlabel("gain, mean of the other seeds")
            axis.set_ylabel(f"gain from {one.seeds} seeds, 95 % interval")
        axis = axes[-1]
        axis.plot([0, 100], [0, 100], color=INK, linewidth=0.8)
        for number, (name, one) in enumerate(found.items()):
            for factor in dict.fromkeys(c.factor for c in one.contrasts):
                there = [c for c in one.contrasts if c.factor == factor]
                axis.plot(
                    100 * float(np.mean([c.power for c in there])),
                    100 * float(np.mean([c.p_value <= 0.05 for c in there])),
                    "o",
                    color=(HELPS, HURTS, NONE)[number % 3],
                    label=name if factor == there[0].factor and factor == one.contrasts[0].factor else None,
                )
        axis.set_title("detected against predicted", fontsize=10)
        axis.set_xlabel("predicted power, %")
        axis.set_ylabel("small studies with p <= 0.05, %")
        axis.legend(frameon=False, fontsize=8)
    save(figure, path, dpi=DPI)
