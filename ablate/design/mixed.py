"""Mixed: factors with different numbers of levels, in a balanced fraction of all combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pydoe

from ablate.design.base import Assignment, Factor, assign, named


@dataclass(frozen=True)
class Mixed:
    """About 1 in `reduction` of all combinations, spread evenly over the levels of every factor.

    For example extraction by three methods with four stages on or off: 48 combinations, 24 arms with
    `reduction` 2.

    Attributes:
        reduction: how many times fewer arms than a full factorial; 1 runs all.

    The subset is pydoe's. Source: Surowiec et al., "Generalized Subset Designs in Analytical
    Chemistry", Analytical Chemistry 89 (2017).
    """

    estimands: ClassVar[tuple[str, ...]] = ("main_effect",)
    reduction: int = 2

    def __post_init__(self) -> None:
        if self.reduction < 1:
            raise ValueError(f"reduction must be at least 1, got {self.reduction}")

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the subset that holds the full recipe.

        Raises:
            ValueError: for fewer than two factors, two of one name, or a reduction that the levels
                cannot be spread over.
        """
        full = assign(factors, full=True)
        if len(factors) < 2:
            raise ValueError(f"design mixed needs two factors or more, got {len(factors)}")
        levels = [len(factor.levels) for factor in factors]
        if self.reduction == 1:
            table = pydoe.fullfact(np.array(levels))
        elif self.reduction > max(levels):
            raise ValueError(
                f"reduction must be at most the largest number of levels, {max(levels)}, got {self.reduction}"
            )
        else:
            table = pydoe.gsd(levels, self.reduction)
        rows = [
            {f.name: f.levels[int(i)] for f, i in zip(factors, row, strict=True)} for row in np.asarray(table)
        ]
        return named([full, *rows] if full not in rows else rows, factors)
