"""Order: the same stages in other orders."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, named


@dataclass(frozen=True)
class Order:
    """The levels of one factor, `order`, which are the permutations of `design.factors.order.permute`.

    Answers: does it matter which of these stages comes first? The stages that are not named stay
    where they are.

    Attributes:
        max_arms: run at most this many orders: the configured one and others drawn at random.
        seed: of the draw; a larger `max_arms` with the same seed keeps the orders of a smaller one.
    """

    estimands: ClassVar[tuple[str, ...]] = ("order",)
    max_arms: int = 24
    seed: int = 0

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the configured order first, then the others.

        Raises:
            ValueError: for another number of factors than one, or `max_arms` below two.
        """
        if len(factors) != 1 or self.max_arms < 2:
            raise ValueError(
                "design order takes one factor, made of the stages in design.factors.order.permute=[...], and "
                f"two arms or more; got {len(factors)} factors and max_arms={self.max_arms}"
            )
        (factor,) = factors
        others = random.Random(self.seed).sample(factor.levels[1:], len(factor.levels) - 1)
        kept = {factor.full, *others[: self.max_arms - 1]}
        return named(({factor.name: level} for level in factor.levels if level in kept), factors)
