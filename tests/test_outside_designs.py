"""Designs and estimands: the public contract checks, on ours, on some that live outside the package, and on broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.design.base import Assignment, ContrastSpec, Factor, arm_name, assign, named
from ablate.estimand.base import Arms, NotIdentified, differences, find, load_estimand
from ablate.testing import ContractError, check_design, check_estimand

SHIPPED = sorted((CONF / "design").glob("*.yaml"))
SWITCHES = tuple(Factor(name, ("on", "off")) for name in "abcd")
OWN = {
    "order": (Factor("order", ("a>b", "b>a")),),
    "aa": (Factor("replicate", ("1", "2", "3")),),
    "crossed": (*SWITCHES, Factor("lr", ("0.004", "0.0004"))),
}
"""Factors of designs that take none of the usual ones."""


class TwoEnds:
    """The recipe and nothing at all: a design of one's own."""

    estimands: ClassVar[tuple[str, ...]] = ("versus_reference",)

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        return named([assign(factors, full=True), assign(factors, full=False)], factors)


class WithoutBoth:
    """The recipe minus the recipe without two stages: an estimand of one's own."""

    meaning = "the recipe minus the recipe without two stages"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        full = assign(factors, full=True)
        if find(arms, full) is None:
            raise NotIdentified("without_both", [arm_name(full, factors)])
        pairs = pairwise(factors)
        return [
            one
            for a, b in pairs
            for one in differences(
                "without_both",
                arms,
                factors,
                [(a, a.full, f"{a.bare} with {b.name}", full, full | {a.name: a.bare, b.name: b.bare})],
            )
        ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_designs_keep_the_contract(path: Path) -> None:
    node = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(node, dict)
    design = make(node["method"], "design.method")
    check_design(design, [OWN[path.stem]]) if path.stem in OWN else check_design(design)


@pytest.mark.parametrize(
    "name",
    ["leave_one_out", "add_one_in", "cumulative", "main_effect", "interaction", "shapley", "near_full"],
)
def test_shipped_estimands_keep_the_contract(name: str) -> None:
    check_estimand(load_estimand(name))


def test_a_design_and_an_estimand_may_live_elsewhere() -> None:
    check_design(TwoEnds())
    check_estimand(WithoutBoth())


def test_a_level_that_there_is_not_is_noticed() -> None:
    class Wrong(TwoEnds):
        def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
            return {name: {one: "half" for one in levels} for name, levels in super().arms(factors).items()}

    with pytest.raises(ContractError, match="which is none of"):
        check_design(Wrong())


def test_weights_that_do_not_cancel_are_noticed() -> None:
    class Wrong(WithoutBoth):
        def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
            return [
                ContrastSpec(
                    one.factor,
                    one.level,
                    one.versus,
                    one.estimand,
                    {arm: abs(w) for arm, w in one.weights.items()},
                )
                for one in super().contrasts(arms, factors)
            ]

    with pytest.raises(ContractError, match="not to zero"):
        check_estimand(Wrong())
