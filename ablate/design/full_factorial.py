"""Full factorial: every combination of the levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign, named


@dataclass(frozen=True)
class FullFactorial:
    """k two-level factors in 2^k arms; factors with more levels multiply likewise.

    Answers everything that can be asked of these factors: main effects, every interaction, exact
    Shapley shares, the best subset. Each run serves each effect, so that a main effect is as sure as
    if half of all runs had been spent on it alone.

    Attributes:
        max_arms: more than this many is refused, since it is more often a slip than a wish.
    """

    estimands: ClassVar[tuple[str, ...]] = ("main_effect", "interaction")
    clear: ClassVar[bool] = True
    max_arms: int = 256

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return every combination, the full recipe first.

        Raises:
            ValueError: without factors, when two share a name, or for more than `max_arms` arms.
        """
        assign(factors, full=True)
        count = 1
        for factor in factors:
            count *= len(factor.levels)
        if not factors or count > self.max_arms:
            raise ValueError(
                f"design full_factorial of {len(factors)} factors has {count:,} arms, allowed are 2 to "
                f"{self.max_arms:,}: name fewer factors (design.factors=[...]), take "
                "design=fractional_factorial, or raise design.method.max_arms"
            )
        combinations = product(*(factor.levels for factor in factors))
        names = [factor.name for factor in factors]
        return named((dict(zip(names, levels, strict=True)) for levels in combinations), factors)
