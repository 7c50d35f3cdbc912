"""Exact-substring deduplication: runs of many tokens that stand in more than one place.

Source: Lee et al. 2021 (arXiv 2107.06499), section 4.1: a substring of 50 tokens or more that two
documents share is removed from one of them; their code strikes out every copy (`keep: none`), and
RefinedWeb (arXiv 2306.01116, appendix G) compares cutting with dropping the document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.base import SpanRelation
from ablate.text.running_hash import hash_many, polynomials
from ablate.text.scripts import JOINERS, marks, unspaced
from ablate.text.spans import Windows, equal_windows

BLANK = re.compile(r"\s")
GAP, WORD, SINGLE, SIGN, MARK = range(5)


@dataclass(frozen=True, kw_only=True)
class SubstringDedup(SpanRelation):
    """Two spans are the same when their tokens are, case and punctuation included.

    A token is a word (a run of letters and digits), a single mark, or a single character of a script
    that is written without blanks; combining marks and joiners belong to what they stand on. That is about a BPE
    token (Lee et al. used those) and depends on no tokenizer. Blanks between tokens do not count.

    Attributes:
        min_tokens: shortest span that counts.
    """

    name: ClassVar[str] = "substring_dedup"
    version: ClassVar[int] = 2
    relate_only: ClassVar[tuple[str, ...]] = ("min_tokens",)
    min_tokens: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_tokens < 1:
            raise ValueError(f"min_tokens must be 1 or more, got {self.min_tokens}")

    @property
    def width(self) -> int:
        """A longer span is a run of windows of this many tokens."""
        return self.min_tokens

    def pieces(self, text: str) -> list[tuple[int, int]]:
        """Return the tokens."""
        _, starts, ends = _tokens(text)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))

    def sketch_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Hash of each token."""
        hashes, bounds = hash_many(texts, _hash_tokens, BLANK)
        return np.split(hashes, bounds[1:-1]) if len(texts) else []

    def relate(self, values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int) -> Windows:
        """Find repeats by a suffix array."""
        return equal_windows(values, counts, rows, n_pool, self.width)


@cache
def _kinds() -> np.ndarray:
    """What each code point is: shape (0x110000,), uint8."""
    characters = np.arange(0x110000, dtype=np.uint32).view("U1")
    kind = np.full(characters.size, SIGN, dtype=np.uint8)
    kind[np.char.isalnum(characters)] = WORD
    kind[ord("_")] = WORD
    kind[(kind == WORD) & (unspaced() > 0)] = SINGLE
    kind[[*marks(), *JOINERS]] = MARK
    kind[np.char.isspace(characters)] = GAP
    return kind


def _tokens(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code points of a text, and where its tokens begin and end: shapes (m,), (n,), (n,)."""
    ascii = text.isascii()
    codes = np.frombuffer(text.encode("ascii" if ascii else "utf-32-le"), dtype=np.uint8 if ascii else "<u4")
    kind = _kinds()[codes]
    before = np.zeros_like(kind)
    before[1:] = kind[:-1]
    begins = (kind == SINGLE) | (kind == SIGN)
    if not ascii and (kind == MARK).any():
        begins |= (kind == MARK) & (before == GAP)
        based = np.maximum.accumulate(np.where(kind == MARK, -1, np.arange(kind.size)))
        before[1:] = np.where(based[:-1] < 0, GAP, kind[based[:-1]])  # whatever the marks stand on
    begins |= (kind == WORD) & (before != WORD)
    edges = np.flatnonzero(begins | (kind == GAP))
    starting = begins[edges]
    return codes, edges[starting], np.append(edges[1:], kind.size)[starting]


def _hash_tokens(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Hash and first character of every token."""
    codes, starts, ends = _tokens(text)
    return mix64(polynomials(codes, starts, ends), 8), starts
