"""Verification of near-duplicate candidates: which documents that share a bucket are alike indeed.

Similarity is of two kinds: Jaccard, of the sets of shingles, or edit similarity of the words,
1 - distance / words of the longer (Lee et al. 2021, arXiv 2107.06499, appendix A).

What is kept is pairs, not clusters: the result says for every two documents whether they share a bucket and
are alike, whatever other documents there are, so it can be restricted to any subset. Pairs are written down
as buckets again, each of documents that are alike one with another: all with the same content; two contents
that were compared; and, in a large bucket, contents so near to one of them that the triangle inequality
vouches for each two. So a bucket of near copies costs one comparison a document. What the triangle leaves
open is compared pair by pair, up to `MOST_PAIRS` of a bucket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from ablate.errors import DataError
from ablate.stages.base import Groups, TextsOf

LARGE = 64
"""Documents of a bucket from which on near copies are looked for before pairs are compared."""
MOST_PAIRS = 50_000_000
"""Comparisons for one bucket; some five minutes."""
BATCH = 20_000
"""Documents whose contents are in memory together; a connected group of candidates is never split."""
BLOCK = 4_096
"""Pairs compared at a time."""
MARGIN = 1e-9
"""Kept clear of where rounding could make a sum of two distances too small."""


class Likeness(Protocol):
    """Compares contents, which it was given as arrays of hashes, by their positions."""

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Tell whether the pairs reach the least similarity: shape (k,), bool."""
        ...

    def near(self, pivot: int, others: np.ndarray) -> np.ndarray:
        """Tell which are so near to the pivot that any two of these, and the pivot, are alike: shape (k,), bool."""
        ...


class Jaccard:
    """Shared over all distinct shingles; 1 - similarity is a metric.

    Args:
        contents: shingle hashes; a repeated one counts once.
        least: similarity of documents that are alike, in (0, 1].
    """

    def __init__(self, contents: Sequence[np.ndarray], least: float) -> None:
        distinct = [np.unique(content) for content in contents]
        self.least = least
        self.size = np.array([content.size for content in distinct], dtype=np.int64)
        _, column = np.unique(np.concatenate(distinct), return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(self.size)])
        ones = np.ones(column.size, dtype=np.int32)
        self.matrix = csr_array((ones, column, starts), shape=(len(distinct), int(column.max()) + 1))

    def _similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        shared = np.asarray(self.matrix[first].multiply(self.matrix[second]).sum(axis=1)).ravel()
        similarity: np.ndarray = shared / (self.size[first] + self.size[second] - shared)
        return similarity

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Compares only where the sizes leave it open."""
        small = np.minimum(self.size[first], self.size[second])
        found: np.ndarray = small >= self.least * np.maximum(self.size[first], self.size[second]) * (
            1 - MARGIN
        )
        found[found] = self._similarity(first[found], second[found]) >= self.least
        return found

    def near(self, pivot: int, others: np.ndarray) -> np.ndarray:
        """Tell which lie within half of the distance that two alike documents may have."""
        similarity = self._similarity(np.full(others.size, pivot), others)
        near: np.ndarray = 1 - similarity < (1 - self.least) / 2 - MARGIN
        return near


class Edit:
    """Words that stay when one text is edited into the other, as a share of the longer text's.

    Args:
        contents: word hashes, in order.
        least: similarity of documents that are alike, in (0, 1].
    """

    def __init__(self, contents: Sequence[np.ndarray], least: float) -> None:
        self.contents = [content.tolist() for content in contents]
        self.size = np.array([content.size for content in contents], dtype=np.int64)
        self.least = least

    def _distance(self, first: int, second: int, most: float) -> int:
        from rapidfuzz.distance import Levenshtein

        return Levenshtein.distance(self.contents[first], self.contents[second], score_cutoff=int(most) + 1)

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Follow the distance no further than it may go."""
        longer = np.maximum(self.size[first], self.size[second])
        most = longer * (1 - self.least) + MARGIN
        pairs = zip(first.tolist(), second.tolist(), most.tolist(), strict=True)
        return np.array([self._distance(a, b, limit) <= limit for a, b, limit in pairs], dtype=bool)

    def near(self, pivot: int, others: np.ndarray) -> np.ndarray:
        """Tell which lie within half of what its own length allows: d(x, y) <= d(x, p) + d(p, y) <= (1 - least) max(|x|, |y|)."""
        most = self.size[others] * (1 - self.least) / 2 - MARGIN
        pairs = zip(others.tolist(), most.tolist(), strict=True)
        return np.array([self._distance(pivot, other, limit) <= limit for other, limit in pairs], dtype=bool)


