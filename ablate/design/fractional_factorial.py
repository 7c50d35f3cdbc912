"""Fractional factorial: a chosen 2^(k-p) of the 2^k arms, every run informing every main effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pydoe

from ablate.design.base import Assignment, Factor, by_signs, check_two_levels, named


@dataclass(frozen=True)
class FractionalFactorial:
    """The fewest arms, a power of two, in which k two-level factors fit at a resolution.

    Seven factors take 8 arms at resolution III, 16 at IV, 64 at V. The price is aliasing: effects that
    the chosen arms cannot tell apart, listed by `ablate plan`.

    Attributes:
        resolution: III (3): main effects are free of each other, not of two-stage interactions.
            IV (4): free of those too, which stay mixed among themselves. V (5): those are free as well.

    The generators are pydoe's. Source: Box, Hunter & Hunter, "Statistics for Experimenters" (2005),
    chapter 6.
    """

    estimands: ClassVar[tuple[str, ...]] = ("main_effect",)
    usual: ClassVar[bool] = True
    resolution: int = 4

    def __post_init__(self) -> None:
        if self.resolution not in (3, 4, 5):
            raise ValueError(f"resolution must be 3, 4 or 5, got {self.resolution}")

    @property
    def clear(self) -> bool:
        """Whether main effects are free of interactions of two stages."""
        return self.resolution > 3

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the principal fraction, which holds the full recipe.

        Raises:
            ValueError: for fewer than two factors, two of one name, or one with more than two levels.
        """
        check_two_levels(factors, "fractional_factorial")
        # A matrix in which the all-high row may be missing is turned, column by column, so that it is there.
        signs = pydoe.fracfact_by_res(len(factors), self.resolution)
        return named(by_signs(signs * signs[-1], factors), factors)
