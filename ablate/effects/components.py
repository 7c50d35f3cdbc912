"""Components of the noise: how much of the spread between runs each source of chance makes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ablate.effects.estimate import Floats


def variance_components(scores: Floats, sources: Sequence[str]) -> dict[str, float]:
    """Estimate the variances of crossed sources of chance, from every combination of their draws.

    Args:
        scores: shape (draws of the first source, draws of the second, ...), one run each, no gaps.
        sources: one name per dimension, e.g. ("weights", "order").
    Returns:
        Source -> variance in squared units, and "together" -> what arises only in combination, which
        with one run a combination holds all interactions. Unbiased, so a small one may come out
        below zero.
    Raises:
        ValueError: for another number of names than dimensions, a dimension of one draw, or a gap.
    Source: analysis of variance of a crossed random-effects model; Searle, Casella & McCulloch,
    "Variance Components" (1992), chapter 4. Reference in tests: simulation, statsmodels' mixed model.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != len(sources) or table.ndim < 1 or min(table.shape) < 2:
        raise ValueError(f"expected two or more draws of each of {list(sources)}, got shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("variance components need every combination of draws; a run is missing")
    centred = table - table.mean()
    main = []
    for axis in range(table.ndim):
        others = tuple(a for a in range(table.ndim) if a != axis)
        main.append(centred.mean(axis=others, keepdims=True))
    rest = centred - sum(main)
    if table.ndim == 1:
        return {sources[0]: float(table.var(ddof=1))}
    df = table.size - 1 - sum(n - 1 for n in table.shape)
    together = float((rest**2).sum()) / df
    found = {}
    for name, effect, n in zip(sources, main, table.shape, strict=True):
        each = table.size // n
        found[name] = (each * float((effect**2).sum()) / (n - 1) - together) / each
    return found | {"together": together}


def percent(found: Mapping[str, float]) -> dict[str, float]:
    """Return shares of the total variance, components below zero taken as zero; NaN of nothing."""
    positive = {name: max(0.0, value) for name, value in found.items()}
    total = sum(positive.values())
    return {name: 100 * value / total if total else math.nan for name, value in positive.items()}
