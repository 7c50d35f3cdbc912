"""Each arm against the reference arm, for studies whose arms are no combination of factors."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.estimand.base import Arms, Estimand, NotIdentified


class VersusReference(Estimand):
    """Each arm minus the first one; named after a factor where that is all the two differ in."""

    meaning = "each arm minus the reference arm"
    ordered = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare each arm with the reference: needs two arms; what the factors are does not matter."""
        if len(arms) < 2:
            raise NotIdentified("versus_reference", ["a second arm"])
        (first, usual), *others = arms.items()
        specs = []
        for arm, levels in others:
            differ = [name for name, level in levels.items() if level != usual.get(name)]
            named = (
                (differ[0], levels[differ[0]], usual[differ[0]]) if len(differ) == 1 else (arm, arm, first)
            )
            specs.append(ContrastSpec(*named, "versus_reference", {arm: 1.0, first: -1.0}))
        return specs
