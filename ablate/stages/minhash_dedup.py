"""Near-deduplication: MinHash signatures, LSH bands, one document of each connected group.

Source: Broder 1997 (MinHash); Leskovec et al., Mining of Massive Datasets, chapter 3 (bands); settings
as in FineWeb (arXiv 2406.17557, section 3.4): word 5-grams, 14 bands of 8 rows, candidates unverified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.base import Relation
from ablate.stages.text_norm import grams_up_to

BLOCK = 8192
"""Shingles hashed at a time: 112 x 8,192 numbers of 32 bits, which a core's cache holds."""


@dataclass(frozen=True, kw_only=True)
class MinhashDedup(Relation):
    """Two documents are candidates when all rows of some band agree.

    With Jaccard similarity s of their shingles that happens with probability 1 - (1 - s^rows)^bands:
    0.77 at s = 0.75 for 14 x 8.

    Attributes:
        ngram: words per shingle.
        bands, rows: of the signature; bands x rows hash functions.
    """

    name: ClassVar[str] = "minhash_dedup"
    version: ClassVar[int] = 2
    slow_parameters: ClassVar[tuple[str, ...]] = ("ngram", "bands", "rows")
    ngram: int = 5
    bands: int = 14
    rows: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ngram", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")

    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        """One column a band: shape (len(texts), bands); zeros for a text without a word."""
        count = self.bands * self.rows
        generator = np.random.Generator(np.random.PCG64(1))
        # x -> a x + b modulo 2^32 with odd a: a permutation of what are already random numbers.
        factors = generator.integers(0, 2**31, size=(count, 1), dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        offsets = generator.integers(0, 2**32, size=(count, 1), dtype=np.uint32)
        powers = mix64(np.arange(self.rows, dtype=np.uint64), 7) | np.uint64(1)
        signatures = np.full((len(texts), count), np.iinfo(np.uint32).max, dtype=np.uint32)
        room = np.empty((count, BLOCK), dtype=np.uint32)
        blank = np.ones(len(texts), dtype=bool)
        for owners, pieces in self._blocks(texts):
            joined = np.concatenate(pieces)
            starts = np.cumsum([0, *map(len, pieces[:-1])])
            hashed = np.multiply(factors, joined, out=room[:, : joined.size])
            np.add(hashed, offsets, out=hashed)
            np.minimum.at(signatures, owners, np.minimum.reduceat(hashed, starts, axis=1).T)
            blank[owners] = False
        with np.errstate(over="ignore"):
            rows = mix64(signatures.astype(np.uint64), 0).reshape(len(texts), self.bands, self.rows)
            bands = mix64((rows * powers).sum(axis=2, dtype=np.uint64), 3) | np.uint64(1)
        bands[blank] = 0
        return bands

    def _blocks(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """The shingles of all texts in blocks of at most `BLOCK`: whose each piece is, and the piece."""
        owners: list[int] = []
        pieces: list[np.ndarray] = []
        size = 0
        for number, text in enumerate(texts):
            shingles = (self.shingles(text) >> np.uint64(32)).astype(np.uint32)
            for first in range(0, shingles.size, BLOCK):
                piece = shingles[first : first + BLOCK]
                if size + piece.size > BLOCK:
                    yield owners, pieces
                    owners, pieces, size = [], [], 0
                owners.append(number)
                pieces.append(piece)
                size += piece.size
        if pieces:
            yield owners, pieces

    def shingles(self, text: str) -> np.ndarray:
        """Hashes of the word n-grams of a text in order, uint64; one of all its words when it has fewer."""
        *_, (_, grams) = [(0, np.zeros(0, dtype=np.uint64)), *grams_up_to(text, self.ngram)]
        return grams
