"""Sequences that begin alike, packed so that what they share is computed once.

The choices of a question share its text, minimal pairs their beginning, few-shot prompts their examples.
A batch is a forest over sequences in lexicographic order: each distinct prefix is one node, kept in flat
arrays, parents before children. Small trees are padded to a common size and attend as they lie, each node
to its own beginning, by a mask (`Tiles`). In a larger one, a run of nodes without a branch is a *segment*; its
keys are looked at by the segment itself (causally) and by everything below it (wholly), and both are ranges
of nodes (`Block`; many small ones together: `Batch`). (Shared prefixes as in Hydragen, Juravsky et al. 2024,
and tree attention as in SpecInfer, Miao et al. 2024.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ablate.evaluate.requests import Sequences

SHARED = 8
"""Fewest tokens worth a branch: fewer are computed again, which costs less than one more block (measured)."""
ALONE = 2048
"""Pairs of query and key from which a block is worth a call of its own, without copies (measured)."""
CALL = 4096
"""What one more call for several blocks costs, in pairs (measured)."""
ROW = 32
"""What a padded query or key costs beyond its pairs, in pairs (measured)."""
PAIRS, QUERIES = 2**15, 128
"""Most pairs in a call (on a CPU their weights stay in its cache), and most queries of a segment that look
at itself in one: fewer waste less on keys that come after them."""


TILE = 96
"""Nodes of the largest tree that attends by a mask (measured)."""
PAD = 512
"""What a node of padding costs, in pairs (measured)."""


class Block(NamedTuple):
    """A range of queries looks at a range of nodes: the first query at `sees` of its keys, each later one at
    one more, until there are no more."""

    queries: slice
    keys: slice
    sees: int


@dataclass(frozen=True, eq=False)
class Batch:
    """R small blocks in one call, padded behind with a row of zeros (query and key number n).

    Attributes:
        query: shape (R, Q): rows of the queries, the first of which sees one key.
        key: shape (R, K): nodes.
    """

    query: np.ndarray
    key: np.ndarray


@dataclass(frozen=True, eq=False)
class Tiles:
    """R trees of T nodes each, one after another from node `first`, every one of which asks.

    Attributes:
        seen: shape (R, T, T): which nodes (last) a node sees.
    """

    first: int
    seen: np.ndarray


Attention = Block | Batch | Tiles


@dataclass(frozen=True, eq=False)
class Packed:
    """A prefix forest, and what is to be predicted in it.

    Attributes:
        token, depth: shape (n_nodes,).
        predicts: shape (n_predicting,): the nodes at which a prediction is wanted, ascending.
        asks: shape (n_asking,): the nodes whose attention the last layer computes: those and all of tiles.
        kept: shape (n_predicting,): which rows of `asks` they are.
        blocks: attention of every node: to each node on its way in exactly one block.
        last_blocks: the same of the asking nodes; queries are rows of `asks`.
        row: shape (n_targets,): which row of `predicts`, ascending.
        target: shape (n_targets,): the token to predict.
        owner: shape (n_targets,): whose it is.
    """

    token: np.ndarray
    depth: np.ndarray
    predicts: np.ndarray
    asks: np.ndarray
    kept: np.ndarray
    blocks: list[Attention]
    last_blocks: list[Attention]
    row: np.ndarray
    target: np.ndarray
    owner: np.ndarray


def in_order(sequences: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sequences in lexicographic order: which they are, their lengths, and how many nodes each takes over from
    the one before it (0 where a tree begins), each of shape (n,). The last token is only predicted, never read.
    """
    whole, bounds = sequences.tokens.astype(">u4"), sequences.bounds
    reads = [whole[begin : end - 1] for begin, end in pairwise(bounds.tolist())]
    order = np.asarray(sorted(range(len(reads)), key=lambda i: reads[i].tobytes()), dtype=np.int64)
    size = (bounds[1:] - bounds[:-1] - 1)[order]
    common = np.asarray([0, *(_common(reads[a], reads[b]) for a, b in pairwise(order.tolist()))])[
        : order.size
    ]
    return order, size, _worthwhile(common, size)


