"""Fit a linear model: logistic or least-squares loss with a ridge penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

ITERATIONS = 2_000


def fit_linear(features: Any, targets: np.ndarray, *, binary: bool, c: float) -> tuple[np.ndarray, float]:
    """Minimise |w|^2 / 2 + c * sum of losses over weights w and an intercept without penalty.

    The loss is log(1 + exp(-z)) with the target's sign when `binary`, else (z - target)^2 / 2.

    Args:
        features: shape (n, d), a NumPy array or a SciPy sparse array.
        targets: shape (n,), float64; 0 and 1 when `binary`.
        c: weight of the data against the penalty, above 0.
    Returns:
        Weights, shape (d,), float64, and the intercept.
    Source: the parametrisation is LIBLINEAR's (Fan et al. 2008). References in tests: scikit-learn's
    LogisticRegression(C=c) and Ridge(alpha=1 / c).
    """
    transposed = features.T.tocsr() if hasattr(features, "tocsr") else features.T

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercept = parameters[:-1], parameters[-1]
        z = features @ weights + intercept
        if binary:
            losses = np.logaddexp(0.0, z) - targets * z
            error = expit(z) - targets
        else:
            error = z - targets
            losses = 0.5 * error**2
        gradient = np.append(weights + c * (transposed @ error), c * error.sum())
        return float(0.5 * weights @ weights + c * losses.sum()), gradient

    mean = float(targets.mean())
    start = np.zeros(features.shape[1] + 1)
    start[-1] = np.log(mean / (1 - mean)) if binary else mean
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "gtol": 1e-6, "ftol": 1e-12},
    )
    return found.x[:-1], float(found.x[-1])


def score_linear(z: np.ndarray, *, binary: bool) -> np.ndarray:
    """Scores from linear predictors: probability of 1 when `binary`, else the predictor."""
    return np.asarray(expit(z) if binary else z, dtype=np.float64)
