"""Exact-substring deduplication: runs of many tokens that stand in more than one place.

Source: Lee et al. 2021 (arXiv 2107.06499), section 4.1: a substring of 50 tokens or more that two
documents share is removed from one of them; their code strikes out every copy (`keep: none`), and
RefinedWeb (arXiv 2306.01116, appendix G) compares cutting with dropping the document.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar

import numpy as np

from ablate.stages.base import SpanRelation
from ablate.stages.chunks import Chunks
from ablate.stages.spans import Windows, equal_windows

UNSPACED = (
    "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts written without blanks: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han."""


@dataclass(frozen=True, kw_only=True)
class SubstringDedup(SpanRelation):
    """Two spans are the same when their tokens are, case and punctuation included.

    A token is a word (a run of letters and digits), a single mark, or a single character of a script
    that is written without blanks; combining marks belong to what they stand on. That is about a BPE
    token (Lee et al. used those) and depends on no tokenizer. Blanks between tokens do not count.

    Attributes:
        min_tokens: shortest span that counts.
    """

    name: ClassVar[str] = "substring_dedup"
    version: ClassVar[int] = 1
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
        """The tokens."""
        return [match.span() for match in _token().finditer(text)]

    def sketch_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Hash of each token."""
        return [token_hashes(text) for text in texts]

    def relate(self, values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int) -> Windows:
        """By a suffix array."""
        return equal_windows(values, counts, rows, n_pool, self.width)


@cache
def _token() -> re.Pattern[str]:
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] == "M")
    return re.compile(
        rf"[{UNSPACED}][{marks}]*|[^\W{UNSPACED}](?:[^\W{UNSPACED}]|[{marks}])*|[^\w\s][{marks}]*"
    )


@lru_cache(maxsize=200_000)
def _hash(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "little")


def _hash_tokens(chunks: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
    for chunk in chunks:
        yield chunk, [_hash(token) for token in _token().findall(chunk)]


token_hashes = Chunks(_hash_tokens, np.uint64)
"""Hash of every token of a text: shape (n,), uint64."""
