"""Cumulative: from the bare recipe to the full one, a stage at a time in recipe order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign

BARE, FULL = "bare", "full"


def _steps(factors: Sequence[Factor]) -> list[str]:
    return [*(f"+{factor.name}" for factor in factors[:-1]), FULL][: len(factors)]


@dataclass(frozen=True)
class Cumulative:
    """k factors in k + 1 arms; levels between the first and the last are not used.

    Answers: what did each step of building up the recipe bring, as FineWeb's figures show it? The
    gain depends on the order, and the gains add up to full minus bare.
    """

    estimands: ClassVar[tuple[str, ...]] = ("cumulative",)
    clear: ClassVar[bool] = True

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `bare`, then `+<factor>` for each step, the last of them `full`.

        Raises:
            ValueError: when two factors share a name.
        """
        levels = assign(factors, full=False)
        arms = {BARE: levels}
        for name, factor in zip(_steps(factors), factors, strict=True):
            levels = levels | {factor.name: factor.full}
            arms[name] = levels
        return arms
