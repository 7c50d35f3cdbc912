"""Near-deduplication: MinHash signatures, LSH bands, one document of each connected group.

Source: Broder 1997 (MinHash); Leskovec et al., Mining of Massive Datasets, chapter 3 (bands); settings
as in FineWeb (arXiv 2406.17557, section 3.4): word 5-grams, 14 bands of 8 rows, candidates unverified.
Verification of candidates as in Lee et al. 2021 (arXiv 2107.06499, appendix A).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.plain import Plain
from ablate.stages._verify import Edit, Jaccard, verified
from ablate.stages.base import Groups, Relation, TextsOf
from ablate.text.text_norm import ngram_hashes, word_hashes, word_hashes_many

BLOCK = 1 << 16
"""Hashes of shingles computed at a time, which a core's cache holds."""


@dataclass(frozen=True, kw_only=True)
class MinhashDedup(Relation):
    """Two documents are candidates when all rows of some band agree.

    With Jaccard similarity s of their shingles that happens with probability 1 - (1 - s^rows)^bands:
    0.77 at s = 0.75 for 14 x 8.

    Attributes:
        ngram: words per shingle; characters in scripts without blanks.
        bands, rows: of the signature; bands x rows hash functions.
        verify: which candidates are joined: all ("none"), those whose sets of shingles are alike ("jaccard"),
            or those whose words are alike in order ("edit", Lee et al.).
        seed: of the hash functions, and of which document of a group survives where `keep` is random.
        min_similarity: of verified candidates, in (0, 1]; no effect on "none".
    """

    name: ClassVar[str] = "minhash_dedup"
    version: ClassVar[int] = 4
    relate_only: ClassVar[tuple[str, ...]] = ("verify", "min_similarity")
    VERIFY: ClassVar[tuple[str, ...]] = ("none", "jaccard", "edit")
    ngram: int = 5
    bands: int = 14
    rows: int = 8
    verify: str = "none"
    min_similarity: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ngram", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.verify not in self.VERIFY:
            raise ValueError(f"verify must be one of {', '.join(self.VERIFY)}, got {self.verify!r}")
        if not 0 < self.min_similarity <= 1:
            raise ValueError(f"min_similarity must be in (0, 1], got {self.min_similarity}")

    def _identity(self, without: Sequence[str]) -> dict[str, Plain]:
        identity = super()._identity(without)
        return identity | ({"hashes": self.seed} if self.seed else {})

    def relate_identity(self) -> dict[str, Plain]:
        """Leave the similarity out where nothing is verified."""
        unread = ("min_similarity",) if self.verify == "none" else ()
        return self._identity(without=(*self.decide_only, *unread))

    def relate(self, sketches: np.ndarray, rows: np.ndarray, texts: TextsOf) -> Groups:
        """Relate candidates, or those of them that are alike."""
        candidates = super().relate(sketches, rows, texts)
        if self.verify == "none":
            return candidates
        content, kind = (self.shingles, Jaccard) if self.verify == "jaccard" else (word_hashes, Edit)
        return verified(candidates, texts, content, partial(kind, least=self.min_similarity))

    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        """Fill one column a band: shape (len(texts), bands); zeros for a text without a word."""
        words, bounds = word_hashes_many(texts)
        signatures = self._signatures(words, bounds)
        powers = mix64(np.arange(self.rows, dtype=np.uint64), 7) | np.uint64(1)
        with np.errstate(over="ignore"):
            rows = mix64(signatures.T.astype(np.uint64), 0).reshape(len(texts), self.bands, self.rows)
            bands = mix64((rows * powers).sum(axis=2, dtype=np.uint64), 3) | np.uint64(1)
        bands[np.diff(bounds) == 0] = 0
        return bands

    def _signatures(self, words: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Smallest value of each hash function over each text's shingles: shape (bands x rows, texts), uint32."""
        count = self.bands * self.rows
        generator = np.random.Generator(np.random.PCG64([1, self.seed % 2**64] if self.seed else 1))
        # x -> a x + b modulo 2^32 with odd a: a permutation of what are already random numbers.
        factors = generator.integers(0, 2**31, size=count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        offsets = generator.integers(0, 2**32, size=count, dtype=np.uint32)
        signatures = np.full((count, bounds.size - 1), np.iinfo(np.uint32).max, dtype=np.uint32)
        for owners, begins, shingles in self._blocks(words, bounds):
            shingles = (shingles >> np.uint64(32)).astype(np.uint32)
            together = max(
                1, BLOCK // shingles.size
            )  # hash functions: one of a whole block, many of few shingles
            room = np.empty((together, shingles.size), dtype=np.uint32)
            for at in range(0, count, together):
                some, hashed = (
                    (slice(at, at + together), room[: count - at]) if together > 1 else (at, room[0])
                )
                np.multiply(shingles, factors[some, ..., None], out=hashed)
                np.add(hashed, offsets[some, ..., None], out=hashed)
                least = np.minimum.reduceat(hashed, begins, axis=-1)[..., ::2]
                signatures[some, owners] = np.minimum(signatures[some, owners], least)
        return signatures

    def _blocks(
        self, words: np.ndarray, bounds: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The shingles of all texts in blocks: texts in it, where each begins and ends, the shingles.

        Begins and ends alternate, as `reduceat` wants them; between them stand n-grams that no text has.
        """
        first, last = bounds[:-1], bounds[1:] - (self.ngram - 1)
        for start in range(0, words.size, BLOCK):
            shingles = ngram_hashes(words[start : start + BLOCK + self.ngram - 1], self.ngram)
            inside = np.flatnonzero((first < start + BLOCK) & (last > np.maximum(first, start)))
            if inside.size:
                ends = np.stack([np.maximum(first[inside] - start, 0), last[inside] - start], axis=1).ravel()
                yield inside, ends[:-1] if ends[-1] >= shingles.size else ends, shingles
        sizes = np.diff(bounds)
        for n in range(1, self.ngram):
            short = np.flatnonzero(sizes == n)
            if short.size:
                whole = words[first[short, None] + np.arange(n)]
                grams = np.concatenate([ngram_hashes(one, n) for one in whole])
                yield short, np.repeat(np.arange(short.size), 2)[:-1], grams

    def shingles(self, text: str) -> np.ndarray:
        """Return hashes of the word n-grams of a text in order, uint64; one of all its words when it has fewer."""
        words = word_hashes(text)
        return ngram_hashes(words, max(1, min(self.ngram, words.size)))
