"""Contrasts that weigh every arm alike: against statsmodels, and what unequal noise does to them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from ablate.effects.balanced import arm_variances, balanced_contrast, seed_dependence, weighs_alike
from ablate.effects.contrast import estimate_contrasts, paired_contrast, pooled_contrast
from ablate.effects.many import estimate_many
from ablate.effects.noise import homogeneity

SIGNS = np.array([[1, -1, 1, -1, 1, -1, 1, -1], [1, 1, -1, -1, 1, 1, -1, -1]]) / 4


def ols(table, weights):
    """The contrast in statsmodels' OLS with seed blocks."""
    arm, seed = np.indices(table.shape)
    frame = pd.DataFrame({"y": table.ravel(), "arm": arm.ravel(), "seed": seed.ravel()})
    fit = smf.ols("y ~ 0 + C(arm) + C(seed)", frame).fit()
    return fit.t_test(np.r_[weights, np.zeros(table.shape[1] - 1)]), fit.df_resid


def test_a_contrast_that_seeds_leave_alone_agrees_with_ols_and_another_one_is_paired():
    tables = np.random.default_rng(0).normal(size=(20, 8, 4))
    methods = []
    for table in tables:
        found = balanced_contrast(table, SIGNS[0], equal=0.9, level=0.95)
        tested, df = ols(table, SIGNS[0])
        pooled, own = float(tested.sd[0, 0]) ** 2 * 4, (SIGNS[0] @ table).var(ddof=1)
        each = np.maximum(arm_variances(table), 0.0)
        if own > 1.5 * pooled or each.max() > each.sum() / 2:
            assert found == paired_contrast(table, SIGNS[0])
        else:
            assert found.estimate == pytest.approx(float(tested.effect[0]))
            assert found.seed_error == pytest.approx(float(tested.sd[0, 0]))
            assert (found.df, found.method) == (21, "pooled") and found.df == df
            assert found.p_value == pytest.approx(float(tested.pvalue))
        methods.append(found.method)
    assert 0 < methods.count("paired") < 10  # F(3, 18) lies above 1.5 in a quarter


def test_what_seeds_do_to_a_stage_is_an_f_ratio_without_it_and_its_size_with_it():
    rng = np.random.default_rng(7)
    plain = rng.normal(size=(4000, 8, 5)) + rng.normal(size=(4000, 1, 5))
    found = [seed_dependence(table, SIGNS[0]) for table in plain]
    ratios = np.array([one.ratio for one in found])
    assert found[0].p_value == pytest.approx(stats.f.sf(ratios[0], 4, 24))
    assert stats.kstest(ratios, stats.f(4, 24).cdf).pvalue > 0.001
    # A seed adds a draw of variance 1 to every arm that has the stage: Var(gain) = 1 + 8 / 16, the noise alone 1 / 2.
    hit = plain + (SIGNS[0] > 0)[:, None] * rng.normal(size=(4000, 1, 5))
    ratios = np.array([seed_dependence(table, SIGNS[0]).ratio for table in hit])
    assert ratios.mean() == pytest.approx(3 * 24 / 22, rel=0.05)  # the mean of F is d / (d - 2)
    other = np.array([seed_dependence(table, SIGNS[1]).ratio for table in hit])
    assert other.mean() < 1.0  # the stage that is hit stands in the other one's residual


def test_stage_by_seed_noise_breaks_the_pooled_interval_and_less_the_rule():
    """Seven main effects of 16 arms; the first varies between seeds twice as much as noise alone would make it."""
    rng, n, n_seeds = np.random.default_rng(8), 2000, 5
    signs = np.array(
        [[(-1) ** (arm & word).bit_count() for arm in range(16)] for word in (1, 2, 4, 8, 7, 11, 13)]
    )
    tables = rng.normal(size=(n, 16, n_seeds)) + rng.normal(size=(n, 1, n_seeds))
    tables += (signs[0] > 0)[:, None] * 0.5 * rng.normal(size=(n, 1, n_seeds))
    weights = signs / 8
    pooled = [pooled_contrast(table, weights[0]) for table in tables[:500]]
    assert np.mean([e.ci_low <= 0 <= e.ci_high for e in pooled]) < 0.90
    estimate, error, df = estimate_many(tables, weights)
    p = 2 * stats.t.sf(np.abs(estimate) / error, df)
    hits = int((p.min(axis=1) * 7 <= 0.05).sum())
    assert (
        stats.binomtest(hits, n, 0.065, alternative="greater").pvalue > 0.001
    )  # 5.1 % measured, 7.9 % when pooled
    estimate, error, df = estimate_many(
        rng.normal(size=(n, 16, n_seeds)) + (signs[0] > 0)[:, None] * 0.5 * rng.normal(size=(n, 16, n_seeds)),
        weights,
        unpaired=True,
    )
    covered = np.abs(estimate) <= stats.t.isf(0.025, df) * error
    assert all(
        stats.binomtest(int(k), n, 0.95).pvalue > 0.001 for k in covered.sum(axis=0)
    )  # seeds of their own


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


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (SIGNS[0], True),
        (np.r_[1.0, -1.0, np.zeros(6)], False),
        (np.r_[-1.0, np.full(7, 1 / 7)], False),
    ],
)
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
