"""Near-deduplication of short or generated texts by ROUGE-L: a document is dropped when one that is kept is too much like it.

Source: Self-Instruct (Wang et al. 2022, arXiv 2212.10560, section 2.2), which compares a new instruction with all that are
kept, in order of arrival, and drops it above 0.7. All pairs are compared once, at some 20 million a second and core; MinHash
is for pools of millions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ablate.errors import DataError
from ablate.stages.base import Groups, Relation, TextsOf, Verdict
from ablate.text.lines import plain_lines
from ablate.text.rouge import alike, rouge_words

MOST_PAIRS = 20_000_000
"""Pairs that are alike and not equal; more would fill the memory, and say that the texts are of one mould."""


@dataclass(frozen=True, kw_only=True)
class RougeDedup(Relation):
    """Greedy: in pool order, real text before synthetic, each document is kept that is like none kept before it.

    Unlike other relations it does not join what is alike into groups: of a chain in which only neighbours are alike, every
    second one is kept.

    Attributes:
        threshold: ROUGE-L F above which two texts are alike, in (0, 1).
        part: "whole" texts, or their "first_line", which in documents of instructions is the instruction.
        keep: "first", as published, "random" or "longest": the order in which documents are tried.
    """

    name: ClassVar[str] = "rouge_dedup"
    libraries: ClassVar[tuple[str, ...]] = ("rapidfuzz",)
    relate_only: ClassVar[tuple[str, ...]] = ("threshold",)
    keep: str = "first"
    threshold: float = 0.7
    part: Literal["whole", "first_line"] = "whole"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be in (0, 1), got {self.threshold}")
        if self.part not in ("whole", "first_line"):
            raise ValueError(f"part must be whole or first_line, got {self.part!r}")

    def compared(self, text: str) -> list[str]:
        """Return the words of a text that are compared."""
        return rouge_words(text if self.part == "whole" else plain_lines(text).strip("\n").partition("\n")[0])

    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        """Fill one column: a hash of the words compared; 0 where there are none."""
        found = np.zeros((len(texts), 1), dtype=np.uint64)
        for number, text in enumerate(texts):
            if compared := self.compared(text):
                name = hashlib.blake2b(" ".join(compared).encode(), digest_size=8).digest()
                found[number, 0] = int.from_bytes(name, "little") | 1
        return found

    def relate(self, sketches: np.ndarray, rows: np.ndarray, texts: TextsOf) -> Groups:
        """Return buckets whose documents are all alike: those with equal words, and for each pair of such classes both.

        Raises:
            DataError: for more pairs than fit into memory.
        """
        real = sketches[:, 0] != 0
        rows = rows[real]
        _, first, inverse = np.unique(sketches[real, 0], return_index=True, return_inverse=True)
        members: list[list[int]] = [[] for _ in first]
        for row, number in zip(rows.tolist(), inverse.tolist(), strict=True):
            members[number].append(row)
        chosen = np.sort(rows[first])
        by_row = {row: self.compared(text) for row, text in texts(chosen)}
        contents = [by_row[some[0]] for some in members]
        document: list[int] = []
        bucket: list[int] = []
        n_buckets = 0

        def add(some: Sequence[int]) -> None:
            nonlocal n_buckets
            document.extend(some)
            bucket.extend([n_buckets] * len(some))
            n_buckets += 1

        for some in members:
            if len(some) > 1:
                add(some)
        for one, other in alike(contents, self.threshold):
            if len(document) + 2 * one.size > MOST_PAIRS:
                raise DataError(
                    f"stage {self.name} finds more than {MOST_PAIRS:,} pairs above {self.threshold}: most texts are of one "
                    "mould. Put minhash_dedup before it, or raise threshold"
                )
            for i, j in zip(one.tolist(), other.tolist(), strict=True):
                add([*members[i], *members[j]])
        return Groups(np.array(document, dtype=np.int64), np.array(bucket, dtype=np.int64))

    def resolve(
        self,
        groups: Groups,
        rows: np.ndarray,
        *,
        keys: np.ndarray,
        n_bytes: np.ndarray,
        synthetic: np.ndarray | None = None,
    ) -> Verdict:
        """Try documents in order; what shares a bucket with a kept one is dropped, reason "duplicate"."""
        position = np.full(keys.size, -1, dtype=np.int64)
        position[rows] = np.arange(rows.size)
        inside = position[groups.document] >= 0
        place, bucket = position[groups.document[inside]], groups.bucket[inside]
        by_document = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[by_document], np.arange(rows.size + 1))
        buckets = bucket[by_document]
        taken = np.zeros(int(buckets.max()) + 1 if buckets.size else 0, dtype=bool)
        duplicate = np.zeros(rows.size, dtype=bool)
        for number in self.order(rows, keys=keys, n_bytes=n_bytes, synthetic=synthetic).tolist():
            its = buckets[starts[number] : starts[number + 1]]
            if its.size:
                duplicate[number] = taken[its].any()
                if not duplicate[number]:
                    taken[its] = True
        return Verdict.first_of(duplicate=duplicate)
