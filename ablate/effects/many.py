"""The rule of `contrast.py` for thousands of simulated studies at once: the same numbers, one array operation each.

Only for full tables of scores without ties, as simulation makes them; a test holds it equal to
`estimate_contrasts` table by table.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, polygamma
from scipy.stats import chi2

from ablate.effects.balanced import DOMINANT, SPHERICAL, weighs_alike
from ablate.effects.contrast import LOOKS_EQUAL
from ablate.effects.estimate import Floats
from ablate.effects.moderate import FEWEST, OUTLIER


def estimate_many(
    tables: Floats, weights: Floats, *, unpaired: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Estimate every contrast of every study by the rule, or unpaired.

    Args:
        tables: shape (n_studies, n_arms, n_seeds), n_seeds >= 2, no gaps.
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        unpaired: whether arms count as independent samples, see `contrast.unpaired_contrast`.
    Returns:
        Estimates, seed errors and degrees of freedom, each of shape (n_studies, n_contrasts).
    """
    n_seeds = tables.shape[2]
    if unpaired:
        return _unpaired(tables, weights)
    differences = np.einsum("ca,nas->ncs", weights, tables)
    estimate = differences.mean(axis=2)
    own = differences.var(axis=2, ddof=1)
    error = np.empty_like(estimate)
    df = np.empty_like(estimate)
    rest = tables - tables.mean(axis=1, keepdims=True)
    rest = rest - rest.mean(axis=2, keepdims=True)
    squares = (rest**2).sum(axis=2)
    equal = _homogeneity(squares, n_seeds) > LOOKS_EQUAL
    alike = np.array([weighs_alike(tables[0], row) for row in weights])
    if alike.any():
        size = (weights[alike] ** 2).sum(axis=1)
        error[:, alike], df[:, alike] = _balanced(own[:, alike], size, squares, equal, n_seeds)
    if not alike.all():
        size = (weights[~alike] ** 2).sum(axis=1)
        variance, found = _moderated(own[:, ~alike] / size, n_seeds - 1.0, equal)
        error[:, ~alike], df[:, ~alike] = np.sqrt(variance * size / n_seeds), found
    return estimate, error, df


def _unpaired(tables: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """See `contrast.unpaired_contrast`."""
    n_seeds = tables.shape[2]
    parts = tables.var(axis=2, ddof=1) / n_seeds
    total = parts @ (weights**2).T
    df = (n_seeds - 1) * total**2 / (parts**2 @ (weights**4).T)
    return tables.mean(axis=2) @ weights.T, np.sqrt(total), df


def _homogeneity(squares: Floats, n_seeds: int) -> Floats:
    """P-value of Bartlett's test for each study; see `noise.homogeneity`."""
    n_arms, df = squares.shape[1], n_seeds - 1
    if n_arms < 3:
        return np.full(len(squares), np.nan)
    ratio = df * (np.log(squares.mean(axis=1, keepdims=True)) - np.log(squares)).sum(axis=1)
    return np.asarray(chi2.sf(ratio / (1 + (n_arms + 1) / (3 * n_arms * df)), n_arms - 1))


def _balanced(
    own: Floats, size: Floats, squares: Floats, equal: np.ndarray, n_seeds: int
) -> tuple[Floats, Floats]:
    """See `balanced.balanced_contrast`."""
    n_arms, df = squares.shape[1], n_seeds - 1
    most = (n_arms - 1.0) * df
    each = squares / df
    arms = n_arms / (n_arms - 2) * (each - each.sum(axis=1, keepdims=True) / (n_arms * (n_arms - 1)))
    arms = np.maximum(arms, 0.0)
    total = arms.sum(axis=1)
    fewer = df * total**2 / (arms**2).sum(axis=1)
    freedom = np.where(equal, most, np.clip(fewer, df, most))
    pooled = squares.sum(axis=1, keepdims=True) / most * size
    alone = (arms.max(axis=1) > DOMINANT * total)[:, None] | (own > SPHERICAL * pooled)
    return np.sqrt(np.where(alone, own, pooled) / n_seeds), np.where(alone, df, freedom[:, None])


def _moderated(own: Floats, df: float, equal: np.ndarray) -> tuple[Floats, Floats]:
    """See `moderate.moderate`."""
    variance, freedom = own.copy(), np.full_like(own, df)
    if own.shape[1] >= FEWEST and equal.any():
        variance[equal], freedom[equal] = _steadied(own[equal], df)
    return variance, freedom


def _steadied(own: Floats, df: float) -> tuple[Floats, Floats]:
    """Variances and degrees of freedom of studies whose arms look equally noisy."""
    mean = own.mean(axis=1)
    s0, d0 = _prior(own, df)
    trusted = d0 <= df
    centre = np.where(trusted, s0, mean)[:, None]
    weight = np.where(trusted, d0, df)[:, None]
    use = own <= OUTLIER * centre
    steadied = np.maximum(own, (weight * centre + df * own) / (weight + df))
    return np.where(use, steadied, own), np.where(use, weight + df, df)


def _prior(own: Floats, df: float) -> tuple[Floats, Floats]:
    """See `moderate.prior`; d0 is infinite where variances differ no more than chance would have them."""
    log = np.log(own) - digamma(df / 2) + np.log(df / 2)
    excess = log.var(axis=1, ddof=1) - float(polygamma(1, df / 2))
    loose = excess > float(polygamma(1, 1e6))
    half = np.full(len(own), np.inf)
    half[loose] = _inverse_trigamma(excess[loose])
    s0 = own.mean(axis=1)
    with np.errstate(invalid="ignore"):
        s0[loose] = np.exp(log.mean(axis=1) + digamma(half) - np.log(half))[loose]
    return s0, 2.0 * half


def _inverse_trigamma(y: Floats) -> Floats:
    """x with trigamma(x) = y, by Newton's method on 1 / trigamma, which is convex.

    Source: Smyth (2004), appendix.
    """
    x = 0.5 + 1.0 / y
    for _ in range(40):
        value = polygamma(1, x)
        step = value * (1.0 - value / y) / polygamma(2, x)
        x = x + step
        if (np.abs(step) <= 1e-12 * x).all():
            break
    return np.asarray(x)
