"""What a study would be able to see, before it runs: its contrasts on simulated scores of a given noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.power import detectable

SIMULATED = 100
"""Studies; with seven contrasts of three seeds each the figures have a relative error of about 4 %."""


@dataclass(frozen=True)
class Forecast:
    """Of one contrast.

    Attributes:
        seed_error: standard error, in the units of the noise; median over simulated studies.
        df: its degrees of freedom; median.
        stated: the effect that a report of such a study will name, which knows the noise from its own runs
            alone and allows for that; median, so half of the contrasts state less.
        mde: the effect that the estimator finds with the stated power where the noise is what was given;
            smaller than `stated` where seeds are few. NaN where nothing would be measured.
    """

    seed_error: float
    df: float
    stated: float
    mde: float


def forecast(
    weights: ArrayLike, n_seeds: int, noise: float, *, alpha: float = 0.05, power: float = 0.8
) -> list[Forecast]:
    """Forecast every contrast by running the estimator itself on scores without effects.

    So whatever rule the estimator has for variances and degrees of freedom is the forecast's too.

    Args:
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        n_seeds: seeds that all arms share.
        noise: standard deviation of a run's score beyond what its seed gives to all arms alike.
        alpha, power: of the test, before any correction for multiplicity.
    Returns:
        One per contrast; all NaN with fewer than two seeds.
    Raises:
        ValueError: for a noise not above zero.
    """
    if not noise > 0:
        raise ValueError(f"the noise must be above zero, got {noise}")
    matrix = np.asarray(weights, dtype=np.float64)
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, noise, size=(SIMULATED, matrix.shape[1], n_seeds))
    found = [estimate_contrasts(scores, matrix) for scores in drawn]
    errors, dfs = (
        np.array([[getattr(estimate, name) for estimate in study] for study in found])
        for name in ("seed_error", "df")
    )
    if not np.isfinite(errors).any():
        return [Forecast(math.nan, math.nan, math.nan, math.nan)] * len(matrix)
    size = np.sqrt((matrix**2).sum(axis=1))
    estimates = np.array([[estimate.estimate for estimate in study] for study in found])
    needed = stdtrit(dfs, 1 - alpha / 2) * errors
    # An effect is found where it carries the estimate past `needed`; the noise is the same either way.
    shortfall = np.concatenate([(needed - estimates) / size, (needed + estimates) / size]).ravel()
    reach = float(np.quantile(shortfall[np.isfinite(shortfall)], power))
    stated = np.array([[detectable(e, alpha=alpha, power=power) for e in study] for study in found])
    medians = [np.nanmedian(table, axis=0) for table in (errors, dfs, stated)]
    return [
        Forecast(float(error), float(df), float(said), reach * float(norm))
        for error, df, said, norm in zip(*medians, size, strict=True)
    ]


def typical(values: ArrayLike) -> float:
    """Median of what was measured; NaN without any."""
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    return float(np.median(array)) if array.size else math.nan
