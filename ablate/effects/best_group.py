"""Which arms cannot be told from the best: the ones to print in bold, with the picking paid for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from ablate.effects.estimate import check_scores


def best_group(scores: ArrayLike, *, higher_is_better: bool, alpha: float = 0.05) -> list[bool]:
    """Return for each arm whether it may be the best.

    An arm is out when any other beats it: a one-sided t over the seeds that both have (Welch's where they share
    fewer than two), against alpha / (arms - 1). The arm that is truly best is tested against all others at once, so
    it is out in at most a share alpha of studies, whichever arm looks best: picking the best is paid for. Each pair
    has its own variance.

    Args:
        scores: shape (n_arms, n_seeds), NaN for a missing run; an arm without any is not in the group.
        higher_is_better: direction of the metric.
        alpha: chance that the best arm is left out.
    Source: multiple comparisons with the best, Hsu (1981), Ann. Stat. 9, 1026; Bonferroni in the place of Dunnett's
    quantile, which would need one variance for all. Reference in tests: scipy.stats.ttest_rel, and simulation.
    """
    table = check_scores(scores) * (1.0 if higher_is_better else -1.0)
    there = [number for number, row in enumerate(table) if np.isfinite(row).any()]
    level = alpha / max(len(there) - 1, 1)
    return [
        number in there and not any(_beats(table[other], table[number], level) for other in there if other != number)
        for number in range(len(table))
    ]  # fmt: skip


def _beats(one: np.ndarray, other: np.ndarray, level: float) -> bool:
    """Whether the first arm is above the second, one-sided."""
    differences = one - other
    differences = differences[np.isfinite(differences)]
    if differences.size > 1:
        mean, variance, df = (
            differences.mean(),
            differences.var(ddof=1) / differences.size,
            differences.size - 1.0,
        )
    else:
        a, b = one[np.isfinite(one)], other[np.isfinite(other)]
        if min(a.size, b.size) < 2:
            return False
        parts = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
        mean, variance = a.mean() - b.mean(), sum(parts)
        below = parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1)
        df = variance**2 / below if below > 0 else math.inf
    if not variance > 1e-24 * float(mean) ** 2:
        return False  # no spread was measured, so nothing can be told
    return bool(t.sf(mean / math.sqrt(variance), df) <= level)
