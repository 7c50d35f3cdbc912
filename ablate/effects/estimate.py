"""What every contrast yields: estimate, interval, spread and p-value, travelling together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One contrast between arms. Whatever could not be measured is NaN.

    Attributes:
        estimate: the weighted sum of the arms' scores, in the metric's units.
        ci_low, ci_high: two-sided interval, in the metric's units.
        n_seeds: seeds in which every arm of the contrast has a score.
        seed_error: standard error of the estimate from retraining, in the metric's units; the
            interval is estimate -/+ t(df) * seed_error.
        df: degrees of freedom of the seed error.
        p_value: two-sided, of no difference, before any correction for multiplicity.
        method: how the spread was found: "paired", "pooled", "moderated", "borrowed", "identical",
            or "none" when it was not.
    """

    estimate: float
    ci_low: float
    ci_high: float
    n_seeds: int
    seed_error: float
    df: float
    p_value: float
    method: str


def t_estimate(
    estimate: float, *, variance: float, df: float, n_seeds: int, method: str, level: float
) -> Estimate:
    """Estimate with Student's t: interval and p-value.

    Args:
        estimate: in the metric's units.
        variance: of the estimate (the seed error squared); zero or NaN gives no interval, because a
            spread of zero is a score that hit its ceiling, not certainty.
        df: degrees of freedom of `variance`.
        n_seeds: seeds behind the estimate.
        method: see `Estimate`.
        level: two-sided coverage of the interval, in (0, 1).
    """
    if not variance > 0.0 or not df > 0.0:
        return unmeasured(estimate, n_seeds)
    error = math.sqrt(variance)
    half = float(stdtrit(df, 0.5 + level / 2)) * error
    p_value = 2.0 * float(stdtr(df, -abs(estimate) / error))
    return Estimate(estimate, estimate - half, estimate + half, n_seeds, error, df, p_value, method)


def unmeasured(estimate: float, n_seeds: int) -> Estimate:
    """Return an estimate without any measured spread: no interval, no p-value."""
    return Estimate(estimate, math.nan, math.nan, n_seeds, math.nan, math.nan, math.nan, "none")


def check_scores(scores: ArrayLike) -> Floats:
    """Check scores, an array of shape (n_arms, n_seeds), NaN for a missing run.

    Raises:
        ValueError: for another number of dimensions, or an infinite score.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"scores must have shape (n_arms, n_seeds), got {table.shape}")
    if np.isinf(table).any():
        raise ValueError("scores must be finite, or NaN for a missing run; got an infinity")
    return table


def check_weights(weights: ArrayLike, n_arms: int) -> Floats:
    """Check contrast weights of shape (n_arms,).

    Raises:
        ValueError: for another shape, weights that are not finite or all zero, or weights that do not
            sum to zero (whatever a seed adds to every arm would not cancel).
    """
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (n_arms,):
        raise ValueError(f"expected one weight per arm, shape ({n_arms},), got {vector.shape}")
    if not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"weights must be finite and not all zero, got {vector.tolist()}")
    if abs(vector.sum()) > 1e-9 * np.abs(vector).sum():
        raise ValueError(f"contrast weights must sum to zero, got a sum of {vector.sum():g}")
    return vector


def check_level(level: float) -> None:
    """Refuse a coverage outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}")


def seed_differences(scores: Floats, weights: Floats) -> Floats:
    """Return the weighted sum in each seed that has a score for every arm with a weight.

    Args:
        scores: shape (n_arms, n_seeds), NaN for a missing run.
        weights: shape (n_arms,).
    Returns:
        shape (n_complete_seeds,), in the metric's units.
    """
    used = weights != 0.0
    complete = np.isfinite(scores[used]).all(axis=0)
    return np.asarray(weights[used] @ scores[np.ix_(used, complete)])


def spread(scores: Floats, weights: Floats) -> float:
    """Return the variance of `seed_differences` between seeds, in squared units.

    Returns:
        Zero where the differences agree up to rounding (scores at their ceiling, or bit-identical
        runs); NaN with fewer than two complete seeds.
    """
    differences = seed_differences(scores, weights)
    if differences.size < 2:
        return math.nan
    largest = float(np.nanmax(np.abs(scores[weights != 0.0])))
    if np.ptp(differences) <= 1e-12 * float(np.abs(weights).sum()) * largest:
        return 0.0
    return float(differences.var(ddof=1))
