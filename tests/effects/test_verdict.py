"""Verdicts: what each row of the table says in words."""

import math

import numpy as np
import pytest

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.estimate import Estimate
from ablate.effects.multiplicity import holm
from ablate.effects.power import detectable
from ablate.effects.verdict import verdict

NAN = math.nan


def found(estimate, p_value, n_seeds=3, method="moderated"):
    return Estimate(estimate, NAN, NAN, n_seeds, NAN, NAN, p_value, method)


@pytest.mark.parametrize(
    ("estimate", "p_adjusted", "higher_is_better", "words"),
    [
        (found(0.1, 0.001), 0.007, True, "helps"),
        (found(-0.1, 0.001), 0.007, True, "hurts"),
        (found(-0.1, 0.001), 0.05, False, "helps"),
        (found(0.1, 0.001), 0.007, False, "hurts"),
        (found(0.1, 0.02), 0.14, True, "suggestive: helps (not after Holm)"),
        (found(-0.1, 0.05), 0.14, True, "suggestive: hurts (not after Holm)"),
        (found(0.1, 0.3), 1.0, True, "no effect seen: one larger than 0.012 would have been (80 % power)"),
        (found(0.0, 1.0), 1.0, True, "no effect seen: one larger than 0.012 would have been (80 % power)"),
        (found(0.1, NAN, n_seeds=1, method="none"), NAN, True, "not measured: one seed"),
        (found(NAN, NAN, n_seeds=0, method="none"), NAN, True, "not measured: runs missing"),
        (found(0.0, NAN, method="none"), NAN, True, "not measured: no spread between seeds"),
        (found(0.0, 1.0, method="identical"), 1.0, True, "no effect: the stage changed nothing here"),
    ],
)
def test_each_verdict(estimate, p_adjusted, higher_is_better, words):
    assert verdict(estimate, p_adjusted=p_adjusted, mde=0.01234, higher_is_better=higher_is_better) == words


@pytest.mark.parametrize(
    ("mde", "shown"), [(0.5, "0.5"), (1.26, "1.3"), (0.000123, "0.00012"), (123.4, "120"), (2.0, "2")]
)
def test_the_detectable_effect_is_shown_to_two_digits(mde, shown):
    words = verdict(found(0.0, 0.9), p_adjusted=0.9, mde=mde, higher_is_better=True)
    assert f"larger than {shown} would" in words


@pytest.mark.parametrize("p_adjusted", [NAN, 0.01])
def test_a_p_value_without_its_correction_is_refused(p_adjusted):
    with pytest.raises(ValueError, match="p_adjusted must be at least"):
        verdict(found(0.1, 0.02), p_adjusted=p_adjusted, mde=0.1, higher_is_better=True)


@pytest.mark.parametrize("mde", [NAN, 0.0])
def test_no_effect_without_a_detectable_one_is_refused(mde):
    with pytest.raises(ValueError, match="mde must be above zero"):
        verdict(found(0.1, 0.5), p_adjusted=0.5, mde=mde, higher_is_better=True)


def verdicts_of(table, weights, identical=None, higher_is_better=True):
    estimates = estimate_contrasts(table, weights, identical=identical)
    adjusted = holm([e.p_value for e in estimates])
    return [
        verdict(
            e,
            p_adjusted=p,
            mde=detectable(e),
            higher_is_better=higher_is_better,
        )
        for e, p in zip(estimates, adjusted, strict=True)
    ]


def test_a_small_study_from_scores_to_words(against_control):
    rng = np.random.default_rng(0)
    table = 3.0 + 0.01 * rng.normal(size=(8, 3))  # bits per byte
    table[1] += 0.5  # without this stage it is worse
    table[2] -= 0.5  # without this one it is better
    table[3] = table[0]  # this one had nothing to do
    table[4] = np.nan  # this one failed
    table[5, 1:] = np.nan  # this one got one seed
    words = verdicts_of(table, against_control, [i == 2 for i in range(7)], higher_is_better=False)
    assert words[:5] == [
        "helps",
        "hurts",
        "no effect: the stage changed nothing here",
        "not measured: runs missing",
        "not measured: one seed",
    ]
    assert all(w.startswith("no effect seen: one larger than 0.0") for w in words[5:])


@pytest.mark.parametrize("seed", range(20))
def test_what_is_called_no_effect_was_smaller_than_the_detectable_one(against_control, seed):
    """The sentence must not contradict its own row: an estimate above the stated size would be found."""
    table = np.random.default_rng(seed).normal(size=(8, 3))
    for e in estimate_contrasts(table, against_control):
        if e.p_value > 0.05:
            assert abs(e.estimate) < detectable(e)
