"""Near-deduplication: MinHash signatures, LSH bands, one document of each connected group.

Source: Broder 1997 (MinHash); Leskovec et al., Mining of Massive Datasets, chapter 3 (bands); settings
as in FineWeb (arXiv 2406.17557, section 3.4): word 5-grams, 14 bands of 8 rows, candidates unverified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.base import Relation
from ablate.stages.text_norm import gram_hashes, words


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
    version: ClassVar[int] = 1
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
        factors = generator.integers(1, 2**63, size=(count, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        offsets = generator.integers(0, 2**63, size=(count, 1), dtype=np.uint64)
        powers = mix64(np.arange(self.rows, dtype=np.uint64), 7) | np.uint64(1)
        sketches = np.zeros((len(texts), self.bands), dtype=np.uint64)
        for number, text in enumerate(texts):
            shingles = self.shingles(text)
            if shingles.size == 0:
                continue
            signature = np.full(count, np.iinfo(np.uint64).max, dtype=np.uint64)
            with np.errstate(over="ignore"):
                for first in range(0, shingles.size, 2048):
                    # Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half is near uniform.
                    hashed = (shingles[None, first : first + 2048] * factors + offsets) >> np.uint64(32)
                    np.minimum(signature, hashed.min(axis=1), out=signature)
                bands = mix64(signature, 0).reshape(self.bands, self.rows) * powers[None, :]
                sketches[number] = mix64(bands.sum(axis=1, dtype=np.uint64), 3) | np.uint64(1)
        return sketches

    def shingles(self, text: str) -> np.ndarray:
        """Hashes of the distinct word n-grams of a text, uint64; of all its words when it has fewer."""
        return np.unique(gram_hashes(text, min(self.ngram, len(words(text)) or 1)))
