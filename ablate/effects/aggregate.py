"""One number from several tasks: the mean of scores, rescaled so that guessing is 0 and perfect is 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Floats


def rescale(score: ArrayLike, chance: ArrayLike) -> Floats:
    """Rescale to (score - chance) / (1 - chance), for scores that are a share of right answers or a probability.

    Without it a task with two choices, which starts at 0.5, has half the weight of one that starts
    near zero. Below zero is possible: worse than guessing.

    Args:
        score: any shape that broadcasts with `chance`; 1 is perfect, higher is better.
        chance: score of a guess, in [0, 1).
    Returns:
        Broadcast shape; NaN where the score is NaN.
    Raises:
        ValueError: for a chance outside [0, 1).
    Source: "normalized accuracy" of the Open LLM Leaderboard v2; centred accuracy of DataComp-LM
    (Li et al. 2024, arXiv 2406.11794).
    """
    guess = _in_range(np.asarray(chance, dtype=np.float64))
    return np.asarray((np.asarray(score, dtype=np.float64) - guess) / (1.0 - guess))


def aggregate(scores: ArrayLike, chance: ArrayLike | None = None) -> Floats:
    """Average over tasks, rescaled by chance where there is such a thing.

    Args:
        scores: shape (n_tasks, ...), one metric, e.g. (n_tasks, n_arms, n_seeds).
        chance: shape (n_tasks,), score of a guess, in [0, 1). None for metrics without one, such as
            bits per byte: then the plain mean.
    Returns:
        Shape `scores.shape[1:]`; NaN where any task's score is missing, since a mean over other tasks
        is another quantity.
    Raises:
        ValueError: without tasks, for another number of chances, or a chance outside [0, 1).
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim == 0 or len(table) == 0:
        raise ValueError(f"an aggregate needs at least one task, got scores of shape {table.shape}")
    if chance is not None:
        guess = check_chance(chance, len(table))
        table = rescale(table, guess.reshape(-1, *[1] * (table.ndim - 1)))
    return np.asarray(table.mean(axis=0))


def check_chance(chance: ArrayLike, n_tasks: int) -> Floats:
    """Check the chance scores of `n_tasks` tasks, each in [0, 1).

    Raises:
        ValueError: for another shape or range.
    """
    guess = np.asarray(chance, dtype=np.float64)
    if guess.shape != (n_tasks,):
        raise ValueError(f"expected one chance per task, shape ({n_tasks},), got {guess.shape}")
    return _in_range(guess)


def _in_range(guess: Floats) -> Floats:
    if not ((guess >= 0.0) & (guess < 1.0)).all():
        raise ValueError(f"chance must be in [0, 1), got {guess.tolist()}")
    return guess
