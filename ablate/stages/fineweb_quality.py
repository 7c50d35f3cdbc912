"""FineWeb's own rules: few lines end like sentences, many short lines, repeated lines, lists.

Source: Penedo et al. 2024 (arXiv 2406.17557), section 3.6; reasons and details as in datatrove's
FineWebQualityFilter, which knows lines that end in LF only and takes a blank or a CR at their end for their last
character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Filter, Table, Verdict
from ablate.text.lines import plain_lines
from ablate.text.segments import TERMINALS, WORDS, repeated


@dataclass(frozen=True, kw_only=True)
class FineWebQuality(Filter):
    """Drop pages that are lists, menus or repeat their lines. All limits are shares.

    Attributes:
        min_punctuated_lines: least share of lines that end in terminal punctuation.
        max_short_lines: largest share of lines of at most `short_line` characters.
        short_line: in characters.
        max_duplicate_chars: largest share of characters in repeated lines.
        max_line_breaks: largest number of line breaks per word.
    """

    name: ClassVar[str] = "fineweb_quality"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("spacy",)
    decide_only: ClassVar[tuple[str, ...]] = (
        "min_punctuated_lines", "max_short_lines", "max_duplicate_chars", "max_line_breaks",
    )  # fmt: skip
    min_punctuated_lines: float = 0.12
    max_short_lines: float = 0.67
    short_line: int = 30
    max_duplicate_chars: float = 0.01
    max_line_breaks: float = 0.3

    def __post_init__(self) -> None:
        for name in ("min_punctuated_lines", "max_short_lines", "max_duplicate_chars"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("short_line", "max_line_breaks"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure what the rules look at; NaN for a text without a line."""
        plain = plain_lines(text)
        lines = [line for line in plain.split("\n") if line]
        if not lines:
            return dict.fromkeys(
                ("punctuated_lines", "short_lines", "duplicate_chars", "line_breaks"), float("nan")
            )
        return {
            "punctuated_lines": sum(line[-1] in TERMINALS for line in lines) / len(lines),
            "short_lines": sum(len(line) <= self.short_line for line in lines) / len(lines),
            "duplicate_chars": repeated(lines)[1] / len(plain.replace("\n", "")),
            "line_breaks": plain.count("\n") / max(1, WORDS.ids(text).size),
        }

    def decide(self, measured: Table) -> Verdict:
        """Drop for the reasons of the reference, in its order."""
        return Verdict.first_of(
            empty=np.isnan(measured["punctuated_lines"]),
            line_punct_ratio=measured["punctuated_lines"] < self.min_punctuated_lines,
            short_line_ratio=measured["short_lines"] > self.max_short_lines,
            char_dup_ratio=measured["duplicate_chars"] > self.max_duplicate_chars,
            list_ratio=measured["line_breaks"] > self.max_line_breaks,
        )