def pack(sequences: Sequences, nodes_at_once: int) -> Iterator[Packed]:
    """Every sequence, in forests of `nodes_at_once` nodes or fewer (more only for a longer sequence, and padding)."""
    order, size, common = in_order(sequences)
    # Trees may come in any order: those of a size together need little padding.
    tree = np.cumsum(common == 0) - 1
    nodes, longest = np.zeros((2, tree[-1] + 1 if order.size else 0), dtype=np.int64)
    np.add.at(nodes, tree, size - common)
    np.maximum.at(longest, tree, size)
    by_size = np.argsort(np.where(nodes <= TILE, nodes, TILE + longest)[tree], kind="stable")
    order, size, common = order[by_size], size[by_size], common[by_size]
    begin, count = 0, 0
    of_tree = nodes[tree[by_size]]
    for place, added in enumerate((size - common).tolist()):
        # A tree that fits is not cut.
        needed = min(int(of_tree[place]), nodes_at_once) if common[place] == 0 else added
        if place > begin and count + needed > nodes_at_once:
            yield _forest(sequences, order[begin:place], common[begin:place])
            begin, count, added = place, 0, int(size[place])
        count += added
    if order.size:
        yield _forest(sequences, order[begin:], common[begin:])


def _common(first: np.ndarray, second: np.ndarray) -> int:
    """Length of the common beginning."""
    size = min(first.size, second.size)
    differ = first[:size] != second[:size]
    return int(differ.argmax()) if differ.any() else size


def _worthwhile(common: np.ndarray, size: np.ndarray) -> np.ndarray:
    """What each sequence takes over from the one before it, so that no branch is less than `SHARED` from
    the branch above it; a sequence that adds nothing needs no branch.

    Args:
        common: shape (n,): what it has in common with the one before.
        size: shape (n,): its length.
    """
    taken = common.copy()
    for place in range(common.size - 2, 0, -1):  # two branches close together become one, the earlier
        if 0 < taken[place] - taken[place + 1] < SHARED <= taken[place + 1] and taken[place] < size[place]:
            taken[place] = taken[place + 1]
    branches: list[int] = []
    for place, (shared, length) in enumerate(zip(taken.tolist(), size.tolist(), strict=True)):
        while branches and branches[-1] > shared:
            branches.pop()
        if shared == length:
            continue
        above = branches[-1] if branches else 0
        if shared - above < SHARED:
            taken[place] = above
        else:
            branches.append(shared)
    return taken


@dataclass(frozen=True, eq=False)
class Laid:
    """Sequences laid out as nodes, those of each tree in depth-first order.

    Attributes:
        token, depth: shape (n_nodes,), padding included.
        inside, path: shape (n_sequences, columns): where a sequence reads a token, and the node of it.
        new: same shape: which nodes no sequence before it has.
        began, n_new: shape (n_sequences,): the first of those, and how many.
        wanted: shape (n_sequences, columns): after which node a token is to be predicted.
        target, owner: shape (n_targets,): those tokens, and whose they are.
    """

    token: np.ndarray
    depth: np.ndarray
    inside: np.ndarray
    path: np.ndarray
    new: np.ndarray
    began: np.ndarray
    n_new: np.ndarray
    wanted: np.ndarray
    target: np.ndarray
    owner: np.ndarray


