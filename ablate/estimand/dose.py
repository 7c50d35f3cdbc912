"""Dose and response: what each value of a parameter gains over the recipe's own value."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.design.dose import doses
from ablate.estimand.base import Arms, Estimand, differences


class Dose(Estimand):
    """Each other value minus the recipe's, in ascending order, everything else as in the recipe."""

    meaning = "the recipe with this value of the parameter minus the recipe as configured"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare values with the recipe's: needs its arm and one for each other value; levels must be numbers."""
        full = assign(factors, full=True)
        return differences(
            "dose",
            arms,
            factors,
            [
                (factor, level, factor.full, full | {factor.name: level}, full)
                for factor in factors
                for _, level in doses(factor)
                if level != factor.full
            ],
        )
