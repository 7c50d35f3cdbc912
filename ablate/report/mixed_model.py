"""Gains from all runs where arms have different numbers of them: arms fixed, seeds random.

statsmodels does the fitting; it is imported here alone, because `effects` keeps to NumPy and SciPy.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Estimate, check_scores, check_weights, t_estimate, unmeasured


def mixed_contrast(scores: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Estimate a contrast in the model score = arm + seed (random) + noise, by REML.

    A paired estimate leaves out the runs of seeds that another arm lacks; this one uses them, and
    weighs within-seed against between-seed differences by how large the seeds' own variance turns out.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run.
        weights: shape (n_arms,), summing to zero.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Method "mixed"; degrees of freedom are runs - arms - (seeds - 1), the cautious count. All NaN
        when an arm of the contrast has no run; no interval without degrees of freedom or a spread, or where
        statsmodels finds no fit.
    Source: Laird & Ware (1982); statsmodels' MixedLM.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    table = check_scores(scores)
    vector = check_weights(weights, len(table))
    present: Any = np.isfinite(table)
    there = present.any(axis=1)
    used = np.flatnonzero(vector)
    n = int(present[used].all(axis=0).sum())
    if not there[used].all():
        return unmeasured(math.nan, n)
    arm, seed = np.nonzero(present)
    values = table[arm, seed]
    columns = np.eye(len(table))[arm][:, there]
    df = values.size - int(there.sum()) - (np.unique(seed).size - 1)
    scale = float(values.std()) or 1.0
    plain = float(vector[there] @ (np.linalg.pinv(columns) @ values))
    if df < 1 or np.ptp(values) == 0.0:
        return unmeasured(plain, n)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a seed variance of zero lies on the boundary, and is told as a warning
        try:
            fit = MixedLM(values / scale, columns, groups=seed).fit(reml=True)
        except (
            np.linalg.LinAlgError
        ):  # seeds that differ so much more than arms that the search leaves the numbers
            return unmeasured(plain, n)
    beta = np.asarray(fit.fe_params) * scale
    covariance = np.asarray(fit.cov_params())[: beta.size, : beta.size] * scale**2
    variance = float(vector[there] @ covariance @ vector[there])
    estimate = float(vector[there] @ beta)
    if not (math.isfinite(variance) and variance > 0.0):
        return unmeasured(estimate, n)
    return t_estimate(estimate, variance=variance, df=df, n_seeds=n, method="mixed", level=level)
