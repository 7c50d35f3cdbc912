"""Packing: every prediction once, and each query sees its own beginning, each position once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.evaluate import prefixes
from ablate.evaluate.prefixes import Batch, Block, Packed, pack
from ablate.evaluate.requests import Sequences

# Few tokens, so that sequences share beginnings, hold one another and repeat.
pairs = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.lists(st.integers(0, 2), max_size=4)),
    min_size=1,
    max_size=12,
).filter(lambda rows: all(len(before) + len(after) > 1 for before, after in rows))


def read_back(forest: Packed, blocks: list, place: np.ndarray) -> dict[int, tuple[int, ...]]:
    """Query's row -> the tokens it sees, from first to itself.

    Args:
        place: shape (n_queries,): each query's node.
    """
    seen: dict[int, list[int]] = {row: [] for row in range(place.size)}
    for block in blocks:
        if isinstance(block, Block):
            for later, row in enumerate(range(block.queries.start, block.queries.stop)):
                nodes = range(block.keys.start, block.keys.stop)
                seen[row] += nodes[: block.sees + later]
        elif isinstance(block, Batch):
            for rows, nodes in zip(block.query.tolist(), block.key.tolist(), strict=True):
                for column, row in enumerate(rows):
                    if row < place.size:
                        seen[row] += [node for node in nodes[: column + 1] if node < forest.token.size]
        else:
            size = block.seen.shape[1]
            for row, mask in enumerate(block.seen.reshape(-1, size), start=block.first):
                seen[row] += (
                    np.flatnonzero(mask) + block.first + (row - block.first) // size * size
                ).tolist()
    for row, nodes in seen.items():
        nodes.sort(key=lambda node: forest.depth[node])
        assert nodes[-1] == place[row], "the query itself"
        assert forest.depth[nodes].tolist() == list(range(len(nodes))), "each position once"
    return {row: tuple(forest.token[nodes].tolist()) for row, nodes in seen.items()}


def padding(forest: Packed) -> set[int]:
    """Nodes that fill up a tile: only its first node stands at position 0 otherwise."""
    found = set()
    for block in forest.blocks:
        if not isinstance(block, Block | Batch):
            count, size, _ = block.seen.shape
            nodes = block.first + np.arange(count * size).reshape(count, size)[:, 1:].ravel()
            found |= set(nodes[forest.depth[nodes] == 0].tolist())
    return found


@settings(max_examples=300, deadline=None)
@given(
    pairs,
    st.integers(4, 40),
    st.fixed_dictionaries(
        {
            "SHARED": st.integers(1, 4),
            "ALONE": st.sampled_from([1, 8, 10**6]),
            "CALL": st.sampled_from([0, 50, 10**6]),
            "PAIRS": st.sampled_from([1, 20, 10**6]),
            "QUERIES": st.integers(1, 5),
            "TILE": st.sampled_from([0, 4, 10, 100]),
        }
    ),
)
def test_a_packed_forest_is_the_sequences(rows: list, at_once: int, constants: dict[str, int]) -> None:
    """Whatever the constants say of what is cheaper."""
    sequences = Sequences.of(rows)
    wanted = sorted(
        (owner, tuple([*before, *after][:end]), [*before, *after][end])
        for owner, (before, after) in enumerate(rows)
        for end in range(len(before), len(before) + len(after))
    )
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            patch.setattr(prefixes, name, value)
        forests = list(pack(sequences, at_once))
    for forest in forests:
        every = read_back(forest, forest.blocks, np.arange(forest.token.size))
        real = [seen for node, seen in every.items() if node not in padding(forest)]
        assert len(real) <= max(at_once, max(len(b) + len(a) - 1 for b, a in rows))
        assert constants["SHARED"] > 1 or len(real) == len(set(real)), "each prefix once"
        last = read_back(forest, forest.last_blocks, forest.asks)
        assert (forest.asks[forest.kept] == forest.predicts).all() and (np.diff(forest.row) >= 0).all()
        for row, target, owner in zip(forest.row, forest.target, forest.owner, strict=True):
            found.append((int(owner), last[int(forest.kept[row])], int(target)))
    assert sorted(found) == wanted


def test_what_is_shared_is_one_node() -> None:
    """Two questions of three choices, whose text is shared and whose choices begin differently."""
    rows = [([question] * 12 + [3] * 8, [choice, 0, 1]) for question in (1, 2) for choice in (4, 5, 6)]
    (forest,) = pack(Sequences.of(rows), 1000)
    # 20 of the question, two of each choice; the last token is only predicted.
    assert forest.token.size == 2 * (20 + 3 * 2)
    assert forest.predicts.size == 2 * (1 + 3 * 2) and forest.target.size == 6 * 3


@given(pairs, st.integers(1, 6))
def test_a_sequence_is_cut_from_the_left(rows: list, context: int) -> None:
    cut = Sequences.of(rows).cut(context)
    for number, (before, after) in enumerate(rows):
        kept = [*before, *after][-(context + 1) :]
        assert cut.tokens[cut.bounds[number] : cut.bounds[number + 1]].tolist() == kept
        assert cut.start[number] == max(1, len(kept) - len(after))
