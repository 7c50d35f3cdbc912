"""Packing: every prefix once, every prediction once, paths that are the sequences' own beginnings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.evaluate.prefixes import Packed, pack
from ablate.evaluate.requests import Sequences

# Few tokens, so that sequences share beginnings, hold one another and repeat.
pairs = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.lists(st.integers(0, 2), max_size=4)),
    min_size=1, max_size=12,
).filter(lambda rows: all(len(before) + len(after) > 1 for before, after in rows))  # fmt: skip


def read_back(tree: Packed, paths: list, place: np.ndarray) -> dict[int, tuple[int, ...]]:
    """Query's row -> the tokens it sees, from first to itself."""
    seen = {}
    for group in paths:
        for number, row in zip(group.real, group.row, strict=True):
            r, slot = divmod(int(number), group.query.shape[1])
            assert group.query[r, slot] == row
            keys = group.key[r, : group.depth[r, slot] + 1]
            assert int(row) not in seen, "no query twice"
            assert keys[-1] == place[row] and list(tree.depth[keys]) == list(range(len(keys)))
            seen[int(row)] = tuple(tree.token[keys].tolist())
    return seen


@settings(max_examples=200, deadline=None)
@given(pairs, st.integers(4, 40))
def test_a_packed_forest_is_the_sequences(rows: list, at_once: int) -> None:
    sequences = Sequences.of(rows)
    wanted = sorted(
        (owner, tuple([*before, *after][:end]), [*before, *after][end])
        for owner, (before, after) in enumerate(rows)
        for end in range(len(before), len(before) + len(after))
    )
    found = []
    for tree in pack(sequences, at_once):
        assert tree.token.size <= max(at_once, max(len(b) + len(a) - 1 for b, a in rows))
        every = read_back(tree, tree.paths, np.arange(tree.token.size))
        assert len(every) == tree.token.size == len(set(every.values())), "each prefix once"
        last = read_back(tree, tree.last_paths, tree.predicts)
        assert len(last) == tree.predicts.size and (np.diff(tree.row) >= 0).all()
        for row, target, owner in zip(tree.row, tree.target, tree.owner, strict=True):
            found.append((int(owner), last[int(row)], int(target)))
    assert sorted(found) == wanted


@given(pairs, st.integers(1, 6))
def test_a_sequence_is_cut_from_the_left(rows: list, context: int) -> None:
    cut = Sequences.of(rows).cut(context)
    for number, (before, after) in enumerate(rows):
        kept = [*before, *after][-(context + 1) :]
        assert cut.tokens[cut.bounds[number] : cut.bounds[number + 1]].tolist() == kept
        assert cut.start[number] == max(1, len(kept) - len(after))
