"""Interval of a ratio of two means, such as the turning point of a curve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ablate.effects.estimate import check_level


def ratio_of_means(above: ArrayLike, below: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float]:
    """Estimate the ratio of the means of paired values, with Fieller's interval.

    Args:
        above, below: shape (n_seeds,), the two values under each seed.
        level: two-sided coverage, in (0, 1).
    Returns:
        Ratio, low, high. The ends are NaN when `below` is not clear of zero (the interval is then
        unbounded) and with fewer than two seeds.
    Raises:
        ValueError: for shapes that differ.
    Source: Fieller, JRSS B 16 (1954). Reference in tests: coverage by simulation.
    """
    check_level(level)
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"expected two vectors of one length, got {a.shape} and {b.shape}")
    n = a.size
    top, bottom = float(a.mean()), float(b.mean())
    ratio = top / bottom if bottom else math.nan
    if n < 2:
        return ratio, math.nan, math.nan
    t = float(stdtrit(n - 1, 0.5 + level / 2))
    (var_a, covariance), (_, var_b) = np.cov(a, b) / n
    g = t * t * var_b / bottom**2 if bottom else math.inf
    if not g < 1.0:
        return ratio, math.nan, math.nan
    inner = (
        var_a
        - 2 * ratio * covariance
        + ratio**2 * var_b
        - g * (var_a - covariance**2 / var_b if var_b else 0.0)
    )
    half = t * math.sqrt(max(0.0, inner)) / abs(bottom)
    centre = ratio - g * covariance / var_b if var_b else ratio
    return ratio, (centre - half) / (1 - g), (centre + half) / (1 - g)
