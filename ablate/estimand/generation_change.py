"""Generations: what the last one of a chain lost or gained against generation 0."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.estimand._generations import lines
from ablate.estimand.base import Arms, Estimand


class GenerationChange(Estimand):
    """Last generation minus generation 0, of every chain; under one seed both have the same initial weights."""

    meaning = "the last generation of a chain minus generation 0, which trained on real text"
    ordered = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare generations with the first: needs generation 0 and another one of each chain."""
        return [
            ContrastSpec(
                line.name,
                f"generation {last}",
                "generation 0",
                "generation_change",
                {line.arms[last]: 1.0, line.arms[0]: -1.0},
            )
            for line in lines("generation_change", arms, factors)
            for last in [max(line.arms)]
        ]
