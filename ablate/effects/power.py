"""What a study can see: minimum detectable effect before it runs and after, and seeds needed for a given one.

Before, the noise is a stated figure and taken for known. After, the standard error was measured, with few
degrees of freedom: by luck it comes out too small as easily as too large. An effect read off it as if it
were known is found less often than promised: of stated effects, with one control, five contrasts and equal
noise, 64 % at 3 seeds, 70 % at 5 and 74 % at 8 in place of 80 % (simulated). `detectable_in_a_repeat` allows
for that. Either is for a single test: after Holm's correction over several gains the power is lower.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import chi2, nct

from ablate.effects.estimate import Estimate

MOST_SEEDS = 10_000
NODES = 30
"""Of the integral over what the standard error may be off by; 400 change the fifth digit."""


def minimum_detectable_effect(
    standard_error: float, df: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest true effect that a two-sided t test finds with the stated power, its noise being known.

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


def detectable_in_a_repeat(
    standard_error: float, df: float, *, own_df: float | None = None, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Effect that a repeat of the study finds with the stated power, where the noise is known from the study alone.

    Of all studies that state such an effect, the share `power` of their repeats finds it.

    Args:
        standard_error: as measured, e.g. `Estimate.seed_error`, in the metric's units.
        df: its degrees of freedom, which the repeat's test will have too.
        own_df: degrees of freedom that the repeat has where it does not borrow from other contrasts; for a
            moderated contrast, which half of the repeats test on its own seeds (`contrast.LOOKS_EQUAL` is
            the median of the p-value that decides). None for a test that is always the same.
        alpha: level of the test, in (0, 1), before any correction for multiplicity.
        power: chance to find the effect, in (alpha, 1).
    Returns:
        Effect in the metric's units, larger than `minimum_detectable_effect`; NaN where the standard error
        or df is NaN.
    Raises:
        ValueError: as `minimum_detectable_effect`.
    Source: Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine
    14 (1995); Taylor & Muller, Commun. Statist. Theory Methods 25 (1996). Reference in tests: simulation.

    Simulated share found, with 3, 5, 8 seeds: paired contrasts 80, 80, 80 % whatever the arms' noise;
    moderated and paired together as `contrast.py` has it, equal noise, 82, 81, 81 %. Where arms differ much in
    noise and a repeat may fall back to its own seeds it is less: 77, 79, 81 % for gains over a control of
    ten times the variance, and for main effects of 8 arms with one such arm 71, 75, 78 %.
    `ablate calibrate` counts it for every design.
    """
    if _unknown(standard_error, df, alpha, power):
        return math.nan
    df = round(df, 3)  # estimated degrees of freedom are all different, and each costs an integral
    return standard_error * _repeat_shift(df, df if own_df is None else own_df, alpha, power)


def _unknown(standard_error: float, df: float, alpha: float, power: float) -> bool:
    """Whether nothing was measured; refuses what makes no sense."""
    if not 0.0 < alpha < power < 1.0:
        raise ValueError(f"expected 0 < alpha < power < 1, got alpha={alpha}, power={power}")
    if math.isnan(standard_error) or math.isnan(df):
        return True
    if standard_error <= 0.0 or df <= 0.0:
        raise ValueError(f"standard_error and df must be above zero, got {standard_error} and {df}")
    return False


def detectable(estimate: Estimate, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The effect that a report names beside an estimate: `detectable_in_a_repeat`; NaN without a measured spread."""
    if not estimate.seed_error > 0.0:
        return math.nan
    borrows = estimate.method in ("moderated", "borrowed")
    own_df = estimate.n_seeds - 1.0 if borrows else None
    return detectable_in_a_repeat(estimate.seed_error, estimate.df, own_df=own_df, alpha=alpha, power=power)


def seeds_needed(effect: float, difference_sd: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Fewest seeds with which a paired t test finds `effect` with the stated power.

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


@lru_cache(maxsize=4096)
def _repeat_shift(df: float, own_df: float, alpha: float, power: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    # The measured error over the true one, at evenly spread probabilities.
    ratio = np.sqrt(chi2.ppf((nodes + 1) / 2, df) / df)

    def excess(shift: float) -> float:
        found = (_found(shift * ratio, df, alpha) + _found(shift * ratio, own_df, alpha)) / 2
        return float(weights @ found) / 2 - power

    return _solve(excess)


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
