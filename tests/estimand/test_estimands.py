"""Estimands: against statsmodels, brute force and hand counts; refusals name the missing arms."""

from itertools import combinations, permutations, product
from math import factorial

import numpy as np
import pydoe
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.design.base import Factor, assign
from ablate.design.crossed import Crossed
from ablate.design.cumulative import Cumulative
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.order import Order
from ablate.design.plackett_burman import PlackettBurman
from ablate.design.random_subset import RandomSubset
from ablate.design.shapley import Shapley
from ablate.errors import ConfigError
from ablate.estimand.aliases import aliases
from ablate.estimand.base import (
    NotIdentified,
    averages,
    contrasts_of,
    estimand_names,
    load_estimand,
    stands_for,
)

AB = [Factor(name, ("on", "off")) for name in "abcd"]
THREE = [Factor("extraction", ("x", "y", "z")), *AB[:2]]


def values(specs, score):
    """The contrasts' values when an arm scores `score(name)`."""
    return {
        spec.factor if spec.versus in ("off", "on") else (spec.factor, spec.versus): sum(
            w * score[arm] for arm, w in spec.weights.items()
        )
        for spec in specs
    }


def scored(arms, seed=0):
    rng = np.random.default_rng(seed)
    return dict(zip(arms, rng.normal(size=len(arms)), strict=True))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([AB, THREE]))
def test_one_at_a_time_estimands_are_differences_of_two_arms_of_any_design(seed, factors):
    arms = FullFactorial().arms(factors)
    score = scored(arms, seed)
    level = {tuple(arm.values()): score[name] for name, arm in arms.items()}
    full, bare = assign(factors, full=True), assign(factors, full=False)
    for spec in contrasts_of(["leave_one_out"], arms, factors):
        found = sum(w * score[arm] for arm, w in spec.weights.items())
        wanted = level[tuple(full.values())] - level[tuple((full | {spec.factor: spec.versus}).values())]
        assert found == pytest.approx(wanted)
    for spec in contrasts_of(["add_one_in"], arms, factors):
        found = sum(w * score[arm] for arm, w in spec.weights.items())
        wanted = level[tuple((bare | {spec.factor: spec.level}).values())] - level[tuple(bare.values())]
        assert found == pytest.approx(wanted)
    steps = [
        sum(w * score[arm] for arm, w in s.weights.items())
        for s in contrasts_of(["cumulative"], arms, factors)
    ]
    assert sum(steps) == pytest.approx(score["full"] - score["bare"])


@pytest.mark.parametrize(
    "design",
    [
        FullFactorial(),
        FractionalFactorial(3),
        FractionalFactorial(4),
        PlackettBurman(),
        RandomSubset(n_arms=11, seed=1),
    ],
    ids=repr,
)
def test_main_effects_agree_with_statsmodels_ols(design):
    arms = design.arms(AB)
    score = scored(arms)
    x = np.array([[float(arm[f.name] == "on") for f in AB] for arm in arms.values()])
    fit = sm.OLS(np.array(list(score.values())), sm.add_constant(x)).fit()
    found = values(contrasts_of(["main_effect"], arms, AB), score)
    np.testing.assert_allclose([found[f.name] for f in AB], fit.params[1:], atol=1e-12)


def test_main_effects_of_levels_agree_with_statsmodels_ols():
    arms = FullFactorial().arms(THREE)
    del arms["bare"], arms["without_a"]  # not balanced any more
    score = scored(arms)
    x = [
        [a["extraction"] == "y", a["extraction"] == "z", a["a"] == "off", a["b"] == "off"]
        for a in arms.values()
    ]
    fit = sm.OLS(np.array(list(score.values())), sm.add_constant(np.array(x, dtype=float))).fit()
    specs = contrasts_of(["main_effect"], arms, THREE)
    assert [(s.factor, s.level, s.versus) for s in specs[:2]] == [
        ("extraction", "x", "y"),
        ("extraction", "x", "z"),
    ]
    found = [sum(w * score[arm] for arm, w in spec.weights.items()) for spec in specs]
    np.testing.assert_allclose(found, -fit.params[1:], atol=1e-12)


def test_a_main_effect_is_the_average_of_the_gains_in_a_full_factorial():
    arms = FullFactorial().arms(AB)
    score = scored(arms)
    level = {tuple(arm.values()): score[name] for name, arm in arms.items()}
    gains = [level[("on", *rest)] - level[("off", *rest)] for rest in product(("on", "off"), repeat=3)]
    assert values(contrasts_of(["main_effect"], arms, AB), score)["a"] == pytest.approx(np.mean(gains))


