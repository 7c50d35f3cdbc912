"""Leave one out: the full recipe, and the full recipe less one stage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign, named


@dataclass(frozen=True)
class LeaveOneOut:
    """k two-level factors in k + 1 arms; a factor with m levels adds m - 1 arms.

    Answers: what would the finished recipe lose without this stage? Stages that do each other's work
    all look small here, because the others stand in for the one that is missing.
    """

    estimands: ClassVar[tuple[str, ...]] = ("leave_one_out",)
    clear: ClassVar[bool] = True
    usual: ClassVar[bool] = True

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `full`, then `without_<factor>`, or `<factor>=<level>` for every other level.

        Raises:
            ValueError: when two factors share a name.
        """
        full = assign(factors, full=True)
        others = [full | {factor.name: level} for factor in factors for level in factor.levels[1:]]
        return named([full, *others], factors)
