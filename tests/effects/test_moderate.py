"""Moderated variances: the prior is recovered, and the guards hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma, polygamma

from ablate.effects.moderate import moderate, prior


@pytest.mark.parametrize("d0", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("df", [2.0, 10.0])
def test_the_prior_is_recovered(d0, df):
    rng, n, s0 = np.random.default_rng(0), 200_000, 0.3
    true = d0 * s0 / rng.chisquare(d0, n)
    found_s0, found_d0 = prior(true * rng.chisquare(df, n) / df, np.full(n, df))
    assert found_s0 == pytest.approx(s0, rel=0.03)
    assert found_d0 == pytest.approx(d0, rel=0.15)


def test_the_prior_matches_the_moments_of_the_log_variances():
    variance, df = np.array([0.01, 0.5, 2.0, 90.0]), np.array([2.0, 2.0, 3.0, 4.0])
    s0, d0 = prior(variance, df)
    z = np.log(variance)
    assert np.mean(z - digamma(df / 2) + np.log(df / 2)) == pytest.approx(
        math.log(s0) - digamma(d0 / 2) + math.log(d0 / 2)
    )
    spread = np.var(z - digamma(df / 2) + np.log(df / 2), ddof=1)
    assert spread == pytest.approx(polygamma(1, df / 2).mean() + polygamma(1, d0 / 2))


def test_variances_that_agree_better_than_chance_are_worth_infinitely_many_degrees_of_freedom():
    assert prior(np.array([1.0, 1.1, 0.9]), np.array([2.0, 2.0, 2.0])) == (pytest.approx(1.0), math.inf)


@settings(deadline=None, max_examples=100)
@given(
    variance=st.lists(
        st.one_of(st.just(0.0), st.just(math.nan), st.floats(1e-8, 1e8)), min_size=1, max_size=9
    ),
    df=st.integers(1, 6),
)
def test_guards(variance, df):
    own = np.array(variance)
    found, found_df, methods = moderate(own, np.full(own.size, float(df)))
    measured = own > 0
    assert np.isnan(found[np.isnan(own)]).all()
    assert (found[measured] >= own[measured]).all()
    assert (found_df >= df).all() and (found_df <= 2 * df + 1e-9).all()
    for o, f, d, method in zip(own, found, found_df, methods, strict=True):
        if method == "paired":
            assert d == df and (o == f or math.isnan(o))
        if method == "borrowed":
            assert o == 0.0 and d == df and f == pytest.approx(own[measured].mean())


def test_input_is_left_as_it_was():
    own, df = np.array([1.0, 2.0, 3.0, 0.0]), np.full(4, 2.0)
    moderate(own, df)
    assert own.tolist() == [1.0, 2.0, 3.0, 0.0] and df.tolist() == [2.0] * 4
