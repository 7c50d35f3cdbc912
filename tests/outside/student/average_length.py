"""A student of one's own: a line through the average length of a document's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ablate.classifier.student import Scorer, Student
from ablate.plain import Plain


@dataclass(frozen=True, kw_only=True)
class AverageLength(Student):
    """Scores a text by the average length of its words.

    Attributes:
        power: that the average is raised to.
    """

    file: ClassVar[str] = "line.txt"
    power: float = 1.0

    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Plain]:
        """Fit the line by least squares; its slope and height are the weights."""
        slope, height = np.polyfit(self._lengths(texts), targets, 1)
        path.write_text(f"{slope!r} {height!r}".replace("np.float64(", "").replace(")", ""))
        return {}

    def load(self, path: Path, facts: Mapping[str, Plain]) -> Scorer:
        """Read the line."""
        slope, height = map(float, path.read_text().split())
        return lambda texts: slope * self._lengths(texts) + height

    def _lengths(self, texts: Sequence[str]) -> np.ndarray:
        words = [text.split() or [""] for text in texts]
        return np.array([sum(map(len, own)) / len(own) for own in words], dtype=np.float64) ** self.power