def nodes_of_trees(sequences: Sequences, rows: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Shape (n_trees,): nodes of each, without padding; see `lay`."""
    new = np.diff(sequences.bounds)[rows] - 1 - common
    return np.bincount(np.cumsum(common == 0) - 1, weights=new).astype(np.int64)


def lay(sequences: Sequences, rows: np.ndarray, common: np.ndarray, begins: np.ndarray) -> Laid:
    """Lay sequences out.

    Args:
        sequences: all there are.
        rows: shape (n,): which of them, as `in_order` has them.
        common: shape (n,): nodes that each takes over from the one before it; 0 where a tree begins, as at the first.
        begins: shape (n_trees + 1,): the node at which each tree begins, the end of all last.
    """
    tokens, bounds = sequences.tokens, sequences.bounds
    length = bounds[rows + 1] - bounds[rows] - 1
    column = np.arange(int(length.max()))
    inside = column < length[:, None]
    new = inside & (column >= common[:, None])
    tree, n_new = np.cumsum(common == 0) - 1, new.sum(axis=1)
    began = np.cumsum(n_new) - n_new
    began += (begins[:-1] - began[np.flatnonzero(common == 0)])[tree]
    # A sequence's path: its own new nodes, before them the latest that were made above in that column.
    path = np.maximum.accumulate(np.where(new, began[:, None] + column - common[:, None], 0), axis=0)
    token, depth = np.zeros((2, begins[-1]), dtype=np.int64)
    at = bounds[rows][:, None] + column
    token[path[new]], depth[path[new]] = tokens[at[new]], np.broadcast_to(column, new.shape)[new]
    wanted = inside & (column >= sequences.start[rows][:, None] - 1)
    target = tokens[at[wanted] + 1].astype(np.int64)
    return Laid(
        token, depth, inside, path, new, began, n_new, wanted, target, np.repeat(rows, wanted.sum(axis=1))
    )


def _forest(sequences: Sequences, rows: np.ndarray, common: np.ndarray) -> Packed:
    common = np.where(np.arange(rows.size) > 0, common, 0)
    tiles, begins = _tiling(nodes_of_trees(sequences, rows, common))
    laid = lay(sequences, rows, common, begins)
    token, depth, path, new, wanted = laid.token, laid.depth, laid.path, laid.new, laid.wanted
    parent = np.full(token.size, -1)
    parent[path[new]] = np.where(np.arange(path.shape[1]) > 0, np.roll(path, 1, axis=1), -1)[new]

    masks = list(_masks(tiles, laid.began, new, path))
    tiled = sum(count * size for count, size in tiles)
    children = np.bincount(parent[parent >= 0], minlength=parent.size)
    starts = (parent != np.arange(parent.size) - 1) | (parent < 0) | (children[parent] > 1)
    starts[:tiled] = False
    first = np.flatnonzero(starts)
    last = np.append(first[1:], parent.size) - 1 if first.size else first
    below = np.asarray(
        [_below(depth, end) if children[end] else end + 1 for end in last.tolist()], dtype=np.int64
    )
    # Within a segment all that follows a prediction predicts too (a sequence may end inside another's).
    predicting = np.zeros(parent.size, dtype=bool)
    predicting[path[wanted]] = True
    if first.size:
        upto = np.cumsum(predicting)
        segment = np.cumsum(starts)[tiled:] - 1
        predicting[tiled:] |= upto[tiled:] > (upto - predicting)[first][segment]
    predicts = np.flatnonzero(predicting)
    row = (np.cumsum(predicting) - 1)[path[wanted]]
    by_row = np.argsort(row, kind="stable")
    asking = predicting | (np.arange(parent.size) < tiled)
    place: np.ndarray = np.cumsum(asking) - asking
    return Packed(
        token,
        depth,
        predicts,
        np.flatnonzero(asking),
        place[predicts],
        [*masks, *_blocks(first, last + 1, below, np.arange(parent.size + 1))],
        [*masks, *_blocks(first, last + 1, below, np.append(place, asking.sum()))],
        row[by_row],
        laid.target[by_row],
        laid.owner[by_row],
    )


def runs(sizes: np.ndarray, *, pad: int, call: int, pairs: int) -> Iterator[tuple[int, int]]:
    """Begin and end of runs of trees that attend in one call, each padded to the last of its run.

    Args:
        sizes: shape (n_trees,), ascending.
        pad, call: what a node of padding and one more call cost, in pairs of query and key.
        pairs: most of them in a call.
    """
    begin = 0
    for place in range(1, sizes.size + 1):
        if place < sizes.size:
            count, size, after = place - begin, int(sizes[place - 1]), int(sizes[place])
            more = count * ((after - size) * pad + after**2 - size**2)
            if more <= call and (count + 1) * after**2 <= pairs:
                continue
        yield begin, place
        begin = place


def _tiling(nodes: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Number and padded size of the trees of each call, and where each tree begins, the end of all last.

    Args:
        nodes: shape (n_trees,): tiles are made of the first ones while they ascend to `TILE`.
    """
    small = int(np.logical_and.accumulate((nodes <= TILE) & (np.diff(nodes, prepend=0) >= 0)).sum())
    tiles, sizes = [], nodes.copy()
    for begin, end in runs(nodes[:small], pad=PAD, call=CALL, pairs=PAIRS):
        sizes[begin:end] = nodes[end - 1]
        tiles.append((end - begin, int(nodes[end - 1])))
    return tiles, np.concatenate([[0], np.cumsum(sizes)])


def _masks(
    tiles: list[tuple[int, int]], began: np.ndarray, new: np.ndarray, path: np.ndarray
) -> Iterator[Tiles]:
    """What the nodes of each call see; padding sees itself.

    Args:
        began: shape (n_sequences,): the first new node of each.
        new: shape (n_sequences, columns): which nodes of its path are.
        path: same shape.
    """
    first = 0
    for count, size in tiles:
        seen = np.zeros((count, size, size), dtype=bool)
        seen[:, np.arange(size), np.arange(size)] = True
        inside = (began >= first) & (began < first + count * size)
        nodes, column = path[inside] - first, np.arange(min(size, path.shape[1]))
        row, at, upto = np.nonzero(new[inside][:, column, None] & (column[:, None] >= column))
        node = nodes[row, at]
        seen[node // size, node % size, nodes[row, upto] % size] = True
        yield Tiles(first, seen)
        first += count * size


def _below(depth: np.ndarray, node: int) -> int:
    """Where the nodes below a node end."""
    out = depth[node + 1 :] <= depth[node]
    return node + 1 + (int(out.argmax()) if out.any() else out.size)


def _blocks(first: np.ndarray, end: np.ndarray, below: np.ndarray, place: np.ndarray) -> list[Block | Batch]:
    """Segments looked at by themselves and by what is below them.

    Args:
        first, end, below: shape (n_segments,): the segment is `first` to `end`, below it are `end` to `below`.
        place: shape (n_nodes + 1,): how many queries come before a node.
    """
    alone: list[Block | Batch] = []
    small = []
    of = np.stack([first, end, place[first], place[end], place[below]], axis=1)
    for begin, stop, ask, within, upto in of[place[below] > place[first]].tolist():
        size = stop - begin
        sees = size - (within - ask) + 1  # the queries of a segment are its last ones
        if (upto - ask) * size < ALONE:
            small.append((ask, upto, begin, stop, sees))
            continue
        while ask < upto:
            most = QUERIES if sees < size - QUERIES else max(QUERIES, PAIRS // size)
            count = min(most, upto - ask)
            alone.append(
                Block(slice(ask, ask + count), slice(begin, min(stop, begin + sees + count - 1)), sees)
            )
            ask, sees = ask + count, min(sees + count, size + 1)
    pads = int(place[-1]), int(place.size - 1)
    return [*alone, *_grouped(np.asarray(small, dtype=np.int64).reshape(-1, 5), pads)]


def _grouped(small: np.ndarray, pads: tuple[int, int]) -> Iterator[Batch]:
    """Few calls with little padding.

    Args:
        small: shape (n, 5): begin and end of queries, begin and end of keys, how many keys the first sees.
        pads: what stands for no query and no key.
    """
    n_queries, n_keys = small[:, 1] - small[:, 0] + small[:, 4] - 1, small[:, 3] - small[:, 2]
    group: list[int] = []
    most_queries = most_keys = 0
    for number in np.lexsort((-n_keys, -n_queries)).tolist():
        queries, keys = int(n_queries[number]), int(n_keys[number])
        wide = max(most_keys, keys)
        together = (len(group) + 1) * (most_queries + ROW) * (wide + ROW)
        apart = len(group) * (most_queries + ROW) * (most_keys + ROW) + (queries + ROW) * (keys + ROW) + CALL
        if group and (together > apart or (len(group) + 1) * most_queries * wide > PAIRS):
            yield _batch(small[group], pads)
            group, most_queries, wide = [], 0, keys
        group.append(number)
        most_queries, most_keys = max(most_queries, queries), wide
    if group:
        yield _batch(small[group], pads)


def _batch(small: np.ndarray, pads: tuple[int, int]) -> Batch:
    ask, upto, begin, stop, sees = (column[:, None] for column in small.T)
    # Queries stand at the place of their own key; before the first that asks is padding too.
    query = ask - (sees - 1) + np.arange(int((upto - ask + sees - 1).max()))
    key = begin + np.arange(int((stop - begin).max()))
    return Batch(
        np.where((query >= ask) & (query < upto), query, pads[0]), np.where(key < stop, key, pads[1])
    )