def verified(
    groups: Groups,
    texts: TextsOf,
    content: Callable[[str], np.ndarray],
    likeness: Callable[[Sequence[np.ndarray]], Likeness],
) -> Groups:
    """Return the documents of each bucket that are alike, as buckets whose documents are alike one with another.

    Args:
        groups: candidates.
        texts: texts of ascending rows, with the rows.
        content: what of a text is compared; texts of equal content are alike.
        likeness: how contents are compared.
    Raises:
        DataError: when one bucket would take more than `MOST_PAIRS` comparisons.
    """
    empty = np.zeros(0, dtype=np.int64)
    documents, buckets, n_buckets = [empty], [empty], 0
    for batch in _batches(groups):
        contents, members = _distinct(batch, texts, content)
        sizes = np.array([some.size for some in members])
        copies = np.flatnonzero(sizes > 1)
        cliques = [(copies, np.arange(copies.size))]
        if found := _buckets(groups, members):
            cliques += _cliques(found, sizes, likeness(contents))
        rows, first = np.concatenate(members), np.cumsum(sizes) - sizes
        for which, clique in cliques:
            count = sizes[which]
            places = np.repeat(first[which] - (np.cumsum(count) - count), count) + np.arange(count.sum())
            documents.append(rows[places])
            buckets.append(np.repeat(clique, count) + n_buckets)
            n_buckets += int(clique.max()) + 1 if clique.size else 0
    return Groups(np.concatenate(documents), np.concatenate(buckets))


def _batches(groups: Groups) -> Iterator[np.ndarray]:
    """Rows of whole connected groups of candidates, ascending, about `BATCH` at a time."""
    rows = np.unique(groups.document)
    if rows.size == 0:
        return
    label = groups.clusters(rows, int(rows[-1]) + 1)
    order = np.argsort(label, kind="stable")
    sizes = np.bincount(label)
    number = (np.cumsum(sizes[sizes > 0]) - 1) // BATCH  # of the batch that each connected group goes into
    of = np.repeat(number, sizes[sizes > 0])
    for part in np.split(order, np.flatnonzero(np.diff(of)) + 1):
        yield np.sort(rows[part])


def _distinct(
    rows: np.ndarray, texts: TextsOf, content: Callable[[str], np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Distinct contents, and the rows that have each."""
    contents: list[np.ndarray] = []
    members: list[list[int]] = []
    known: dict[bytes, int] = {}
    for row, text in texts(rows):
        made = content(text)
        number = known.setdefault(hashlib.blake2b(made.tobytes(), digest_size=16).digest(), len(contents))
        if number == len(contents):
            contents.append(made)
            members.append([])
        members[number].append(row)
    return contents, [np.array(some, dtype=np.int64) for some in members]


def _buckets(groups: Groups, members: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The different contents of each bucket, where there are two or more; every such set once."""
    rows = np.concatenate(members)
    of = np.repeat(np.arange(len(members)), [some.size for some in members])
    order = np.argsort(rows)
    rows, of = rows[order], of[order]
    place = np.searchsorted(rows, groups.document)
    place[place == rows.size] = 0
    inside = rows[place] == groups.document
    pairs = np.unique(np.stack([groups.bucket[inside], of[place[inside]]], axis=1), axis=0)
    some = np.split(pairs[:, 1], np.flatnonzero(np.diff(pairs[:, 0])) + 1)
    return list({each.tobytes(): each for each in some if each.size > 1}.values())


def _cliques(
    buckets: Sequence[np.ndarray], sizes: np.ndarray, likeness: Likeness
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sets of contents that are alike one with another, which together hold every alike pair of a bucket.

    Yields:
        Contents, and the number of the set that each is in: shapes (k,).
    """
    n, small = sizes.size, [np.zeros(0, dtype=np.int64)]
    for bucket in buckets:
        if sizes[bucket].sum() <= LARGE:
            first, second = np.triu_indices(bucket.size, 1)
            small.append(bucket[first] * n + bucket[second])
            continue
        cells = list(_cells(bucket, sizes, likeness))
        if joined := [cell for cell in cells if cell.size > 1]:
            yield np.concatenate(joined), np.repeat(np.arange(len(joined)), [cell.size for cell in joined])
        count = bucket.size * (bucket.size - 1) // 2 - sum(cell.size * (cell.size - 1) // 2 for cell in cells)
        if count > MOST_PAIRS:
            raise DataError(
                f"minhash_dedup: a bucket of {bucket.size:,} different texts needs {count:,} comparisons, at most "
                f"{MOST_PAIRS:,} are made. Such buckets hold texts that are hardly alike: raise "
                "stages.minhash_dedup.rows, or do without verification: stages.minhash_dedup.verify=none"
            )
        later = np.concatenate(cells)
        for cell in cells:
            later = later[cell.size :]
            for one in cell:
                yield from _compare(np.full(later.size, one), later, likeness)
    codes = np.unique(np.concatenate(small))
    yield from _compare(codes // n, codes % n, likeness)


def _compare(
    first: np.ndarray, second: np.ndarray, likeness: Likeness
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs that are alike, each a set of two."""
    for begin in range(0, first.size, BLOCK):
        one, other = first[begin : begin + BLOCK], second[begin : begin + BLOCK]
        alike = likeness.alike(one, other)
        pairs = np.stack([one[alike], other[alike]], axis=1)
        yield pairs.ravel(), np.repeat(np.arange(len(pairs)), 2)


def _cells(bucket: np.ndarray, sizes: np.ndarray, likeness: Likeness) -> Iterator[np.ndarray]:
    """A bucket cut into sets of near copies."""
    rest = bucket[np.argsort(-sizes[bucket], kind="stable")]  # contents of many documents first
    while rest.size:
        near = likeness.near(int(rest[0]), rest[1:])
        yield np.concatenate([rest[:1], rest[1:][near]])
        rest = rest[1:][~near]
