"""Cumulative gain: the recipe up to and with the stage minus the recipe up to it."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, assign
from ablate.estimand.base import Arms, Estimand, differences


class Cumulative(Estimand):
    """From bare to full in the order of the factors; the gains add up to full minus bare."""

    meaning = "the recipe up to and with the stage minus the recipe up to it"
    splits = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare each step with the one before: needs the arm of every step."""
        levels, wanted = assign(factors, full=False), []
        for factor in factors:
            before, levels = levels, levels | {factor.name: factor.full}
            wanted.append((factor, factor.full, factor.bare, levels, before))
        return differences("cumulative", arms, factors, wanted)
