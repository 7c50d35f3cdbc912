"""The noise floor: against the pooled variance, known limits and simulated coverage."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from ablate.effects.noise import noise_floor, run_noise, sphericity


def test_it_is_the_pooled_standard_deviation_within_arms():
    table = np.random.default_rng(0).normal(size=(6, 4))
    assert noise_floor(table).seed_sd == pytest.approx(math.sqrt(table.var(axis=1, ddof=1).mean()))


def test_one_arm_has_the_textbook_interval():
    table = np.random.default_rng(0).normal(size=(1, 5))
    found = noise_floor(table, level=0.9)
    sum_of_squares = 4 * table.var(ddof=1)
    assert found.ci_low == pytest.approx(math.sqrt(sum_of_squares / stats.chi2.ppf(0.95, 4)))
    assert found.ci_high == pytest.approx(math.sqrt(sum_of_squares / stats.chi2.ppf(0.05, 4)))
    assert math.isnan(found.homogeneity_p)


def test_seeds_that_move_all_arms_alike_are_no_more_than_one_arm():
    table = np.random.default_rng(0).normal(size=(1, 5)) + np.arange(6.0)[:, None]
    many, one = noise_floor(table), noise_floor(table[:1])
    assert (many.seed_sd, many.ci_low, many.ci_high) == pytest.approx((one.seed_sd, one.ci_low, one.ci_high))


@pytest.mark.parametrize("shared", [0.0, 1.0, 5.0])
def test_the_interval_covers_whatever_seeds_share(shared):
    rng, n = np.random.default_rng(0), 2000
    hits = 0
    for _ in range(n):
        found = noise_floor(rng.normal(size=(8, 3)) + shared * rng.normal(size=(1, 3)))
        hits += found.ci_low <= math.sqrt(1 + shared**2) <= found.ci_high
    assert stats.binomtest(hits, n, 0.95, alternative="less").pvalue > 0.01
    assert hits / n < 0.995


def test_an_arm_with_a_gap_is_left_out():
    table = np.random.default_rng(0).normal(size=(4, 3))
    table[2, 1] = math.nan
    found = noise_floor(table)
    assert found == noise_floor(table[[0, 1, 3]]) and found.n_arms == 3


@pytest.mark.parametrize(
    "table", [np.ones((3, 1)), np.full((3, 4), math.nan), np.ones((3, 4)), np.ones((0, 3))]
)
def test_no_spread_measured_is_nan_and_never_zero(table):
    found = noise_floor(table)
    assert all(map(math.isnan, (found.seed_sd, found.ci_low, found.ci_high, found.homogeneity_p)))


def test_equal_noise_is_not_called_unequal_too_often():
    rng, n = np.random.default_rng(0), 2000
    hits = sum(noise_floor(rng.normal(size=(8, 3))).homogeneity_p < 0.05 for _ in range(n))
    assert stats.binomtest(hits, n, 0.05, alternative="greater").pvalue > 0.01
    assert hits > 0.02 * n


def test_noise_as_unequal_as_the_testbeds_is_often_noticed(simulate):
    tables = simulate("testbed", 300, 3)
    assert np.mean([noise_floor(t).homogeneity_p < 0.05 for t in tables]) > 0.4


def test_two_arms_cannot_be_told_apart():
    assert math.isnan(noise_floor(np.random.default_rng(0).normal(size=(2, 5))).homogeneity_p)


def test_the_noise_of_a_run_is_the_residual_of_arm_and_seed():
    table = np.random.default_rng(4).normal(size=(5, 4)) + np.array([0.0, 3.0, -2.0, 9.0])
    arm, seed = (np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5))
    design = np.column_stack([np.eye(5)[arm], np.eye(4)[seed][:, 1:]])
    fit = sm.OLS(table.ravel(), design).fit()
    assert run_noise(table) == pytest.approx(math.sqrt(fit.mse_resid))
    gap = table.copy()
    gap[1, 2] = math.nan
    unrun = np.hstack([gap, np.full((5, 1), math.nan)])  # a seed that no arm got to
    assert run_noise(unrun) == pytest.approx(run_noise(np.delete(table, 1, axis=0)))
    assert run_noise(table[:1]) == pytest.approx(table[0].std(ddof=1))


@pytest.mark.parametrize("table", [np.zeros((0, 3)), np.ones((3, 1)), np.full((2, 3), 0.1), [[0.1, 0.2]] * 2])
def test_without_any_spread_of_its_own_a_run_has_no_known_noise(table):
    assert math.isnan(run_noise(table))


def test_one_loud_arm_leaves_the_degrees_of_freedom_of_one():
    table = np.zeros((5, 6))
    table[2] = np.random.default_rng(1).normal(size=6)
    assert sphericity(table) == pytest.approx(1 / 4)


@pytest.mark.parametrize("sds", [(1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 3), (1, 2, 3, 4, 5, 6)])
def test_the_sphericity_is_boxs_of_the_known_variances(sds):
    """Box's epsilon of the covariance of centred arms; what seeds do to all arms alike does not enter."""
    centre = np.eye(6) - 1 / 6
    covariance = centre @ np.diag(np.square(sds).astype(float)) @ centre
    truth = np.trace(covariance) ** 2 / (5 * (covariance**2).sum())
    rng = np.random.default_rng(2)
    found = [
        sphericity(np.array(sds)[:, None] * rng.normal(size=(6, 40)) + 9 * rng.normal(size=40))
        for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(truth, abs=0.03)


def test_pooled_variances_spread_as_the_sphericity_says():
    """The variance of a chi-square over its degrees of freedom is 2 / df."""
    sds = np.array([1.0, 1, 1, 1, 1, 1, 1, 4])[:, None]
    rng, n = np.random.default_rng(3), 20_000
    variances = np.array([run_noise(sds * rng.normal(size=(8, 5))) ** 2 for _ in range(n)])
    df = 2 / (variances.var() / variances.mean() ** 2)
    share = np.mean([sphericity(sds * rng.normal(size=(8, 200))) for _ in range(20)])
    assert share * 7 * 4 == pytest.approx(df, rel=0.05)


@pytest.mark.parametrize("shape", [(2, 9), (5, 2), (1, 9)])
def test_too_few_to_see_unequal_noise_counts_as_equal(shape):
    assert sphericity(np.random.default_rng(4).normal(size=shape)) == 1.0
    assert sphericity(np.ones((4, 6))) == 1.0
