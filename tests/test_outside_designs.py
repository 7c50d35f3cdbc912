"""Designs and estimands: the public contract checks, on ours, on some that live outside the package, and on broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.design.base import Assignment, ContrastSpec, Factor, assign, named
from ablate.design.chains import Chains
from ablate.design.controls import controls
from ablate.design.full_factorial import FullFactorial
from ablate.estimand.base import (
    Arms,
    estimand_names,
    load_estimand,
)
from ablate.estimand.leave_one_out import LeaveOneOut
from ablate.testing import ContractError, check_design, check_estimand

SHIPPED = sorted((CONF / "design").glob("*.yaml"))
SWITCHES = tuple(Factor(name, ("on", "off")) for name in "abcd")
OWN = {
    "order": (Factor("order", ("a>b", "b>a")),),
    "aa": (Factor("replicate", ("1", "2", "3")),),
    "crossed": (*SWITCHES, Factor("lr", ("0.004", "0.0004"))),
    "mixtures": tuple(
        Factor(name, ("0.25", "0", *(f"{n / 20:g}" for n in range(1, 21) if n != 5)))
        for name in ("web", "books")
    ),
}
"""Factors of designs that take none of the usual ones."""
DOSES = (Factor("threshold", ("0.5", "0.1", "0.9")),)
GENERATIONS = (Factor("kind", ("replace", "anchored")), Factor("generation", ("0", "1", "2")))
OWN["chains"] = GENERATIONS
OF_ESTIMANDS = {"order": OWN["order"], "aa": OWN["aa"], "dose": DOSES, "dose_response": DOSES}
OF_ESTIMANDS |= {name: GENERATIONS for name in Chains.estimands}
"""Factors of estimands that take no switches."""


class TwoEnds:
    """The recipe and nothing at all: a design of one's own."""

    estimands: ClassVar[tuple[str, ...]] = ("versus_reference",)

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        return named([assign(factors, full=True), assign(factors, full=False)], factors)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_designs_keep_the_contract(path: Path) -> None:
    node = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(node, dict)
    design = make(node["method"], "design.method")
    check_design(design, [OWN[path.stem]]) if path.stem in OWN else check_design(design)


@pytest.mark.parametrize("name", estimand_names())
def test_shipped_estimands_keep_the_contract(name: str) -> None:
    estimand = load_estimand(name)
    factors = OF_ESTIMANDS.get(name, SWITCHES[:3])
    arms = (Chains() if factors is GENERATIONS else FullFactorial()).arms(factors)
    controlled = controls(arms, factors, [factor.name for factor in factors]) if estimand.of_controls else {}
    check_estimand(estimand, factors, {**arms, **controlled})


def test_a_design_may_live_elsewhere() -> None:
    check_design(TwoEnds())


def test_a_level_that_there_is_not_is_noticed() -> None:
    class Wrong(TwoEnds):
        def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
            return {name: {one: "half" for one in levels} for name, levels in super().arms(factors).items()}

    with pytest.raises(ContractError, match="which is none of"):
        check_design(Wrong())


def test_weights_that_do_not_cancel_are_noticed() -> None:
    class Wrong(LeaveOneOut):
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
