"""Which arms cannot be told from the best: the ones to print in bold, with the picking paid for."""

from __future__ import annotations

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
    known = np.isfinite(table)
    there = known.any(axis=1)
    level = alpha / max(int(there.sum()) - 1, 1)
    paired = known[:, None, :] & known[None, :, :]
    shared = paired.sum(axis=2)
    apart = np.where(paired, table[:, None, :] - table[None, :, :], 0.0)
    mean, variance, df = _moments(apart, paired)
    variance = variance / np.maximum(shared, 1)
    one_mean, one_variance, one_df = _moments(np.where(known, table, 0.0), known)
    part = one_variance / np.maximum(known.sum(axis=1), 1)
    welch = part[:, None] + part[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        below = part**2 / one_df
        welch_df = welch**2 / (below[:, None] + below[None, :])
        few = shared < 2
        mean = np.where(few, one_mean[:, None] - one_mean[None, :], mean)
        variance, df = np.where(few, welch, variance), np.where(few, welch_df, df)
        told = variance > 1e-24 * mean**2  # without spread nothing can be told
        beats = told & (t.sf(mean / np.sqrt(variance), df) <= level)
    np.fill_diagonal(beats, False)
    return [bool(one) for one in there & ~beats.any(axis=0)]


def _moments(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and its degrees of freedom along the last axis; NaN for a variance of fewer than two values.

    Args:
        values: zero where not `known`.
    """
    n = known.sum(axis=-1)
    mean = values.sum(axis=-1) / np.maximum(n, 1)
    squares = (np.where(known, values - mean[..., None], 0.0) ** 2).sum(axis=-1)
    df = n - 1.0
    return mean, np.where(n > 1, squares / np.maximum(df, 1.0), np.nan), df
