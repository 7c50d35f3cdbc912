"""Draw the figures of choosing_a_design.md with ablate's own designs, estimands and forecasts.

Run: python docs/choosing_a_design.py      (about half a minute)
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from choosing_a_design_numbers import DESIGNS, matrix_of
from matplotlib.figure import Figure

from ablate.design.add_one_in import AddOneIn
from ablate.design.base import Factor
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.effects.detectable import forecast
from ablate.estimand.base import contrasts_of
from ablate.render.figure import HELPS, HURTS, INK, NONE, PALE, STYLE

HERE = Path(__file__).parent / "figures"
STAGES = [Factor(name, ("on", "off")) for name in ("extract", "language", "gopher", "dedup")]


def noise() -> Figure:
    """Two recipes, six seeds: what one seed each says, and what all say."""
    rng = np.random.default_rng(4)
    shared, own = rng.normal(0, 0.02, 6), rng.normal(0, 0.012, (2, 6))
    full, less = 0.62 + shared + own[0], 0.60 + shared + own[1]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, (scores, colour) in enumerate(((full, HELPS), (less, HURTS))):
        left.plot(scores, [place] * 6, "o", color=colour, markersize=8, alpha=0.8)
    left.set_yticks([0, 1], ["full recipe", "without a stage"])
    left.set_ylim(1.6, -0.6)
    left.set_xlabel("score of each of six seeds")
    left.set_title("The same recipe scores differently every time")
    for seed in range(6):
        right.plot([0, 1], [less[seed], full[seed]], color=NONE, linewidth=1)
        right.plot([0, 1], [less[seed], full[seed]], "o", color=INK, markersize=5)
    gains = full - less
    half = 2.571 * gains.std(ddof=1) / np.sqrt(6)
    right.set_xticks([0, 1], ["without", "full"])
    right.set_xlim(-0.3, 1.3)
    right.set_ylabel("score")
    right.set_title(f"Paired by seed: gain {gains.mean():+.3f} ± {half:.3f}")
    return figure


def designs() -> Figure:
    """What each design runs: an arm per row, dark where a stage is on."""
    shown = {
        "leave one out": LeaveOneOut().arms(STAGES),
        "add one in": AddOneIn().arms(STAGES),
        "half of a factorial": FractionalFactorial(resolution=4).arms(STAGES),
        "full factorial": FullFactorial().arms(STAGES),
    }
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for axis, (title, arms) in zip(figure.subplots(1, 4), shown.items(), strict=True):
        grid = np.array([[levels[stage.name] == "on" for stage in STAGES] for levels in arms.values()])
        for row, line in enumerate(grid):
            for column, on in enumerate(line):
                axis.add_patch(
                    matplotlib.patches.Rectangle(
                        (column + 0.06, row + 0.1),
                        0.88,
                        0.8,
                        facecolor=HELPS if on else "white",
                        edgecolor=NONE,
                    )
                )
        axis.set_xlim(0, len(STAGES))
        axis.set_ylim(16, 0)
        axis.set_xticks(
            np.arange(len(STAGES)) + 0.5, [stage.name for stage in STAGES], rotation=60, fontsize=8.5
        )
        axis.xaxis.tick_top()
        axis.set_yticks([])
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
        axis.set_xlabel(f"{title}: {len(arms)} arms", fontsize=10, weight="bold")
    return figure


def redundancy() -> tuple[Figure, dict[str, list[float]]]:
    """Two stages that do the same work: `language` and `gopher` both drop the junk; `dedup` works alone."""
    names = [stage.name for stage in STAGES]
    arms = FullFactorial().arms(STAGES)

    def score(levels: dict[str, str]) -> float:
        on = {name: levels[name] == "on" for name in names}
        return 0.3 + 0.1 * on["extract"] + 0.2 * (on["language"] or on["gopher"]) + 0.1 * on["dedup"]

    scores = {arm: score(levels) for arm, levels in arms.items()}
    kinds = {"leave_one_out": "leave one out", "add_one_in": "add one in", "main_effect": "main effect", "shapley": "Shapley share"}  # fmt: skip
    gains = {
        title: [
            sum(weight * scores[arm] for arm, weight in spec.weights.items())
            for spec in contrasts_of([kind], arms, STAGES)
        ]
        for kind, title in kinds.items()
    }
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    for axis, (title, values) in zip(figure.subplots(1, 4), gains.items(), strict=True):
        axis.barh(range(4), values, color=HELPS, height=0.6)
        axis.set_yticks(range(4), names if title == "leave one out" else [""] * 4)
        axis.set_ylim(3.5, -0.5)
        axis.set_xlim(0, 0.24)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color=PALE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(f"sum {sum(values):.2f}", fontsize=9)
    return figure, gains


def economy() -> Figure:
    """Smallest effect against runs for seven stages, in units of the noise of a run."""
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axis = figure.subplots()
    for (name, (method, kind, unpaired)), colour in zip(DESIGNS.items(), (HURTS, INK, HELPS), strict=True):
        matrix = matrix_of(method, kind)
        arms = matrix.shape[1]
        seeds = [n for n in (2, 3, 4, 5, 6, 8, 10, 12, 16) if n * arms <= 132]
        values = [forecast(matrix, n, 1.0, unpaired=unpaired) for n in seeds]
        axis.plot(
            [n * arms for n in seeds],
            values,
            "o-",
            color=colour,
            label=f"{name.replace('_', ' ')} ({arms} arms)",
        )
    axis.set_yscale("log")
    axis.set_ylim(0.5, 12)
    axis.set_yticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    axis.minorticks_off()
    axis.set_xlabel("runs (arms x seeds)")
    axis.set_ylabel("smallest effect called helps or\nhurts (after Holm), in sd of a run")
    axis.grid(color=PALE, linewidth=0.6)
    axis.legend(frameon=False)
    axis.set_title("Seven stages; a main effect is about half a loss")
    return figure


def draw() -> None:
    HERE.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        redundant, gains = redundancy()
        drawn = {"noise": noise(), "designs": designs(), "redundancy": redundant, "economy": economy()}
        for name, figure in drawn.items():
            figure.savefig(HERE / f"design_{name}.png", dpi=130, metadata={"Software": None})
    for title, values in gains.items():
        print(title, [round(value, 3) for value in values])


if __name__ == "__main__":
    draw()
