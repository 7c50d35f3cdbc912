"""Looking more than once: p-values and intervals that stay right however often the seeds are looked at.

Under no effect the paired t statistics after n1 < n2 < ... seeds have one joint distribution, whatever
the noise is. It is simulated once; alpha is spent over the looks (Lan & DeMets 1983), and each look's
critical value is the one that spends exactly its share. A sequential p-value is the smallest alpha with
which the statistics so far would have crossed: valid whenever one stops, so Holm's correction works on
them as on any p-value, and a decision is never taken back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit
from scipy.stats import norm

from ablate.effects.estimate import Estimate, Floats, check_scores, check_weights, unmeasured

SIMULATED = 200_000
GRID = np.geomspace(2e-4, 0.999, 120)
"""Values of alpha; a p-value is the next larger one, and never below the first."""


def obrien_fleming(alpha: Floats, share: float) -> Floats:
    """Spend almost nothing at first, so that the last look is nearly a fixed design's; half of alpha on each side."""
    return np.asarray(4 * norm.sf(norm.isf(alpha / 4) / math.sqrt(share)))


def pocock(alpha: Floats, share: float) -> Floats:
    """Spend about the same at each look, so that large effects stop early."""
    return np.asarray(alpha * math.log(1 + (math.e - 1) * share))


SPENDING = {"obrien_fleming": obrien_fleming, "pocock": pocock}
"""Alpha spent when a share of the seeds has been seen (Lan & DeMets 1983)."""


@dataclass(frozen=True)
class Boundaries:
    """Critical values of |t|.

    Attributes:
        looks: seeds at each look.
        critical: shape (n_looks, len(GRID)), for each alpha of the grid.
    """

    looks: tuple[int, ...]
    critical: Floats

    def p_value(self, t: ArrayLike) -> Floats:
        """Return sequential p-values: the smallest alpha with which a statistic so far would have crossed.

        Args:
            t: shape (..., n_looks_so_far), the statistic at each look; NaN for a look that was not had.
        """
        size = np.abs(np.asarray(t, dtype=np.float64))
        best = np.ones(size.shape[:-1])
        for look in range(size.shape[-1]):
            # Critical values fall as alpha grows: the first alpha whose value is reached.
            place = np.searchsorted(-self.critical[look], -size[..., look], side="left")
            found = np.where(place < GRID.size, GRID[np.minimum(place, GRID.size - 1)], 1.0)
            best = np.fmin(best, np.where(np.isnan(size[..., look]), 1.0, found))
        return np.asarray(best)

    def at(self, look: int, alpha: float) -> float:
        """Return the critical value of |t| at a look: of the largest alpha in the grid that is not above `alpha`."""
        place = int(np.searchsorted(GRID, alpha, side="right")) - 1
        return float(self.critical[look, max(place, 0)])


@lru_cache(maxsize=8)
def boundaries(looks: tuple[int, ...], spending: str = "pocock") -> Boundaries:
    """Return the critical values of the paired t statistic for every look and alpha.

    Args:
        looks: seeds at each look, rising, the first at least 2.
        spending: "pocock" or "obrien_fleming".
    Raises:
        ValueError: for looks that do not rise from 2 or more, or an unknown spending function.
    """
    if not looks or looks[0] < 2 or any(b <= a for a, b in pairwise(looks)):
        raise ValueError(f"looks must rise from 2 seeds or more, got {list(looks)}")
    if spending not in SPENDING:
        raise ValueError(f"spending must be one of {', '.join(SPENDING)}, got {spending!r}")
    mean, error = look_statistics(np.random.default_rng(0).normal(size=(SIMULATED, looks[-1])), looks)
    t = np.abs(mean / error)
    critical = np.empty((len(looks), GRID.size))
    spent = np.zeros(GRID.size)
    alive = np.ones((GRID.size, SIMULATED), dtype=bool)
    for number, look in enumerate(looks):
        target = SPENDING[spending](GRID, look / looks[-1])
        if number == 0:  # known exactly
            critical[0] = stdtrit(look - 1, 1 - target / 2)
        else:
            for place in range(GRID.size):
                rest = t[alive[place], number]
                crossing = round((target[place] - spent[place]) * SIMULATED)
                if crossing <= 0:
                    critical[number, place] = np.inf
                else:
                    cut = max(rest.size - crossing, 0)
                    critical[number, place] = np.partition(rest, cut)[cut]
        critical[number] = np.minimum.accumulate(critical[number])
        alive &= t[:, number] < critical[number][:, None]
        spent = 1 - alive.mean(axis=1)
    return Boundaries(looks, critical)


