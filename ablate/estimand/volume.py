"""Volume: what it is worth that a stage leaves less text, whichever documents that is."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.design.controls import AT_RANDOM
from ablate.estimand.base import Arms, Estimand, parts_of_gains


class Volume(Estimand):
    """The recipe with a removal at random in place of the stage minus the recipe without either."""

    meaning = (
        "the recipe in which as many tokens are removed at random in place of the stage minus the recipe without it: what it "
        "is worth *that* so many tokens go"
    )
    of_controls = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare each size-matched control with the arm without the stage: needs one (`design.controls=size_matched`)."""
        return [
            ContrastSpec(factor.name, AT_RANDOM, factor.bare, "volume", {control: 1.0, bare: -1.0})
            for factor, _, control, bare in parts_of_gains("volume", arms, factors)
        ]
