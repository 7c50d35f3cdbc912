"""True similarity of documents, and how well candidate pairs and clusters agree with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from ablate.effects.estimate import Floats
from ablate.inspect.retention import Share
from ablate.stages.base import Groups

BLOCK = 256
"""Rows of the matrix product taken at a time, to bound memory."""


Curve = Callable[[ArrayLike], Floats]
"""Similarities -> chances."""


def s_curve(similarity: ArrayLike, bands: int, rows: int) -> Floats:
    """Chance that two documents of this Jaccard similarity share a band: 1 - (1 - s^rows)^bands.

    Source: Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, section 3.4.2.
    """
    return np.asarray(1 - (1 - np.asarray(similarity, dtype=np.float64) ** rows) ** bands)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Shared over all distinct shingles of two texts; NaN when neither has any.

    Args:
        first, second: hashes, shapes (m,) and (n,); a repeated one counts once.
    """
    first, second = np.unique(first), np.unique(second)
    shared = np.intersect1d(first, second, assume_unique=True).size
    union = first.size + second.size - shared
    return shared / union if union else float("nan")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of documents, first < second, ascending.

    Attributes:
        first, second: shape (k,), int64: positions of the documents.
        similarity: shape (k,): their Jaccard similarity.
    """

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray

    def codes(self, n: int) -> np.ndarray:
        """One number for each pair among `n` documents, shape (k,), int64."""
        return np.asarray(self.first * n + self.second)

    def take(self, which: np.ndarray) -> Pairs:
        """Some of the pairs, by mask or position."""
        return Pairs(self.first[which], self.second[which], self.similarity[which])


def all_pairs(shingles: Sequence[np.ndarray], floor: float = 0.0) -> Pairs:
    """Every pair of documents that share a shingle, with its exact Jaccard similarity.

    The number of shared shingles is the product of the document-shingle matrix with its transpose;
    a pair without a shared shingle has similarity 0 and is absent.

    Args:
        shingles: shingle hashes of each document; a repeated one counts once.
        floor: pairs below this similarity are left out, in [0, 1].
    Reference in tests: a double loop over the documents.
    """
    shingles = [np.unique(some) for some in shingles]
    sizes = np.array([some.size for some in shingles], dtype=np.int64)
    _, column = np.unique(np.concatenate([*shingles, np.zeros(0, np.uint64)]), return_inverse=True)
    row = np.repeat(np.arange(sizes.size), sizes)
    shape = (sizes.size, int(column.max()) + 1 if column.size else 1)
    matrix = csr_array((np.ones(column.size, dtype=np.int32), (row, column)), shape=shape)
    transposed = matrix.T.tocsr()
    found = []
    for start in range(0, sizes.size, BLOCK):
        block = coo_array(matrix[start : start + BLOCK] @ transposed)
        i, j, shared = block.row.astype(np.int64) + start, block.col.astype(np.int64), block.data
        similarity = shared / (sizes[i] + sizes[j] - shared)
        wanted = (i < j) & (similarity >= floor)
        found.append((i[wanted], j[wanted], similarity[wanted]))
    first, second, similarity = (
        np.concatenate([part[k] for part in found] or [np.zeros(0, dtype)])
        for k, dtype in enumerate((np.int64, np.int64, np.float64))
    )
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], similarity[order])


def candidate_pairs(
    groups: Groups, rows: np.ndarray, rank: np.ndarray, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of documents that share a bucket.

    Args:
        groups: of the whole pool.
        rows: shape (n,), int64, ascending: the documents among which pairs are sought.
        rank: shape (n,): in large buckets, documents of low rank are taken.
        most: documents taken of one bucket, whose pairs grow with the square; None for all.
    Returns:
        Positions in `rows`, first < second, shape (k,) each, ascending.
    """
    place = np.searchsorted(rows, groups.document)
    place[place == rows.size] = 0
    inside = rows[place] == groups.document if rows.size else np.zeros(groups.document.size, dtype=bool)
    member, bucket = place[inside], groups.bucket[inside]
    order = np.lexsort((rank[member], bucket))
    member, bucket = member[order], bucket[order]
    start = np.flatnonzero(np.diff(bucket, prepend=-1))
    within = np.arange(bucket.size) - np.repeat(start, np.diff(start, append=bucket.size))
    codes = []
    reach = int(within.max(initial=0)) if most is None else min(most - 1, int(within.max(initial=0)))
    if most is not None:
        member, bucket = member[within < most], bucket[within < most]
    for step in range(1, reach + 1):  # members of a bucket stand together
        same = np.flatnonzero(bucket[step:] == bucket[:-step])
        ends = np.stack([member[same], member[same + step]])
        codes.append(np.unique(ends.min(axis=0) * rows.size + ends.max(axis=0)))
    found = np.unique(np.concatenate(codes)) if codes else np.zeros(0, dtype=np.int64)
    return found // max(rows.size, 1), found % max(rows.size, 1)


def cluster_labels(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """Connected components of `n` documents under pairs: shape (n,), int64."""
    graph = coo_array((np.ones(first.size, dtype=np.int8), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def pairs_within(labels: np.ndarray) -> int:
    """Pairs of documents with the same label."""
    counts = np.bincount(labels).astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


@dataclass(frozen=True)
class Agreement:
    """Candidates against the pairs whose true similarity reaches a threshold.

    Attributes:
        threshold: least Jaccard similarity of a true pair.
        precision, recall: of candidate pairs.
        expected_recall: what the curve gives for these very pairs; NaN without a curve or a pair.
        cluster_precision, cluster_recall: of pairs of documents in the same connected group.
        removed, truly: documents that keeping one of each group removes: by candidates, by true pairs.
    """

    threshold: float
    precision: Share
    recall: Share
    expected_recall: float
    cluster_precision: Share
    cluster_recall: Share
    removed: int
    truly: int


def agreement(
    pairs: Pairs, candidates: np.ndarray, n: int, threshold: float, curve: Curve | None
) -> Agreement:
    """Compare candidates with truth at one threshold.

    Args:
        pairs: all with a similarity of `threshold` or more, others welcome.
        candidates: shape (k,), codes of the candidate pairs.
        n: documents.
        curve: chance that a pair of given similarity is a candidate, or None.
    """
    true = pairs.take(pairs.similarity >= threshold)
    hits = int(np.isin(true.codes(n), candidates, assume_unique=True).sum())
    found = cluster_labels(candidates // max(n, 1), candidates % max(n, 1), n)
    real = cluster_labels(true.first, true.second, n)
    _, both = np.unique(found * n + real, return_inverse=True)
    together = pairs_within(both)
    expected = float("nan")
    if curve and true.similarity.size:
        expected = float(curve(true.similarity).mean())
    return Agreement(
        threshold,
        Share(hits, candidates.size),
        Share(hits, true.similarity.size),
        expected,
        Share(together, pairs_within(found)),
        Share(together, pairs_within(real)),
        n - np.unique(found).size,
        n - np.unique(real).size,
    )
