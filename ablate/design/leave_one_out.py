"""Leave one out: the full recipe, and the full recipe less one stage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.design.base import Assignment, ContrastSpec, Factor, assign

FULL = "full"


def _name(factor: Factor, level: str) -> str:
    return f"without_{factor.name}" if factor.is_switch else f"{factor.name}={level}"


@dataclass(frozen=True)
class LeaveOneOut:
    """k two-level factors in k + 1 arms; a factor with m levels adds m - 1 arms.

    Answers: what would the finished recipe lose without this stage? Stages that do each other's work
    all look small here, because the others stand in for the one that is missing.
    """

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """`full`, then `without_<factor>`, or `<factor>=<level>` for every other level.

        Raises:
            ValueError: when two factors share a name.
        """
        full = assign(factors, full=True)
        arms = {FULL: full}
        for factor in factors:
            for level in factor.levels[1:]:
                arms[_name(factor, level)] = full | {factor.name: level}
        return arms

    def contrasts(self, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """The full recipe minus each other arm."""
        return [
            ContrastSpec(
                factor.name, factor.full, level, "leave_one_out", {FULL: 1.0, _name(factor, level): -1.0}
            )
            for factor in factors
            for level in factor.levels[1:]
        ]
