"""Decontamination: documents that share long n-grams with the evaluation tasks in use.

Source: Brown et al. 2020 (GPT-3), appendix C: 13-gram overlap, lower case, punctuation removed; a hit
is cut out with a window around it, or here, by default, drops the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ablate.fingerprint import digest
from ablate.stages.base import Filter, Stage, Step, Table, Transform, Verdict
from ablate.stages.text_norm import gram_hashes, grams_up_to, word_spans, words

ON_HIT = ("drop", "cut")


@dataclass(frozen=True, kw_only=True)
class Decontamination(Stage):
    """Find the tasks' items, question with right answer, in training documents.

    Attributes:
        snapshot: folder of the task snapshot; its content counts for identity, its place does not.
        tasks: names of its tasks.
        ngram: words that must match in a row. An item with fewer words must match whole.
        min_words: shorter items are not looked for; they would match by chance.
        on_hit: `drop` the document, or `cut` out the matching words and `window` characters around.
        min_hits: drop from this many matching n-grams on.
        window: characters cut on both sides of a hit (GPT-3: 200).
    """

    name: ClassVar[str] = "decontamination"
    version: ClassVar[int] = 1
    snapshot: str | None = None
    tasks: tuple[str, ...] = ()
    ngram: int = 13
    min_words: int = 8
    on_hit: str = "drop"
    min_hits: int = 1
    window: int = 200

    def __post_init__(self) -> None:
        if self.on_hit not in ON_HIT:
            raise ValueError(f"on_hit must be drop or cut, got {self.on_hit!r}")
        if not 1 <= self.min_words <= self.ngram:
            raise ValueError(f"need 1 <= min_words <= ngram, got {self.min_words} and {self.ngram}")
        if self.min_hits < 1 or self.window < 0:
            raise ValueError("min_hits must be 1 or more and window 0 or more")

    def identity(self) -> dict[str, Any]:
        """As every stage's, with the references' digest in place of where they lie."""
        identity = super().identity()
        del identity["parameters"]["snapshot"], identity["parameters"]["tasks"]
        identity["parameters"]["references"] = self.references.digest
        return identity

    def steps(self) -> tuple[Step, ...]:
        """A filter, or a transform for `cut`."""
        if self.on_hit == "cut":
            return (CutHits(references=self.references, window=self.window),)
        return (CountHits(references=self.references, min_hits=self.min_hits),)

    @cached_property
    def references(self) -> References:
        """The n-grams looked for."""
        from ablate.evaluate.snapshot import reference_texts

        texts = [text for task in reference_texts(self.snapshot, self.tasks).values() for text in task]
        return References.of(texts, self.ngram, self.min_words)


@dataclass(frozen=True)
class References:
    """Hashed n-grams of the reference texts.

    Attributes:
        digest: names them.
        hashes: n -> sorted uint64 hashes of n-grams of n words; n is `ngram`, and the length of each
            shorter item.
    """

    digest: str
    hashes: dict[int, np.ndarray] = field(compare=False)

    @classmethod
    def of(cls, texts: Sequence[str], ngram: int, min_words: int) -> References:
        """Cut texts into n-grams; whole texts where they are shorter."""
        found: dict[int, set[int]] = {}
        for text in texts:
            count = len(words(text))
            if count >= min_words:
                n = min(count, ngram)
                found.setdefault(n, set()).update(gram_hashes(text, n).tolist())
        hashes = {n: np.array(sorted(values), dtype=np.uint64) for n, values in sorted(found.items())}
        parts = [
            [n, hashlib.blake2b(values.tobytes(), digest_size=16).hexdigest()] for n, values in hashes.items()
        ]
        return cls(digest([2, ngram, min_words, parts]), hashes)

    def hits(self, text: str) -> np.ndarray:
        """Ascending (first word, words) of every match in the normalised text: shape (m, 2)."""
        spans = []
        for n, grams in grams_up_to(text, max(self.hashes, default=0)):
            if n in self.hashes:
                wanted = self.hashes[n]
                nearest = np.minimum(np.searchsorted(wanted, grams), wanted.size - 1)
                at = np.flatnonzero(wanted[nearest] == grams)
                spans.append(np.stack([at, np.full(at.size, n)], axis=1))
        together = np.concatenate(spans) if spans else np.zeros((0, 2), dtype=np.int64)
        return together[np.argsort(together[:, 0], kind="stable")]


@dataclass(frozen=True, kw_only=True)
class CountHits(Filter):
    """Drop documents with hits."""

    name: ClassVar[str] = "decontamination_hits"
    references: References
    min_hits: int

    def slow_identity(self) -> dict[str, Any]:
        """The references by their digest."""
        return {"stage": self.name, "version": self.version, "references": self.references.digest}

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """How many n-grams match."""
        return {"hits": len(self.references.hits(text))}

    def decide(self, measured: Table) -> Verdict:
        """Reason `contaminated`."""
        return Verdict.first_of(contaminated=measured["hits"] >= self.min_hits)


@dataclass(frozen=True, kw_only=True)
class CutHits(Transform):
    """Cut hits out of documents."""

    name: ClassVar[str] = "decontamination_cut"
    references: References
    window: int

    def identity(self) -> dict[str, Any]:
        """The references by their digest."""
        parameters = {"references": self.references.digest, "window": self.window}
        return {"stage": self.name, "version": self.version, "parameters": parameters}

    def transform(self, text: str) -> str:
        """The text without the hits and their surroundings."""
        hits = self.references.hits(text)
        if not len(hits):
            return text
        bounds = word_spans(text)
        kept, end = [], 0
        for first, count in hits.tolist():
            begin = bounds[first][0] - self.window
            if begin > end:
                kept.append(text[end:begin])
            end = max(end, bounds[first + count - 1][1] + self.window)
        kept.append(text[end:])
        return "\n".join(part.strip() for part in kept if part.strip())
