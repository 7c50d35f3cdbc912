"""Means over documents that were drawn in groups: an interval that draws the groups again, and not the documents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

DRAWS = 4_000


@dataclass(frozen=True)
class ClusterMean:
    """A mean over documents, with what it hangs on.

    Attributes:
        mean: of all documents.
        low, high: of the interval; NaN with fewer than two units, or where all units agree.
        units: groups that were drawn.
        largest: documents of the largest of them.
    """

    mean: float
    low: float
    high: float
    units: int
    largest: int


def cluster_mean(values: np.ndarray, units: np.ndarray, *, level: float = 0.95, seed: int = 0) -> ClusterMean:
    """Estimate the mean over a population from a sample in which whole units were drawn, all with one probability.

    A ratio of totals (what the units have, over how many documents they are), with a studentised bootstrap over units:
    in each draw as many units as there are, with replacement, and the distance of its ratio from the sample's in its own
    linearised standard errors (Davison and Hinkley 1997, sections 2.4 and 3.2). Where too few units differ from the others for
    that, so that more draws than are cut off have none of them, the end is that of a binomial count with as many documents
    as would give this standard error (Korn and Graubard 1998), which for shares is never too short.

    Args:
        values: shape (n,), each in [0, 1]: of each document, e.g. whether it is dropped.
        units: shape (n,): with what each was drawn.
        level: of the interval.
    Raises:
        ValueError: without a document, or for values outside.
    """
    if values.size == 0:
        raise ValueError("a mean needs at least one document")
    if not (np.all(values >= 0) and np.all(values <= 1)):
        raise ValueError("values must be in [0, 1]")
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    totals = np.bincount(unit, weights=values)
    mean = float(totals.sum() / sizes.sum())
    found = ClusterMean(mean, float("nan"), float("nan"), int(sizes.size), int(sizes.max()))
    # Units that have the same size and the same total are one kind: what is drawn is how often each kind comes.
    kinds, count = np.unique(np.stack([totals, sizes], axis=1), axis=0, return_counts=True)
    error = _error(kinds, count[None], np.array([mean]))[0]
    if sizes.size < 2 or not error > 0:
        return found
    drawn = np.random.default_rng(seed).multinomial(sizes.size, count / sizes.size, size=DRAWS)
    again = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    errors = _error(kinds, drawn, again)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.nan_to_num((again - mean) / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    below, above = np.quantile(distance, [(1 - level) / 2, (1 + level) / 2], method="closest_observation")
    low, high = mean - above * error, mean - below * error
    if not np.isfinite(low) or not np.isfinite(high):
        of_count = _binomial(mean, float(error), units=sizes.size, documents=values.size, level=level)
        low, high = (own if np.isfinite(own) else end for own, end in zip((low, high), of_count, strict=True))
    return ClusterMean(mean, max(float(low), 0.0), min(float(high), 1.0), found.units, found.largest)


def _binomial(mean: float, error: float, *, units: int, documents: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval with the effective number of documents, corrected for the degrees of freedom."""
    tail = (1 - level) / 2
    spread = float(stats.t.ppf(tail, max(1, documents - 1)) / stats.t.ppf(tail, units - 1))
    effective = min(float(documents), mean * (1 - mean) / error**2 * spread**2)
    hits = mean * effective
    low = stats.beta.ppf(tail, hits, effective - hits + 1)
    high = stats.beta.ppf(1 - tail, hits + 1, effective - hits)
    return float(low), float(high)


def _error(kinds: np.ndarray, count: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Linearised standard error of a ratio, for each of some draws: shapes (kinds, 2), (draws, kinds), (draws,)."""
    n = count.sum(axis=1)
    total, size = kinds.T
    squares = count @ total**2 - 2 * mean * (count @ (total * size)) + mean**2 * (count @ size**2)
    scale = n / np.maximum(n - 1, 1)
    error: np.ndarray = np.sqrt(np.maximum(squares, 0.0) * scale) / (count @ size)
    return error
