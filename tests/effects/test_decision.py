"""Decision accuracy: pairs counted one by one, SciPy's rank correlation, and intervals that cover."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.effects.decision import agreement, agreement_across_seeds, clear_pairs, seed_ceiling


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12),
)
def test_accuracy_is_the_share_of_pairs_ranked_alike(scores: list[tuple[int, int]]) -> None:
    counted = [
        0.5 if a[0] == b[0] else float((a[0] < b[0]) == (a[1] < b[1]))
        for a, b in combinations(scores, 2)
        if a[1] != b[1]
    ]
    found = agreement(*np.array(scores, dtype=float).T)
    assert found.n_pairs == len(counted)
    if counted:
        assert found.accuracy == pytest.approx(np.mean(counted))
        assert 0 <= found.ci_low <= found.accuracy <= found.ci_high <= 1
        assert found.ci_low < found.ci_high, "agreement of a few arms is no certainty"
    else:
        assert np.isnan(found.accuracy) and np.isnan(found.ci_low)


def test_rank_correlation_is_scipys() -> None:
    one, two = np.random.default_rng(0).normal(size=(2, 9))
    found = agreement(one, two)
    assert found.spearman == pytest.approx(stats.spearmanr(one, two).statistic)
    assert found.spearman_low < found.spearman < found.spearman_high
    assert agreement(one, one).spearman == pytest.approx(1) and agreement(one, -one).accuracy == 0


def test_turning_both_metrics_round_changes_nothing() -> None:
    one, two = np.random.default_rng(1).normal(size=(2, 7))
    assert agreement(one, two) == agreement(-one, -two)


def test_missing_arms_are_left_out() -> None:
    found = agreement([1.0, 2.0, np.nan, 4.0], [1.0, 2.0, 3.0, np.nan])
    assert (found.n_arms, found.n_pairs, found.accuracy) == (2, 1, 1.0)
    with pytest.raises(ValueError, match="two vectors of one length"):
        agreement([1.0, 2.0], [1.0])


@pytest.mark.parametrize("n_arms", [8, 20])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_intervals_cover(n_arms: int, rho: float) -> None:
    """Normal scores of correlation rho: a pair is ranked alike with probability 1/2 + asin(rho) / pi."""
    rng, n = np.random.default_rng(0), 400
    truth, correlation = 0.5 + np.arcsin(rho) / np.pi, 6 / np.pi * np.arcsin(rho / 2)
    covered = np.zeros(2)
    for _ in range(n):
        one, noise = rng.normal(size=(2, n_arms))
        found = agreement(one, rho * one + np.sqrt(1 - rho**2) * noise)
        covered += (
            found.ci_low <= truth <= found.ci_high,
            np.isnan(found.spearman_low) or found.spearman_low <= correlation <= found.spearman_high,
        )
    for hits in covered:
        assert stats.binomtest(int(hits), n, 0.95, alternative="less").pvalue > 0.001


def test_only_pairs_that_differ_clearly() -> None:
    table = np.array([[0.0, 0.1, -0.1], [0.05, 0.05, 0.0], [5.0, 5.1, 4.9]])
    clear = clear_pairs(table)
    assert clear.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    found = agreement([2.0, 1.0, 3.0], table.mean(axis=1), pairs=clear)
    assert (found.n_pairs, found.accuracy) == (2, 1.0)
    assert agreement([2.0, 1.0, 3.0], table.mean(axis=1)).accuracy == pytest.approx(2 / 3)
    assert not clear_pairs(table[:, :1]).any(), "one seed tells nothing apart"


def test_the_ceiling_is_one_seed_against_the_others() -> None:
    table = np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 0.0]])
    # Seed 0 ranks a < b < c, seed 1 ranks c < a < b: of three pairs only (a, b) agrees.
    assert seed_ceiling(table) == pytest.approx(1 / 3)
    assert np.isnan(seed_ceiling(table[:, :1]))


def test_a_run_is_not_compared_with_its_own_future() -> None:
    """Arms that are all the same: whatever early and late points of one run share, no ranking can be right."""
    rng, same, across = np.random.default_rng(3), [], []
    for _ in range(60):
        luck = rng.normal(size=(8, 6))  # of each run, and it stays
        early, late = luck + 0.1 * rng.normal(size=(8, 6)), luck + 0.1 * rng.normal(size=(8, 6))
        same.append(agreement(early.mean(axis=1), late.mean(axis=1)).accuracy)
        across.append(agreement_across_seeds(early, late)[0].accuracy)
    assert np.mean(same) > 0.9
    assert stats.ttest_1samp(across, 0.5).pvalue > 0.001


def test_two_seeds_are_halved_in_both_ways_and_one_cannot_be() -> None:
    early, late = np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[1.0, 4.0], [2.0, 3.0]])
    # Seed 0 early against seed 1 late: 1 < 2 but 4 > 3, wrong; seed 1 early against seed 0 late: 3 > 2 but 1 < 2, wrong.
    found, clear = agreement_across_seeds(early, late)
    assert (found.accuracy, found.n_pairs, clear.n_pairs) == (0.0, 1, 0)
    assert np.isnan(agreement_across_seeds(early[:, :1], late[:, :1])[0].accuracy)
    with pytest.raises(ValueError, match="one shape"):
        agreement_across_seeds(early, late[:, :1])
