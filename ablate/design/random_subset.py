"""Random subset: arms drawn at random from all combinations, as many as one can pay for."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign, named


@dataclass(frozen=True)
class RandomSubset:
    """`n_arms` different combinations of levels, the full and the bare recipe among them.

    For any number of arms between the powers of two, and extended at will: a larger `n_arms` with the
    same seed keeps the arms of a smaller one. Less is learnt from each run than in a factorial
    design, because levels of different factors are not balanced against each other.

    Attributes:
        n_arms: how many, at most all combinations. For main effects each level of a factor must be met
            by each level of every other; a plan refuses a draw in which it is not.
        seed: of the draw.
    """

    estimands: ClassVar[tuple[str, ...]] = ("main_effect",)
    n_arms: int = 32
    seed: int = 0

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the full recipe, the bare one, then what was drawn.

        Raises:
            ValueError: without factors, when two share a name, or for fewer than two arms.
        """
        full, bare = assign(factors, full=True), assign(factors, full=False)
        every = math.prod(len(factor.levels) for factor in factors)
        if self.n_arms < 2:
            raise ValueError(f"n_arms must be 2 or more, got {self.n_arms}")
        if not factors:
            raise ValueError("design random_subset needs factors, got none")
        draw = random.Random(self.seed)
        arms = [full, bare]
        while len(arms) < min(self.n_arms, every):
            drawn = {factor.name: draw.choice(factor.levels) for factor in factors}
            if drawn not in arms:
                arms.append(drawn)
        return named(arms, factors)
