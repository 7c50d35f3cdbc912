"""Generations: how fast a chain loses or gains, per generation."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor
from ablate.estimand._generations import lines
from ablate.estimand.base import Arms, Estimand


class GenerationSlope(Estimand):
    """Slope of the line through the scores of a chain's generations, in score per generation.

    Gerstgrasser et al. 2024 (arXiv 2404.01413): the error of a linear model grows linearly where text is replaced, and is
    bounded where it is accumulated.
    """

    meaning = "slope of the line through the scores over a chain's generations, per generation"
    ordered = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Fit a slope over generations: needs two of each chain."""
        return [
            ContrastSpec(f"{line.name} slope", "+1", "0", "generation_slope", line.slope)
            for line in lines("generation_slope", arms, factors)
        ]
