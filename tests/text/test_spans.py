"""Repeated windows: a suffix array finds what comparing every window with every other finds."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.text.spans import Spans, Windows, equal_pieces, equal_windows


def find(
    documents: list[list[int]], width: int, rows: list[int] | None = None, relate=equal_windows
) -> Windows:
    """Windows among documents that stand at `rows` of a pool of 100."""
    counts = np.array([len(document) for document in documents], dtype=np.int64)
    values = np.array([value for document in documents for value in document], dtype=np.uint64)
    where = np.arange(len(documents)) if rows is None else np.array(rows, dtype=np.int64)
    return relate(values, counts, where, 100, width)


def covered(spans: Spans) -> set[tuple[int, int]]:
    """(document, piece) of all that the spans cover."""
    columns = zip(spans.document.tolist(), spans.begin.tolist(), spans.end.tolist(), strict=True)
    return {(document, piece) for document, begin, end in columns for piece in range(begin, end)}


def by_hand(documents: dict[int, list[int]], width: int, keep_first: bool) -> set[tuple[int, int]]:
    """Every window by its content."""
    places = defaultdict(list)
    for row, document in documents.items():
        for start in range(len(document) - width + 1):
            places[tuple(document[start : start + width])].append((row, start))
    hits = set()
    for (first, at), *others in places.values():
        later = [(row, start) for row, start in others if row != first or start >= at + width]
        wanted = later if keep_first else [(first, at), *others] if others else []
        hits |= {(row, start + offset) for row, start in wanted for offset in range(width)}
    return hits


corpora = st.lists(st.lists(st.integers(0, 2), max_size=14), max_size=7)


@settings(max_examples=300, deadline=None)
@given(corpora, st.integers(1, 6), st.booleans(), st.data())
def test_any_part_of_the_pool_has_the_repeats_that_it_would_have_alone(documents, width, keep_first, data):
    some = sorted(data.draw(st.sets(st.sampled_from(range(len(documents)))))) if documents else []
    pool = find(documents, width)
    rows = np.array(some, dtype=np.int64)
    expected = by_hand({row: documents[row] for row in some}, width, keep_first)
    spans = pool.repeats(rows, keep_first)
    assert covered(spans) == expected
    alone = find([documents[row] for row in some], width, some).repeats(rows, keep_first)
    assert alone.digest == spans.digest
    np.testing.assert_array_equal(spans.pieces(100), np.bincount([row for row, _ in expected], minlength=100))
    # Disjoint, apart and in order.
    order = np.lexsort((spans.begin, spans.document))
    assert order.tolist() == list(range(order.size)) and (spans.begin < spans.end).all()
    same = spans.document[1:] == spans.document[:-1]
    assert (spans.begin[1:] > spans.end[:-1])[same].all()


@settings(max_examples=100, deadline=None)
@given(corpora)
def test_single_pieces_are_windows_of_one_and_zero_matches_nothing(documents):
    everything = np.arange(len(documents))
    shifted = [[value + 1 for value in document] for document in documents]
    one, other = find(shifted, 1), find(shifted, 1, relate=equal_pieces)
    for keep_first in (True, False):
        assert one.repeats(everything, keep_first).digest == other.repeats(everything, keep_first).digest
    ones = find(documents, 1, relate=equal_pieces).repeats(everything, False)
    assert not {(row, piece) for row, piece in covered(ones) if documents[row][piece] == 0}


@pytest.mark.parametrize("relate", [equal_windows, equal_pieces])
def test_nothing_repeats_in_nothing(relate):
    for documents in ([], [[]], [[], [7], []], [[1, 2, 3]]):
        windows = find(documents, 2, relate=relate)
        assert windows.repeats(np.arange(len(documents)), False).document.size == 0
        assert windows.n_pieces[: len(documents)].tolist() == [len(document) for document in documents]


def test_a_run_of_one_token_keeps_its_first_window():
    windows = find([[5] * 12], 4)
    assert covered(windows.repeats(np.array([0]), True)) == {(0, piece) for piece in range(4, 12)}
    assert covered(windows.repeats(np.array([0]), False)) == {(0, piece) for piece in range(12)}


def test_no_window_crosses_from_one_document_to_the_next():
    assert find([[1, 2], [3, 4], [1, 2], [3, 4]], 3).document.size == 0
    assert set(find([[1, 2, 3, 4], [2, 3]], 2).document.tolist()) == {0, 1}
