"""Leave-one-out gain: the full recipe minus the recipe without the stage."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.estimand.base import Arms, Estimand, differences


class LeaveOneOut(Estimand):
    """Full minus each other level of a factor, everything else as in the full recipe."""

    meaning = "the full recipe minus the recipe without the stage"
    splits = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare the full arm with each other: needs it and one arm for each other level."""
        full = assign(factors, full=True)
        return differences(
            "leave_one_out",
            arms,
            factors,
            [
                (factor, factor.full, level, full, full | {factor.name: level})
                for factor in factors
                for level in factor.levels[1:]
            ],
        )
