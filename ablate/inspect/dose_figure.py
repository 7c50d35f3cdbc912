"""Figure of a dose-response curve: retention, diversity and score, one above the other."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.inspect.dose import SHOWN, Curve
from ablate.render.figure import HELPS, HURTS, INK, NONE, PALE, STYLE


def dose_figure(curve: Curve, title: str) -> Figure:
    """Panels that share the parameter's axis; the dashed line is the recipe's own value."""
    with matplotlib.rc_context(STYLE):
        count = 2 if curve.response is None else 3
        figure = Figure(figsize=(6.8, 1.2 + 2.0 * count), layout="constrained")
        axes = list(figure.subplots(count, 1, sharex=True))
        values = np.array([level.value for level in curve.levels])
        _retention(axes[0], curve, values)
        _diversity(axes[1], curve, values)
        if curve.response is not None:
            _score(axes[2], curve, values)
        for axis in axes:
            axis.axvline(curve.own, color=INK, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
            axis.grid(color=PALE, linewidth=0.6)
            axis.set_axisbelow(True)
        axes[-1].set_xlabel(
            f"{curve.parameter.removeprefix('stages.')}; dashed: the recipe's own value", fontsize=9
        )
        figure.suptitle(f"{title}: {curve.factor}", x=0.01, ha="left", weight="bold")
    return figure


def _retention(axis: Axes, curve: Curve, values: np.ndarray) -> None:
    kept = np.array([100 * level.documents / curve.n_documents for level in curve.levels])
    axis.plot(values, kept, "o-", color=HELPS, markersize=4.5, linewidth=1.6)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("documents kept, %", fontsize=9)
    axis.set_title("retention: after the whole recipe", fontsize=10)


def _diversity(axis: Axes, curve: Curve, values: np.ndarray) -> None:
    spreads = [curve.spread(level) for level in curve.levels]
    there = np.array([spread is not None for spread in spreads])
    axis.set_ylabel(SHOWN.replace("_", "-"), fontsize=9)
    axis.set_title(f"diversity: range of samples of {curve.diversity.n_words:,} words", fontsize=10)
    if not there.any():
        axis.text(0.5, 0.5, "too little text to compare", transform=axis.transAxes, ha="center", color=NONE)
        return
    mean, low, high = np.array([spread for spread in spreads if spread is not None]).T
    axis.plot(values[there], mean, "o-", color=HELPS, markersize=4.5, linewidth=1.6)
    axis.fill_between(values[there], low, high, color=HELPS, alpha=0.15, linewidth=0)


def _score(axis: Axes, curve: Curve, values: np.ndarray) -> None:
    assert curve.response is not None
    scores = curve.response.scores
    there = np.isfinite(scores).any(axis=1)
    for seed in scores.T:
        axis.plot(values, seed, ".", color=NONE, markersize=5, zorder=2)
    axis.plot(
        values[there], np.nanmean(scores[there], axis=1), "o-", color=HURTS, markersize=4.5, linewidth=1.6
    )
    better = "higher" if curve.response.higher_is_better else "lower"
    axis.set_ylabel(curve.response.metric, fontsize=9)
    axis.set_title(f"score: mean over seeds, grey: each seed ({better} is better)", fontsize=10)
