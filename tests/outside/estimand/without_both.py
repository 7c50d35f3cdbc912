"""An estimand of one's own: the recipe minus the recipe without two neighbouring stages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.estimand.base import Arms, Estimand, differences


class WithoutBoth(Estimand):
    """Full minus full less each two stages that follow each other."""

    meaning = "the recipe minus the recipe without two stages"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Needs the full arm and the arm that lacks both, for each two neighbours."""
        full = assign(factors, full=True)
        return differences(
            "without_both",
            arms,
            factors,
            [
                (a, a.full, f"{a.bare} with {b.name}", full, full | {a.name: a.bare, b.name: b.bare})
                for a, b in pairwise(factors)
            ],
        )