def test_an_interaction_is_the_difference_of_two_gains():
    arms = FullFactorial().arms(AB)
    score = scored(arms)
    level = {tuple(arm.values()): score[name] for name, arm in arms.items()}
    found = values(contrasts_of(["interaction"], arms, AB), score)
    assert len(found) == 6
    by_hand = np.mean(
        [
            (level["on", "on", *r] - level["off", "on", *r])
            - (level["on", "off", *r] - level["off", "off", *r])
            for r in product(("on", "off"), repeat=2)
        ]
    )
    assert found["a x b"] == pytest.approx(by_hand)
    x = np.array([[1.0 if arm[f.name] == "on" else -1.0 for f in AB] for arm in arms.values()])
    pairs = np.column_stack([x[:, i] * x[:, j] for i, j in combinations(range(4), 2)])
    fit = sm.OLS(np.array(list(score.values())), sm.add_constant(np.hstack([x, pairs]))).fit()
    np.testing.assert_allclose(list(found.values()), 4 * fit.params[5:], atol=1e-12)


def test_four_arms_identify_one_interaction():
    arms = LeaveOneOut().arms(AB[:2]) | {"without_a+b": {"a": "off", "b": "off"}}
    score = {"full": 0.7, "without_a": 0.5, "without_b": 0.6, "without_a+b": 0.1}
    assert values(contrasts_of(["interaction"], arms, AB[:2]), score) == {"a x b": pytest.approx(-0.3)}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_shapley_shares_of_all_arms_agree_with_all_permutations(seed, k):
    factors = AB[:k]
    arms = FullFactorial().arms(factors)
    score = scored(arms, seed)
    level = {frozenset(n for n, at in arm.items() if at == "on"): score[name] for name, arm in arms.items()}
    shares = dict.fromkeys("abcd"[:k], 0.0)
    for order in permutations(shares):
        for i, name in enumerate(order):
            gain = level[frozenset(order[: i + 1])] - level[frozenset(order[:i])]
            shares[name] += gain / factorial(k)
    found = values(contrasts_of(["shapley"], arms, factors), score)
    assert found == {name: pytest.approx(share, abs=1e-12) for name, share in shares.items()}
    assert sum(found.values()) == pytest.approx(level[frozenset(shares)] - level[frozenset()])


def test_shapley_of_drawn_orders_is_the_average_over_all_orders_that_the_arms_allow():
    factors = [Factor(name, ("on", "off")) for name in "abcdefg"]
    arms = Shapley(pairs=3, exact_up_to=0).arms(factors)
    score = scored(arms)
    level = {frozenset(n for n, at in arm.items() if at == "on"): score[name] for name, arm in arms.items()}
    orders = [o for o in permutations("abcdefg") if all(frozenset(o[:i]) in level for i in range(8))]
    assert len(orders) >= 6
    found = values(contrasts_of(["shapley"], arms, factors), score)
    for name in "abcdefg":
        gains = [
            level[frozenset(o[: o.index(name) + 1])] - level[frozenset(o[: o.index(name)])] for o in orders
        ]
        assert found[name] == pytest.approx(np.mean(gains))


def test_shapley_shares_of_drawn_orders_are_unbiased():
    """Over many draws of one pair each, for a value function with strong interactions."""
    factors = [Factor(name, ("on", "off")) for name in "abcde"]
    rng = np.random.default_rng(0)
    everything = FullFactorial().arms(factors)
    score = dict(zip(everything, rng.normal(size=32), strict=True))
    truth = values(contrasts_of(["shapley"], everything, factors), score)
    draws = np.array(
        [
            list(
                values(
                    contrasts_of(["shapley"], Shapley(pairs=1, exact_up_to=0, seed=s).arms(factors), factors),
                    score,
                ).values()
            )
            for s in range(400)
        ]
    )
    error = draws.std(axis=0, ddof=1) / 20
    assert (np.abs(draws.mean(axis=0) - list(truth.values())) < 4 * error).all()


def test_precedence_effects_are_recovered_from_some_of_the_orders():
    factor = Factor("order", tuple(">".join(p) for p in permutations("abcd")))
    arms = Order(max_arms=10).arms([factor])
    effect = {pair: 0.1 * i for i, pair in enumerate(combinations("abcd", 2))}
    score = {
        name: sum(e for (x, y), e in effect.items() if arm["order"].index(x) < arm["order"].index(y))
        for name, arm in arms.items()
    }
    specs = load_estimand("order").contrasts(arms, [factor])
    found = [sum(w * score[arm] for arm, w in spec.weights.items()) for spec in specs]
    np.testing.assert_allclose(found, list(effect.values()), atol=1e-12)


@pytest.mark.parametrize(
    ("estimand", "arms", "missing"),
    [
        ("leave_one_out", Cumulative().arms(AB), {"without_a", "without_b", "without_c"}),
        ("add_one_in", LeaveOneOut().arms(AB), {"bare", "only_a", "only_b", "only_c", "only_d"}),
        ("cumulative", LeaveOneOut().arms(AB), {"bare", "only_a", "without_c+d"}),
        ("main_effect", LeaveOneOut().arms(AB), {f"without_{x}+{y}" for x, y in combinations("abcd", 2)}),
        ("interaction", LeaveOneOut().arms(AB), {f"without_{x}+{y}" for x, y in combinations("abcd", 2)}),
        ("shapley", Cumulative().arms(AB), {"only_d", "without_a+b", "without_a"}),
        ("aa", {"full": assign(AB, full=True)}, {"a second replicate (design=aa)"}),
    ],
)
def test_a_refusal_names_the_missing_arms_and_they_are_enough(estimand, arms, missing):
    with pytest.raises(NotIdentified, match="Missing: ") as refused:
        contrasts_of([estimand], arms, AB)
    assert set(refused.value.missing) == missing
    everything = FullFactorial().arms(AB)
    if missing <= set(everything):
        added = dict(arms) | {name: everything[name] for name in missing}
        assert contrasts_of([estimand], added, AB)


