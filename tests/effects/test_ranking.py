"""The distance beyond which a ranking holds, and the seeds that it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import studentized_range

from ablate.effects.noise import run_noise, sphericity
from ablate.effects.ranking import measured_ratio, noise_df, ranking_distance, seeds_to_rank

LEAVE_ONE_OUT = np.hstack([np.ones((7, 1)), -np.eye(7)])


@pytest.mark.parametrize(("n_seeds", "confidence"), [(2, 0.95), (3, 0.8), (5, 0.95), (12, 0.99)])
def test_gains_over_one_reference_are_tukeys_case(n_seeds: int, confidence: float) -> None:
    """The reference cancels in the difference of two gains, which leaves the range of seven independent means."""
    df = 7 * (n_seeds - 1)
    tukey = studentized_range.ppf(confidence, 7, df) / math.sqrt(n_seeds)
    found = ranking_distance(LEAVE_ONE_OUT, n_seeds, confidence=confidence)
    assert found == pytest.approx(tukey, rel=0.01)


def test_pairs_beyond_the_distance_are_ranked_right_as_often_as_stated() -> None:
    """Gains three quarters of a noise apart, adjacent and all: nothing beyond the distance is out of order in 90 %."""
    rng = np.random.default_rng(7)
    n_seeds, studies = 4, 4000
    truth = np.array([0.0, *(-0.75 * np.arange(7))])
    wrong = 0
    for _ in range(studies):
        scores = truth[:, None] + rng.normal(size=(8, n_seeds)) + rng.normal(size=n_seeds)
        gains = LEAVE_ONE_OUT @ scores.mean(axis=1)
        distance = run_noise(scores) * ranking_distance(LEAVE_ONE_OUT, n_seeds, confidence=0.9)
        error = gains - LEAVE_ONE_OUT @ truth
        wrong += np.ptp(error) > distance
    assert wrong / studies == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / studies))


def test_the_seeds_keep_the_wish_as_often_as_stated() -> None:
    """The noise known from 10 degrees of freedom, the study's own measured anew: 80 % of studies state the distance asked for."""
    rng = np.random.default_rng(8)
    true, kept, cases = 0.02, 0, 2000
    for _ in range(cases):
        known = true * math.sqrt(rng.chisquare(10) / 10)
        n = seeds_to_rank(LEAVE_ONE_OUT, known, 10, 0.03)
        assert n is not None
        own = true * math.sqrt(rng.chisquare(noise_df(8, n)) / noise_df(8, n))
        kept += own * ranking_distance(LEAVE_ONE_OUT, n) <= 0.03
    assert 0.8 - 4 * math.sqrt(0.16 / cases) <= kept / cases  # whole seeds keep it a little more often
    assert kept / cases < 0.9


def test_arms_of_unequal_noise_keep_the_wish_as_well() -> None:
    """One arm three times as loud: a pilot's noise is less well known than its degrees of freedom say, and so is the study's."""
    rng = np.random.default_rng(9)
    loud = np.array([3.0, *[1.0] * 7])[:, None]
    kept = dict.fromkeys(("counted", "ignored"), 0)
    cases, within = 1500, 4.0
    for _ in range(cases):
        pilot = loud * rng.normal(size=(8, 6))
        noise, df, share = run_noise(pilot), noise_df(8, 6), sphericity(pilot)
        for name, one in (("counted", share), ("ignored", 1.0)):
            n = seeds_to_rank(LEAVE_ONE_OUT, noise, one * df, within, sphericity=one)
            assert n is not None
            study = loud * rng.normal(size=(8, n))
            kept[name] += run_noise(study) * ranking_distance(LEAVE_ONE_OUT, n) <= within
    assert kept["counted"] / cases >= 0.8 - 4 * math.sqrt(0.16 / cases)
    assert kept["ignored"] < kept["counted"]


def test_less_is_known_more_seeds_are_asked_for() -> None:
    certain, well, little = (seeds_to_rank(LEAVE_ONE_OUT, 0.01, df, 0.02) for df in (math.inf, 30, 2))
    assert certain and well and little and certain <= well < little
    assert seeds_to_rank(LEAVE_ONE_OUT, 0.01, 30, 0.0001) is None
    one_less = (
        0.01 * ranking_distance(LEAVE_ONE_OUT, certain - 1) * measured_ratio(7 * (certain - 2), math.inf, 0.8)
    )
    assert one_less > 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ranking_distance(LEAVE_ONE_OUT[:1], 3),
        lambda: ranking_distance(LEAVE_ONE_OUT, 3, confidence=1.0),
        lambda: seeds_to_rank(LEAVE_ONE_OUT, 0.0, 3, 0.1),
        lambda: seeds_to_rank(LEAVE_ONE_OUT, 0.1, 3, -1),
        lambda: seeds_to_rank(LEAVE_ONE_OUT, 0.1, 3, 0.1, power=0.0),
        lambda: seeds_to_rank(LEAVE_ONE_OUT, 0.1, 3, 0.1, sphericity=0.0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        wrong()


def test_one_seed_ranks_nothing() -> None:
    assert ranking_distance(LEAVE_ONE_OUT, 1) == math.inf
