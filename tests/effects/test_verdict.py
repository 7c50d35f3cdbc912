"""Verdicts: what each row of the table says in words."""

import math

import numpy as np
import pytest

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.estimate import Estimate
from ablate.effects.multiplicity import holm
from ablate.effects.verdict import CLAIMS, Kind, verdict

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
        (found(0.1, 0.3), 1.0, True, "no effect seen"),
        (found(0.0, 1.0), 1.0, True, "no effect seen"),
        (found(0.1, NAN, n_seeds=1, method="none"), NAN, True, "not measured: one seed"),
        (found(NAN, NAN, n_seeds=0, method="none"), NAN, True, "not measured: runs missing"),
        (found(0.0, NAN, method="none"), NAN, True, "not measured: no spread between seeds"),
        (found(0.0, 1.0, method="identical"), 1.0, True, "no effect: the stage changed nothing here"),
    ],
)
def test_each_verdict(estimate, p_adjusted, higher_is_better, words):
    found = verdict(estimate, p_adjusted=p_adjusted, higher_is_better=higher_is_better)
    assert str(found) == words and found.kind in Kind


@pytest.mark.parametrize(
    ("estimate", "words"), [(0.1, "may help (exploration)"), (-0.1, "may hurt (exploration)")]
)
def test_exploration_claims_nothing(estimate, words):
    told = verdict(found(estimate, 0.001), p_adjusted=0.01, higher_is_better=True, claim=False)
    assert str(told) == words and told.kind not in CLAIMS
    only_before = verdict(
        found(estimate, 0.01), p_adjusted=0.2, higher_is_better=True, claim=False, correction="BH"
    )
    assert str(only_before).startswith("suggestive") and "(not after BH)" in str(only_before)


@pytest.mark.parametrize(
    ("floor", "shown"), [(0.5, "0.5"), (1.26, "1.3"), (0.000123, "0.00012"), (123.4, "120"), (2.0, "2")]
)
def test_a_gain_below_the_noise_of_a_run_is_said_to_be_so(floor, shown):
    told = verdict(found(1e-5, 0.001), p_adjusted=0.01, higher_is_better=True, noise_floor=floor)
    assert str(told) == f"helps, by less than one run's noise ({shown})" and told.kind is Kind.HELPS


@pytest.mark.parametrize("p_adjusted", [NAN, 0.01])
def test_a_p_value_without_its_correction_is_refused(p_adjusted):
    with pytest.raises(ValueError, match="p_adjusted must be at least"):
        verdict(found(0.1, 0.02), p_adjusted=p_adjusted, higher_is_better=True)


def verdicts_of(table, weights, identical=None, higher_is_better=True):
    estimates = estimate_contrasts(table, weights, identical=identical)
    adjusted = holm([e.p_value for e in estimates])
    return [
        str(verdict(e, p_adjusted=p, higher_is_better=higher_is_better))
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
    assert words[5:] == ["no effect seen"] * 2
