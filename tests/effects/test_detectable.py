"""What a table of gains can see: held against repeats that are simulated and corrected by code of their own."""

import numpy as np
import pytest
from scipy import stats

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.detectable import Looks, detectable_effect, forecast
from ablate.effects.sequential import sequential_contrasts

LEAVE_ONE_OUT = np.hstack([np.ones((5, 1)), -np.eye(5)])
FACTORIAL = np.array([[(-1) ** bin(arm & word).count("1") for arm in range(8)] for word in (1, 2, 4)]) / 4


def called(scores: np.ndarray, weights: np.ndarray, effect: float, place: int, method: str = "auto") -> bool:
    """Whether a study with this effect in one gain calls it: the estimator, and Holm's steps one by one."""
    shifted = scores + effect * np.linalg.pinv(weights)[:, [place]]
    p = [one.p_value for one in estimate_contrasts(shifted, weights, method=method)]
    for step, number in enumerate(np.argsort(p)):
        if p[number] > 0.05 / (len(p) - step):
            return False
        if number == place:
            return True
    raise AssertionError


def share_called(
    rng, scales: np.ndarray, weights: np.ndarray, seeds: int, studies: int
) -> tuple[int, list[float]]:
    """How many of `studies` state an effect that an independent repeat calls, and those effects."""
    hits, stated = 0, []
    for number in range(studies):
        first, repeat = (
            rng.normal(size=(scales.size, seeds)) * scales[:, None] + rng.normal(size=seeds) for _ in "ab"
        )
        stated.append(detectable_effect(first, weights, tests=len(weights)).effect)
        hits += called(repeat, weights, stated[-1], number % len(weights))
    return hits, stated


@pytest.mark.parametrize("n_seeds", [3, 6])
@pytest.mark.parametrize("weights", [LEAVE_ONE_OUT, FACTORIAL], ids=["leave_one_out", "factorial"])
def test_a_known_noise_is_called_with_the_stated_power_after_the_correction(
    weights: np.ndarray, n_seeds: int
) -> None:
    effect = forecast(weights, n_seeds, 0.7)
    rng, n = np.random.default_rng(1), 500
    hits = sum(
        called(0.7 * rng.normal(size=(weights.shape[1], n_seeds)), weights, effect, number % len(weights))
        for number in range(n)
    )
    assert stats.binomtest(hits, n, 0.8).pvalue > 0.001


@pytest.mark.parametrize("weights", [LEAVE_ONE_OUT, FACTORIAL], ids=["leave_one_out", "factorial"])
def test_independent_samples_are_called_with_the_stated_power(weights: np.ndarray) -> None:
    """Foreseen from a known noise, and stated by one study for the next, where every arm has seeds of its own."""
    rng, n, n_seeds, hits = np.random.default_rng(4), 300, 4, {"known": 0, "measured": 0}
    effect = forecast(weights, n_seeds, 0.7, unpaired=True)
    for number in range(n):
        first, repeat = 0.7 * rng.normal(size=(2, weights.shape[1], n_seeds))
        stated = detectable_effect(first, weights, tests=len(weights), unpaired=True).effect
        place = number % len(weights)
        hits["known"] += called(repeat, weights, effect, place, "unpaired")
        hits["measured"] += called(repeat, weights, stated, place, "unpaired")
    assert all(stats.binomtest(count, n, 0.8).pvalue > 0.001 for count in hits.values())


def test_what_seeds_do_to_all_arms_makes_an_unpaired_statement_too_large_never_too_small() -> None:
    rng, n, hits = np.random.default_rng(5), 200, 0
    for number in range(n):
        first, repeat = rng.normal(size=(2, 6, 4)) + rng.normal(size=(2, 1, 4))
        stated = detectable_effect(first, LEAVE_ONE_OUT, tests=5, unpaired=True).effect
        hits += called(repeat, LEAVE_ONE_OUT, stated, number % 5, "unpaired")
    assert stats.binomtest(hits, n, 0.8, alternative="less").pvalue > 0.001


@pytest.mark.parametrize("scales", [np.ones(6), np.array([1, 1, 1, 1, 1, 3.0])], ids=["equal", "one_loud"])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_a_repeat_calls_what_a_table_states(scales: np.ndarray, n_seeds: int) -> None:
    rng, n = np.random.default_rng(2), 250
    hits, _ = share_called(rng, scales, LEAVE_ONE_OUT, n_seeds, n)
    assert stats.binomtest(hits, n, 0.8).pvalue > 0.001


