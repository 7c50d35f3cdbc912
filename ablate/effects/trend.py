"""Whether scores rise or fall along the values of a parameter, whatever the shape of the curve, and where.

A parabola is the wrong curve for a threshold, whose scores may stay flat and then drop. MCP-Mod's first half asks instead
for the contrast of each of several monotone shapes, and takes the largest: a step at every gap between two
values, a line, a line in the ranks of the values, and curves that change early or late. How large the largest is by luck
is known from the shapes' correlations (multivariate t), so that trying them all costs what it must and no more.

A curve turns where some stretch of it lies above the stretch before, and another below. For a curve that only rises no
stretch lies below the one before, so that both together, each held against the largest over all pairs of neighbouring
stretches, are said of at most 5 % of curves that do not turn.

Sources: Bretz, Pinheiro & Branson, Biometrics 61 (2005), MCP-Mod; Williams, Biometrics 27 (1971), monotone doses;
Hirotsu, Biometrics 38 (1982), steps as contrasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ablate.effects.estimate import Floats, check_scores

DRAWS, AT_ONCE = 20_000, 2_000
"""Of the largest contrast by luck: a p of 0.05 is known to 0.0015."""
EARLY = 0.1
"""Share of the range at which an early curve has half of its effect (MCP-Mod's ED50); late ones are its mirror."""


@dataclass(frozen=True)
class Step:
    """What lies above a threshold against what lies below.

    Attributes:
        below, above: the values between which the step is.
        estimate: mean score of the values above less that of those below.
        ci_low, ci_high: simultaneous for all shapes, so that the choice of the step does not flatter it.
    """

    below: float
    above: float
    estimate: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Trend:
    """A dose's monotone trend.

    Attributes:
        p_rises, p_falls: of no rise, and of no fall, over all shapes and both directions; NaN where nothing was measured.
        p_turns: of a curve that only rises or only falls.
        shape: of the largest contrast, in words.
        step: the largest of the steps.
        shapes: how many were tried.
    """

    p_rises: float
    p_falls: float
    p_turns: float
    shape: str
    step: Step
    shapes: int

    def found(self, alpha: float = 0.05) -> str:
        """Return "turns", "rises", "falls", or "" where nothing is seen."""
        up, down = self.p_rises <= alpha, self.p_falls <= alpha
        if self.p_turns <= alpha or (up and down):
            return "turns"
        return "rises" if up else "falls" if down else ""


def monotone_shapes(values: ArrayLike) -> tuple[list[str], Floats]:
    """Return contrasts of rising curves over the values, each of length 1.

    Args:
        values: shape (n_values,), ascending, all different; two or more.
    Returns:
        Names, and weights of shape (n_shapes, n_values).
    Raises:
        ValueError: for values that do not ascend.
    """
    d = np.asarray(values, dtype=np.float64)
    if d.ndim != 1 or d.size < 2 or not (np.diff(d) > 0).all():
        raise ValueError(f"values must ascend, two or more, got {d.tolist()}")
    x = (d - d[0]) / (d[-1] - d[0])
    curves = {
        f"a step between {below:g} and {above:g}": (d >= above).astype(np.float64)
        for below, above in pairwise(d)
    }
    if d.size > 2:
        curves |= {
            "a line": x,
            "a line in the order of the values": np.arange(d.size, dtype=np.float64),
            "most of it early": x / (EARLY + x),
            "most of it late": 1.0 - (1.0 - x) / (EARLY + 1.0 - x),
        }
    centred = np.stack([curve - curve.mean() for curve in curves.values()])
    return list(curves), centred / np.linalg.norm(centred, axis=1, keepdims=True)


def neighbours(n_values: int) -> Floats:
    """Return contrasts of every stretch of values with the stretch before it, each of length 1: shape (n_pairs, n_values)."""
    ends = combinations(range(n_values + 1), 3)
    rows = np.zeros((math.comb(n_values + 1, 3), n_values))
    for row, (first, middle, last) in zip(rows, ends, strict=True):
        row[first:middle], row[middle:last] = -1.0 / (middle - first), 1.0 / (last - middle)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def monotone_trend(scores: ArrayLike, values: ArrayLike, *, level: float = 0.95) -> Trend:
    """Test for a rise or fall of any of the monotone shapes.

    Args:
        scores: shape (n_values, n_seeds); seeds with a gap are left out.
        values: shape (n_values,), ascending.
        level: two-sided and simultaneous coverage of the step's interval.
    Returns:
        Noise is what is left after value and seed, pooled, with (n_values - 1)(n_seeds - 1) degrees of freedom: exact for
        equal normal noise. NaN with fewer than two seeds or without any spread.
    Reference in tests: for two values the paired t test; calibration on flat, monotone, stepped and turning curves.
    """
    table = check_scores(scores)
    names, weights = monotone_shapes(values)
    d = np.asarray(values, dtype=np.float64)
    if len(table) != d.size:
        raise ValueError(f"scores must have one row per value, {d.size}, got {len(table)}")
    table = table[:, np.isfinite(table).all(axis=0)]
    n_values, n_seeds = table.shape
    means = table.mean(axis=1) if n_seeds else np.full(n_values, np.nan)
    df = (n_values - 1) * (n_seeds - 1)
    noise = math.nan
    if df > 0:
        rest = table - table.mean(axis=0) - means[:, None] + table.mean()
        noise = math.sqrt(float((rest**2).sum()) / df / n_seeds)
    if not noise > 1e-12 * float(np.abs(table).max(initial=0.0)):
        noise = math.nan
    t = weights @ means / noise
    largest = _largest(weights.tobytes(), len(names), df) if df > 0 else np.empty(0)
    pairs = neighbours(n_values)
    local = pairs @ means / noise
    by_luck = _largest(pairs.tobytes(), len(pairs), df) if df > 0 else np.empty(0)
    best = int(np.nanargmax(np.abs(t))) if np.isfinite(t).any() else 0
    steps = np.abs(t[: n_values - 1])
    place = int(np.nanargmax(steps)) if np.isfinite(steps).any() else 0
    low, high = means[: place + 1].mean(), means[place + 1 :].mean()
    size = noise * math.sqrt(1.0 / (place + 1) + 1.0 / (n_values - place - 1))
    half = float(np.quantile(largest, level, method="higher")) * size if largest.size else math.nan
    return Trend(
        _p(largest, float(t.max())),
        _p(largest, float(-t.min())),
        _p(by_luck, float(min(local.max(), -local.min()))),
        names[best],
        Step(
            float(d[place]),
            float(d[place + 1]),
            float(high - low),
            float(high - low) - half,
            float(high - low) + half,
        ),
        len(names),
    )


def _p(largest: Floats, t: float) -> float:
    """Share of draws in which the largest contrast, of either sign, is at least `t`."""
    if math.isnan(t):
        return math.nan
    return float((1 + np.count_nonzero(largest >= t)) / (1 + largest.size))


@lru_cache(maxsize=32)
def _largest(weights: bytes, shapes: int, df: int) -> Floats:
    """Draws of the largest absolute t of all shapes when the values do nothing."""
    table = np.frombuffer(weights).reshape(shapes, -1)
    if shapes == 1:  # no need to draw: Student's t
        return np.asarray(-stdtrit(df, (np.arange(DRAWS) + 0.5) / DRAWS / 2.0))
    rng = np.random.default_rng(0)
    parts = [
        np.abs(rng.normal(size=(AT_ONCE, table.shape[1])) @ table.T).max(axis=1)
        / np.sqrt(rng.chisquare(df, AT_ONCE) / df)
        for _ in range(DRAWS // AT_ONCE)
    ]
    return np.concatenate(parts)
