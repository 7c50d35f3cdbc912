"""Sequences as prefix trees: what several requests have in common is computed once.

The choices of a question share its text, minimal pairs share their beginning, few-shot prompts share
their examples. Sequences in lexicographic order are cut into trees of bounded size. Nodes of a tree
are numbered in depth-first order, so the descendants of a node are a range of numbers, and a node may
attend to exactly the nodes whose range holds it: `u <= v < end[u]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

ROWS_AT_ONCE = 4096
"""Sequences handled together: bounds the memory of the tables of shape (sequences, length)."""
SMALLEST = 128
"""Nodes that a tree may always have; beyond, twice its longest sequence. Attention within a tree is dense,
so a larger one shares more and wastes more (measured: 64 and 256 are slower for short sequences)."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Prefix trees over a set of sequences, one after another in flat arrays.

    Attributes:
        first: shape (n_trees + 1,): where each tree's nodes begin.
        token, depth: shape (n_nodes,): what stands there and at which position of its sequence.
        end: shape (n_nodes,): one past the node's last descendant, counted from its tree's beginning.
        node: shape (n_targets,): the node that predicts.
        target: shape (n_targets,): the token it should predict.
        owner: shape (n_targets,): the sequence whose it is.
    """

    first: np.ndarray
    token: np.ndarray
    depth: np.ndarray
    end: np.ndarray
    node: np.ndarray
    target: np.ndarray
    owner: np.ndarray


def grow(tokens: np.ndarray, bounds: np.ndarray, start: np.ndarray) -> Forest:
    """Build the trees.

    Args:
        tokens: all sequences, one after another.
        bounds: shape (n + 1,): where each sequence begins; each has two tokens or more.
        start: shape (n,): the first token of each sequence that is to be predicted, 1 or more.
    """
    order = sorted(range(len(start)), key=lambda i: tokens[bounds[i] : bounds[i + 1]].astype(">u4").tobytes())
    parts, base = [], 0
    for begin in range(0, len(order), ROWS_AT_ONCE):
        part = _grow(tokens, bounds, start, np.asarray(order[begin : begin + ROWS_AT_ONCE]))
        parts.append(replace(part, first=part.first[:-1] + base, node=part.node + base))
        base += part.token.size
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Forest)
    }
    return Forest(**{**joined, "first": np.append(joined["first"], base)})


def _grow(tokens: np.ndarray, bounds: np.ndarray, start: np.ndarray, rows: np.ndarray) -> Forest:
    # The last token of a sequence is only predicted, never read.
    length = (bounds[rows + 1] - bounds[rows] - 1).astype(np.int64)
    width = int(length.max())
    column = np.arange(width)
    inside = column < length[:, None]
    padded = np.full((rows.size, width), -1, dtype=np.int64)
    padded[inside] = tokens[(bounds[rows][:, None] + column)[inside]]
    shared = np.zeros(rows.size, dtype=np.int64)
    shared[1:] = np.logical_and.accumulate((padded[1:] == padded[:-1]) & inside[1:], axis=1).sum(axis=1)
    shared, roots = _cut(length, shared)

    new = inside & (column >= shared[:, None])
    began = np.concatenate([[0], np.cumsum(new.sum(axis=1))])
    number = np.where(new, began[:-1, None] + column - shared[:, None], 0)
    # A row's path down the tree: its own new nodes, else the latest made above in that column.
    path = np.maximum.accumulate(number, axis=0)
    # A node's descendants end where a later row leaves its path.
    leaves = np.full((rows.size + 1, width), began[-1])
    leaves[:-1] = np.where(column >= shared[:, None], began[:-1, None], began[-1])
    ends = np.minimum.accumulate(leaves[::-1], axis=0)[::-1][1:]
    first = np.concatenate([began[:-1][roots], began[-1:]])
    own_tree = np.repeat(first[:-1], np.diff(first))

    begin = start[rows].astype(np.int64) - 1
    predicts = inside & (column >= begin[:, None])
    wanted = tokens[(bounds[rows][:, None] + column + 1)[predicts]]
    return Forest(
        first, padded[new], np.broadcast_to(column, new.shape)[new], ends[new] - own_tree,
        path[predicts], wanted, np.repeat(rows, predicts.sum(axis=1)),
    )  # fmt: skip


def _cut(length: np.ndarray, shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where trees begin, and what each row shares with the row before it in its own tree."""
    cut, roots, count, longest = shared.copy(), [], 0, 0
    for row, (long, common) in enumerate(zip(length.tolist(), shared.tolist(), strict=True)):
        count, longest = count + long - common, max(longest, long)
        if row == 0 or count > max(SMALLEST, 2 * longest):
            roots.append(row)
            cut[row], count, longest = 0, long, long
    return cut, np.asarray(roots)


def batches(forest: Forest, tokens_at_once: int) -> list[Sequence[int]]:
    """Trees of like size together: lists of tree numbers, each at most `tokens_at_once` padded nodes."""
    sizes = np.diff(forest.first)
    order = np.argsort(-sizes, kind="stable")
    found, begin = [], 0
    while begin < order.size:
        count = max(1, tokens_at_once // int(sizes[order[begin]]))
        found.append(order[begin : begin + count].tolist())
        begin += count
    return found
