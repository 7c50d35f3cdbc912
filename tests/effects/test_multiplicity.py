"""Corrections for multiplicity, against definitions and references."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.effects.multiplicity import benjamini_hochberg, correct_claims, holm

P_VALUES = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.01, 1.0])), min_size=1, max_size=7
)


def closed_test(p):
    """Reject a hypothesis when Bonferroni rejects every set that holds it: what Holm's steps shorten."""
    indices = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(indices, size)]
    return [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in indices]


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@settings(deadline=None, max_examples=60)
@given(p=P_VALUES)
def test_holm_is_the_closed_test(p):
    np.testing.assert_allclose(holm(p), closed_test(p))


@settings(deadline=None, max_examples=60)
@given(p=P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p):
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p, method="bh"))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_was_not_tested_does_not_count(adjust):
    found = adjust([math.nan, 0.02, math.nan, 0.01])
    np.testing.assert_array_equal(np.isnan(found), [True, False, True, False])
    np.testing.assert_allclose(found[[1, 3]], adjust([0.02, 0.01]))
    assert np.isnan(adjust([math.nan, math.nan])).all() and adjust([]).size == 0


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("p", [[0.5, 1.1], [-0.1], 0.5])
def test_wrong_p_values_are_named(adjust, p):
    with pytest.raises(ValueError, match=r"p-values must be|p_values must have"):
        adjust(p)


def test_holm_takes_many_families_at_once():
    p = np.random.default_rng(0).random((3, 4, 5))
    p[0, 1, 2] = p[2, 3] = math.nan
    families = holm(p).reshape(-1, 5)
    np.testing.assert_array_equal(families, [holm(family) for family in p.reshape(-1, 5)])


def test_a_task_is_no_surer_than_its_gain_in_the_aggregate():
    lead, tasks = [0.01, 0.2, math.nan], [[0.001, 0.5], [0.001, 0.001], [0.001, math.nan]]
    ahead, within = correct_claims(lead, tasks)
    np.testing.assert_allclose(ahead, [0.02, 0.2, math.nan])
    # Holm over the five tested: 0.005, 0.005, 0.005, 0.005, 0.5; the gates are 0.02, 0.2 and shut.
    np.testing.assert_allclose(within, [[0.02, 0.5], [0.2, 0.2], [1.0, math.nan]])


def test_a_single_task_is_the_aggregate_on_another_scale():
    ahead, within = correct_claims([0.01, 0.04], [[0.02], [0.03]])
    np.testing.assert_allclose(ahead, [0.02, 0.04])
    np.testing.assert_allclose(within, [[0.02], [0.04]])


def test_holm_keeps_the_rate_of_any_false_claim(against_control, simulate):
    from ablate.effects.contrast import estimate_contrasts

    n = 1000
    claims = 0
    for table in simulate("equal", n, 3):
        p = [e.p_value for e in estimate_contrasts(table, against_control)]
        claims += bool((holm(p) <= 0.05).any())
    assert stats.binomtest(claims, n, 0.05, alternative="greater").pvalue > 0.01


def test_an_adjusted_p_value_is_never_below_its_own():
    p = np.random.default_rng(0).random((500, 7))
    assert all((benjamini_hochberg(row) >= row).all() and (holm(row) >= row).all() for row in p)
