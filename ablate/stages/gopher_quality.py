"""Gopher's quality rules: length, word shape, symbols, bullets, ellipses, stop words.

Source: Rae et al. 2021 (arXiv 2112.11446), appendix A.1.1; reasons and details as in datatrove's
GopherQualityFilter, which FineWeb ran.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.base import Filter, Table, Verdict
from ablate.text.lines import plain_lines
from ablate.text.segments import WORDS

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


@dataclass(frozen=True, kw_only=True)
class GopherQuality(Filter):
    """Keep a document whose words and lines look like prose.

    Attributes:
        min_words, max_words: words that are more than punctuation.
        min_mean_length, max_mean_length: mean length of those words, in characters.
        max_symbol_ratio: "#" per word, and ellipses per word.
        max_bullet_lines: share of lines that begin with a bullet.
        max_ellipsis_lines: share of lines that end in an ellipsis.
        min_alpha_words: share of words with a letter.
        min_stop_words: how many of eight English stop words must occur.
    """

    name: ClassVar[str] = "gopher_quality"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("spacy",)
    decide_only: ClassVar[tuple[str, ...]] = (
        "min_words", "max_words", "min_mean_length", "max_mean_length", "max_symbol_ratio", "max_bullet_lines",
        "max_ellipsis_lines", "min_alpha_words", "min_stop_words",
    )  # fmt: skip
    min_words: int = 50
    max_words: int = 100_000
    min_mean_length: float = 3.0
    max_mean_length: float = 10.0
    max_symbol_ratio: float = 0.1
    max_bullet_lines: float = 0.9
    max_ellipsis_lines: float = 0.3
    min_alpha_words: float = 0.8
    min_stop_words: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words:
            raise ValueError(f"min_words must be in [0, max_words = {self.max_words}], got {self.min_words}")
        if not 0 <= self.min_mean_length <= self.max_mean_length:
            raise ValueError(
                f"min_mean_length must be in [0, max_mean_length = {self.max_mean_length}], "
                f"got {self.min_mean_length}"
            )
        for name in ("max_bullet_lines", "max_ellipsis_lines", "min_alpha_words"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.min_stop_words <= len(STOP_WORDS):
            raise ValueError(f"min_stop_words must be in [0, {len(STOP_WORDS)}], got {self.min_stop_words}")

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Counts per document; ratios of an empty text are 0."""
        ids = WORDS.ids(text)
        real = ids[~WORDS.symbol[ids]]
        lines = plain_lines(text).splitlines()
        n, n_lines = max(1, ids.size), max(1, len(lines))
        bullets = sum(line.lstrip().startswith(("•", "-")) for line in lines)
        ellipses = sum(line.endswith(("...", "…")) for line in lines)
        return {
            "words": real.size,
            "mean_length": int(WORDS.length[real].sum()) / max(1, real.size),
            "hash_ratio": text.count("#") / n,
            "ellipsis_ratio": (text.count("...") + text.count("…")) / n,
            "bullet_lines": bullets / n_lines,
            "ellipsis_lines": ellipses / n_lines,
            "alpha_words": int(WORDS.alphabetic[ids].sum()) / n,
            "stop_words": sum(bool((ids == WORDS.number(word)).any()) for word in STOP_WORDS),
        }

    def decide(self, measured: Table) -> Verdict:
        """Drop for the reasons of the reference, in its order."""
        return Verdict.first_of(
            gopher_short_doc=measured["words"] < self.min_words,
            gopher_long_doc=measured["words"] > self.max_words,
            gopher_below_avg_threshold=measured["mean_length"] < self.min_mean_length,
            gopher_above_avg_threshold=measured["mean_length"] > self.max_mean_length,
            gopher_too_many_hashes=measured["hash_ratio"] > self.max_symbol_ratio,
            gopher_too_many_ellipsis=measured["ellipsis_ratio"] > self.max_symbol_ratio,
            gopher_too_many_bullets=measured["bullet_lines"] > self.max_bullet_lines,
            gopher_too_many_end_ellipsis=measured["ellipsis_lines"] > self.max_ellipsis_lines,
            gopher_below_alpha_threshold=measured["alpha_words"] < self.min_alpha_words,
            gopher_enough_stop_words=measured["stop_words"] < self.min_stop_words,
        )
