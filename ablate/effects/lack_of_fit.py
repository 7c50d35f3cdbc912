"""Lack of fit: whether a model of the arms' means leaves more than seed noise, as interactions make it do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f

from ablate.effects.estimate import Floats, check_scores


@dataclass(frozen=True)
class LackOfFit:
    """The F test of a model against the arms' own means.

    Attributes:
        p_value: of no more than noise; NaN where it cannot be tested.
        df: arms left over once the model is fitted; zero: any scores fit.
        left_sd: standard deviation of what the model leaves of the arms' means, noise taken off; zero
            where noise explains it.
        residual: shape (n_arms,), mean score minus the model's.
    """

    p_value: float
    df: int
    left_sd: float
    residual: Floats


def lack_of_fit(scores: ArrayLike, model: ArrayLike) -> LackOfFit:
    """Test a linear model of arm means.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run; seeds with a gap are left out.
        model: shape (n_arms, n_terms), a column of ones among or implied by them.
    Returns:
        Noise is what is left after arm and seed, pooled over arms, so the test is exact for equal
        normal noise.
    Raises:
        ValueError: for shapes that do not fit.
    Source: Fisher (1922); Box, Hunter & Hunter (2005), chapter 10. Reference in tests: statsmodels'
    comparison of nested models.
    """
    table, x = check_scores(scores), np.asarray(model, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(table):
        raise ValueError(f"model must have one row per arm, {len(table)}, got shape {x.shape}")
    table = table[:, np.isfinite(table).all(axis=0)]
    n_arms, n_seeds = table.shape
    df = n_arms - int(np.linalg.matrix_rank(x))
    if n_seeds == 0:
        return LackOfFit(math.nan, df, math.nan, np.full(n_arms, np.nan))
    means = table.mean(axis=1)
    residual = means - x @ (np.linalg.pinv(x) @ means)
    error_df = (n_arms - 1) * (n_seeds - 1)
    if df < 1 or error_df < 1:
        return LackOfFit(math.nan, df, math.nan, residual)
    rest = table - table.mean(axis=0) - means[:, None] + table.mean()
    noise = float((rest**2).sum()) / error_df
    left = n_seeds * float(residual @ residual) / df
    if noise <= (1e-12 * float(np.abs(table).max())) ** 2:
        return LackOfFit(math.nan, df, math.nan, residual)
    return LackOfFit(
        float(f.sf(left / noise, df, error_df)), df, math.sqrt(max(0.0, (left - noise) / n_seeds)), residual
    )


def size_of_columns(fit: LackOfFit, model: ArrayLike, columns: ArrayLike) -> float:
    """Estimate how large coefficients of columns that a model leaves out are, from what it leaves of the arms' means.

    Args:
        fit: of the model.
        model: shape (n_arms, n_terms).
        columns: shape (n_arms, n_columns), left out, such as interactions.
    Returns:
        Standard deviation of the coefficients, were they independent draws around zero, in the metric's units; NaN
        where the fit was not tested, or the columns leave nothing over.
    Source: method of moments for one variance component, Henderson (1953). Reference in tests: known coefficients.
    """
    x, z = np.asarray(model, dtype=np.float64), np.asarray(columns, dtype=np.float64)
    left = z - x @ (np.linalg.pinv(x) @ z)
    trace = float((left**2).sum())
    if math.isnan(fit.left_sd) or not trace > 1e-9:
        return math.nan
    return fit.left_sd * math.sqrt(fit.df / trace)
