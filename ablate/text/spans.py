"""Spans of documents that occur more than once: found in a whole pool, restricted to any part of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Spans:
    """Runs of pieces: disjoint, ascending by document and place.

    Attributes:
        document: shape (k,), int64, row in the pool.
        begin, end: shape (k,), int64: pieces begin .. end - 1 of the document.
    """

    document: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Names them."""
        columns = np.stack([self.document, self.begin, self.end]).astype("<i8")
        return hashlib.blake2b(columns.tobytes(), digest_size=16).hexdigest()

    def among(self, rows: np.ndarray) -> Spans:
        """Those of some documents."""
        inside = np.isin(self.document, rows)
        return Spans(self.document[inside], self.begin[inside], self.end[inside])

    def pieces(self, n_documents: int) -> np.ndarray:
        """How many pieces of each document they cover: shape (n_documents,), int64."""
        weights = (self.end - self.begin).astype(np.float64)
        return np.bincount(self.document, weights, minlength=n_documents).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Windows:
    """Runs of `width` pieces that stand in two places or more, as classes of equal windows.

    Places rather than spans to cut, so that restricting the classes to any subset of the documents
    gives exactly the repeats that the subset alone has. None crosses from one document to the next.

    Attributes:
        width: pieces in a window.
        document: shape (m,), int64, row in the pool.
        start: shape (m,), int64, first piece.
        bucket: shape (m,), int64: windows are equal when this is. Sorted by bucket, document, start.
        n_pieces: shape (n_pool,), int64: pieces of every document; 0 where it was not looked at.
    """

    width: int
    document: np.ndarray
    start: np.ndarray
    bucket: np.ndarray
    n_pieces: np.ndarray

    def repeats(self, rows: np.ndarray, keep_first: bool) -> Spans:
        """What the windows cover that occur more than once among `rows`.

        Args:
            rows: shape (n,), int64, documents, ascending.
            keep_first: leave the first of equal windows (by document, then place) and those that overlap it.
        """
        survives = np.zeros(self.n_pieces.size, dtype=bool)
        survives[rows] = True
        inside = survives[self.document]
        document, start, bucket = self.document[inside], self.start[inside], self.bucket[inside]
        is_first = np.ones(bucket.size, dtype=bool)
        is_first[1:] = bucket[1:] != bucket[:-1]
        number = np.cumsum(is_first) - 1
        if keep_first:
            first = np.flatnonzero(is_first)[number]
            hit = (document != document[first]) | (start >= start[first] + self.width)
        else:
            hit = np.bincount(number)[number] > 1 if number.size else is_first
        order = np.lexsort((start[hit], document[hit]))
        return self._union(document[hit][order], start[hit][order])

    def _union(self, document: np.ndarray, start: np.ndarray) -> Spans:
        """Windows by document and start, merged where they overlap or touch."""
        opens = np.ones(document.size, dtype=bool)
        opens[1:] = (document[1:] != document[:-1]) | (start[1:] > start[:-1] + self.width)
        closes = np.roll(opens, -1)
        return Spans(document[opens], start[opens], start[closes] + self.width)


def equal_windows(
    values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int, width: int
) -> Windows:
    """All windows of `width` equal pieces that occur more than once, by a suffix array.

    A class is a run of the suffix array whose common prefixes are as long as a window. Time grows
    about linearly; takes some 40 bytes a piece.

    Args:
        values: shape (sum of counts,), uint64: one number a piece, the documents one after another.
        counts: shape (n,), int64: pieces of each document.
        rows: shape (n,), int64: the documents' rows in the pool, ascending.
        n_pool: documents in the pool.
    """
    from pydivsufsort import divsufsort, kasai

    if values.size == 0:
        return _windows(rows, n_pool, counts, width, *np.zeros((3, 0), dtype=np.int64))
    ends = np.cumsum(counts + 1) - 1
    inside = np.ones(values.size + rows.size, dtype=bool)
    inside[ends] = False
    joined = np.zeros(inside.size, dtype=np.uint32)  # 0 ends a document
    joined[inside] = pa.array(values).dictionary_encode().indices.to_numpy() + 1
    suffixes = divsufsort(joined)
    same = kasai(joined, suffixes)[:-1] >= width  # does suffix i + 1 begin with the window of suffix i?
    begins, goes_on = np.append(same, False), np.append(False, same)
    member = begins | goes_on
    place = suffixes[member].astype(np.int64)
    label = np.cumsum(~goes_on[member])
    index = np.searchsorted(ends, place)
    whole = place + width <= ends[index]
    place, index, label = place[whole], index[whole], label[whole]
    return _windows(rows, n_pool, counts, width, index, place - (ends - counts)[index], label)


def equal_pieces(
    values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int, width: int
) -> Windows:
    """As `equal_windows`, where each number stands for the whole window that starts there; 0 for none."""
    _, inverse, times = np.unique(values, return_inverse=True, return_counts=True)
    member = np.flatnonzero((times > 1)[inverse] & (values != 0))
    index = np.repeat(np.arange(rows.size), counts)
    start = np.arange(values.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return _windows(rows, n_pool, counts, width, index[member], start[member], inverse[member])


def _windows(
    rows: np.ndarray,
    n_pool: int,
    counts: np.ndarray,
    width: int,
    index: np.ndarray,
    start: np.ndarray,
    label: np.ndarray,
) -> Windows:
    n_pieces = np.zeros(n_pool, dtype=np.int64)
    n_pieces[rows] = counts
    order = np.lexsort((start, index, label))
    document = rows[index[order]].astype(np.int64)
    return Windows(width, document, start[order].astype(np.int64), label[order].astype(np.int64), n_pieces)
