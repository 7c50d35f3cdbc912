"""Runs that failed: their rate is an effect of its own, and the gain of those that did not is a gain of survivors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import fisher_exact

from ablate.effects.estimate import check_scores, check_weights


def failure_p(failed: int, runs: int, other_failed: int, other_runs: int) -> float:
    """Test whether two arms fail equally often.

    Args:
        failed, runs: of one arm.
        other_failed, other_runs: of the other.
    Returns:
        Two-sided p-value of Fisher's exact test.
    Raises:
        ValueError: for more failures than runs.
    Source: Fisher (1934). Reference in tests: the hypergeometric probabilities summed by hand.
    """
    if not (0 <= failed <= runs and 0 <= other_failed <= other_runs):
        raise ValueError(f"more failures than runs: {failed} of {runs}, {other_failed} of {other_runs}")
    table = [[failed, runs - failed], [other_failed, other_runs - other_failed]]
    return float(fisher_exact(table).pvalue)


def worst_case(scores: ArrayLike, weights: ArrayLike, *, higher_is_better: bool) -> float:
    """Bound a gain by giving every failed run the worst score that any run had.

    Where the runs that fail are those that would have scored worst, the gain of the survivors is biased against the
    arm that fails less: by 0.3 standard deviations of a run when a fifth fails, 0.55 when two fifths do (simulated).

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a failed run.
        weights: shape (n_arms,), summing to zero.
        higher_is_better: direction of the metric.
    Returns:
        The gain, in the metric's units; NaN without any score.
    Raises:
        ValueError: for shapes that do not fit, or weights that do not sum to zero.
    """
    table = check_scores(scores)
    vector = check_weights(weights, len(table))
    there = table[np.isfinite(table)]
    if there.size == 0:
        return math.nan
    worst = there.min() if higher_is_better else there.max()
    return float(vector @ np.where(np.isfinite(table), table, worst).mean(axis=1))
