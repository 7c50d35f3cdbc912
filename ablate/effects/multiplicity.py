"""Several contrasts, several chances to be fooled: p-values corrected for their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values so that the chance of any false claim stays below the level.

    Valid however the tests depend on each other; contrasts that share a control do.

    Args:
        p_values: shape (n,), each in [0, 1]; NaN where there was no test, which then does not count.
    Returns:
        Shape (n,): reject where it is at most the level; NaN where `p_values` is.
    Raises:
        ValueError: for another number of dimensions, or a value outside [0, 1].
    Source: Holm (1979). Reference in tests: the closed test of all subsets, by brute force.
    """
    p, tested, order = _sorted(p_values)
    steps = np.arange(order.size, 0, -1)
    return _restore(p, tested, order, np.maximum.accumulate(p[tested][order] * steps))


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
    p, tested, order = _sorted(p_values)
    scaled = p[tested][order] * order.size / np.arange(1, order.size + 1)
    return _restore(p, tested, order, np.minimum.accumulate(scaled[::-1])[::-1])


def _sorted(p_values: ArrayLike) -> tuple[Floats, np.ndarray, np.ndarray]:
    p = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(p)
    if p.ndim != 1:
        raise ValueError(f"p_values must have shape (n,), got {p.shape}")
    if ((p[tested] < 0.0) | (p[tested] > 1.0)).any():
        raise ValueError(f"p-values must be in [0, 1], got {p.tolist()}")
    return p, tested, np.argsort(p[tested], kind="stable")


def _restore(p: Floats, tested: np.ndarray, order: np.ndarray, values: Floats) -> Floats:
    adjusted = np.full(p.shape, np.nan)
    back = np.empty(order.size)
    back[order] = np.minimum(values, 1.0)
    adjusted[tested] = np.maximum(back, p[tested])  # p * n / n may round below p
    return adjusted
