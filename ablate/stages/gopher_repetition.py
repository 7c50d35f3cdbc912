"""Gopher's repetition rules: lines, paragraphs and n-grams that come again.

Source: Rae et al. 2021 (arXiv 2112.11446), table A1; reasons and details as in datatrove's
GopherRepetitionFilter, which FineWeb ran; it knows lines that end in LF only, and a line of blanks is one to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Filter, Table, Verdict
from ablate.text.lines import plain_lines
from ablate.text.segments import WORDS, repeated, repeated_ngrams

PARAGRAPH = re.compile(r"\n{2,}")
LINE = re.compile(r"\n+")


@dataclass(frozen=True, kw_only=True)
class GopherRepetition(Filter):
    """Drop a document that repeats itself. All limits are shares in [0, 1].

    Attributes:
        dup_paragraphs, dup_lines: repeated paragraphs, lines.
        dup_paragraph_chars, dup_line_chars: characters in them.
        top_n_grams: [n, share of the characters that the most frequent n-gram covers].
        dup_n_grams: [n, share of the characters in n-grams that occurred before].
    """

    name: ClassVar[str] = "gopher_repetition"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("spacy",)
    decide_only: ClassVar[tuple[str, ...]] = (
        "dup_paragraphs", "dup_paragraph_chars", "dup_lines", "dup_line_chars", "top_n_grams", "dup_n_grams",
    )  # fmt: skip
    dup_paragraphs: float = 0.3
    dup_paragraph_chars: float = 0.2
    dup_lines: float = 0.3
    dup_line_chars: float = 0.2
    top_n_grams: tuple[tuple[int, float], ...] = ((2, 0.2), (3, 0.18), (4, 0.16))
    dup_n_grams: tuple[tuple[int, float], ...] = (
        (5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10),
    )  # fmt: skip

    TOP: ClassVar[range] = range(2, 5)
    DUPLICATE: ClassVar[range] = range(5, 11)

    def __post_init__(self) -> None:
        for name in ("dup_paragraphs", "dup_paragraph_chars", "dup_lines", "dup_line_chars"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name, measured in (("top_n_grams", self.TOP), ("dup_n_grams", self.DUPLICATE)):
            for n, share in getattr(self, name):
                if n not in measured or not 0 <= share <= 1:
                    wanted = f"[n, share] with n in {measured[0]}..{measured[-1]} and share in [0, 1]"
                    raise ValueError(f"{name} must hold {wanted}, got [{n}, {share}]")

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure shares of pieces and of characters; all 0 for an empty text."""
        plain = plain_lines(text)
        size = max(1, len(plain))
        paragraphs, lines = PARAGRAPH.split(plain.strip()), LINE.split(plain)
        dup_paragraphs, dup_paragraph_chars = repeated(paragraphs)
        dup_lines, dup_line_chars = repeated(lines)
        shares: dict[str, float | int | bool] = {
            "dup_paragraphs": dup_paragraphs / len(paragraphs),
            "dup_paragraph_chars": dup_paragraph_chars / size,
            "dup_lines": dup_lines / len(lines),
            "dup_line_chars": dup_line_chars / size,
        }
        words = WORDS.ids(text)
        ends = np.concatenate([[0], np.cumsum(WORDS.length[words])])
        for n, places, grams in repeated_ngrams(words, self.DUPLICATE[-1]):
            characters = ends[n:] - ends[:-n]
            if n in self.TOP:
                covered = _top(places, grams, characters + n - 1)
            else:
                covered = _duplicate(places, grams, characters, n)
            shares[f"{'top' if n in self.TOP else 'dup'}_{n}_gram"] = covered / size
        return shares

    def decide(self, measured: Table) -> Verdict:
        """Drop for the reasons of the reference, in its order."""
        return Verdict.first_of(
            dup_para_frac=measured["dup_paragraphs"] > self.dup_paragraphs,
            dup_para_char_frac=measured["dup_paragraph_chars"] > self.dup_paragraph_chars,
            dup_line_frac=measured["dup_lines"] > self.dup_lines,
            dup_line_char_frac=measured["dup_line_chars"] > self.dup_line_chars,
            **{f"top_{n}_gram": measured[f"top_{n}_gram"] > share for n, share in self.top_n_grams},
            **{f"duplicated_{n}_n_grams": measured[f"dup_{n}_gram"] > share for n, share in self.dup_n_grams},
        )


def _top(places: np.ndarray, grams: np.ndarray, characters: np.ndarray) -> int:
    """Characters covered by the most frequent n-gram; of several, the one that occurs first."""
    if characters.size == 0:
        return 0
    if places.size == 0:
        return int(characters[0])
    counts = np.bincount(grams)
    first = int(np.argmax(counts[grams]))
    return int(counts[grams[first]] * characters[places[first]])


def _duplicate(places: np.ndarray, grams: np.ndarray, characters: np.ndarray, n: int) -> int:
    """Characters in n-grams that occurred before, no character counted twice."""
    seen: set[int] = set()
    total = free = 0
    for place, gram in zip(places.tolist(), grams.tolist(), strict=True):
        if place >= free:
            if gram in seen:
                total += int(characters[place])
                free = place + n
            else:
                seen.add(gram)
    return total
