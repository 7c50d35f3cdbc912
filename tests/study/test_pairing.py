"""Which runs share a seed, and whether gains are paired: decided when a study is planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ablate.commands.plan import describe
from ablate.compose import compose
from ablate.errors import ConfigError
from ablate.study.pairing import shares_seeds
from ablate.study.plan import make_plan
from ablate.study.schema import Plan
from ablate.study.seeds import run_seeds

FOUR = "design.factors=[extraction,language,minhash_dedup,fineweb_quality]"


@pytest.fixture
def planned(tiny: tuple[str, ...]) -> Callable[..., Plan]:
    """The plan of four stages under a design."""

    def make(*more: str) -> Plan:
        given = [one for one in tiny if not one.startswith("design.factors")]
        named = any(one.startswith("design.factors") for one in more)
        return make_plan(compose([*given, *([] if named else [FOUR]), *more]))

    return make


def seeds_of(plan: Plan) -> dict[str, set[int]]:
    """Every seed of an arm's runs, of initial weights and order alike."""
    return {
        name: {number for seed in plan.seeds for number in run_seeds(arm, seed)[:2]}
        for name, arm in plan.arms.items()
    }


@pytest.mark.parametrize("design", ["leave_one_out", "add_one_in", "cumulative", "shapley"])
def test_arms_share_their_seeds_and_gains_are_paired(planned: Any, design: str) -> None:
    plan = planned(f"design={design}")
    assert all(seeds == {0, 1} for seeds in seeds_of(plan).values())
    assert (
        shares_seeds(plan) and "pairing" not in plan.to_json()
    )  # as in plans of earlier versions, with their digest
    assert "all arms share their seeds; gains are paired" in describe(plan)


@pytest.mark.parametrize(
    "design",
    ["full_factorial", "fractional_factorial", "plackett_burman", "mixed", "near_full", "random_subset"],
)
def test_in_a_factorial_no_two_arms_share_a_seed(planned: Any, design: str) -> None:
    plan = planned(f"design={design}")
    seeds = seeds_of(plan)
    assert len(set().union(*seeds.values())) == 2 * len(plan.arms)
    assert seeds["full"] == {0, 1}, "the full recipe's runs are those of other designs"
    assert not shares_seeds(plan) and plan.pairing == "unpaired"
    assert "every arm has seeds of its own; gains are unpaired" in describe(plan)


def test_an_arm_of_two_designs_has_the_same_runs_in_both(planned: Any) -> None:
    whole, part = (planned(f"design={name}").arms for name in ("full_factorial", "fractional_factorial"))
    assert len(part) < len(whole) and all(whole[name] == arm for name, arm in part.items())
    fewer = planned("design=full_factorial", "design.factors=[language,minhash_dedup]").arms
    assert fewer["without_language"].config == whole["without_language"].config


def test_copies_of_the_full_recipe_need_seeds_of_their_own(planned: Any) -> None:
    seeds = seeds_of(planned("design=near_full"))
    assert {"full", "full_2"} <= set(seeds) and not seeds["full"] & seeds["full_2"]
    with pytest.raises(ConfigError, match="arms full and full_2 differ in their seeds alone"):
        planned("design=near_full", "design.own_seeds=false")


def test_seeds_can_be_shared_on_request(planned: Any) -> None:
    plan = planned("design=fractional_factorial", "design.own_seeds=false")
    assert all(seeds == {0, 1} for seeds in seeds_of(plan).values()) and plan.pairing == "paired"


def test_draws_of_chance_are_crossed_under_the_same_seeds(planned: Any) -> None:
    crossed = "design.factors={weights: {randomness.weights: [0,1]}, order: {randomness.order: [0,1]}}"
    plan = planned("design=full_factorial", crossed, "seeds=[0]")
    assert all(arm.randomness["seed_offset"] == 0 for arm in plan.arms.values())


def test_a_difference_between_two_arms_can_be_planned_unpaired_under_shared_seeds(planned: Any) -> None:
    paired, unpaired = planned(), planned("design.pairing=unpaired")
    assert unpaired.pairing == "unpaired" and unpaired.arms == paired.arms, "the runs are the same"
    assert unpaired.digest != paired.digest == planned("design.pairing=paired").digest
    assert planned("design.own_seeds=true").pairing == "unpaired"


def test_rounds_are_paired(planned: Any) -> None:
    plan = planned("design=full_factorial", "sequential.looks=[2]")
    assert plan.pairing == "paired" and "pairing" not in plan.to_json()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["design.pairing=pair"], "design.pairing must be one of paired, unpaired, got the text 'pair'"),
        (["design=full_factorial", "design.pairing=paired"], "nothing to pair"),
        (
            ["design=full_factorial", "design.own_seeds=false", "design.pairing=unpaired"],
            "seeds of their own in every arm",
        ),
        (["design.pairing=unpaired", "sequential.looks=[2]"], "leave one out"),
        (["design.own_seeds=perhaps"], "design.own_seeds must be true or false"),
    ],
)
def test_what_a_study_cannot_have_is_said(planned: Any, more: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(*more)


def test_a_plan_says_what_near_full_gains_lean_on(planned: Any) -> None:
    assert "off by 0.33 of each of its stage's 3 interactions, and by up to 0.17" in describe(
        planned("design=near_full")
    )
