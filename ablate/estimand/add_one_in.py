"""Add-one-in gain: the bare recipe plus the stage minus the bare recipe."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.estimand.base import Arms, Estimand, differences


class AddOneIn(Estimand):
    """Each other level of a factor minus bare, everything else as in the bare recipe."""

    meaning = "the bare recipe plus the stage minus the bare recipe"
    splits = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare with the bare arm: needs it and one arm for each other level."""
        bare = assign(factors, full=False)
        return differences(
            "add_one_in",
            arms,
            factors,
            [
                (factor, level, factor.bare, bare | {factor.name: level}, bare)
                for factor in factors
                for level in factor.levels[:-1]
            ],
        )
