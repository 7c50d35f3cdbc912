"""What sharing seeds between arms brings: how much of the seed noise arms have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri

from ablate.effects.estimate import check_level, check_scores

WORTH_IT = 0.3
"""Correlation above which a paired difference finds more than an unpaired one, although it has half the degrees
of freedom: about 0.2 where arms are equally noisy, 0.35 to above 0.4 where one of them has 6 to 9 times the variance
(leave-one-out, five seeds, simulated)."""


@dataclass(frozen=True)
class SeedCorrelation:
    """Correlation between two arms of what one seed does to both. Whatever could not be measured is NaN.

    Attributes:
        value: the correlation; a paired difference has 1 - value of the variance that one between runs of
            different seeds has. Biased towards zero with few seeds.
        low, high: its interval.
    """

    value: float
    low: float
    high: float


def seed_correlation(scores: ArrayLike, *, level: float = 0.95) -> SeedCorrelation:
    """Measure what seeds do to all arms alike.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run; arms with a gap are left out.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Intra-class correlation of the additive model, pooled over arms; all NaN with fewer than two arms or
        seeds, or without any spread.
    Raises:
        ValueError: for another number of dimensions, an infinite score, or a bad level.
    Source: Shrout & Fleiss (1979), ICC(3,1) and its exact interval. Reference in tests: known correlation, by
    simulation.
    """
    check_level(level)
    table = check_scores(scores)
    table = table[np.isfinite(table).all(axis=1)]
    n_arms, n_seeds = table.shape
    nothing = SeedCorrelation(math.nan, math.nan, math.nan)
    if n_arms < 2 or n_seeds < 2:
        return nothing
    centred = table - table.mean(axis=1, keepdims=True)
    df = n_seeds - 1, (n_arms - 1) * (n_seeds - 1)
    between = n_arms * float((centred.mean(axis=0) ** 2).sum()) / df[0]
    within = float(((centred - centred.mean(axis=0)) ** 2).sum()) / df[1]
    if not within > 0.0:
        return nothing if not between > 0.0 else SeedCorrelation(1.0, math.nan, math.nan)
    ratio, tail = between / within, (1 - level) / 2
    ratios = ratio, ratio / float(fdtri(*df, 1 - tail)), ratio / float(fdtri(*df, tail))
    return SeedCorrelation(*((one - 1) / (one + n_arms - 1) for one in ratios))


def advice(found: SeedCorrelation) -> str:
    """Tell how the next study of this kind should be planned; "" where nothing was measured."""
    if math.isnan(found.value):
        return ""
    known = "" if math.isnan(found.low) else f" [{found.low:+.2f}, {found.high:+.2f}]"
    better = "paired" if found.value > WORTH_IT else "unpaired"
    open_ = (
        ""
        if math.isnan(found.low) or not found.low <= WORTH_IT <= found.high
        else ", though this is not settled"
    )
    return (
        f"correlation between arms under one seed {found.value:+.2f}{known} (too low on average where seeds are few). Pairing finds "
        f"more above about {WORTH_IT:g}: plan the next study with design.pairing={better}{open_}."
    )
