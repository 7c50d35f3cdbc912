"""The shape of seed noise: what normal runs give, what split and leaning ones do."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from ablate.effects.shape import best_cut, noise_shape, skewness, split_p_values, split_ratio, together


def test_the_split_is_the_best_of_all_ways_to_make_two_groups():
    rng = np.random.default_rng(0)
    for runs in rng.normal(size=(20, 6)):
        groups = [list(g) for k in range(1, 6) for g in combinations(range(6), k)]
        within = [
            sum(((part - part.mean()) ** 2).sum() for part in (runs[g], np.delete(runs, g))) for g in groups
        ]
        assert split_ratio(runs) == pytest.approx(min(within) / ((runs - runs.mean()) ** 2).sum())
        low, high = best_cut(runs)
        assert low.max() < high.min() and low.size + high.size == 6


def test_skewness_agrees_with_scipy():
    runs = np.random.default_rng(0).exponential(size=(4, 7))
    np.testing.assert_allclose(skewness(runs), stats.skew(runs, axis=1))


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_normal_runs_are_called_split_or_leaning_at_the_nominal_rate(n_seeds, shared):
    rng, n = np.random.default_rng([n_seeds, int(10 * shared)]), 2000
    tables = math.sqrt(1 - shared) * rng.normal(size=(n, 6, n_seeds)) + math.sqrt(shared) * rng.normal(
        size=(n, 1, n_seeds)
    )
    tables = tables * np.geomspace(1, 10, 6)[:, None] + 5  # neither spread nor mean matters
    for p in (split_p_values(tables[:, 0]), *together(tables, shared)):
        assert stats.binomtest(int((p <= 0.05).sum()), n, 0.05).pvalue > 0.001


def test_two_kinds_of_run_are_noticed_and_the_arm_is_named():
    rng = np.random.default_rng(0)
    table = 0.5 + 0.02 * rng.normal(size=(8, 5))
    table[3, :2] += 0.45
    found = noise_shape(table)
    assert found.split.argmin() == 3 and found.split[3] < 0.05
    low, high = best_cut(table[3])
    assert (low.size, high.size) == (3, 2) and high.mean() - low.mean() == pytest.approx(0.45, abs=0.05)


def test_noise_that_leans_in_all_arms_is_noticed_with_its_side():
    table = -np.random.default_rng(0).exponential(size=(8, 8))
    found = noise_shape(table)
    assert found.skew < 0 and found.skew_p < 0.01


@pytest.mark.parametrize(
    "table", [np.zeros((3, 5)), np.full((3, 5), math.nan), np.eye(3)[:, :2], np.empty((0, 4))]
)
def test_runs_without_a_shape_have_none(table):
    found = noise_shape(table)
    assert np.isnan(found.split).all() and math.isnan(found.split_p) and math.isnan(found.skew_p)


def test_an_arm_with_a_gap_is_looked_at_alone():
    table = np.random.default_rng(0).normal(size=(4, 5))
    table[0, 2] = math.nan
    found = noise_shape(table)
    assert not np.isnan(found.split).any() and not math.isnan(found.split_p)
