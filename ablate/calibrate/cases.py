"""What is calibrated: every design that ablate comes with, found in `conf/design`, and some of their other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.design.base import Assignment, ContrastSpec, Design, Factor, weight_matrix
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.mixed import Mixed
from ablate.design.plackett_burman import PlackettBurman
from ablate.effects.estimate import Floats
from ablate.errors import AblateError
from ablate.estimand.base import contrasts_of, estimand_names

SWITCHES = tuple(Factor(name, ("on", "off")) for name in "abcdefg")
LEVELS = (Factor("method", ("x", "y", "z")), *SWITCHES[:3])
ORDERS = (Factor("order", tuple(">".join(order) for order in permutations("abc"))),)
DOSES = (Factor("threshold", ("0.5", "0.1", "0.2", "0.3", "0.7", "0.9")),)
CROSSED = (*SWITCHES[:4], Factor("lr", ("0.004", "0.0004")))
SUITED = (SWITCHES, SWITCHES[:5], SWITCHES[:4], ORDERS, DOSES, CROSSED)
"""Factors for designs whose file names none: the first that a design takes, in at most `MOST` arms, is used."""
MOST = 32
SEVERAL = 3
"""Estimands of a report whose chance of a false claim is counted."""


@dataclass(frozen=True)
class Case:
    """A design, the estimand asked of it, and the factors it varies.

    Attributes:
        own_seeds: whether each of its arms has seeds of its own unless one asks otherwise.
    """

    design: Design
    estimand: str
    factors: tuple[Factor, ...]
    own_seeds: bool = False

    @property
    def name(self) -> str:
        """For a table."""
        numbers = {3: "III", 4: "IV", 5: "V"}
        label = type(self.design).__name__
        resolution = getattr(self.design, "resolution", None)
        folded = ", folded" if getattr(self.design, "foldover", False) else ""
        levels = ", three levels" if any(len(factor.levels) == 3 for factor in self.factors) else ""
        return label + (f" {numbers[resolution]}" if resolution else "") + folded + levels

    @property
    def usual(self) -> bool:
        """Whether studies of what stages are worth usually take the design."""
        return getattr(self.design, "usual", False)

    @property
    def arms(self) -> dict[str, Assignment]:
        """Arm -> level of every factor."""
        return self.design.arms(self.factors)

    @property
    def contrasts(self) -> list[ContrastSpec]:
        """The gains of the estimand."""
        return contrasts_of([self.estimand], self.arms, self.factors)

    @property
    def present(self) -> np.ndarray:
        """Shape (n_arms, n_factors): whether the arm has the factor at the full recipe's level."""
        return np.array([[levels[f.name] == f.full for f in self.factors] for levels in self.arms.values()])


def weights_of(contrasts: Sequence[ContrastSpec], arms: Mapping[str, Assignment]) -> Floats:
    """Shape (n_contrasts, n_arms)."""
    return weight_matrix(contrasts, arms)


@lru_cache(maxsize=1)
def shipped() -> tuple[Case, ...]:
    """One case for each natural estimand of each design in `conf/design` that has gains."""
    found = []
    for path in sorted((CONF / "design").glob("*.yaml")):
        node = OmegaConf.to_container(OmegaConf.load(path))
        assert isinstance(node, dict)
        design: Design = make(node["method"], f"{path.name}: method")
        for factors in _named(node["factors"]) or SUITED:
            if fits(design, factors):
                own = bool(node.get("own_seeds")) or "randomness.seed_offset" in str(node["factors"])
                found += [Case(design, estimand, tuple(factors), own) for estimand in design.estimands]
                break
    return tuple(found)


FURTHER = (
    Case(FullFactorial(), "leave_one_out", SWITCHES[:4], own_seeds=True),
    Case(FullFactorial(), "shapley", SWITCHES[:4], own_seeds=True),
    Case(FractionalFactorial(3), "main_effect", SWITCHES, own_seeds=True),
    Case(FractionalFactorial(5), "interaction", SWITCHES[:5], own_seeds=True),
    Case(PlackettBurman(foldover=True), "main_effect", SWITCHES, own_seeds=True),
    Case(Mixed(), "main_effect", LEVELS, own_seeds=True),
)
"""Settings of these designs that are not their files' own."""


def fits(design: Design, factors: Sequence[Factor]) -> bool:
    """Whether the design takes these factors, in few enough arms, and has gains then."""
    try:
        arms = design.arms(factors)
        return len(arms) <= MOST and bool(contrasts_of(design.estimands, arms, factors))
    except (ValueError, AblateError):
        return False


def several(case: Case) -> list[ContrastSpec]:
    """The gains of up to `SEVERAL` estimands that the case's arms determine, the design's own first."""
    arms, found = case.arms, []
    names = dict.fromkeys([*case.design.estimands, *estimand_names()])
    for name in names:
        try:
            found.append(contrasts_of([name], arms, case.factors))
        except (ValueError, AblateError):
            continue
    return [spec for group in found[:SEVERAL] for spec in group]


def _named(asked: Any) -> list[tuple[Factor, ...]]:
    """The factors that a design's file spells out, e.g. the replicates of `aa`; none where they are the user's."""
    if not isinstance(asked, dict):
        return []
    lists = {name: next(iter(spec.values())) for name, spec in asked.items() if isinstance(spec, dict)}
    if not lists or not all(isinstance(values, list) for values in lists.values()):
        return []
    return [tuple(Factor(name, tuple(map(str, values))) for name, values in lists.items())]
