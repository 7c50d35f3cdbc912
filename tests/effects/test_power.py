"""Minimum detectable effect: against simulation, limits and its own inverse."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ablate.effects.contrast import estimate_contrasts, paired_contrast
from ablate.effects.many import detectable_many, estimate_many
from ablate.effects.power import (
    detectable,
    detectable_in_a_repeat,
    minimum_detectable_effect,
    seeds_needed,
)


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
    assert detectable_in_a_repeat(1.0, 1e6) == pytest.approx(normal, rel=1e-4)


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
def test_a_repeat_finds_what_a_paired_study_states_as_often_as_it_says(n_seeds):
    """Each study states an effect from its own spread; another study of the same kind has that effect."""
    rng, n, arms = np.random.default_rng(2), 20_000, np.array([0.3, 1.0])  # arms that differ in noise
    first, second = (rng.normal(size=(n, n_seeds, 2)) * arms @ [1.0, -1.0] for _ in range(2))
    factor = detectable_in_a_repeat(1.0, n_seeds - 1)
    stated = factor * stats.sem(first, axis=1)
    repeat = stats.ttest_1samp(second + stated[:, None], 0.0, axis=1)
    assert stats.binomtest(int((repeat.pvalue < 0.05).sum()), n, 0.8).pvalue > 0.01


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
def test_a_repeat_finds_what_a_report_states_at_least_as_often_as_it_says(n_seeds):
    """Five gains over one control by the report's own rule, which borrows in half of these studies."""
    rng, n = np.random.default_rng(3), 4_000
    weights = np.hstack([np.ones((5, 1)), -np.eye(5)])
    tables = rng.normal(size=(n, 6, n_seeds))
    _, error, df = estimate_many(tables, weights)
    stated = detectable_many(tables, weights, error, df)
    estimate, error, df = estimate_many(rng.normal(size=(n, 6, n_seeds)), weights)
    found = np.abs(estimate + stated) > stats.t.isf(0.025, df) * error
    # One gain of each study, since those of one study share their control.
    hits = int(found[np.arange(n), np.arange(n) % 5].sum())
    assert stats.binomtest(hits, n, 0.8, alternative="less").pvalue > 0.01
    assert hits / n < 0.85


def test_a_report_states_by_how_the_spread_was_found():
    rng = np.random.default_rng(0)
    weights = np.hstack([np.ones((5, 1)), -np.eye(5)])
    seen = set()
    for _ in range(20):
        for found in estimate_contrasts(rng.normal(size=(6, 3)), weights):
            seen.add(found.method)
            own = 2.0 if found.method == "moderated" else None
            assert detectable(found) == detectable_in_a_repeat(found.seed_error, found.df, own_df=own)
    assert seen == {"paired", "moderated"}
    assert math.isnan(detectable(estimate_contrasts(np.zeros((2, 3)), [[1.0, -1.0]])[0]))


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.1, 0.5)])
@pytest.mark.parametrize("df", [2.0, 3.7, 14.0])
def test_what_a_repeat_finds_solves_the_integral(df, alpha, power):
    effect = detectable_in_a_repeat(1.0, df, alpha=alpha, power=power)
    critical = stats.t.isf(alpha / 2, df)

    def found(variance: float) -> float:  # weighted by how likely the first study measures that variance
        shift = effect * math.sqrt(variance / df)
        chance = stats.nct.sf(critical, df, shift) + stats.nct.sf(critical, df, -shift)
        return float(chance * stats.chi2.pdf(variance, df))

    assert integrate.quad(found, 0, 30 * df, limit=300)[0] == pytest.approx(power, abs=2e-4)
    assert effect > minimum_detectable_effect(1.0, df, alpha=alpha, power=power)


def test_it_scales_with_the_standard_error():
    assert minimum_detectable_effect(0.02, 4) == pytest.approx(0.02 * minimum_detectable_effect(1.0, 4))


def test_no_spread_measured_no_effect_stated():
    assert math.isnan(minimum_detectable_effect(math.nan, 2.0))
    assert math.isnan(minimum_detectable_effect(0.1, math.nan))
    assert math.isnan(detectable_in_a_repeat(math.nan, 2.0))


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
        (lambda: detectable_in_a_repeat(0.0, 2), "above zero"),
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
