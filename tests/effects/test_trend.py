"""Monotone trends: references for two values, and calibration on flat, rising, stepped and turning curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, t, ttest_rel

from ablate.effects.trend import monotone_shapes, monotone_trend

VALUES = np.array([0.0, 0.05, 0.12, 0.2, 0.3, 0.45, 0.6, 0.9])
STUDIES = 600


def found(truth: np.ndarray, *, noise: float, seeds: int = 3, studies: int = STUDIES) -> list[str]:
    """What is said of each of many studies of one truth; seeds shift all values alike."""
    rng = np.random.default_rng(0)
    shift = rng.normal(size=(studies, 1, seeds))
    tables = truth[:, None] + shift + rng.normal(scale=noise, size=(studies, truth.size, seeds))
    return [monotone_trend(table, VALUES).found() for table in tables]


def test_two_values_are_a_paired_t_test() -> None:
    table = np.random.default_rng(1).normal(size=(2, 6)) + np.array([[0.0], [0.8]])
    reference = ttest_rel(table[1], table[0])
    trend = monotone_trend(table, [1.0, 2.0])
    assert trend.p_rises == pytest.approx(reference.pvalue, abs=2e-4)
    interval = reference.confidence_interval()
    assert (trend.step.ci_low, trend.step.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-3)
    assert trend.step.estimate == pytest.approx(float((table[1] - table[0]).mean()))


def test_shapes_are_contrasts_that_rise() -> None:
    names, weights = monotone_shapes(VALUES)
    assert len(names) == len(set(names)) == len(weights) == 7 + 4
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose((weights**2).sum(axis=1), 1.0)
    assert (np.diff(weights, axis=1) >= -1e-12).all()
    with pytest.raises(ValueError, match="must ascend"):
        monotone_shapes([0.1, 0.1, 0.2])


def test_the_largest_of_the_shapes_is_judged_by_the_largest() -> None:
    """Between the single test's critical value and Bonferroni's, since the shapes are alike."""
    trend = monotone_trend(np.random.default_rng(2).normal(size=(8, 4)), VALUES)
    df, shapes = 7 * 3, trend.shapes
    half = (trend.step.ci_high - trend.step.ci_low) / 2
    rest = np.random.default_rng(2).normal(size=(8, 4))
    rest = rest - rest.mean(axis=0) - rest.mean(axis=1, keepdims=True) + rest.mean()
    place = int(np.flatnonzero(trend.step.below == VALUES)[0]) + 1
    error = np.sqrt((rest**2).sum() / df / 4 * (1 / place + 1 / (8 - place)))
    assert t.ppf(0.975, df) < half / error < t.ppf(1 - 0.025 / shapes, df)


def test_flat_curves_are_said_to_move_in_five_percent_of_studies() -> None:
    said = sum(kind != "" for kind in found(np.zeros(8), noise=0.1))
    assert binomtest(said, STUDIES, 0.05).pvalue > 0.001


@pytest.mark.parametrize(
    "truth", [VALUES, (VALUES > 0.5) * 0.4, np.sqrt(VALUES)], ids=["line", "threshold", "early"]
)
def test_monotone_curves_are_found_and_never_said_to_fall_or_turn(truth: np.ndarray) -> None:
    said = found(truth, noise=0.15)
    wrong = sum(kind in ("falls", "turns") for kind in said)
    assert binomtest(wrong, STUDIES, 0.05, alternative="greater").pvalue > 0.001
    assert said.count("rises") > 0.8 * STUDIES
    assert found(-truth, noise=0.15).count("falls") > 0.8 * STUDIES


def test_a_curve_that_turns_is_said_to_turn() -> None:
    """An optimum at 0.12 with a sharp rise and a slow decline, on which a parabola's turning point is wrong."""
    sharp = np.where(VALUES <= 0.12, VALUES / 0.12, 1.0 - (VALUES - 0.12) * 1.2)
    even = 1.0 - np.abs(np.arange(8) - 3.5) / 3.5  # no step and no line tells one half from the other
    for truth in (sharp, even, -even):
        assert found(truth, noise=0.1).count("turns") > 0.8 * STUDIES


def test_the_step_lies_where_the_threshold_is_and_its_interval_holds() -> None:
    rng, truth = np.random.default_rng(3), (VALUES > 0.25) * 0.3
    trends = [
        monotone_trend(truth[:, None] + rng.normal(scale=0.1, size=(8, 4)), VALUES) for _ in range(STUDIES)
    ]
    at = [trend.step for trend in trends if (trend.step.below, trend.step.above) == (0.2, 0.3)]
    assert len(at) > 0.7 * STUDIES
    # Simultaneous for all steps, so at least 95 % at the one that was picked for its size.
    missed = sum(
        not trend.step.ci_low <= _step(truth, trend.step.below) <= trend.step.ci_high for trend in trends
    )
    assert binomtest(missed, STUDIES, 0.05, alternative="greater").pvalue > 0.001


def _step(truth: np.ndarray, below: float) -> float:
    return float(truth[below < VALUES].mean() - truth[below >= VALUES].mean())


def test_what_cannot_be_measured_is_nan() -> None:
    trend = monotone_trend(np.arange(8.0)[:, None], VALUES)
    assert np.isnan([trend.p_rises, trend.p_falls, trend.step.ci_low]).all() and trend.found() == ""
    assert trend.step.estimate > 0
    assert np.isnan(monotone_trend(np.full((8, 3), np.nan), VALUES).p_rises)
    assert np.isnan(monotone_trend(np.ones((8, 3)), VALUES).p_rises)
    gap = np.random.default_rng(4).normal(size=(8, 4))
    gap[2, 3] = np.nan
    assert monotone_trend(gap, VALUES) == monotone_trend(gap[:, :3], VALUES)
    with pytest.raises(ValueError, match="one row per value"):
        monotone_trend(np.ones((3, 2)), VALUES)
