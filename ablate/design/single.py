"""Single: one arm, the recipe as it is configured, and nothing to compare it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.design.base import Assignment, ContrastSpec, Factor, assign

ARM = "arm"


@dataclass(frozen=True)
class Single:
    """One arm; its seeds still measure the noise floor."""

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """`arm`, every factor as the full recipe has it.

        Raises:
            ValueError: when two factors share a name.
        """
        return {ARM: assign(factors, full=True)}

    def contrasts(self, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """None: there is nothing to compare with."""
        return []
