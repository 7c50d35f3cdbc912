"""Add one in: the bare recipe, and the bare recipe plus one stage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign

BARE = "bare"


def _name(factor: Factor, level: str) -> str:
    return f"only_{factor.name}" if factor.is_switch else f"only_{factor.name}={level}"


@dataclass(frozen=True)
class AddOneIn:
    """k two-level factors in k + 1 arms; a factor with m levels adds m - 1 arms.

    Answers: what does this stage bring on its own? Stages that do each other's work all look large
    here, because none of the others has done it yet.
    """

    estimands: ClassVar[tuple[str, ...]] = ("add_one_in",)
    clear: ClassVar[bool] = True

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `bare`, then `only_<factor>`, or `only_<factor>=<level>` for every other level.

        Raises:
            ValueError: when two factors share a name.
        """
        bare = assign(factors, full=False)
        arms = {BARE: bare}
        for factor in factors:
            for level in factor.levels[:-1]:
                arms[_name(factor, level)] = bare | {factor.name: level}
        return arms
