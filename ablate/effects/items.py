"""Items: how far a difference would move if the benchmark had drawn others, alone and together with other seeds.

The item error says nothing about retraining; the seed error does. Each has a column of its own, and the
interval over both has one too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ablate.effects.aggregate import check_chance
from ablate.effects.estimate import Estimate, check_level, check_weights


def item_error(items: ArrayLike, weights: ArrayLike) -> float:
    """Estimate the standard error of a contrast from the finite number of test items.

    Arms answer the same items, so the item's difficulty cancels: the contrast is taken item by item,
    averaged over the seeds in which every arm of the contrast ran, and its spread over items is
    what is left.

    Args:
        items: shape (n_arms, n_seeds, n_items), the score of each item, NaN for a missing run.
        weights: shape (n_arms,), summing to zero.
    Returns:
        Standard deviation over items divided by sqrt(n_items), in the metric's units; NaN with fewer
        than two items, without a complete seed, or when all items differ by the same (both arms at
        100 %): items that cannot tell the arms apart say nothing about other items.
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, or a run in which some
            items have a score and others none.
    Source: Miller, "Adding Error Bars to Evals", arXiv 2411.00640, section 4 (paired differences).
    Reference in tests: scipy.stats.sem.
    """
    table = np.asarray(items, dtype=np.float64)
    if table.ndim != 3:
        raise ValueError(f"items must have shape (n_arms, n_seeds, n_items), got {table.shape}")
    vector = check_weights(weights, len(table))
    if table.shape[2] < 2:
        return math.nan
    used = vector != 0.0
    present = np.isfinite(table[used])
    if (present.any(axis=2) != present.all(axis=2)).any():
        raise ValueError("a run has scores for some items and none for others; a task is scored whole")
    complete = present.all(axis=(0, 2))
    if not complete.any():
        return math.nan
    per_item = vector[used] @ table[used][:, complete].mean(axis=1)
    if np.ptp(per_item) <= 1e-12 * np.abs(table[used][:, complete]).max():
        return math.nan
    return float(per_item.std(ddof=1) / math.sqrt(per_item.size))


@dataclass(frozen=True)
class ItemVariance:
    """What items add to a contrast's variance beyond what the seed error already holds.

    Attributes:
        item, residual: mean squares of items and of seeds x items over (seeds x items), squared units of the
            metric. Their difference is the items' own part.
        item_df, residual_df: degrees of freedom of each.
    """

    item: float
    residual: float
    item_df: float
    residual_df: float


def item_variance(items: ArrayLike, weights: ArrayLike) -> ItemVariance | None:
    """Split a contrast's scores into items and what is left of seeds x items.

    Args:
        items: shape (n_arms, n_seeds, n_items), the score of each item, NaN for a missing run.
        weights: shape (n_arms,), summing to zero.
    Returns:
        The two mean squares; None with fewer than two complete seeds or items.
    Raises:
        ValueError: for shapes that do not fit or weights that do not sum to zero.
    Source: two-way analysis of variance with crossed random effects; Searle, Casella & McCulloch,
    "Variance Components" (1992), chapter 4.
    """
    table = np.asarray(items, dtype=np.float64)
    if table.ndim != 3:
        raise ValueError(f"items must have shape (n_arms, n_seeds, n_items), got {table.shape}")
    vector = check_weights(weights, len(table))
    used = vector != 0.0
    complete = np.isfinite(table[used]).all(axis=(0, 2))
    contrast = np.einsum("a,asi->si", vector[used], table[used][:, complete])
    n_seeds, n_items = contrast.shape
    if n_seeds < 2 or n_items < 2:
        return None
    by_item = contrast.mean(axis=0)
    rest = contrast - contrast.mean(axis=1, keepdims=True) - by_item + contrast.mean()
    df = (n_seeds - 1.0) * (n_items - 1.0)
    return ItemVariance(
        item=float(by_item.var(ddof=1)) / n_items,
        residual=float((rest**2).sum()) / df / (n_seeds * n_items),
        item_df=n_items - 1.0,
        residual_df=df,
    )


def seeds_and_items(
    estimate: Estimate,
    variances: Sequence[ItemVariance | None],
    scales: Sequence[float],
    *,
    level: float = 0.95,
) -> tuple[float, float]:
    """Estimate the interval of a gain over other seeds and other items at once.

    The seed error squared holds the seeds' part and the residual; the items' mean square holds the items' part
    and the residual again, which is taken off once.

    Args:
        estimate: the gain, with its seed error and degrees of freedom.
        variances: of each task of the aggregate, or of the one task, from `item_variance`.
        scales: what each task's score is multiplied by in the gain, e.g. 1 / (1 - chance) / n_tasks.
        level: two-sided coverage, in (0, 1).
    Returns:
        Low and high end; NaN where the seed error, or a task's items, are not there.
    Source: Satterthwaite (1946) for the degrees of freedom of a sum of mean squares; never narrower than the
    interval over seeds alone. Reference in tests: drawing seeds and items anew.
    """
    check_level(level)
    if not estimate.seed_error > 0.0 or not variances or None in variances:
        return math.nan, math.nan
    parts = [(estimate.seed_error**2, estimate.df)]
    for scale, found in zip(scales, variances, strict=True):
        assert found is not None
        parts += [(scale**2 * found.item, found.item_df), (-(scale**2) * found.residual, found.residual_df)]
    total = sum(part for part, _ in parts)
    alone = float(stdtrit(estimate.df, 0.5 + level / 2)) * estimate.seed_error
    both = 0.0
    if total > 0.0:
        df = total**2 / sum(part**2 / df for part, df in parts)
        both = float(stdtrit(df, 0.5 + level / 2)) * math.sqrt(total)
    # More seeds and items cannot be surer than more seeds; with 2 or 3 of them the degrees of freedom of the sum
    # are too many where the seed error is small by luck.
    half = max(alone, both)
    return estimate.estimate - half, estimate.estimate + half


def aggregate_item_error(errors: ArrayLike, chance: ArrayLike | None = None) -> float:
    """Estimate the item error of a mean over tasks, whose items are independent of each other.

    Args:
        errors: shape (n_tasks,), item error of the contrast in each task, in the task's units.
        chance: shape (n_tasks,), score of a guess, when the aggregate rescales by it (`aggregate.py`).
    Returns:
        sqrt(sum of (error / (1 - chance))^2) / n_tasks; NaN when any task's is NaN, or without tasks.
    Raises:
        ValueError: for shapes that differ, or a chance outside [0, 1).
    """
    vector = np.asarray(errors, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"errors must have shape (n_tasks,), got {vector.shape}")
    if vector.size == 0:
        return math.nan
    scale = 1.0 if chance is None else 1.0 / (1.0 - check_chance(chance, vector.size))
    return float(np.sqrt(((vector * scale) ** 2).sum()) / vector.size)
