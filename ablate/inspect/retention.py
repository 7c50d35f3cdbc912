"""Whom a stage removes more often than others: retention by group, tested against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ablate.effects.estimate import Floats
from ablate.effects.multiplicity import benjamini_hochberg
from ablate.inspect.groups import Grouping

FALSE_SHARE = 0.05
"""Expected share of chance finds among the groups that are named."""


@dataclass(frozen=True)
class Retention:
    """What one stage kept of one group of documents.

    Attributes:
        stage, column, group: whose retention this is.
        before, kept: documents that reached the stage, and those it kept.
        low, high: Wilson's 95 % interval for the share kept.
        overall: the share that the stage kept of all documents.
        p_value: two-sided, that a group drawn by chance differs as much; NaN where not tested.
        p_adjusted: after Benjamini and Hochberg, over every group tested on the page.
    """

    stage: str
    column: str
    group: str
    before: int
    kept: int
    low: float
    high: float
    overall: float
    p_value: float
    p_adjusted: float = float("nan")

    @property
    def share(self) -> float:
        """Share kept; NaN for a group without documents."""
        return self.kept / self.before if self.before else float("nan")

    @property
    def ratio(self) -> float:
        """Share kept over the stage's overall share; NaN when that is 0."""
        return self.share / self.overall if self.overall else float("nan")

    @property
    def distance(self) -> float:
        """How far the interval lies from the overall share: below 0 for over-removal; 0 when it holds it."""
        return min(self.high - self.overall, 0.0) + max(self.low - self.overall, 0.0)

    @property
    def lead(self) -> str:
        """`over-removed`, `under-removed`, or "" where chance is not ruled out."""
        if not self.p_adjusted <= FALSE_SHARE or self.distance == 0.0:
            return ""
        return "over-removed" if self.distance < 0 else "under-removed"


def wilson(kept: ArrayLike, total: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval for a binomial share.

    Args:
        kept: shape (n,), successes.
        total: shape (n,), trials; 0 has no interval.
        level: two-sided coverage, in (0, 1).
    Returns:
        Low and high ends, shape (n,) each, in [0, 1]; NaN where `total` is 0.
    Raises:
        ValueError: when a count is negative or there are more successes than trials.
    Source: Wilson (1927). Reference in tests: scipy.stats.binomtest(...).proportion_ci("wilson").
    """
    k, n = np.asarray(kept, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if (k < 0).any() or (k > n).any():
        raise ValueError(f"need 0 <= kept <= total, got {k.tolist()} of {n.tolist()}")
    z = stats.norm.ppf(0.5 + level / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Exactly 0 and 1 at the ends, where rounding leaves 1e-17.
    low = np.where(k == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(k == n, 1.0, np.minimum(centre + half, 1.0))
    return np.where(n == 0, np.nan, low), np.where(n == 0, np.nan, high)


@dataclass(frozen=True)
class Share:
    """A count of a count, as a share with its binomial interval.

    Attributes:
        hits, total: the counts.
    """

    hits: int
    total: int

    @property
    def value(self) -> float:
        """NaN where there is nothing to count."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; NaN where there is nothing to count."""
        low, high = wilson([self.hits], [self.total])
        return float(low[0]), float(high[0])


def chance(kept: ArrayLike, before: ArrayLike, all_kept: int, all_before: int) -> Floats:
    """Chance that a group drawn at random has a share kept as far from the overall one, either way.

    Were the stage blind to the group, its number of kept documents would be hypergeometric: exact
    whatever the stage looks at, and the group's own part in the overall share is accounted for.

    Args:
        kept, before: shape (n,), of each group.
        all_kept, all_before: of the stage.
    Returns:
        Shape (n,): twice the smaller tail, at most 1.
    Source: Fisher (1935); doubling as in Yates (1984). Reference in tests: all subsets, by brute force.
    """
    k, n = np.asarray(kept), np.asarray(before)
    below = stats.hypergeom.cdf(k, all_before, all_kept, n)
    above = stats.hypergeom.sf(k - 1, all_before, all_kept, n)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))


def retention(stage: str, column: str, grouping: Grouping, keep: np.ndarray, least: int) -> list[Retention]:
    """What a stage kept of each group, in the order of the groups.

    Args:
        grouping: of the documents that reached the stage.
        keep: shape (n,), bool, over the same documents.
        least: groups with fewer documents are put together in a last line, which is not tested.
    Returns:
        Lines whose documents add up to all that reached the stage. Nothing is tested where the stage
        keeps or drops everything, or where there is one group only: there is nothing to compare.
    """
    before = np.bincount(grouping.code, minlength=len(grouping.names))
    kept = np.bincount(grouping.code[keep], minlength=len(grouping.names))
    large = np.flatnonzero(before >= least)
    small = np.flatnonzero((before < least) & (before > 0))
    names = [grouping.names[number] for number in large]
    counts = [(int(before[number]), int(kept[number])) for number in large]
    if small.size:
        names.append(f"({small.size:,} groups below {least})")
        counts.append((int(before[small].sum()), int(kept[small].sum())))
    n, k = np.array(counts, dtype=np.int64).reshape(-1, 2).T
    total, total_kept = int(keep.size), int(keep.sum())
    p_values = np.full(n.size, np.nan)
    if 0 < total_kept < total:
        tested = (np.arange(n.size) < large.size) & (n < total)
        p_values[tested] = chance(k[tested], n[tested], total_kept, total)
    low, high = wilson(k, n)
    overall = total_kept / total if total else float("nan")
    return [
        Retention(
            stage,
            column,
            name,
            int(n[i]),
            int(k[i]),
            float(low[i]),
            float(high[i]),
            overall,
            float(p_values[i]),
        )
        for i, name in enumerate(names)
    ]


def adjust(lines: Sequence[Retention]) -> list[Retention]:
    """Correct the p-values of all lines together, as one family."""
    adjusted = benjamini_hochberg([line.p_value for line in lines])
    return [replace(line, p_adjusted=float(p)) for line, p in zip(lines, adjusted, strict=True)]


def leads(lines: Sequence[Retention], which: str) -> list[Retention]:
    """The lines whose lead is `which`, the furthest from the overall share first."""
    found = [line for line in lines if line.lead == which]
    return sorted(found, key=lambda line: (-abs(line.distance), line.column, line.group))
