"""Selection: what a stage's choice of documents is worth, at the size of the corpus that it leaves."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.design.controls import AT_RANDOM
from ablate.estimand.base import Arms, Estimand, parts_of_gains


class Selection(Estimand):
    """The recipe minus the recipe with a removal at random, of as many tokens, in place of the stage."""

    meaning = (
        "the recipe minus the recipe in which as many tokens are removed at random in place of the stage: what it is worth "
        "*which* documents go"
    )
    of_controls = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare each arm with its size-matched control: needs one (`design.controls=size_matched`)."""
        return [
            ContrastSpec(factor.name, factor.full, AT_RANDOM, "selection", {stage: 1.0, control: -1.0})
            for factor, stage, control, _ in parts_of_gains("selection", arms, factors)
        ]
