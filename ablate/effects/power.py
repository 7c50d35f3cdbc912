"""What one t test can see: minimum detectable effect and seeds needed, the noise being known.

What a table of gains can see, with its correction and a noise that was measured, is in `detectable.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import nct

MOST_SEEDS = 10_000


def minimum_detectable_effect(
    standard_error: float, df: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest true effect that a two-sided t test finds with the stated power, its noise being known.

    Args:
        standard_error: the true one of the estimate, in the metric's units.
        df: degrees of freedom with which the test will measure it.
        alpha: level of the test, in (0, 1), before any correction for multiplicity.
        power: chance to find the effect, in (alpha, 1).
    Returns:
        Effect in the metric's units, above zero; NaN where the standard error or df is NaN.
    Raises:
        ValueError: for a standard error or df not above zero, or alpha and power out of range.
    Source: Cohen (1988); the noncentral t distribution, solved to rounding, no normal approximation.
    Reference in tests: simulation, and the normal limit 1.960 + 0.842 standard errors.
    """
    if _unknown(standard_error, df, alpha, power):
        return math.nan
    return standard_error * _noncentrality(df, alpha, power)


def _unknown(standard_error: float, df: float, alpha: float, power: float) -> bool:
    """Whether nothing was measured; refuses what makes no sense."""
    if not 0.0 < alpha < power < 1.0:
        raise ValueError(f"expected 0 < alpha < power < 1, got alpha={alpha}, power={power}")
    if math.isnan(standard_error) or math.isnan(df):
        return True
    if standard_error <= 0.0 or df <= 0.0:
        raise ValueError(f"standard_error and df must be above zero, got {standard_error} and {df}")
    return False


def seeds_needed(effect: float, difference_sd: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the fewest seeds with which a paired t test finds `effect` with the stated power.

    Args:
        effect: true difference between two arms, in the metric's units, not zero.
        difference_sd: standard deviation between seeds of the paired difference, same units.
        alpha: level of the test, in (0, 1), before any correction for multiplicity.
        power: chance to find the effect, in (alpha, 1).
    Returns:
        At least 2.
    Raises:
        ValueError: for an effect of zero, a standard deviation not above zero, alpha and power out of
            range, or an effect that 10,000 seeds would not find.
    """
    if not (abs(effect) > 0.0 and difference_sd > 0.0):
        raise ValueError(
            f"effect must not be 0 and difference_sd must be above 0, got {effect}, {difference_sd}"
        )

    def finds(seeds: int) -> bool:
        error = difference_sd / math.sqrt(seeds)
        return minimum_detectable_effect(error, seeds - 1, alpha=alpha, power=power) <= abs(effect)

    if not finds(MOST_SEEDS):
        raise ValueError(f"{MOST_SEEDS} seeds would not find {effect} where seeds differ by {difference_sd}")
    low, high = 1, MOST_SEEDS  # one seed never does; halve the range, since more seeds always find more
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high


def _noncentrality(df: float, alpha: float, power: float) -> float:
    return _solve(lambda shift: float(_found(np.array(shift), df, alpha)) - power)


def _found(shift: np.ndarray, df: float, alpha: float) -> np.ndarray:
    """Chance that a two-sided t test finds an effect of `shift` true standard errors."""
    critical = float(stdtrit(df, 1.0 - alpha / 2))
    # The far tail is taken by its mirror image; asked for directly, SciPy gives NaN there.
    return np.asarray(nct.sf(critical, df, shift) + nct.sf(critical, df, -shift))


def _solve(excess: Callable[[float], float]) -> float:
    """Where a rising function crosses zero."""
    high = 10.0
    while excess(high) < 0.0:
        high *= 2.0
    return float(brentq(excess, 0.0, high, xtol=1e-10))
