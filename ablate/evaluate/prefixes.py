"""Sequences that begin alike, packed so that what they share is computed once.

The choices of a question share its text, minimal pairs their beginning, few-shot prompts their examples.
A batch is a prefix tree over sequences in lexicographic order: each distinct prefix is one node, kept in
flat arrays without padding. Attention goes by path: the nodes that a sequence adds to the tree look at
the nodes on the way to them, which are the sequence's own beginning. (Shared prefixes as in Hydragen,
Juravsky et al. 2024, and tree attention as in SpecInfer, Miao et al. 2024.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ablate.evaluate.requests import Sequences

CALL = 8192
"""What one more attention call costs, in pairs of query and key (measured: about 30 microseconds)."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Sequences whose attention is one call: R of them, padded to Q queries and K keys.

    Attributes:
        query: shape (R, Q): rows of the queries' array; padding repeats the first.
        depth: shape (R, Q): the query's position in its sequence; it sees keys 0 to `depth`.
        key: shape (R, K): nodes on the sequence's path.
        real: shape (n,): positions in the flattened queries that are not padding.
        row: shape (n,): where the results of those belong.
    """

    query: np.ndarray
    depth: np.ndarray
    key: np.ndarray
    real: np.ndarray
    row: np.ndarray


@dataclass(frozen=True, eq=False)
class Packed:
    """A prefix tree, and what is to be predicted in it.

    Attributes:
        token, depth: shape (n_nodes,).
        predicts: shape (n_predicting,): the nodes at which a prediction is wanted.
        paths: attention of every node.
        last_paths: attention of the predicting nodes; queries and results are rows of `predicts`.
        row: shape (n_targets,): which row of `predicts`, ascending.
        target: shape (n_targets,): the token to predict.
        owner: shape (n_targets,): whose it is.
    """

    token: np.ndarray
    depth: np.ndarray
    predicts: np.ndarray
    paths: list[Paths]
    last_paths: list[Paths]
    row: np.ndarray
    target: np.ndarray
    owner: np.ndarray


def pack(sequences: Sequences, nodes_at_once: int) -> Iterator[Packed]:
    """Every sequence, in trees of `nodes_at_once` nodes or fewer (more only for a longer sequence)."""
    tokens, bounds = sequences.tokens, sequences.bounds
    whole = tokens.astype(">u4")
    order = sorted(range(len(sequences)), key=lambda i: whole[bounds[i] : bounds[i + 1] - 1].tobytes())
    begin, count, before = 0, 0, np.empty(0, dtype=tokens.dtype)
    for place, number in enumerate(order):
        reads = tokens[bounds[number] : bounds[number + 1] - 1]
        added = reads.size - (_common(before, reads) if place > begin else 0)
        if place > begin and count + added > nodes_at_once:
            yield _tree(sequences, np.asarray(order[begin:place]))
            begin, count, added = place, 0, reads.size
        count, before = count + added, reads
    if order:
        yield _tree(sequences, np.asarray(order[begin:]))


def _common(first: np.ndarray, second: np.ndarray) -> int:
    """Length of the common beginning."""
    size = min(first.size, second.size)
    differ = first[:size] != second[:size]
    return int(differ.argmax()) if differ.any() else size


def _tree(sequences: Sequences, rows: np.ndarray) -> Packed:
    tokens, bounds = sequences.tokens, sequences.bounds
    # The last token of a sequence is only predicted, never read.
    length = bounds[rows + 1] - bounds[rows] - 1
    column = np.arange(int(length.max()))
    inside = column < length[:, None]
    padded = np.full(inside.shape, -1, dtype=np.int64)
    padded[inside] = tokens[(bounds[rows][:, None] + column)[inside]]
    shared = np.zeros(rows.size, dtype=np.int64)
    same = (padded[1:] == padded[:-1]) & inside[1:]
    shared[1:] = np.logical_and.accumulate(same, axis=1).sum(axis=1)
    new = inside & (column >= shared[:, None])
    began = np.cumsum(new.sum(axis=1)) - new.sum(axis=1)
    # A sequence's path: its own new nodes, before them the latest that were made above in that column.
    path = np.maximum.accumulate(np.where(new, began[:, None] + column - shared[:, None], 0), axis=0)

    wanted = inside & (column >= sequences.start[rows][:, None] - 1)
    predicts, row = np.unique(path[wanted], return_inverse=True)
    by_row = np.argsort(row, kind="stable")
    place = np.full(int(new.sum()), -1, dtype=np.int64)
    place[predicts] = np.arange(predicts.size)
    predicting = new & (place[path] >= 0)
    return Packed(
        padded[new], np.broadcast_to(column, new.shape)[new], predicts,
        list(_grouped(path, new, path)), list(_grouped(path, predicting, place[path])), row[by_row],
        tokens[(bounds[rows][:, None] + column + 1)[wanted]][by_row],
        np.repeat(rows, wanted.sum(axis=1))[by_row],
    )  # fmt: skip


def _grouped(path: np.ndarray, asks: np.ndarray, place: np.ndarray) -> Iterator[Paths]:
    """Attention in few calls with little padding.

    Args:
        path: shape (rows, columns): nodes on each sequence's way.
        asks: same shape: which of them are queries of this sequence.
        place: same shape: the query's row.
    """
    n_queries = asks.sum(axis=1)
    n_keys = np.where(asks.any(axis=1), asks.shape[1] - asks[:, ::-1].argmax(axis=1), 0)
    order = [row for row in np.lexsort((-n_keys, -n_queries)).tolist() if n_queries[row]]
    group: list[int] = []
    most_queries = most_keys = 0
    for row in order:
        queries, keys = int(n_queries[row]), int(n_keys[row])
        wide = max(most_keys, keys)
        apart = len(group) * most_queries * most_keys + queries * keys + CALL
        if group and (len(group) + 1) * most_queries * wide > apart:
            yield _paths(path, asks, place, np.asarray(group), most_keys)
            group, most_queries, wide = [], 0, keys
        group.append(row)
        most_queries, most_keys = max(most_queries, queries), wide
    if group:
        yield _paths(path, asks, place, np.asarray(group), most_keys)


def _paths(path: np.ndarray, asks: np.ndarray, place: np.ndarray, rows: np.ndarray, n_keys: int) -> Paths:
    row, column = np.nonzero(asks[rows])
    first = np.searchsorted(row, np.arange(rows.size))
    slot = np.arange(row.size) - first[row]
    shape = rows.size, int(slot.max()) + 1
    query, depth = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    found = place[rows[row], column]
    query[row, slot], depth[row, slot] = found, column
    return Paths(query, depth, path[rows, :n_keys], row * shape[1] + slot, found)
