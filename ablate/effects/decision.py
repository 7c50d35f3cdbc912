"""Does a small proxy decide like a large one? Decision accuracy and rank correlation over arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit
from scipy.stats import rankdata

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.estimate import Floats, check_level, check_scores
from ablate.effects.noise import run_noise

MOST_SPLITS = 40
"""Halvings of the seeds that are averaged over; eight seeds have 70."""
FEWEST_FOR_RANKS = 4
"""Arms below which the rank correlation has no interval."""


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same arms agree. Whatever could not be measured is NaN.

    Attributes:
        accuracy: share of pairs of arms ranked alike; a tie in the small one counts half.
        ci_low, ci_high: its interval, for arms like these.
        n_arms, n_pairs: arms in both rankings, and pairs of them that differ in the large one.
        spearman, spearman_low, spearman_high: rank correlation with its interval.
    """

    accuracy: float
    ci_low: float
    ci_high: float
    n_arms: int
    n_pairs: int
    spearman: float
    spearman_low: float
    spearman_high: float


def agreement(
    small: ArrayLike, large: ArrayLike, *, pairs: ArrayLike | None = None, level: float = 0.95
) -> Agreement:
    """Compare how two budgets, or sizes, rank the same arms.

    Args:
        small: shape (n_arms,), each arm's score (mean over seeds) with the cheap proxy; NaN if missing.
        large: shape (n_arms,), with the expensive one, whose ranking counts as right.
        pairs: shape (n_arms, n_arms), symmetric, True for the pairs that count; None for all.
        level: two-sided coverage of the intervals, in (0, 1).
    Returns:
        Decision accuracy with a Wilson interval for the number of independent pairs that the
        jackknife over arms finds: at least n_arms / 2, since disjoint pairs are independent
        (Hoeffding 1948), and that many when every pair agrees. Spearman's correlation with Bonett &
        Wright's interval (2000). All NaN with fewer than two arms or where the large one ties all.
    Raises:
        ValueError: for shapes that differ, or a bad level.
    Source: decision accuracy of DataDecide (Magnusson et al. 2025, arXiv 2504.11393, section 2).
    Reference in tests: pairs counted one by one, scipy.stats.spearmanr, simulated coverage.
    """
    check_level(level)
    one, two = np.asarray(small, dtype=np.float64), np.asarray(large, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(f"expected two vectors of one length, got shapes {one.shape} and {two.shape}")
    there = np.isfinite(one) & np.isfinite(two)
    one, two = one[there], two[there]
    n = one.size
    alike, counts = _pairs(one, two)
    if pairs is not None:
        wanted = np.asarray(pairs, dtype=bool)[np.ix_(there, there)]
        alike, counts = alike * wanted, counts * wanted
    n_pairs = int(counts.sum() / 2)
    if n_pairs == 0:
        return Agreement(math.nan, math.nan, math.nan, n, 0, math.nan, math.nan, math.nan)
    accuracy = float(alike.sum() / counts.sum())
    low, high = _wilson(accuracy, _independent(alike, counts, accuracy), level)
    return Agreement(accuracy, low, high, n, n_pairs, *_spearman(one, two, level))


def agreement_across_seeds(
    small: ArrayLike, large: ArrayLike, *, level: float = 0.95
) -> tuple[Agreement, Agreement]:
    """Compare a cheap score with an expensive one of the same runs, each from seeds of its own.

    An early and a late point of one run share what its seed brought: at half of the budget their residuals
    correlate at 0.7 to 0.9, so a run that is compared with its own future agrees too well (75 % in place of 56 %,
    measured on 64 trained runs). So the cheap ranking comes from one half of the seeds and the full one
    from the other, and what comes out is averaged over the ways to halve them.

    Args:
        small: shape (n_arms, n_seeds), each run's cheap score; NaN if missing.
        large: shape (n_arms, n_seeds), the same runs' full score.
        level: two-sided coverage of the intervals, in (0, 1).
    Returns:
        The agreement over all pairs of arms, and over those that the full runs of the half tell apart; means over
        at most `MOST_SPLITS` halvings, the larger half to the full score. NaN with fewer than two seeds.
    Raises:
        ValueError: for shapes that differ.
    """
    one, two = check_scores(small), check_scores(large)
    if one.shape != two.shape:
        raise ValueError(f"expected two tables of one shape, got {one.shape} and {two.shape}")
    n_seeds = one.shape[1]
    halves = list(combinations(range(n_seeds), n_seeds // 2)) if n_seeds > 1 else []
    if len(halves) > MOST_SPLITS:
        halves = [halves[place] for place in np.linspace(0, len(halves) - 1, MOST_SPLITS).astype(int)]
    found, clear = [], []
    for half in halves:
        rest = [seed for seed in range(n_seeds) if seed not in half]
        means = seed_means(one[:, list(half)]), seed_means(two[:, rest])
        found.append(agreement(*means, level=level))
        clear.append(agreement(*means, pairs=clear_pairs(two[:, rest]), level=level))
    return _averaged(found, len(one)), _averaged(clear, len(one))


def _averaged(found: Sequence[Agreement], n_arms: int) -> Agreement:
    """Mean of what was measured; the counts are the typical ones."""
    if not found:
        nan = math.nan
        return Agreement(nan, nan, nan, n_arms, 0, nan, nan, nan)
    names = ("accuracy", "ci_low", "ci_high", "spearman", "spearman_low", "spearman_high")
    table = {name: np.array([getattr(one, name) for one in found]) for name in names}
    mean = [
        float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else math.nan
        for values in table.values()
    ]
    arms, pairs = (
        round(float(np.mean([getattr(one, name) for one in found]))) for name in ("n_arms", "n_pairs")
    )
    return Agreement(mean[0], mean[1], mean[2], arms, pairs, mean[3], mean[4], mean[5])


def seed_means(table: Floats) -> Floats:
    """Return the mean over seeds of each arm, shape (n_arms,); NaN for an arm without a score."""
    return np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in table])


def clear_pairs(scores: ArrayLike, *, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Find pairs of arms that a table of scores tells apart: a t test over seeds, one variance for all pairs.

    Args:
        scores: shape (n_arms, n_seeds), NaN for a missing run.
        alpha: level of each test, before any correction: this picks pairs, it claims none.
    Returns:
        Shape (n_arms, n_arms), symmetric; all False where no spread was measured.
    """
    table = check_scores(scores)
    n = len(table)
    clear = np.zeros((n, n), dtype=bool)
    rows, columns = np.triu_indices(n, k=1)
    if n > 1 and np.isfinite(table).all():
        # Without gaps all pairs have one variance: the residual of arm and seed.
        noise, n_seeds = run_noise(table), table.shape[1]
        if noise > 0.0:
            means = table.mean(axis=1)
            t = np.abs(means[:, None] - means) / (noise * math.sqrt(2 / n_seeds))
            clear = np.asarray(t >= stdtrit((n - 1) * (n_seeds - 1), 1 - alpha / 2))
    elif rows.size:
        weights = np.eye(n)[rows] - np.eye(n)[columns]
        p = [estimate.p_value for estimate in estimate_contrasts(table, weights, method="pooled")]
        clear[rows, columns] = clear[columns, rows] = np.asarray(p) <= alpha
    return clear


def seed_ceiling(scores: ArrayLike) -> float:
    """Return the decision accuracy of one seed against the mean of the others, at the same budget.

    What a proxy that differs only by its seed would reach: no cheaper proxy with one seed can be
    expected to do better.

    Args:
        scores: shape (n_arms, n_seeds), NaN for a missing run; arms with a gap are left out.
    Returns:
        Mean over seeds; NaN with fewer than two seeds or arms.
    """
    table = check_scores(scores)
    table = table[np.isfinite(table).all(axis=1)]
    n_arms, n_seeds = table.shape
    if n_arms < 2 or n_seeds < 2:
        return math.nan
    return float(
        np.mean(
            [
                agreement(table[:, seed], np.delete(table, seed, axis=1).mean(axis=1)).accuracy
                for seed in range(n_seeds)
            ]
        )
    )


def _pairs(one: Floats, two: Floats) -> tuple[Floats, Floats]:
    """Shape (n, n) each: 1 where a pair is ranked alike (1/2 for a tie in `one`), and whether it counts."""
    a, b = np.sign(one[:, None] - one), np.sign(two[:, None] - two)
    counts = (b != 0).astype(np.float64)
    return np.asarray(counts * (1 + a * b) / 2), counts


def _independent(alike: Floats, counts: Floats, accuracy: float) -> float:
    """Number of independent pairs with the same variance of the share."""
    n = len(alike)
    spread = accuracy * (1 - accuracy)
    left = counts.sum() - 2 * counts.sum(axis=1)
    if spread == 0 or n < 3 or not (left > 0).all():
        return n / 2
    without = (alike.sum() - 2 * alike.sum(axis=1)) / left
    variance = (n - 1) / n * float(((without - without.mean()) ** 2).sum())
    most = counts.sum() / 2
    return float(np.clip(spread / variance, n / 2, most)) if variance > 0 else float(most)


def _wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of n independent trials."""
    z = float(ndtri(0.5 + level / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The formula keeps the share inside; rounding may not.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def _spearman(one: Floats, two: Floats, level: float) -> tuple[float, float, float]:
    ranks = np.stack([rankdata(one), rankdata(two)])
    if not ranks.std(axis=1).all():
        return math.nan, math.nan, math.nan
    r = float(np.clip(np.corrcoef(ranks)[0, 1], -1.0, 1.0))
    if one.size < FEWEST_FOR_RANKS or abs(r) > 1 - 1e-12:
        return r, math.nan, math.nan
    half = float(ndtri(0.5 + level / 2)) * math.sqrt((1 + r**2 / 2) / (one.size - 3))
    return r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
