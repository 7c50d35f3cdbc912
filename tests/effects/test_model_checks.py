"""Lack of fit, pairing, components, ratio, best subset: against references and simulation."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from ablate.effects.best_subset import best_subset
from ablate.effects.components import variance_components
from ablate.effects.contrast import paired_contrast
from ablate.effects.lack_of_fit import lack_of_fit, size_of_columns
from ablate.effects.pairing import seed_correlation
from ablate.effects.ratio import ratio_of_means

ABSENT = np.array(list(product([0, 1], repeat=3)), dtype=float)
MODEL = np.hstack([np.ones((8, 1)), ABSENT])


def test_lack_of_fit_agrees_with_statsmodels_nested_models():
    table = np.random.default_rng(0).normal(size=(8, 3)) + (ABSENT @ np.array([1.0, 2.0, 3.0]))[:, None]
    arm, seed = np.indices(table.shape)
    frame = pd.DataFrame({"y": table.ravel(), "arm": arm.ravel(), "seed": seed.ravel()})
    for number, name in enumerate("abc"):
        frame[name] = ABSENT[arm.ravel(), number]
    small = smf.ols("y ~ a + b + c + C(seed)", frame).fit()
    large = smf.ols("y ~ C(arm) + C(seed)", frame).fit()
    found = lack_of_fit(table, MODEL)
    assert found.df == 4
    assert found.p_value == pytest.approx(float(anova_lm(small, large)["Pr(>F)"].iloc[1]))


def test_how_large_left_out_interactions_are_is_read_off_what_the_model_leaves():
    """Interactions of standard deviation 0.5 in a full factorial of five stages, under noise of 1 and six seeds."""
    rng = np.random.default_rng(2)
    absent = np.array(list(product([0, 1], repeat=5)), dtype=float)
    model = np.hstack([np.ones((32, 1)), absent])
    columns = np.array([absent[:, a] * absent[:, b] for a in range(5) for b in range(a)]).T
    found = []
    for _ in range(400):
        table = rng.normal(size=(32, 6)) + (columns @ (0.5 * rng.normal(size=10)))[:, None]
        found.append(size_of_columns(lack_of_fit(table, model), model, columns) ** 2)
    # Cut off at zero where noise explains all, so a little above on average.
    assert np.mean(found) == pytest.approx(0.25, rel=0.15)
    assert np.isnan(size_of_columns(lack_of_fit(table, model), model, model))
    assert np.isnan(size_of_columns(lack_of_fit(table[:, :1], model), model, columns))


def test_lack_of_fit_sees_an_interaction_and_keeps_its_level_without_one():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(1000, 8, 3))
    quiet = sum(lack_of_fit(one, MODEL).p_value < 0.05 for one in noise)
    assert stats.binomtest(quiet, 1000, 0.05).pvalue > 0.001
    strong = (4 * ABSENT[:, 0] * ABSENT[:, 1])[:, None]
    assert sum(lack_of_fit(one + strong, MODEL).p_value < 0.05 for one in noise[:200]) > 180


def test_a_saturated_model_cannot_be_tested():
    table = np.random.default_rng(2).normal(size=(4, 3))
    found = lack_of_fit(table, MODEL[:4, [0, 2, 3]] @ np.eye(3))
    assert found.df == 1
    full = lack_of_fit(table, np.eye(4))
    assert full.df == 0 and np.isnan(full.p_value)
    assert np.isnan(lack_of_fit(table[:, :1], MODEL[:4, [0, 2, 3]]).p_value)  # one seed
    assert np.isnan(lack_of_fit(np.ones((8, 3)), MODEL).p_value)  # no spread


def test_seed_correlation_is_recovered_and_covered():
    rng = np.random.default_rng(3)
    found = [
        seed_correlation(rng.normal(size=(6, 200)) + np.sqrt(1.5) * rng.normal(size=(1, 200)))
        for _ in range(50)
    ]
    assert np.mean([one.value for one in found]) == pytest.approx(0.6, abs=0.02)
    few = [
        seed_correlation(rng.normal(size=(6, 3)) + np.sqrt(1.5) * rng.normal(size=(1, 3)))
        for _ in range(2000)
    ]
    covered = sum(one.low <= 0.6 <= one.high for one in few)
    assert stats.binomtest(covered, 2000, 0.95).pvalue > 0.001
    assert np.isnan(seed_correlation([[1.0, 2.0]]).value) and np.isnan(
        seed_correlation(np.ones((3, 3))).value
    )


def test_components_are_unbiased_and_agree_with_a_mixed_model():
    rng = np.random.default_rng(4)
    sizes = {"weights": 4.0, "order": 1.0, "together": 0.25}

    def draw(n, m):
        return 2 * rng.normal(size=(n, 1)) + rng.normal(size=(1, m)) + 0.5 * rng.normal(size=(n, m))

    found = [variance_components(draw(4, 5), ("weights", "order")) for _ in range(3000)]
    for name, size in sizes.items():
        each = np.array([one[name] for one in found])
        assert abs(each.mean() - size) < 4 * each.std() / np.sqrt(len(each)), name
    table = draw(12, 3)
    i, j = np.indices(table.shape)
    frame = pd.DataFrame({"y": table.ravel(), "w": i.ravel(), "o": j.ravel()})
    fit = smf.mixedlm("y ~ C(o)", frame, groups=frame["w"]).fit(reml=True)
    ours = variance_components(table, ("weights", "order"))
    assert ours["weights"] == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=1e-3)
    assert ours["together"] == pytest.approx(float(fit.scale), rel=1e-3)
    assert variance_components(np.arange(3.0), ("weights",)) == {"weights": 1.0}
    with pytest.raises(ValueError, match="two or more draws"):
        variance_components(np.ones((1, 3)), ("weights", "order"))


def test_the_ratio_of_means_is_covered():
    rng = np.random.default_rng(7)
    hits = n = 0
    for _ in range(2000):
        above, below = 2 + 0.3 * rng.normal(size=5), 1 + 0.1 * rng.normal(size=5)
        _, low, high = ratio_of_means(above, below)
        if not np.isnan(low):
            n, hits = n + 1, hits + (low <= 2 <= high)
    assert n > 1900 and stats.binomtest(hits, n, 0.95).pvalue > 0.001
    assert np.isnan(ratio_of_means([1.0, 2.0], [1.0, -1.0])[1])
    assert ratio_of_means([1.0], [2.0])[0] == 0.5


@pytest.mark.parametrize("better", [True, False])
def test_the_best_subset_is_the_best_of_all_by_brute_force(better):
    rng = np.random.default_rng(8)
    table = rng.normal(size=(8, 3)) + (ABSENT @ np.array([1.0, -2.0, 0.5]))[:, None]
    found = best_subset(table, ABSENT, higher_is_better=better)
    beta = np.linalg.lstsq(MODEL, table.mean(axis=1), rcond=None)[0]
    every = {
        keep: beta[0] + sum(b for b, k in zip(beta[1:], keep, strict=True) if not k)
        for keep in product([True, False], repeat=3)
    }
    best = (max if better else min)(every, key=every.get)
    assert found.keep == best and found.score == pytest.approx(every[best])
    assert found.gain == pytest.approx(every[best] - beta[0])


def test_the_best_subset_of_noise_is_not_flattered():
    """The truth is no gain for any subset; the interval of the chosen one must hold zero."""
    rng = np.random.default_rng(9)
    found = [best_subset(rng.normal(size=(8, 3)), ABSENT, higher_is_better=True) for _ in range(1000)]
    held = sum(one.ci_low <= 0.0 <= one.ci_high for one in found)
    assert stats.binomtest(held, 1000, 0.95, alternative="less").pvalue > 0.001
    assert np.isnan(best_subset(rng.normal(size=(8, 1)), ABSENT, higher_is_better=True).ci_low)


def test_a_paired_p_value_is_close_to_the_exact_permutation_test():
    rng = np.random.default_rng(10)
    for shift in (0.0, 0.4, 0.8):
        a, b = rng.normal(size=(2, 12)) + np.array([[shift], [0.0]])
        exact = stats.permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        ).pvalue
        assert paired_contrast(np.array([a, b]), [1, -1]).p_value == pytest.approx(exact, abs=0.02)
