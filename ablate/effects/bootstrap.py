"""Hierarchical bootstrap: seeds and items drawn anew together, items paired between arms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import check_level, check_weights


def hierarchical_bootstrap(
    items: ArrayLike,
    weights: ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = 2_000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval of a contrast over other seeds and other items at once.

    Each resample draws seeds with replacement, and items with replacement, the same items for every arm
    and seed, since arms answer the same questions. What a resample's mean lacks in spread with few
    seeds is put back by the factor sqrt(n / (n - 1)) in each direction.

    Args:
        items: shape (n_arms, n_seeds, n_items), the score of each item, NaN for a missing run.
        weights: shape (n_arms,), summing to zero.
        rng: of the resampling.
        resamples: how many.
        level: two-sided coverage, in (0, 1).
    Returns:
        Bootstrap-t style interval: the contrast -/+ the t quantile of (seeds - 1) degrees of freedom times the bootstrap's
        standard deviation. (nan, nan) with fewer than two complete seeds or items.
    Raises:
        ValueError: for shapes that do not fit or weights that do not sum to zero.
    Source: Efron & Tibshirani (1993), chapter 8; Sellam et al., "The MultiBERTs", arXiv 2106.16163
    (seeds and items together). Reference in tests: the variance of a two-way table, in closed form.
    """
    from scipy.special import stdtrit

    check_level(level)
    table = np.asarray(items, dtype=np.float64)
    if table.ndim != 3:
        raise ValueError(f"items must have shape (n_arms, n_seeds, n_items), got {table.shape}")
    vector = check_weights(weights, len(table))
    used = vector != 0.0
    complete = np.isfinite(table[used]).all(axis=(0, 2))
    contrast = np.einsum("a,asi->si", vector[used], table[used][:, complete])
    n_seeds, n_items = contrast.shape
    if n_seeds < 2 or n_items < 2:
        return math.nan, math.nan
    sd = bootstrap_sd(contrast, rng, resamples)
    half = float(stdtrit(n_seeds - 1, 0.5 + level / 2)) * sd
    centre = float(contrast.mean())
    return centre - half, centre + half


def bootstrap_sd(contrast: np.ndarray, rng: np.random.Generator, resamples: int) -> float:
    """Standard deviation of the mean of a (seeds x items) table when both are drawn anew.

    Args:
        contrast: shape (n_seeds, n_items), no gaps.
        rng, resamples: of the resampling.
    """
    n_seeds, n_items = contrast.shape
    centre = contrast.mean()
    by_seed = (contrast.mean(axis=1, keepdims=True) - centre) * math.sqrt(n_seeds / (n_seeds - 1))
    by_item = (contrast.mean(axis=0, keepdims=True) - centre) * math.sqrt(n_items / (n_items - 1))
    rest = contrast - contrast.mean(axis=1, keepdims=True) - contrast.mean(axis=0, keepdims=True) + centre
    widened = centre + by_seed + by_item + rest
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=resamples) / n_seeds
    drawn = rng.multinomial(n_items, np.full(n_items, 1 / n_items), size=resamples) / n_items
    means = np.einsum("rs,si,ri->r", seeds, widened, drawn, optimize=True)
    return float(means.std(ddof=1))
