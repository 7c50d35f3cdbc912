"""A stage of one's own: documents that shout are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.base import Filter, Table, Verdict


@dataclass(frozen=True, kw_only=True)
class Capitals(Filter):
    """Drops documents many of whose letters are capitals.

    Attributes:
        max_share: largest share of capitals among the letters of a document that is kept.
    """

    name: ClassVar[str] = "capitals"
    decide_only: ClassVar[tuple[str, ...]] = ("max_share",)
    max_share: float = 0.3

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure the share of capitals."""
        letters = [letter for letter in text if letter.isalpha()]
        return {"share": sum(letter.isupper() for letter in letters) / max(1, len(letters))}

    def decide(self, measured: Table) -> Verdict:
        """Drop what has more than `max_share`."""
        return Verdict.first_of(shouting=measured["share"] > self.max_share)
