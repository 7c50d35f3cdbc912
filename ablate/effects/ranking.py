"""How far apart gains must be for a study to put them in the right order, and how many seeds that takes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri
from scipy.stats import chi2

from ablate.effects.estimate import Floats

DRAWS = 100_000
"""Simulated errors of all gains together; their 95 % point is then right within 0.3 %."""
SPREADS = 200
"""Quantiles of the measured noise that the errors are set against."""
MOST_SEEDS = 64


def ranking_distance(
    weights: ArrayLike, n_seeds: int, *, confidence: float = 0.95, unpaired: bool = False
) -> float:
    """State the distance beyond which a table of gains puts every pair in the right order.

    The gains' errors have one range, the largest less the smallest. Where it is below a distance, every two gains that
    truly differ by more are in the right order, all pairs together and whatever the gains are (Tukey 1953). The
    distance is also the half-width of the simultaneous intervals of all differences.

    Args:
        weights: shape (n_gains, n_arms), n_gains >= 2, each row summing to zero.
        n_seeds: of every arm, at least 2.
        confidence: share of studies in which the whole order holds, in (0, 1).
        unpaired: whether every arm has seeds of its own; else what a seed does to all arms cancels.
    Returns:
        Distance in units of the noise of a run, which the study measures itself, pooled over its arms; infinite with one seed.
    Raises:
        ValueError: for fewer than two gains, or a confidence out of range.
    Source: Tukey (1953), "The problem of multiple comparisons". Reference in tests: `scipy.stats.studentized_range`.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) < 2:
        raise ValueError(f"a ranking needs two gains or more, got weights of shape {matrix.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    if n_seeds < 2:
        return math.inf
    df = noise_df(matrix.shape[1], n_seeds, unpaired=unpaired)
    return _quantile(matrix.tobytes(), matrix.shape, df, confidence) / math.sqrt(n_seeds)


def noise_df(n_arms: int, n_seeds: int, *, unpaired: bool = False) -> int:
    """Return the degrees of freedom with which a study without gaps measures the noise of a run."""
    return n_arms * (n_seeds - 1) if unpaired or n_arms == 1 else (n_arms - 1) * (n_seeds - 1)


def seeds_to_rank(
    weights: ArrayLike,
    noise: float,
    df: float,
    within: float,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    unpaired: bool = False,
    sphericity: float = 1.0,
) -> int | None:
    """Count the seeds with which a study will probably rank its gains within a distance.

    The study will measure its own noise, and what is known of it now was measured with few runs or read off a law. So the
    seeds are enough when the distance that the study will state is at most `within` with chance `power`: the ratio of
    the two measured variances is F distributed (Kupper & Hafner 1989 plan the width of an interval like this).

    Args:
        weights: shape (n_gains, n_arms), each row summing to zero.
        noise: standard deviation of a run as known now, above zero, in the metric's units.
        df: degrees of freedom behind it, above zero; infinite where it is taken for certain.
        within: distance beyond which gains must be in the right order, above zero, same units.
        confidence: of the order, all pairs together.
        power: chance that the study states at most `within`.
        unpaired: whether every arm has seeds of its own.
        sphericity: share of its degrees of freedom that the noise measured by the study will keep, in (0, 1]; below 1 where arms differ in noise.
    Returns:
        At least 2; None where `MOST_SEEDS` are not enough.
    Raises:
        ValueError: for a noise, df or distance not above zero, or a power or sphericity out of range.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if not (noise > 0 and df > 0 and within > 0):
        raise ValueError(f"noise, df and within must be above zero, got {noise}, {df}, {within}")
    if not 0 < power < 1:
        raise ValueError(f"power must be in (0, 1), got {power}")

    if not 0 < sphericity <= 1:
        raise ValueError(f"sphericity must be in (0, 1], got {sphericity}")

    def enough(seeds: int) -> bool:
        distance = ranking_distance(matrix, seeds, confidence=confidence, unpaired=unpaired)
        own = sphericity * noise_df(matrix.shape[1], seeds, unpaired=unpaired)
        return noise * distance * measured_ratio(own, df, power) <= within

    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS  # one never is; more seeds always state less
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def measured_ratio(df: float, known_df: float, chance: float) -> float:
    """Return the ratio of a standard deviation yet to be measured to the known one, which is not passed with a chance.

    Args:
        df: with which it will be measured.
        known_df: behind the known one; infinite for certain.
        chance: in (0, 1).
    """
    if math.isinf(known_df):
        return math.sqrt(float(chi2.ppf(chance, df)) / df)
    return math.sqrt(float(fdtri(df, known_df, chance)))


@lru_cache(maxsize=64)
def _ranges(weights: bytes, shape: tuple[int, int]) -> Floats:
    """Ranges of the gains' errors for runs of noise 1 and one seed, ascending, shape (DRAWS,)."""
    matrix = np.frombuffer(weights).reshape(shape)
    errors = np.random.default_rng(0).normal(size=(DRAWS, shape[1])) @ matrix.T
    return np.sort(np.ptp(errors, axis=1))


@lru_cache(maxsize=4096)
def _quantile(weights: bytes, shape: tuple[int, int], df: int, confidence: float) -> float:
    """Quantile of the range of the gains' errors over a noise measured with `df`."""
    ranges = _ranges(weights, shape)
    spread = np.sqrt(chi2.ppf((np.arange(SPREADS) + 0.5) / SPREADS, df) / df)
    low, high = 0.0, float(ranges[-1]) / float(spread[0])
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        kept = np.searchsorted(ranges, middle * spread, side="right").mean() / len(ranges)
        low, high = (low, middle) if kept >= confidence else (middle, high)
    return high
