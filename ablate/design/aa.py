"""A/A: the same recipe several times over, each under seeds of its own; whatever differs is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor


@dataclass(frozen=True)
class AA:
    """Every level of one factor, `replicate`, whose levels differ in their random seeds only.

    Answers: how large a difference does this study report when there is none? The noise floor it
    measures is the one of runs that share no seed; where sharing seeds helps, paired gains have a
    lower one.
    """

    estimands: ClassVar[tuple[str, ...]] = ("aa",)

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make one arm a replicate.

        Raises:
            ValueError: for another number of factors than one.
        """
        if len(factors) != 1:
            raise ValueError(f"design aa takes the one factor that its file names, got {len(factors)}")
        (factor,) = factors
        return {f"{factor.name}_{level}": {factor.name: level} for level in factor.levels}
