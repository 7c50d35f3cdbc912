"""A/A difference: replicates of one recipe against each other, in pairs that share no run."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.estimand.base import Arms, Estimand, NotIdentified


class AA(Estimand):
    """First minus second, third minus fourth, and so on. The truth is zero."""

    meaning = "one replicate of the recipe minus another; the truth is zero"
    ordered = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare replicates in pairs: needs two; an odd last one only informs the noise floor."""
        names = list(arms)
        if len(names) < 2 or len(factors) != 1:
            raise NotIdentified("aa", ["a second replicate (design=aa)"])
        (factor,) = factors
        return [
            ContrastSpec(factor.name, arms[a][factor.name], arms[b][factor.name], "aa", {a: 1.0, b: -1.0})
            for a, b in zip(names[::2], names[1::2], strict=False)
        ]
