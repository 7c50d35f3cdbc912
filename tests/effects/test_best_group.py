"""The group of arms that may be the best: by hand, against scipy, and how often it loses the best."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from ablate.effects.best_group import best_group


def test_an_arm_that_any_other_beats_is_out() -> None:
    scores = np.array([[0.50, 0.52, 0.51], [0.40, 0.43, 0.40], [0.50, 0.53, 0.51]])
    assert best_group(scores, higher_is_better=True) == [True, False, True]
    assert best_group(-scores, higher_is_better=False) == [True, False, True]


def test_the_threshold_is_that_of_a_paired_test_over_the_arms_it_is_compared_with() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        scores = rng.normal(size=(4, 5)) + rng.normal(size=5)
        out = []
        for mine in range(4):
            p = [
                ttest_rel(scores[other], scores[mine], alternative="greater").pvalue
                for other in range(4)
                if other != mine
            ]
            out.append(min(p) * 3 > 0.05)
        assert best_group(scores, higher_is_better=True) == out


def test_arms_without_a_common_seed_are_compared_as_samples() -> None:
    one, two = [0.5, 0.6, 0.55], [0.1, 0.15, 0.12]
    scores = np.array([[*one, *[np.nan] * 3], [*[np.nan] * 3, *two]])
    assert ttest_ind(one, two, equal_var=False, alternative="greater").pvalue < 0.05
    assert best_group(scores, higher_is_better=True) == [True, False]


def test_one_seed_no_spread_and_no_run() -> None:
    assert best_group(np.array([[0.5], [0.4]]), higher_is_better=True) == [True, True]
    assert best_group(np.array([[0.5, 0.5], [0.4, 0.4]]), higher_is_better=True) == [True, True]
    assert best_group(np.array([[0.5, 0.6], [np.nan, np.nan]]), higher_is_better=True) == [True, False]


@pytest.mark.parametrize("spread", [[1.0] * 6, [1.0, 3.0, 0.2, 1.0, 2.0, 0.5]])
def test_the_best_arm_is_lost_in_at_most_one_study_in_twenty(spread: list[float]) -> None:
    """Equal arms are the hardest: any of six may look best. 2,000 studies: sd of the share 0.005."""
    rng = np.random.default_rng(0)
    lost = sum(
        not best_group(rng.normal(size=(6, 5)) * np.array(spread)[:, None], higher_is_better=True)[0]
        for _ in range(2000)
    )
    assert lost / 2000 <= 0.05 + 3 * 0.005