def test_a_fraction_of_resolution_four_does_not_identify_interactions():
    with pytest.raises(NotIdentified, match="mixed with one another"):
        contrasts_of(["interaction"], FractionalFactorial(4).arms(AB), AB)


@pytest.mark.parametrize("k", [4, 6, 7])
@pytest.mark.parametrize("resolution", [3, 4, 5])
def test_aliases_agree_with_pydoe(k, resolution):
    factors = [Factor(name, ("on", "off")) for name in "abcdefg"[:k]]
    arms = FractionalFactorial(resolution).arms(factors)
    x = np.array([[1 if arm[f.name] == "on" else -1 for f in factors] for arm in arms.values()])
    wanted = {}
    for line in pydoe.fracfact_aliasing(x)[0]:
        words = line.split(" = ")
        for main in (word for word in words if len(word) == 1):
            wanted[main] = {" x ".join(word) for word in words if len(word) == 2}
    found = aliases(arms, factors).main
    assert {name: {pair for pair, _ in mixed} for name, mixed in found.items()} == wanted
    assert all(abs(c) == pytest.approx(0.5) for mixed in found.values() for _, c in mixed)


def test_alias_coefficients_are_what_an_interaction_adds_to_an_estimate():
    factors = [Factor(name, ("on", "off")) for name in "abcdefghijk"]
    arms = PlackettBurman().arms(factors)
    found = aliases(arms, factors)
    score = {name: 0.6 * (arm["b"] == arm["c"] == "on") for name, arm in arms.items()}
    got = values(contrasts_of(["main_effect"], arms, factors), score)
    for name, mixed in found.main.items():
        bias = dict(mixed).get("b x c", 0.0) * 0.6
        # The interaction raises the true main effects of b and c by half of itself, and nobody else's.
        assert got[name] == pytest.approx(bias + (0.3 if name in "bc" else 0.0)), name
    assert len(found.main["a"]) == 45 and not aliases(FullFactorial().arms(AB), AB).main["a"]


def test_extra_arms_and_their_order_do_not_change_what_is_identified_exactly():
    arms = FullFactorial().arms(AB)
    turned = dict(reversed(list(arms.items())))
    score = scored(arms)
    for name in ("leave_one_out", "main_effect", "interaction", "shapley"):
        assert values(contrasts_of([name], arms, AB), score) == pytest.approx(
            values(contrasts_of([name], turned, AB), score)
        )


def test_an_unknown_estimand_is_named():
    with pytest.raises(ConfigError, match="did you mean 'shapley'"):
        load_estimand("shaply")


def test_within_is_leave_one_out_at_each_level_of_the_setting():
    lr = Factor("lr", ("0.01", "0.001"))
    factors = [*AB[:3], lr]
    arms = Crossed().arms(factors)
    assert list(arms)[:2] == ["full", "without_a"] and list(arms)[4:6] == ["lr=0.001", "lr=0.001,without_a"]
    specs = contrasts_of(["within"], arms, factors)
    assert [(s.factor, s.level, s.versus) for s in specs] == [
        (f"{name} at lr={lr}", "on", "off") for lr in ("0.01", "0.001") for name in "abc"
    ]
    assert specs[-1].weights == {"lr=0.001": 1, "lr=0.001,without_c": -1}
    plain = contrasts_of(["leave_one_out"], LeaveOneOut().arms(AB[:3]), AB[:3])
    assert [s.weights for s in specs[:3]] == [s.weights for s in plain]


def test_within_names_what_is_missing():
    arms = Crossed().arms([*AB[:3], Factor("lr", ("1", "2"))])
    del arms["lr=2,without_a"]
    with pytest.raises(NotIdentified, match="Missing: lr=2,without_a"):
        contrasts_of(["within"], arms, [*AB[:3], Factor("lr", ("1", "2"))])
    with pytest.raises(NotIdentified, match="within"):
        contrasts_of(["within"], LeaveOneOut().arms(AB), AB)


def test_an_estimand_averages_if_some_arms_can_be_done_without():
    """Of the arms of a full factorial an average has weights on more than two; a difference is of two arms."""
    arms = FullFactorial().arms(AB)
    for name in ("main_effect", "shapley", "leave_one_out", "add_one_in", "cumulative"):
        used = max(len([w for w in spec.weights.values() if w]) for spec in contrasts_of([name], arms, AB))
        assert averages(name) == (used > 2), name
    assert averages("interaction") and averages("near_full")


def test_only_near_full_is_read_as_another_gain():
    assert {name: stands_for(name) for name in estimand_names() if stands_for(name) != name} == {
        "near_full": "leave_one_out"
    }
