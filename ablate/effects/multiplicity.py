"""Several contrasts, several chances to be fooled: p-values corrected for their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values so that the chance of any false claim stays below the level.

    Valid however the tests depend on each other; contrasts that share a control do.

    Args:
        p_values: shape (..., n), families along the last axis, each value in [0, 1]; NaN where there was no
            test, which then does not count.
    Returns:
        The same shape: reject where it is at most the level; NaN where `p_values` is.
    Raises:
        ValueError: for a single number, or a value outside [0, 1].
    Source: Holm (1979). Reference in tests: the closed test of all subsets, by brute force.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim == 0:
        raise ValueError(f"p_values must have shape (..., n), got {p.shape}")
    _check_range(p)
    order = np.argsort(p, axis=-1, kind="stable")  # what was not tested comes last
    steps = np.isfinite(p).sum(axis=-1, keepdims=True) - np.arange(p.shape[-1])
    raised = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * steps, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1.0), axis=-1)
    return np.asarray(np.maximum(adjusted, p))  # p * n / n may round below p


def correct_claims(lead: ArrayLike, tasks: ArrayLike) -> tuple[Floats, Floats]:
    """Correct the claims of a report, so that the chance of any false one among all of them stays below the level.

    Args:
        lead: shape (..., n_gains), p-values of the planned gains in the aggregate, of all estimands together; NaN
            where nothing was tested.
        tasks: shape (..., n_gains, n_tasks), of the same gains in each task of the aggregate.
    Returns:
        Holm's p-values of the lead; of the tasks Holm's over gains x tasks, and never one below its gain's in the
        aggregate: where the aggregate shows nothing, a task cannot. With a single task, the aggregate is this
        task on another scale: one claim, and one correction.
    Source: gatekeeping, Dmitrienko & D'Agostino, Statistics in Medicine 32 (2013). Were no stage to do anything, the
    tasks' family adds no false claim: one needs its gate, and a gate that opens is itself a false claim.
    """
    ahead, inner = holm(lead), np.asarray(tasks, dtype=np.float64)
    if inner.shape[-1] == 1:
        return ahead, np.asarray(np.maximum(inner, ahead[..., None]))
    gate = np.where(np.isnan(ahead), 1.0, ahead)[..., None]
    return ahead, np.asarray(
        np.maximum(holm(inner.reshape(*ahead.shape[:-1], -1)).reshape(inner.shape), gate)
    )


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjust p-values so that the expected share of false claims among the claims stays below the level.

    For screening many stages, where a few false leads are acceptable. Assumes tests that are
    independent or positively dependent, as contrasts with one shared control are.

    Args:
        p_values: shape (n,), each in [0, 1]; NaN where there was no test, which then does not count.
    Returns:
        Shape (n,): reject where it is at most the level; NaN where `p_values` is.
    Raises:
        ValueError: for another number of dimensions, or a value outside [0, 1].
    Source: Benjamini & Hochberg (1995). Reference in tests: scipy.stats.false_discovery_control.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p_values must have shape (n,), got {p.shape}")
    _check_range(p)
    tested = ~np.isnan(p)
    order = np.argsort(p[tested], kind="stable")
    scaled = p[tested][order] * order.size / np.arange(1, order.size + 1)
    back = np.empty(order.size)
    back[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    adjusted = np.full(p.shape, np.nan)
    adjusted[tested] = np.maximum(back, p[tested])  # p * n / n may round below p
    return adjusted


def _check_range(p: Floats) -> None:
    if ((p < 0.0) | (p > 1.0)).any():
        raise ValueError(f"p-values must be in [0, 1], got {p.tolist()}")
