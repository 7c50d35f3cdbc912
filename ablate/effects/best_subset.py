"""The subset of stages that an additive model predicts to be best, with an interval that allows for the choice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f

from ablate.effects.estimate import check_level, check_scores


@dataclass(frozen=True)
class BestSubset:
    """A prediction; it was not run unless an arm says so.

    Attributes:
        keep: shape (n_factors,), whether each stage is in the subset.
        score: predicted mean score of the subset.
        gain: predicted score minus the full recipe's predicted score; zero where the full recipe is best.
        ci_low, ci_high: of the gain, valid for every subset at once, so that picking the best does not
            flatter it; NaN where no spread was measured.
    """

    keep: tuple[bool, ...]
    score: float
    gain: float
    ci_low: float
    ci_high: float


def best_subset(
    scores: ArrayLike, absent: ArrayLike, *, higher_is_better: bool, level: float = 0.95
) -> BestSubset:
    """Predict the best subset in the model score = mean + sum of the absent stages' effects.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run; seeds with a gap are left out.
        absent: shape (n_arms, n_factors), 1 where the arm lacks the stage.
        higher_is_better: direction of the metric.
        level: simultaneous coverage, in (0, 1).
    Raises:
        ValueError: for shapes that do not fit, or arms that do not identify every stage's effect.
    Source: Scheffe, "The Analysis of Variance" (1959), for all contrasts at once. Reference in tests:
    brute force over all subsets, coverage by simulation.
    """
    check_level(level)
    table, lacks = check_scores(scores), np.asarray(absent, dtype=np.float64)
    if lacks.ndim != 2 or len(lacks) != len(table):
        raise ValueError(f"absent must have one row per arm, {len(table)}, got shape {lacks.shape}")
    model = np.hstack([np.ones((len(table), 1)), lacks])
    if np.linalg.matrix_rank(model) < model.shape[1]:
        raise ValueError("these arms do not identify every stage's effect")
    table = table[:, np.isfinite(table).all(axis=0)]
    inverse = np.linalg.pinv(model)
    coefficients = inverse @ table.mean(axis=1)
    worse = coefficients[1:] <= 0.0 if higher_is_better else coefficients[1:] >= 0.0
    gone = np.concatenate([[0.0], (~worse).astype(float)])
    gain = float(gone @ coefficients)
    n_arms, n_seeds = table.shape
    low = high = math.nan
    if n_seeds > 1:
        rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        df, k = (n_arms - 1) * (n_seeds - 1), lacks.shape[1]
        variance = float((rest**2).sum()) / df * float(((gone @ inverse) ** 2).sum()) / n_seeds
        half = math.sqrt(k * float(f.ppf(level, k, df)) * variance)
        low, high = gain - half, gain + half
    return BestSubset(tuple(worse.tolist()), float(coefficients[0] + gain), gain, low, high)
