"""A line through studies that differ: weighted least squares where they do not, honest intervals where they do."""

from __future__ import annotations

import numpy as np
import pytest

from ablate.effects.random_line import random_line


def test_studies_that_do_not_differ_give_weighted_least_squares() -> None:
    x, variance = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.04, 0.01, 0.09, 0.01])
    y = 1.0 + 0.5 * x + np.array([0.01, -0.01, 0.02, 0.0])
    line = random_line(x, y, variance)
    slope, intercept = np.polyfit(x, y, 1, w=1 / np.sqrt(variance))
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    assert line.between == 0.0
    assert line.covariance == pytest.approx(
        np.polyfit(x, y, 1, w=1 / np.sqrt(variance), cov="unscaled")[1][::-1, ::-1]
    )


def test_a_new_study_lies_in_its_interval_as_often_as_stated() -> None:
    rng = np.random.default_rng(3)
    x, variance = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 3.5, 5.0]), np.full(7, 0.05)
    inside, cases = 0, 2000
    for _ in range(cases):
        y = 2 - 0.3 * x + rng.normal(size=7) * np.sqrt(0.2 + variance)
        low, high = random_line(x, y, variance).interval(6.0, level=0.9)
        inside += low <= 2 - 0.3 * 6.0 + rng.normal() * np.sqrt(0.2) <= high
    assert inside / cases == pytest.approx(0.9, abs=0.03)


def test_far_from_what_was_measured_the_interval_is_wider() -> None:
    line = random_line([0, 1, 2, 3], [0.0, 0.3, 0.1, 0.5], [0.01] * 4)
    widths = [np.subtract(*line.interval(x)[::-1]) for x in (1.5, 5, 12)]
    assert widths == sorted(widths) and (line.low, line.high) == (0, 3)


@pytest.mark.parametrize(
    ("x", "y", "variance"),
    [
        ([0, 1], [0, 1], [1, 1]),
        ([1, 1, 1], [0, 1, 2], [1, 1, 1]),
        ([0, 1, 2], [0, 1], [1, 1, 1]),
        ([0, 1, 2], [0, 1, 2], [1, 0, 1]),
    ],
)
def test_what_no_line_goes_through_is_refused(x, y, variance) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        random_line(x, y, variance)
