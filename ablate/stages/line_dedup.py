"""Deduplication of lines, paragraphs or spans of three sentences over the whole data set.

Sources: lines, CCNet (Wenzek et al. 2020, arXiv 1911.00359, section 3.1: compared in lower case, without
accents and punctuation, numbers as 0); paragraphs, Dolma (Soldaini et al. 2024, arXiv 2402.00159); three
sentences, C4 (Raffel et al. 2020, JMLR 21-140, section 2.2: all but one of any three-sentence span that
occurs more than once in the data set are discarded).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.base import SpanRelation
from ablate.text.lines import ONE_END
from ablate.text.segments import line_spans, sentence_spans, stripped
from ablate.text.spans import Windows, equal_pieces
from ablate.text.text_norm import word_hashes_many

UNITS = ("line", "paragraph", "three_sentences")
BETWEEN_PARAGRAPHS = re.compile(rf"{ONE_END}\s*?{ONE_END}\s*")


@dataclass(frozen=True, kw_only=True)
class LineDedup(SpanRelation):
    """Two units are the same when their words in normal form are.

    Attributes:
        unit: `line`; `paragraph`, lines up to a blank one; `three_sentences` in a row, in one document.
        min_words: units with fewer words (characters in scripts without blanks) never match; a unit without any
            word never does.
    """

    name: ClassVar[str] = "line_dedup"
    version: ClassVar[int] = 3
    unit: str = "line"
    min_words: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {self.unit!r}")
        if self.min_words < 1:
            raise ValueError(f"min_words must be 1 or more, got {self.min_words}")

    @property
    def width(self) -> int:
        """Pieces in a unit."""
        return 3 if self.unit == "three_sentences" else 1

    def pieces(self, text: str) -> list[tuple[int, int]]:
        """Cut into lines that are not blank, paragraphs, or sentences."""
        if self.unit == "line":
            return line_spans(text)
        if self.unit == "paragraph":
            return paragraph_spans(text)
        return sentence_spans(text)

    def sketch_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Hash of the words of the unit that starts at each piece; 0 where it is too short."""
        spans = [self.pieces(text) for text in texts]
        counts = np.array([len(some) for some in spans], dtype=np.int64)
        pieces = [text[a:b] for text, some in zip(texts, spans, strict=True) for a, b in some]
        words, bounds = word_hashes_many(pieces)
        start = np.arange(len(pieces))
        whole = start + self.width <= np.repeat(np.cumsum(counts), counts)
        first, last = bounds[start[whole]], bounds[start[whole] + self.width]
        hashes = hash_runs(words, first, last)
        hashes[last - first < self.min_words] = 0
        sketch = np.zeros(len(pieces), dtype=np.uint64)
        sketch[whole] = hashes
        return np.split(sketch, np.cumsum(counts)[:-1]) if len(texts) else []

    def relate(self, values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int) -> Windows:
        """Relate pieces by their hashes."""
        return equal_pieces(values, counts, rows, n_pool, self.width)


def paragraph_spans(text: str) -> list[tuple[int, int]]:
    """Return where the paragraphs stand: what lies between blank lines."""
    cuts = [match.span() for match in BETWEEN_PARAGRAPHS.finditer(text)]
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    return [span for ends in zip(edges[::2], edges[1::2], strict=True) if (span := stripped(text, *ends))]


def hash_runs(words: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Hash of words first[i] .. last[i] - 1 in their order, never 0: shape (n,), uint64.

    Args:
        words: shape (m,), uint64: a hash each.
    """
    counts = last - first
    before = np.cumsum(counts) - counts
    place = np.arange(counts.sum()) - np.repeat(before, counts)
    terms = mix64(words[np.repeat(first, counts) + place] ^ mix64(place, 5), 5)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])
    with np.errstate(over="ignore"):
        totals = sums[before + counts] - sums[before]
    return mix64(totals ^ mix64(counts, 6), 6) | np.uint64(1)
