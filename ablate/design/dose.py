"""Dose and response: one numeric parameter at many values, such as a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign


def _name(factor: Factor, level: str) -> str:
    return f"{factor.name}={level}"


def doses(factor: Factor) -> list[tuple[float, str]]:
    """Return (value, level) of a factor whose levels are numbers, ascending.

    Raises:
        ValueError: for a level that is no number.
    """
    found = []
    for level in factor.levels:
        try:
            found.append((float(level), level))
        except ValueError:
            raise ValueError(
                f"factor {factor.name!r} has the level {level!r}, which is no number; a dose needs values, e.g. "
                f"design.factors={{{factor.name}: {{threshold: {{from: 0.1, to: 0.9, points: 9}}}}}}"
            ) from None
    return sorted(found)


@dataclass(frozen=True)
class Dose:
    """A factor with m values in m arms; several factors one at a time, with the others as in the recipe.

    Answers: does more filtering go on helping, or does the curve turn? Arms differ in decisions
    alone, so that all of them together cost one measurement.
    """

    estimands: ClassVar[tuple[str, ...]] = ("dose", "dose_response")

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `<factor>=<value>` for every value; the first is the recipe as configured.

        Raises:
            ValueError: when a level is no number, or two factors share a name.
        """
        full = assign(factors, full=True)
        arms: dict[str, Assignment] = {}
        for factor in factors:
            doses(factor)
            for level in factor.levels[1:] if arms else factor.levels:
                arms[_name(factor, level)] = full | {factor.name: level}
        return arms
