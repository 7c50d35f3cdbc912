"""Single: one arm, the recipe as it is configured, and nothing to compare it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign

ARM = "arm"


@dataclass(frozen=True)
class Single:
    """One arm; its seeds still measure the noise floor."""

    estimands: ClassVar[tuple[str, ...]] = ()

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `arm`, every factor as the full recipe has it.

        Raises:
            ValueError: when two factors share a name.
        """
        return {ARM: assign(factors, full=True)}
