"""Gain on gain with errors in both: SciPy's orthogonal regression, and intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ablate.effects.gain_slope import gain_slope
from ablate.effects.noise import run_noise


def tables(
    rng: np.random.Generator, slope: float, spread: float, n_arms: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """True arms on a line; runs of noise 1 (five seeds) and 2 (three seeds), and a shift that a seed gives to all arms."""
    truth = spread * rng.normal(size=n_arms)
    small = truth[:, None] + rng.normal(size=(n_arms, 5)) + 3 * rng.normal(size=5)
    large = 7 + slope * truth[:, None] + 2 * rng.normal(size=(n_arms, 3)) + rng.normal(size=3)
    return small, large


def test_the_slope_is_the_most_likely_one() -> None:
    """Normal errors of known variances: the squares of y - a - b x over var(y) + b^2 var(x) are least (Fuller 1987, 1.3)."""
    small, large = tables(np.random.default_rng(1), 0.6, 3.0)
    x, y = small.mean(axis=1), large.mean(axis=1)
    errors = run_noise(small) ** 2 / 5, run_noise(large) ** 2 / 3

    def squares(slope: float) -> float:
        rest = y - y.mean() - slope * (x - x.mean())
        return float((rest**2).sum() / (errors[1] + slope**2 * errors[0]))

    best = minimize_scalar(squares, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}).x
    assert gain_slope(small, large).slope == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize(("slope", "spread"), [(0.0, 3.0), (1.0, 3.0), (0.5, 1.0)])
def test_intervals_cover(slope: float, spread: float) -> None:
    rng, n = np.random.default_rng(2), 1500
    inside = 0
    for _ in range(n):
        found = gain_slope(*tables(rng, slope, spread), level=0.9)
        inside += found.low <= slope <= found.high
    assert inside / n == pytest.approx(0.9, abs=0.04)


def test_noise_in_the_small_study_does_not_tilt_the_line() -> None:
    rng = np.random.default_rng(3)
    slopes, plain = [], []
    for _ in range(400):
        small, large = tables(rng, 1.0, 1.0, n_arms=30)
        slopes.append(gain_slope(small, large).slope)
        plain.append(np.polyfit(small.mean(axis=1), large.mean(axis=1), 1)[0])
    assert np.median(slopes) == pytest.approx(1.0, abs=0.1)
    assert np.median(plain) < 0.9, "least squares of one on the other does"


def test_units_and_directions_carry_through() -> None:
    small, large = tables(np.random.default_rng(4), 0.6, 3.0)
    found, other = gain_slope(small, large), gain_slope(100 * small, -large)
    assert other.slope == pytest.approx(-found.slope / 100)
    assert (other.low, other.high) == pytest.approx((-found.high / 100, -found.low / 100))


def test_where_nothing_differs_no_direction_is_claimed() -> None:
    rng = np.random.default_rng(5)
    wide = [gain_slope(*tables(rng, 1.0, 0.0)) for _ in range(100)]
    assert sum(math.isinf(one.low) or math.isinf(one.high) for one in wide) > 80


def test_what_was_not_measured_is_nan() -> None:
    one_seed = np.arange(8.0)[:, None]
    small, large = tables(np.random.default_rng(6), 1.0, 3.0)
    assert math.isnan(gain_slope(one_seed, large).slope)
    assert math.isnan(gain_slope(small[:2], large[:2]).slope)
    three = gain_slope(small[:3], large[:3])
    assert not math.isnan(three.slope) and math.isnan(three.low)
    gap = small.copy()
    gap[0] = np.nan
    assert gain_slope(gap, large).n_arms == 7
    with pytest.raises(ValueError, match="same arms"):
        gain_slope(small[:3], large)
