"""Contrasts that weigh every arm alike: pooled noise that is right whether or not arms are equally noisy.

The variance of such a contrast is a multiple of the mean of the arms' variances, and the pooled residual
of the model score = arm + seed + noise estimates that mean without bias. Unequal noise only takes away
degrees of freedom, which are estimated (Satterthwaite). Coverage of 95 % intervals with normal noise, 3
seeds, 20,000 simulated studies, and median width against a paired interval's:

    seed noise of the arms            8 arms         16 arms        width (8 arms)
    equal                             0.96           0.95           0.6 of the paired
    one arm 10 times the variance     0.94           0.95           0.6
    one arm 100 times                 0.94           0.93           1.0
    standard deviations 1 to 10       0.95           0.96           0.7
"""

from __future__ import annotations

import numpy as np

from ablate.effects.estimate import Estimate, Floats, seed_differences, spread, t_estimate

DOMINANT = 0.5
"""Share of the summed variance that one arm may have; above it the contrast is as noisy as that arm, and its
own paired variance is the better witness."""
LOOKS_EQUAL = 0.5
"""P-value of equal noise above which all degrees of freedom are taken."""


def weighs_alike(table: Floats, weights: Floats) -> bool:
    """Whether every arm has the same weight but for its sign, and every run is there.

    Args:
        table: shape (n_arms, n_seeds), NaN for a missing run.
        weights: shape (n_arms,).
    """
    size = np.abs(weights)
    full = len(table) >= 4 and table.shape[1] >= 2 and bool(np.isfinite(table).all())
    return full and bool(size.min() > 0.0 and np.ptp(size) <= 1e-9 * size.max())


def arm_variances(table: Floats) -> Floats:
    """Each arm's own seed variance, free of what seeds do to all arms alike; unbiased, so it may be below zero.

    Args:
        table: shape (n_arms, n_seeds), n_arms >= 3, no gaps.
    Returns:
        Shape (n_arms,), in squared units.
    Source: Grubbs, "On Estimating Precision of Measuring Instruments and Product Variability", JASA 43
    (1948). Reference in tests: the mean over simulated tables.
    """
    n_arms, n_seeds = table.shape
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    squares = (rest**2).sum(axis=1) / (n_seeds - 1)
    return np.asarray(n_arms / (n_arms - 2) * (squares - squares.sum() / (n_arms * (n_arms - 1))))


def balanced_contrast(table: Floats, weights: Floats, *, equal: float, level: float) -> Estimate:
    """Estimate a contrast for which `weighs_alike` holds.

    Args:
        table: shape (n_arms, n_seeds), no gaps.
        weights: shape (n_arms,).
        equal: p-value of equal noise in all arms; NaN where it cannot be tested.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Method "pooled" with up to (n_arms - 1) * (n_seeds - 1) degrees of freedom, or "paired" with
        n_seeds - 1 where one arm has most of the noise.
    Source: Satterthwaite, Biometrics Bulletin 2 (1946). Reference in tests: statsmodels' OLS with seed
    blocks for equal noise, simulation.
    """
    n_arms, n_seeds = table.shape
    estimate = float(seed_differences(table, weights).mean())
    own = np.maximum(arm_variances(table), 0.0)
    if not own.any() or spread(table, weights) == 0.0 or own.max() > DOMINANT * own.sum():
        variance, df, method = spread(table, weights) / n_seeds, n_seeds - 1.0, "paired"
    else:
        rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        most = (n_arms - 1.0) * (n_seeds - 1)
        pooled = float((rest**2).sum()) / most
        variance, method = pooled * float(weights @ weights) / n_seeds, "pooled"
        fewer = (n_seeds - 1) * float(own.sum()) ** 2 / float((own**2).sum())
        df = most if equal > LOOKS_EQUAL else min(max(fewer, n_seeds - 1.0), most)
    return t_estimate(estimate, variance=variance, df=df, n_seeds=n_seeds, method=method, level=level)