def test_small_statements_are_as_right_as_large_ones_where_studies_differ_in_noise() -> None:
    """Over studies of any noise, how small a stated effect is says nothing of how often it is found."""
    rng, hits, n = np.random.default_rng(3), {True: 0, False: 0}, 200
    for number in range(2 * n):
        noise = 10.0 ** rng.uniform(-3, 3)
        first, repeat = rng.normal(0, noise, size=(2, 6, 3))
        effect = detectable_effect(first, LEAVE_ONE_OUT, tests=5).effect
        hits[effect < 10.0] += called(repeat, LEAVE_ONE_OUT, effect, number % 5)
    assert all(stats.binomtest(min(count, n), n, 0.8).pvalue > 0.001 for count in hits.values())


@pytest.mark.parametrize("n_seeds", [3, 6])
@pytest.mark.parametrize("weights", [LEAVE_ONE_OUT, FACTORIAL], ids=["leave_one_out", "factorial"])
def test_the_upper_bound_is_below_what_is_needed_in_one_study_of_twenty(
    weights: np.ndarray, n_seeds: int
) -> None:
    """What the noise itself, were it known, would make needed: the bound's cover is the chi-square's."""
    rng, n, needed = np.random.default_rng(6), 400, forecast(weights, n_seeds, 0.7)
    uppers = []
    for _ in range(n):
        scores = 0.7 * rng.normal(size=(weights.shape[1], n_seeds)) + rng.normal(size=n_seeds)
        found = detectable_effect(scores, weights, tests=len(weights))
        assert found.upper > found.effect
        uppers.append(found.upper)
    missed = int((np.array(uppers) < needed).sum())
    assert stats.binomtest(missed, n, 0.05).pvalue > 0.001


def test_one_lucky_gain_does_not_shrink_what_the_table_states() -> None:
    """Two arms that happen to agree under every seed do not make their gain's promise small."""
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(8, 3))
    scores[1] = scores[0] + 0.001 * rng.normal(size=3)
    weights = np.hstack([np.ones((7, 1)), -np.eye(7)])
    lucky = estimate_contrasts(scores, weights, method="paired")[0]
    found = detectable_effect(scores, weights, tests=7)
    assert lucky.seed_error < 0.001 and found.effect > 1.0


def test_it_scales_with_the_noise_and_shrinks_with_seeds_and_grows_with_tests() -> None:
    assert forecast(LEAVE_ONE_OUT, 3, 0.2) == pytest.approx(2 * forecast(LEAVE_ONE_OUT, 3, 0.1))
    effects = [forecast(LEAVE_ONE_OUT, seeds, 0.1) for seeds in (2, 3, 5, 9)]
    assert effects == sorted(effects, reverse=True)
    assert (
        forecast(LEAVE_ONE_OUT, 4, 0.1, tests=30)
        > forecast(LEAVE_ONE_OUT, 4, 0.1)
        > forecast(LEAVE_ONE_OUT, 4, 0.1, tests=1)
    )


def test_many_seeds_and_one_test_are_the_normal_rule() -> None:
    # 1.960 + 0.842 standard errors of a difference of two arms.
    wanted = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) * np.sqrt(2 / 400)
    assert forecast([[1, -1]], 400, 1.0) == pytest.approx(wanted, rel=0.05)
    table = np.random.default_rng(5).normal(size=(2, 400))
    assert detectable_effect(table, [[1, -1]], tests=1).effect == pytest.approx(wanted, rel=0.15)


def test_rounds_of_seeds_see_what_their_boundaries_let_through() -> None:
    looks = Looks((3, 6), "pocock")
    effect = forecast([[1, -1]], 6, 1.0, looks=looks)
    assert effect > forecast([[1, -1]], 6, 1.0)  # each look costs
    rng, n = np.random.default_rng(6), 400
    hits = 0
    for _ in range(n):
        scores = rng.normal(size=(2, 6)) + np.array([[effect], [0.0]])
        (found,) = sequential_contrasts(scores, [[1, -1]], looks.seeds)
        hits += found.p_value <= 0.05
    assert stats.binomtest(hits, n, 0.8).pvalue > 0.001


def test_what_cannot_be_measured_is_not_stated() -> None:
    with pytest.raises(ValueError, match="noise must be above zero"):
        forecast(LEAVE_ONE_OUT, 3, 0.0)
    with pytest.raises(ValueError, match="tests >= 1"):
        detectable_effect(np.ones((2, 3)), [[1, -1]], tests=0)
    assert np.isnan(forecast(LEAVE_ONE_OUT, 1, 0.1))
    for table in (np.ones((2, 3)), np.full((2, 3), np.nan), [[1.0], [2.0]], [[1, 2, 3], [1, np.nan, 2]]):
        assert np.isnan(detectable_effect(table, [[1, -1]], tests=1).effect)
