"""The shape of seed noise: do the runs of an arm split into two groups, do all arms' runs lean to one side?

Intervals take noise for normal. A run that has or has not made a transition gives two groups, far apart; a bound
that scores crowd against gives a tail to one side. With few runs an arm alone says little, so the arms' evidence is
added up. Both statistics are free of an arm's mean and spread, so unequal noise does not disturb them, and what
normal noise gives is simulated, with seeds shared between arms as closely as they seem to be here.
`ablate calibrate` counts false alarms and what is noticed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Floats, check_scores
from ablate.effects.multiplicity import holm
from ablate.effects.pairing import seed_correlation

ALPHA = 0.05
"""Chance that normal noise is called split, and as much that it is said to lean to a side."""
FEWEST = 3
"""Runs of an arm: two have no shape."""
SIMULATED = 20_000
"""Draws of normal noise: arms for one arm's p-value, a fifth as many studies for all arms together."""
GRID = 0.1
"""Step of the correlation between arms for which normal noise is simulated."""


@dataclass(frozen=True, eq=False)
class Shape:
    """What is seen of the noise's shape. Whatever could not be measured is NaN.

    Attributes:
        split: shape (n_arms,), p-values of one group of runs in each arm, after Holm over the arms.
        split_p: of one group of runs in every arm, all arms together.
        skew: mean skewness of the arms' runs; below zero where the bad runs are far off.
        skew_p: two-sided, of noise that leans to no side, all arms together.
    """

    split: Floats
    split_p: float
    skew: float
    skew_p: float

    @property
    def split_arms(self) -> list[int]:
        """Arms whose runs are called split."""
        return [int(arm) for arm in np.flatnonzero(self.split <= ALPHA / 2)]

    @property
    def splits(self) -> bool:
        """Whether any runs are called split: half of alpha for single arms, half for all arms together."""
        return bool(self.split_arms) or self.split_p <= ALPHA / 2

    @property
    def leans(self) -> bool:
        """Whether noise is said to lean to one side."""
        return self.skew_p <= ALPHA


def noise_shape(scores: ArrayLike) -> Shape:
    """Test the shape of the noise of a study's runs.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run; arms that are the same runs once.
            Arms with fewer than three runs, or without a spread, are left out; all together only arms without
            a gap are looked at.
    Raises:
        ValueError: for another number of dimensions, or an infinite score.
    """
    table = check_scores(scores)
    own, runs = np.full(len(table), math.nan), np.isfinite(table).sum(axis=1)
    for n in set(runs.tolist()):
        if n >= FEWEST:
            arms = np.flatnonzero(runs == n)
            there = table[arms][np.isfinite(table[arms])].reshape(-1, n)
            moves = np.ptp(there, axis=1) > 0
            own[arms[moves]] = split_p_values(there[moves])
    whole = table[np.isfinite(table).all(axis=1)]
    whole = whole[np.ptp(whole, axis=1) > 0] if whole.size else whole
    if not len(whole) or whole.shape[1] < FEWEST:
        return Shape(holm(own), math.nan, math.nan, math.nan)
    shared = seed_correlation(whole).value
    correlation = 0.0 if math.isnan(shared) else min(max(shared, 0.0), 1 - GRID)
    split_p, skew_p = together(whole[None], correlation)
    return Shape(holm(own), float(split_p[0]), float(skewness(whole).mean()), float(skew_p[0]))


def split_ratio(runs: Floats) -> Floats:
    """Return the share of the spread that is left within the best two groups: small where runs split.

    Args:
        runs: shape (..., n), n >= 3, with a spread.
    Returns:
        Shape (...), in [0, 1]: sum of squares within the two groups over the whole, at the best of the n - 1 cuts of
        the sorted runs.
    Source: Engelman & Hartigan, "Percentage Points of a Test for Clusters", JASA 64 (1969), as its inverse.
    """
    ordered = np.sort(runs, axis=-1)
    ordered = ordered - ordered.mean(axis=-1, keepdims=True)
    n = ordered.shape[-1]
    below = ordered.cumsum(axis=-1)[..., :-1]
    size = np.arange(1, n)
    between = below**2 * n / (size * (n - size))  # the groups' sums are each other's negative
    total = (ordered**2).sum(axis=-1)
    return np.asarray(np.clip(1 - between.max(axis=-1) / total, 0.0, 1.0))


def best_cut(runs: Floats) -> tuple[Floats, Floats]:
    """Return the two groups of `split_ratio`, for one arm's runs of shape (n,): the lower and the upper one."""
    ordered = np.sort(runs)
    cuts = [ordered[:k].var() * k + ordered[k:].var() * (ordered.size - k) for k in range(1, ordered.size)]
    cut = 1 + int(np.argmin(cuts))
    return ordered[:cut], ordered[cut:]


def skewness(runs: Floats) -> Floats:
    """Return the third moment over the second to the power 3/2; shape (..., n) to (...). Reference in tests: scipy.stats.skew."""
    centred = runs - runs.mean(axis=-1, keepdims=True)
    return np.asarray((centred**3).mean(axis=-1) / (centred**2).mean(axis=-1) ** 1.5)


def split_p_values(runs: Floats) -> Floats:
    """Return p-values of one group of normal runs, shape (..., n) to (...)."""
    return _split_p(split_ratio(runs), runs.shape[-1])


def together(tables: Floats, correlation: float) -> tuple[Floats, Floats]:
    """Return p-values of normal noise for many studies at once, all their arms together.

    Args:
        tables: shape (n_studies, n_arms, n_seeds), no gaps, n_seeds >= 3.
        correlation: between arms under one seed, in [0, 1).
    Returns:
        Of splits (Fisher's sum of logarithms) and of leaning to a side (mean skewness, two-sided), shape (n_studies,).
    """
    _, n_arms, n_seeds = tables.shape
    splits, skews = _normal(n_arms, n_seeds, round(correlation / GRID))
    sums = _split_sum(tables)
    return _upper_tail(splits, sums), _upper_tail(skews, _lean(tables))


def _lean(tables: Floats) -> Floats:
    return np.asarray(np.abs(skewness(tables).mean(axis=-1)))


def _split_sum(tables: Floats) -> Floats:
    return np.asarray(-np.log(_split_p(split_ratio(tables), tables.shape[-1])).sum(axis=-1))


def _split_p(ratio: Floats, n: int) -> Floats:
    null = _one_arm(n)
    return np.asarray((1 + np.searchsorted(null, ratio, side="right")) / (null.size + 1))


def _upper_tail(null: Floats, found: Floats) -> Floats:
    return np.asarray((1 + null.size - np.searchsorted(null, found, side="left")) / (null.size + 1))


@lru_cache(maxsize=64)
def _one_arm(n: int) -> Floats:
    """`split_ratio` of normal runs, ascending."""
    return np.sort(split_ratio(np.random.default_rng(0).normal(size=(SIMULATED, n))))


@lru_cache(maxsize=256)
def _normal(n_arms: int, n_seeds: int, steps: int) -> tuple[Floats, Floats]:
    """Both statistics of studies with normal noise, each ascending."""
    rng, shared = np.random.default_rng(1), steps * GRID
    size = SIMULATED // 5
    tables = math.sqrt(1 - shared) * rng.normal(size=(size, n_arms, n_seeds))
    tables += math.sqrt(shared) * rng.normal(size=(size, 1, n_seeds))
    return np.sort(_split_sum(tables)), np.sort(_lean(tables))
