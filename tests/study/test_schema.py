"""What travels as JSON is read as what its class says, or refused with the file and the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ablate.compose import compose
from ablate.errors import DataError
from ablate.fingerprint import LATER
from ablate.shape import KEY, from_json, to_json
from ablate.study.plan import freeze, load_plan, make_plan, write_plan
from ablate.study.schema import Plan


@cache
def planned(overrides: tuple[str, ...]) -> Plan:
    return make_plan(compose(overrides))


Change = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Leaf:
    name: str = field(metadata=KEY)
    number: float
    pair: tuple[int, str] = (0, "")


@dataclass(frozen=True)
class Tree:
    leaves: dict[str, Leaf]
    words: tuple[str, ...]
    either: str | tuple[str, ...] | None
    count: int | None = field(default=None, metadata=LATER)
    more: dict[str, int] = field(default_factory=dict, metadata=LATER)


TREE = {
    "leaves": {"a": {"number": 1, "pair": [2, "x"]}, "b": {"number": 0.5, "pair": [0, ""]}},
    "words": ["u", "v"],
    "either": ["w"],
}


def test_what_was_read_is_written_again_as_it_was() -> None:
    tree = from_json(Tree, TREE, "f.json")
    assert tree.leaves["a"] == Leaf("a", 1, (2, "x")) and tree.either == ("w",)
    assert json.dumps(to_json(tree)) == json.dumps(TREE), (
        "an int stays one, and what is at its default stays out"
    )
    full = {**TREE, "either": None, "count": 3, "more": {"k": 1}}
    assert to_json(from_json(Tree, full, "f.json")) == full


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"words": "u"}, "words must be a list, got the text 'u'"),
        ({"words": ["u", 1]}, r"words\[1\] must be text, got the number 1"),
        ({"leaves": {"a": {"number": "1"}}}, r"leaves\.a\.number must be a number, got the text '1'"),
        ({"leaves": {"a": {"number": True}}}, r"leaves\.a\.number must be a number, got true"),
        ({"leaves": {"a": {"number": 1, "pair": [1]}}}, r"leaves\.a\.pair must be a list of 2"),
        ({"leaves": {"a": {}}}, r"leaves\.a lacks the key 'number'"),
        ({"leaves": None}, "leaves must be a mapping, got null"),
        ({"either": 1}, "either must be text or a list or null, got the number 1"),
        ({"count": 1.0}, r"count must be a whole number or null, got the number 1\.0"),
        ({"wodrs": []}, "has an unknown key 'wodrs': did you mean 'words'"),
    ],
)
def test_what_has_another_shape_is_refused_by_file_and_key(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=rf"^f\.json: .*{said}"):
        from_json(Tree, {**TREE, **changed}, "f.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.pop("seeds"), "lacks the key 'seeds'"),
        (lambda p: p.update(seeds=[0, "1"]), r"seeds\[1\] must be a whole number, got the text '1'"),
        (lambda p: p.update(sneed=1), "has an unknown key 'sneed'"),
        (lambda p: p["arms"]["full"].pop("levels"), r"arms\.full lacks the key 'levels'"),
        (lambda p: p["arms"].update(full=None), r"arms\.full must be a mapping, got null"),
        (
            lambda p: p["contrasts"][0]["weights"].update(full="1"),
            r"contrasts\[0\]\.weights\.full must be a number",
        ),
        (
            lambda p: p["contrasts"][0]["weights"].update(fulll=1.0),
            "weighs an arm that is not there, 'fulll': did you mean 'full'",
        ),
        (
            lambda p: p["factors"][0].update(levels=["on"]),
            r"factors\[0\] is not allowed: factor .* two or more different levels",
        ),
        (lambda p: p.update(reference="ful"), "reference names no arm, got 'ful': did you mean 'full'"),
        (lambda p: p["metrics"].pop("primary"), "metrics lacks the key 'primary'"),
        (lambda p: p.update(pairing="both"), "pairing must be paired or unpaired, got 'both'"),
        (lambda p: p.update(sequential={"rounds": [2]}), "sequential lacks the key 'spending'"),
        (lambda p: p.update(predicted={"flops": None}), r"predicted\.flops must be a number, got null"),
    ],
)
def test_a_plan_of_another_shape_is_refused_by_file_and_key(
    tiny: tuple[str, ...], tmp_path: Path, change: Change, said: str
) -> None:
    plan = planned(tiny)
    data = plan.to_json()
    change(data)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=rf"plan\.json is damaged: .*{said}.*study\.replan=true"):
        load_plan(tmp_path)
    with pytest.raises(DataError, match=r"plan\.json is damaged"):
        freeze(plan, tmp_path)
    assert freeze(plan, tmp_path, replan=True) == load_plan(tmp_path) == plan


@pytest.mark.parametrize("number", [None, "2", 2.0, True, 3])
def test_only_this_format_is_read(tiny: tuple[str, ...], tmp_path: Path, number: object) -> None:
    data = {**planned(tiny).to_json(), "format": number}
    with pytest.raises(
        DataError, match=r"was written by another version of ablate: its format is .*, this version reads 2"
    ):
        Plan.from_json(data, tmp_path / "plan.json")
    for whole in (None, [], "plan", 2):
        with pytest.raises(DataError, match="another version"):
            Plan.from_json(whole, tmp_path / "plan.json")


def test_a_plan_comes_back_as_it_was_written_byte_for_byte(tiny: tuple[str, ...], tmp_path: Path) -> None:
    more = [
        "seeds=[0,1,2,3]",
        "sequential.looks=[2,4]",
        "sequential.negligible=0",
        "evaluate.average_last=2",
    ]
    plan = planned((*tiny, *more))
    write_plan(plan, tmp_path)
    before = (tmp_path / "plan.json").read_bytes()
    found = load_plan(tmp_path)
    assert found == plan and found.digest == plan.digest == json.loads(before)["digest"]
    write_plan(found, tmp_path)
    assert (tmp_path / "plan.json").read_bytes() == before
    assert list(json.loads(before))[:8] == [
        "digest",
        "format",
        "study",
        "title",
        "question",
        "prediction",
        "design",
        "arms",
    ]


def test_a_plan_that_names_settings_as_they_were_called_is_the_same_plan(
    tiny: tuple[str, ...], tmp_path: Path
) -> None:
    plan = planned((*tiny, "design.own_seeds=true"))
    write_plan(plan, tmp_path)
    path = tmp_path / "plan.json"
    path.write_text(path.read_text().replace('"seed_offset":', '"shift":'))
    assert '"shift":' in path.read_text()
    found = load_plan(tmp_path)
    assert found == plan and found.digest == plan.digest
    assert any(arm.randomness["seed_offset"] for arm in found.arms.values())


def test_an_arm_builds_what_its_configuration_describes(tiny: tuple[str, ...]) -> None:
    plan = planned((*tiny, "train.lr=0.002", "budget=source"))
    arm = plan.reference_arm
    assert arm.name == plan.reference == "full" and arm.train.lr == 0.002 and arm.budget.match == "source"
    assert [stage.name for stage in arm.stages()] == list(plan.stages)
    without = replace(arm, config={**arm.config, "train": {**arm.config["train"], "lr": 0.003}})
    assert (arm.train.lr, without.train.lr) == (0.002, 0.003)
