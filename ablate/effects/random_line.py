"""A line through measurements of several studies, which differ by more than their own errors: meta-regression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import stdtrit

from ablate.effects.estimate import Floats, check_level


@dataclass(frozen=True, eq=False)
class RandomLine:
    """y = intercept + slope x + what a study differs by.

    Attributes:
        intercept, slope: of the line.
        covariance: shape (2, 2), of the two.
        between: variance of what a study of its own differs by, beyond its measurement's error.
        df: studies less the coefficients that were fitted, of all intervals.
        low, high: range of x that was measured.
    """

    intercept: float
    slope: float
    covariance: Floats
    between: float
    df: float
    low: float
    high: float

    def at(self, x: float) -> float:
        """Return the height of the line."""
        return self.intercept + self.slope * x

    def variance(self, x: float) -> float:
        """Return the variance of a new study's true y about the line as it was fitted."""
        place = np.array([1.0, x])
        return float(place @ self.covariance @ place) + self.between

    def interval(self, x: float, *, level: float = 0.95) -> tuple[float, float]:
        """Return the interval that holds a new study's true y with `level`: t with `df` degrees of freedom (Higgins et al. 2009)."""
        check_level(level)
        half = float(stdtrit(self.df, 0.5 + level / 2)) * math.sqrt(self.variance(x))
        return self.at(x) - half, self.at(x) + half


def random_line(x: ArrayLike, y: ArrayLike, variance: ArrayLike) -> RandomLine:
    """Fit a line to studies with errors of known variance and a variance between them that is estimated.

    Args:
        x: shape (n,), n >= 3, not all equal.
        y: shape (n,), what each study measured.
        variance: shape (n,), above zero, of each study's own error.
    Returns:
        Weighted least squares with weights 1 / (variance + between), `between` after Paule and Mandel (1982): where the weighted squares
        of the residuals are as many as their degrees of freedom. The covariance is Knapp and Hartung's (2003), never
        narrower than that of the known variances.
    Raises:
        ValueError: for shapes that differ, fewer than three studies, one x, or a variance not above zero.
    Reference in tests: `numpy.polyfit` with weights where studies do not differ, simulated coverage.
    """
    place, value, own = (np.asarray(one, dtype=np.float64) for one in (x, y, variance))
    if not place.shape == value.shape == own.shape or place.ndim != 1:
        raise ValueError(
            f"expected three vectors of one length, got {place.shape}, {value.shape}, {own.shape}"
        )
    if place.size < 3 or np.ptp(place) == 0:
        raise ValueError(f"a line needs three studies or more at two places, got x={place.tolist()}")
    if not (own > 0).all():
        raise ValueError("variances must be above zero")
    design = np.stack([np.ones_like(place), place], axis=1)
    found, covariance, between = _fit(design, value, own)
    df = float(place.size - 2)
    return RandomLine(
        float(found[0]), float(found[1]), covariance, between, df, float(place.min()), float(place.max())
    )


def random_mean(
    x: ArrayLike, y: ArrayLike, variance: ArrayLike, *, slope: float, slope_variance: float
) -> RandomLine:
    """Fit a line's height alone; its slope is known from elsewhere.

    Args:
        x, y, variance: as for `random_line`; n >= 2, and all x may be one.
        slope: of the line.
        slope_variance: of that slope, zero or more.
    Returns:
        A line that is surest at the mean of x; `df` is studies less 1.
    Raises:
        ValueError: as `random_line`, for fewer than two studies.
    """
    place, value, own = (np.asarray(one, dtype=np.float64) for one in (x, y, variance))
    if not place.shape == value.shape == own.shape or place.ndim != 1 or place.size < 2:
        raise ValueError(
            f"expected three vectors of one length, 2 or more, got {place.shape}, {value.shape}, {own.shape}"
        )
    if not (own > 0).all() or not slope_variance >= 0:
        raise ValueError("variances must be above zero")
    centre = float(place.mean())
    found, inner, between = _fit(np.ones((place.size, 1)), value - slope * (place - centre), own)
    covariance = slope_variance * np.array([[centre**2, -centre], [-centre, 1.0]])
    covariance[0, 0] += inner[0, 0]
    return RandomLine(
        float(found[0]) - slope * centre,
        slope,
        covariance,
        between,
        place.size - 1.0,
        float(place.min()),
        float(place.max()),
    )


def _fit(design: Floats, value: Floats, own: Floats) -> tuple[Floats, Floats, float]:
    """Coefficients, their covariance, and the variance between studies."""
    df = len(value) - design.shape[1]

    def fitted(between: float) -> tuple[Floats, Floats, float]:
        weight = 1 / (own + between)
        inverse: Floats = np.asarray(np.linalg.inv(design.T @ (design * weight[:, None])), dtype=np.float64)
        found = inverse @ design.T @ (weight * value)
        return found, inverse, float(weight @ (value - design @ found) ** 2)

    between = 0.0
    if fitted(0.0)[2] > df:
        high = (float(np.ptp(value)) ** 2 + 1.0) * len(value)
        between = float(brentq(lambda one: fitted(one)[2] - df, 0.0, high))
    found, inverse, squares = fitted(between)
    return found, inverse * max(1.0, squares / df), between
