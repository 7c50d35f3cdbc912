"""Minimum detectable effect: against simulation, limits and its own inverse."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ablate.effects.contrast import paired_contrast
from ablate.effects.power import minimum_detectable_effect, seeds_needed


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10])
def test_an_effect_of_that_size_is_found_as_often_as_promised(n_seeds):
    rng, n, sd = np.random.default_rng(0), 20_000, 0.7
    effect = minimum_detectable_effect(sd / math.sqrt(n_seeds), n_seeds - 1)
    runs = rng.normal(effect, sd, size=(n, n_seeds))
    hits = int((stats.ttest_1samp(runs, 0.0, axis=1).pvalue < 0.05).sum())
    assert stats.binomtest(hits, n, 0.8).pvalue > 0.01


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9), (0.1, 0.5)])
@pytest.mark.parametrize("df", [1.0, 2.0, 3.7, 14.0])
def test_it_solves_the_noncentral_t(df, alpha, power):
    shift = minimum_detectable_effect(1.0, df, alpha=alpha, power=power)
    critical = stats.t.isf(alpha / 2, df)

    def found_given(u: float) -> float:  # the t test given how large the sample variance came out
        bound = critical * math.sqrt(stats.chi2.ppf(u, df) / df)
        return float(stats.norm.sf(bound - shift) + stats.norm.cdf(-bound - shift))

    assert integrate.quad(found_given, 0, 1, limit=200)[0] == pytest.approx(power, abs=1e-5)


def test_with_many_degrees_of_freedom_it_is_the_normal_rule():
    normal = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert minimum_detectable_effect(1.0, 1e6) == pytest.approx(normal, rel=1e-4)


def test_it_scales_with_the_standard_error():
    assert minimum_detectable_effect(0.02, 4) == pytest.approx(0.02 * minimum_detectable_effect(1.0, 4))


def test_no_spread_measured_no_effect_stated():
    assert math.isnan(minimum_detectable_effect(math.nan, 2.0))
    assert math.isnan(minimum_detectable_effect(0.1, math.nan))


@pytest.mark.parametrize("effect", [0.5, -1.0, 3.0, 30.0])
def test_seeds_needed_is_the_first_number_that_is_enough(effect):
    n = seeds_needed(effect, 1.0)
    assert minimum_detectable_effect(1 / math.sqrt(n), n - 1) <= abs(effect)
    assert n == 2 or minimum_detectable_effect(1 / math.sqrt(n - 1), n - 2) > abs(effect)


def test_seeds_needed_agrees_with_a_published_table():
    # One-sample t test, two-sided 5 %, power 80 %, effect 0.5 sd: n = 34 (Cohen 1988; also G*Power).
    assert seeds_needed(0.5, 1.0) == 34


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimum_detectable_effect(0.0, 2), "above zero"),
        (lambda: minimum_detectable_effect(1.0, 0), "above zero"),
        (lambda: minimum_detectable_effect(1.0, 2, power=0.01), "alpha < power"),
        (lambda: seeds_needed(0.0, 1.0), "effect must not be 0"),
        (lambda: seeds_needed(1.0, 0.0), "must be above 0"),
        (lambda: seeds_needed(1e-6, 1.0), "would not find"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_paired_contrast_feeds_it():
    table = np.random.default_rng(1).normal(size=(2, 4))
    found = paired_contrast(table, [1, -1])
    mde = minimum_detectable_effect(found.seed_error, found.df)
    assert mde > found.ci_high - found.estimate  # what is found 80 % of the time exceeds what is just found
