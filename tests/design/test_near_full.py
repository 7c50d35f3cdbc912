"""The near-full design: balance, its exact variance against leave-one-out's, and what its gains lean on."""

from itertools import combinations

import numpy as np
import pytest

from ablate.design.base import Factor
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.near_full import NearFull
from ablate.estimand.base import NotIdentified, load_estimand
from ablate.estimand.near_full import leaning

SWITCHES = [Factor(name, ("on", "off")) for name in "abcdefghij"]


def lacking(arms):
    return [tuple(name for name, level in arm.items() if level == "off") for arm in arms.values()]


@pytest.mark.parametrize(
    ("k", "pairs"), [(3, None), (4, None), (5, 5), (6, 6), (7, None), (7, 14), (7, 7), (8, 12), (10, 20)]
)
def test_every_stage_is_lacking_equally_often_and_no_pair_twice(k, pairs):
    arms = NearFull(pairs=pairs).arms(SWITCHES[:k])
    left_out = lacking(arms)
    twos = [pair for pair in left_out if pair]
    assert next(iter(arms)) == "full" and all(len(pair) == 2 for pair in twos)
    assert len(twos) == len(set(twos)) == (pairs or k * (k - 1) // 2)
    assert len({sum(name in pair for pair in twos) for name in "abcdefghij"[:k]}) == 1
    copies = [name for name, pair in zip(arms, left_out, strict=True) if not pair]
    assert copies == ["full", *(f"full_{n}" for n in range(2, len(copies) + 1))]


@pytest.mark.parametrize(("share", "copies"), [(0.05, 1), (0.2, 5), (0.25, 7), (0.5, 21)])
def test_the_full_recipe_has_its_share_of_the_runs(share, copies):
    arms = NearFull(full_share=share).arms(SWITCHES[:7])
    assert lacking(arms).count(()) == copies and len(arms) == 21 + copies


def variances(arms, factors, estimand):
    """Of each gain, times (number of runs) / (variance of a run), from the weights themselves."""
    specs = load_estimand(estimand).contrasts(arms, factors)
    return [len(arms) * sum(weight**2 for weight in spec.weights.values()) for spec in specs]


def test_seven_stages_need_0_38_of_the_runs_of_leave_one_out():
    """Exact variances of the additive model: 6.06 against 16 sigma^2 / N with a fifth of the runs on full; here 5 of 26."""
    seven = SWITCHES[:7]
    assert variances(LeaveOneOut().arms(seven), seven, "leave_one_out") == pytest.approx([16.0] * 7)
    near = variances(NearFull().arms(seven), seven, "near_full")
    assert near == pytest.approx([6.06] * 7, abs=0.01)
    assert near[0] / 16 == pytest.approx(0.38, abs=0.005)


@pytest.mark.parametrize(("k", "pairs"), [(5, None), (7, 14), (7, None), (8, 12)])
def test_gains_are_least_squares(k, pairs):
    factors = SWITCHES[:k]
    arms = NearFull(pairs=pairs).arms(factors)
    x = np.array([[1.0] + [float(name in lacks) for name in "abcdefghij"[:k]] for lacks in lacking(arms)])
    y = np.random.default_rng(0).normal(size=len(arms))
    wanted = -np.linalg.lstsq(x, y, rcond=None)[0][1:]
    score = dict(zip(arms, y, strict=True))
    specs = load_estimand("near_full").contrasts(arms, factors)
    assert [s.factor for s in specs] == list("abcdefghij"[:k])
    assert [sum(w * score[a] for a, w in s.weights.items()) for s in specs] == pytest.approx(list(wanted))


def test_a_gain_leans_on_one_sixth_of_each_interaction_of_its_stage():
    """For seven stages 1/6 of each of a stage's interactions, 1/30 of the others with the other sign."""
    seven = SWITCHES[:7]
    found = leaning(NearFull().arms(seven), seven)
    np.testing.assert_allclose(found.coefficients, np.where(found.own, -1 / 6, 1 / 30), atol=1e-12)
    assert found.own.sum(axis=1).tolist() == [6] * 7 and len(found.pairs) == 21


@pytest.mark.parametrize("pairs", [14, None])
def test_the_lean_is_what_one_interaction_does_to_the_gains(pairs):
    seven = SWITCHES[:7]
    arms = NearFull(pairs=pairs).arms(seven)
    found = leaning(arms, seven)
    specs = load_estimand("near_full").contrasts(arms, seven)
    for place, (one, other) in enumerate(combinations("abcdefg", 2)):
        score = {
            arm: float({one, other} <= set(lacks)) for arm, lacks in zip(arms, lacking(arms), strict=True)
        }
        gains = [sum(weight * score[arm] for arm, weight in spec.weights.items()) for spec in specs]
        # Leave-one-out's gains are zero here: no arm that lacks one stage scores anything.
        assert gains == pytest.approx(list(found.coefficients[:, place]), abs=1e-12)


def test_near_full_gains_of_leave_one_out_arms_are_leave_one_outs():
    arms = LeaveOneOut().arms(SWITCHES[:4])
    near, one = (load_estimand(name).contrasts(arms, SWITCHES[:4]) for name in ("near_full", "leave_one_out"))
    assert [spec.weights for spec in near] == [pytest.approx(spec.weights) for spec in one]


def test_arms_that_lack_more_than_two_stages_are_not_looked_at():
    factors = SWITCHES[:4]
    specs = load_estimand("near_full").contrasts(FullFactorial().arms(factors), factors)
    assert {len(arm.split("+")) for spec in specs for arm in spec.weights if arm != "full"} <= {1, 2}
    assert "bare" not in {arm for spec in specs for arm in spec.weights}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda arms: {n: a for n, a in arms.items() if not n.startswith("full")}, "full"),
        (
            lambda arms: {n: a for n, a in arms.items() if "a" not in n.removeprefix("without_").split("+")},
            "arms that lack a and",
        ),
    ],
)
def test_what_is_missing_is_named(change, named):
    arms = change(NearFull().arms(SWITCHES[:4]))
    with pytest.raises(NotIdentified, match=named):
        load_estimand("near_full").contrasts(arms, SWITCHES[:4])


@pytest.mark.parametrize(
    ("design", "factors", "message"),
    [
        (NearFull(), SWITCHES[:2], "3 factors or more"),
        (NearFull(pairs=10), SWITCHES[:7], "pairs must be one of 7, 14, 21 with 7 factors, .* got 10"),
        (
            NearFull(pairs=8),
            SWITCHES[:8],
            "pairs must be one of 12, 16, 20, 24, 28 with 8 factors, .* got 8",
        ),  # two rings of four tell nothing apart
        (NearFull(), [*SWITCHES[:3], Factor("x", ("1", "2", "3"))], "x has more"),
        (NearFull(), [*SWITCHES[:3], SWITCHES[0]], "repeated"),
    ],
)
def test_what_the_design_cannot_take_is_named(design, factors, message):
    with pytest.raises(ValueError, match=message):
        design.arms(factors)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="full_share must be in"):
        NearFull(full_share=share)
