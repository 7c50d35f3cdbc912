"""Item error: how far a difference would move if the benchmark had drawn other items.

It says nothing about retraining; the seed error does. Two columns, never merged.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.aggregate import check_chance
from ablate.effects.estimate import check_weights


def item_error(items: ArrayLike, weights: ArrayLike) -> float:
    """Standard error of a contrast from the finite number of test items.

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


def aggregate_item_error(errors: ArrayLike, chance: ArrayLike | None = None) -> float:
    """Item error of a mean over tasks, whose items are independent of each other.

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
