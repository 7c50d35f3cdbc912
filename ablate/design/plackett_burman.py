"""Plackett-Burman: screening k factors in the next multiple of four above k arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pydoe

from ablate.design.base import Assignment, Factor, by_signs, check_two_levels, named


@dataclass(frozen=True)
class PlackettBurman:
    """Eleven two-level factors in 12 arms, 19 in 20: the cheapest look at many stages.

    Each main effect is mixed with a part of every interaction that it is not in. With `foldover` each
    arm is joined by its mirror image: twice the arms, and main effects free of two-stage interactions.

    Attributes:
        foldover: add the mirror images.

    The matrix is pydoe's. Source: Plackett & Burman, Biometrika 33 (1946); Box & Wilson (1951) for
    the fold-over.
    """

    estimands: ClassVar[tuple[str, ...]] = ("main_effect",)
    foldover: bool = False

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the arms of the matrix, turned so that the full recipe is among them.

        Raises:
            ValueError: for fewer than two factors, two of one name, or one with more than two levels.
        """
        check_two_levels(factors, "plackett_burman")
        signs = pydoe.pbdesign(len(factors))
        signs = signs * signs[-1]
        if self.foldover:
            signs = np.vstack([signs, -signs])
        return named(by_signs(signs, factors), factors)
