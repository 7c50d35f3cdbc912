"""A design of one's own: the whole recipe and none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.design.base import Assignment, Factor, assign, named


@dataclass(frozen=True)
class Ends:
    """Two arms, which tell what all stages together are worth and nothing of each."""

    estimands: ClassVar[tuple[str, ...]] = ()

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Every factor at its full level, and every one at its bare level."""
        return named([assign(factors, full=True), assign(factors, full=False)], factors)
