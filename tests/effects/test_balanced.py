"""Contrasts that weigh every arm alike: against statsmodels, and what unequal noise does to them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from ablate.effects.balanced import arm_variances, balanced_contrast, weighs_alike
from ablate.effects.contrast import estimate_contrasts, paired_contrast
from ablate.effects.noise import homogeneity

SIGNS = np.array([[1, -1, 1, -1, 1, -1, 1, -1], [1, 1, -1, -1, 1, 1, -1, -1]]) / 4


def test_equal_noise_agrees_with_statsmodels_ols_with_seed_blocks():
    table = np.random.default_rng(0).normal(size=(8, 4))
    found = balanced_contrast(table, SIGNS[0], equal=0.9, level=0.95)
    arm, seed = np.indices(table.shape)
    frame = pd.DataFrame({"y": table.ravel(), "arm": arm.ravel(), "seed": seed.ravel()})
    fit = smf.ols("y ~ 0 + C(arm) + C(seed)", frame).fit()
    tested = fit.t_test(np.r_[SIGNS[0], np.zeros(3)])
    assert found.estimate == pytest.approx(float(tested.effect[0]))
    assert found.seed_error == pytest.approx(float(tested.sd[0, 0]))
    assert (found.df, found.method) == (21, "pooled") and found.df == fit.df_resid
    assert found.p_value == pytest.approx(float(tested.pvalue))


def test_arm_variances_are_unbiased_whatever_the_arms_and_seeds_do():
    rng = np.random.default_rng(1)
    sd = np.array([0.1, 1.0, 2.0, 5.0])
    tables = rng.normal(size=(20_000, 4, 3)) * sd[:, None] + 3 * rng.normal(size=(20_000, 1, 3))
    each = np.array([arm_variances(table) for table in tables])
    error = each.std(axis=0) / np.sqrt(len(each))
    assert (np.abs(each.mean(axis=0) - sd**2) < 4 * error).all()


def test_one_arm_with_most_of_the_noise_is_paired():
    table = np.random.default_rng(2).normal(size=(8, 3))
    table[7] = [90.0, -100.0, 20.0]
    found = balanced_contrast(table, SIGNS[0], equal=0.01, level=0.95)
    alone = paired_contrast(table, SIGNS[0])
    assert (found.method, found.df) == ("paired", 2) and found.p_value == pytest.approx(alone.p_value)


def test_unequal_noise_takes_degrees_of_freedom_away_and_never_below_the_paired_ones():
    table = np.random.default_rng(3).normal(size=(8, 3)) * np.geomspace(1, 3, 8)[:, None]
    equal, unequal = (balanced_contrast(table, SIGNS[0], equal=p, level=0.95) for p in (0.9, 0.1))
    assert 2 <= unequal.df < equal.df == 14
    assert unequal.seed_error == equal.seed_error


@pytest.mark.parametrize(("weights", "wanted"), [
    (SIGNS[0], True), (np.r_[1.0, -1.0, np.zeros(6)], False), (np.r_[-1.0, np.full(7, 1 / 7)], False),
])  # fmt: skip
def test_which_contrasts_weigh_all_arms_alike(weights, wanted):
    table = np.random.default_rng(4).normal(size=(8, 3))
    assert weighs_alike(table, weights) is wanted
    table[0, 0] = np.nan
    assert not weighs_alike(table, weights)


def test_arms_that_are_the_same_runs_count_once():
    """A factorial with a stage that changes nothing: each run stands in two arms, and is not two witnesses."""
    rng = np.random.default_rng(5)
    runs = rng.normal(size=(4, 3))
    doubled = np.repeat(runs, 2, axis=0)  # arms in pairs of the same runs
    weights = np.array([1, 1, -1, -1, 1, 1, -1, -1]) / 4
    found = estimate_contrasts(doubled, [weights])[0]
    alone = estimate_contrasts(runs, [[0.5, -0.5, 0.5, -0.5]])[0]
    assert found == alone and found.df <= 6


def test_homogeneity_reads_equal_and_unequal_noise_apart():
    rng = np.random.default_rng(6)
    equal = [homogeneity(rng.normal(size=(8, 5))) for _ in range(300)]
    loud = [homogeneity(rng.normal(size=(8, 5)) * np.r_[np.ones(7), 10][:, None]) for _ in range(300)]
    assert np.mean(np.array(equal) < 0.5) < 0.6 and np.mean(np.array(loud) < 0.5) > 0.97
    assert np.isnan(homogeneity(np.ones((8, 3)))) and np.isnan(homogeneity(rng.normal(size=(2, 3))))
