"""Generations: whether one kind of chain loses faster than another."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.design.chains import GENERATION
from ablate.estimand._generations import Line, lines
from ablate.estimand.base import Arms, Estimand, NotIdentified


class SlopeContrast(Estimand):
    """Slope of a chain minus that of the chain with one factor at the recipe's level, the others being the same."""

    meaning = "a chain's slope over generations minus that of the chain at the recipe's level of one factor"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare slopes of chains: needs two that differ in one factor alone, and in which the same generations were run.

        Where nothing but the generation is varied there is one chain, and nothing to contrast it with.
        """
        known = lines("slope_contrast", arms, factors)
        if len(factors) == 1:
            return []
        specs = [
            ContrastSpec("slope", line.name, base.name, "slope_contrast", _minus(line, base))
            for factor in factors
            if factor.name != GENERATION
            for line in known
            for base in known
            if line.levels[factor.name] != factor.full
            and base.levels == {**line.levels, factor.name: factor.full}
            and list(line.arms) == list(base.arms)
        ]
        if not specs:
            raise NotIdentified("slope_contrast", ["a chain that differs from another in one factor"])
        return specs


def _minus(line: Line, base: Line) -> dict[str, float]:
    return line.slope | {arm: -weight for arm, weight in base.slope.items()}