def sequential_contrasts(
    scores: ArrayLike,
    weights: ArrayLike,
    looks: Sequence[int],
    *,
    spending: str = "pocock",
    identical: Sequence[bool] | None = None,
    level: float = 0.95,
) -> list[Estimate]:
    """Estimate contrasts whose arms were given seeds in rounds, and stopped when decided.

    Args:
        scores: shape (n_arms, n_seeds), seeds in the order in which they were run, NaN for a missing
            run or one that was not needed any more.
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        looks: seeds at each look; the last is n_seeds.
        spending: of alpha.
        identical: True where the arms of a contrast are the same runs: no effect, without error.
        level: coverage of the repeated intervals, all looks together.
    Returns:
        Per contrast the estimate at its last look, with the repeated confidence interval (Jennison &
        Turnbull 1989) and the sequential p-value; method "sequential".
    """
    table = check_scores(scores)
    found = boundaries(tuple(looks), spending)
    flags = identical or [False] * len(np.asarray(weights))
    estimates = []
    for row, same in zip(np.asarray(weights, dtype=np.float64), flags, strict=True):
        vector = check_weights(row, len(table))
        used = vector != 0
        differences = vector[used] @ table[used]
        if same and np.isfinite(differences).sum() >= 2 and not differences[np.isfinite(differences)].any():
            seeds = int(np.isfinite(differences).sum())
            estimates.append(Estimate(0.0, 0.0, 0.0, seeds, 0.0, math.nan, 1.0, "identical"))
        else:
            estimates.append(_estimate(differences, found, level))
    return estimates


def _estimate(differences: Floats, found: Boundaries, level: float) -> Estimate:
    t, last = [], None
    for number, look in enumerate(found.looks):
        seen = differences[:look][np.isfinite(differences[:look])]
        had = look == found.looks[0] or np.isfinite(differences[found.looks[number - 1] : look]).any()
        if not had or seen.size < 2 or seen.std() == 0:
            t.append(math.nan)
            continue
        error = float(seen.std(ddof=1) / math.sqrt(seen.size))
        # A failed run leaves fewer seeds than the look is for: the same tail in the look's distribution.
        tail = stdtr(seen.size - 1, -abs(float(seen.mean()) / error))
        t.append(abs(float(stdtrit(look - 1, tail))) if seen.size < look else abs(float(seen.mean()) / error))
        last = (number, seen, error)
    if last is None:
        there = differences[np.isfinite(differences)]
        return unmeasured(float(there.mean()) if there.size else math.nan, there.size)
    number, seen, error = last
    half = found.at(number, 1 - level) * error
    mean = float(seen.mean())
    p = float(found.p_value(np.array(t)))
    return Estimate(mean, mean - half, mean + half, seen.size, error, seen.size - 1.0, p, "sequential")


def sequential_many(
    tables: Floats, weights: Floats, looks: Sequence[int], *, spending: str = "pocock"
) -> tuple[Floats, Floats, Floats]:
    """Do `sequential_contrasts` for thousands of simulated studies at once; a test holds the two equal.

    Args:
        tables: shape (n_studies, n_arms, n_seeds), seeds in order, no gaps.
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        looks: seeds at each look; the last is n_seeds.
        spending: of alpha.
    Returns:
        Estimates and seed errors at the last look, and sequential p-values, each of shape (n_studies, n_contrasts).
    """
    differences = np.einsum("ca,nas->ncs", weights, tables)
    mean, error = look_statistics(differences.reshape(-1, tables.shape[2]), looks)
    p = boundaries(tuple(looks), spending).p_value(mean / error)
    shape = differences.shape[:2]
    return mean[:, -1].reshape(shape), error[:, -1].reshape(shape), p.reshape(shape)


def look_statistics(differences: Floats, looks: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the mean of the seeds seen and its standard error at each look.

    Args:
        differences: shape (n, n_seeds), a contrast under each seed.
        looks: seeds at each look, at least 2.
    Returns:
        Both of shape (n, n_looks).
    """
    n = np.asarray(looks)
    total, squares = differences.cumsum(axis=1)[:, n - 1], (differences**2).cumsum(axis=1)[:, n - 1]
    mean = total / n
    variance = np.maximum(squares - n * mean**2, 1e-300) / (n - 1)
    return np.asarray(mean), np.asarray(np.sqrt(variance / n))
