"""What sharing seeds between arms brings: how much of the seed noise arms have in common."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import check_scores


def seed_correlation(scores: ArrayLike) -> float:
    """Correlation between two arms of what one seed does to both.

    A paired difference then has 1 - correlation of the variance that a difference between runs of
    different seeds has; 0 or below says that sharing seeds brings nothing.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run; arms with a gap are left out.
    Returns:
        Intra-class correlation of the additive model, pooled over arms; NaN with fewer than two arms or
        seeds, or without any spread.
    Source: Shrout & Fleiss (1979), ICC(3,1). Reference in tests: known correlation, by simulation.
    """
    table = check_scores(scores)
    table = table[np.isfinite(table).all(axis=1)]
    n_arms, n_seeds = table.shape
    if n_arms < 2 or n_seeds < 2:
        return math.nan
    centred = table - table.mean(axis=1, keepdims=True)
    between = n_arms * float((centred.mean(axis=0) ** 2).sum()) / (n_seeds - 1)
    within = float(((centred - centred.mean(axis=0)) ** 2).sum()) / ((n_arms - 1) * (n_seeds - 1))
    total = between + (n_arms - 1) * within
    return (between - within) / total if total > 0.0 else math.nan
