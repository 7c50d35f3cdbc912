"""A planted defect's rate as a factor: from the command line to what each rate costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ablate.compose import compose
from ablate.errors import ConfigError
from ablate.inspect.cost import cost_page
from ablate.inspect.dose import Response
from ablate.study.plan import load_plan, make_plan, run_folder

SWEPT = (
    "study.name=swept",
    "pool/spike=planted",
    *(
        f"pool.spike.{kind}=0"
        for kind in (
            "exact_copies",
            "near_copies",
            "boilerplate",
            "foreign",
            "symbols",
            "shuffled",
            "emails",
            "ips",
            "phones",
        )
    ),
    "design=dose",
    "design.factors={shuffled: {pool.spike.shuffled: [0, 0.1, 0.3]}}",
    "stages.gopher_quality.enabled=false",
    "stages.gopher_repetition.enabled=false",
    "stages.fineweb_quality.enabled=false",
    "stages.c4_quality.enabled=false",
)


def test_a_swept_rate_changes_the_corpora_and_says_what_it_costs(
    ablate: Callable[..., int], here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one for one in tiny if not one.startswith("design.factors")]
    assert ablate("sweep", *given, *SWEPT) == 0
    study = here / "studies" / "swept"
    plan = load_plan(study)
    assert list(plan.arms) == ["shuffled=0", "shuffled=0.1", "shuffled=0.3"]
    records = {arm: json.loads((run_folder(study, arm, 0) / "record.json").read_text()) for arm in plan.arms}
    inputs = [record["corpus"]["funnel"][0]["documents"] for record in records.values()]
    assert inputs == [160, 160, 160], "a defect takes the place of its document"
    assert len({record["corpus"]["key"] for record in records.values()}) == 3
    assert len(list((here / "store" / "pool").glob("*/pool.json"))) == 1, "one pool for all arms"
    capsys.readouterr()
    assert ablate("inspect", "spike", *given, *SWEPT, "inspect.tolerance=0.01") == 0
    shown = capsys.readouterr().out
    assert "**shuffled**: cost in" in shown and "| 0.1 |" in shown and "| 0.3 |" in shown
    assert shown.split("\n\nspike:")[0].strip() in (study / "spike" / "spike.md").read_text()
    assert ablate("inspect", "dose", *given, *SWEPT) == 0


def test_plans_without_planted_defects_say_nothing_of_them(tiny: tuple[str, ...]) -> None:
    plan = make_plan(compose(list(tiny)))
    assert all("spike" not in arm.config["pool"] for arm in plan.arms.values())


def test_nothing_but_rates_can_be_varied(tiny: tuple[str, ...]) -> None:
    given = [one for one in (*tiny, *SWEPT) if not one.startswith("design.factors")]
    with pytest.raises(ConfigError, match=r"the rates of pool\.spike can be varied"):
        make_plan(compose([*given, "design.factors={seed: {pool.spike.seed: [0, 1]}}"]))
    with pytest.raises(ConfigError, match="must not add up to more than 1"):
        rates = "design.factors={a: {pool.spike.shuffled: [0, 0.6]}, b: {pool.spike.symbols: [0, 0.6]}}"
        make_plan(compose([*given, rates]))
    with pytest.raises(ConfigError, match=r"pool\.spike\.shufled does not exist: did you mean 'shuffled'"):
        compose([*given, "pool.spike.shufled=0.1"])
    with pytest.raises(ConfigError, match=r"pool\.spike\.shuffled does not exist"):
        make_plan(compose([*tiny[:-1], "design=dose", "design.factors={a: {pool.spike.shuffled: [0, 0.6]}}"]))


def words(costs: list[float], noise: float = 0.001, tolerance: float = 0.1, seeds: int = 4) -> str:
    """The page for mean scores that lie exactly at `costs`, of which less is better."""
    drawn = np.random.default_rng(0).normal(0, noise, (len(costs), seeds))
    scores = np.array(costs)[:, None] + drawn - drawn.mean(axis=1, keepdims=True)
    return cost_page("shuffled", [0, 0.1, 0.2, 0.4], Response("bpb", False, scores), tolerance)


def test_the_words_say_no_more_than_was_seen() -> None:
    line = words([1.0, 1.05, 1.1, 1.2])
    assert (
        "costs more than 0.1 bpb from a rate of **0.2** on" in line
        and "Up to a rate of 0.1 nothing above" in line
    )
    assert "From 0.4 on it costs more than that beyond doubt." in line
    bent = words([1.0, 1.2, 1.2, 1.2])
    assert "not on a line, so that no rate is read off one" in bent and "**0." not in bent
    assert "Not even at 0.1 is a cost above 0.1 bpb ruled out" in bent
    little = words([1.0, 1.001, 1.002, 1.004])
    assert (
        "only beyond 0.4, the highest rate that was run" in little and "Up to a rate of 0.4 nothing" in little
    )
    better = words([1.0, 0.95, 0.9, 0.8])
    assert "No cost was seen" in better and "Up to a rate of 0.4 nothing above" in better
    loud = words([1.0, 1.05, 1.1, 1.2], noise=0.5)
    assert "open: the slope may be zero" in loud and "beyond doubt" not in loud
    assert "nothing is said of a tolerance" in words([1.0, 1.1, 1.2, 1.4], seeds=1)
