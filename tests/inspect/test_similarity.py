"""All-pairs similarity against a double loop; candidates, clusters and the S-curve by definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.inspect.similarity import (
    Pairs,
    agreement,
    all_pairs,
    candidate_pairs,
    cluster_labels,
    jaccard,
    pairs_within,
    s_curve,
)
from ablate.stages.base import Groups
from ablate.stages.minhash_dedup import MinhashDedup

SETS = st.lists(st.sets(st.integers(0, 12), max_size=8), max_size=12)


def arrays(sets: list[set[int]]) -> list[np.ndarray]:
    """Hashes as a stage gives them: in some order, every third one twice."""
    repeated = [[*sorted(some, reverse=True), *sorted(some)[::3]] for some in sets]
    return [np.array(some, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) for some in repeated]


@given(SETS, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
@settings(max_examples=200, deadline=None)
def test_all_pairs_is_what_a_double_loop_finds(sets: list[set[int]], floor: float) -> None:
    expected = {
        (i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        for i, j in itertools.combinations(range(len(sets)), 2)
        if sets[i] & sets[j] and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= floor
    }
    pairs = all_pairs(arrays(sets), floor)
    found = dict(
        zip(
            zip(pairs.first.tolist(), pairs.second.tolist(), strict=True),
            pairs.similarity.tolist(),
            strict=True,
        )
    )
    assert found == expected
    assert list(found) == sorted(found)


def test_blocks_do_not_show() -> None:
    rng = np.random.default_rng(0)
    sets = [set(rng.integers(0, 400, 12).tolist()) for _ in range(600)]  # more than two blocks
    pairs = all_pairs(arrays(sets), 0.1)
    expected = [
        (i, j, len(a & b) / len(a | b))
        for (i, a), (j, b) in itertools.combinations(enumerate(sets), 2)
        if len(a & b) / len(a | b) >= 0.1
    ]
    assert (
        list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True))
        == expected
    )
    assert len(expected) > 100


def test_jaccard_of_two_texts() -> None:
    one, two = arrays([{1, 2, 3}, {2, 3, 4, 5}])
    assert jaccard(one, two) == 2 / 5 and jaccard(one, one) == 1.0
    assert jaccard(one, one[:0]) == 0.0 and math.isnan(jaccard(one[:0], one[:0]))


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (2, 1), (1, 3)])
@pytest.mark.parametrize("similarity", [0.0, 0.5, 0.75, 1.0])
def test_the_s_curve_is_the_chance_of_one_band_of_all_rows(bands: int, rows: int, similarity: float) -> None:
    no_band = 1.0
    for _ in range(bands):
        whole_band = 1.0
        for _ in range(rows):
            whole_band *= similarity
        no_band *= 1 - whole_band
    assert float(s_curve(similarity, bands, rows)) == pytest.approx(1 - no_band)
    assert s_curve([0.2, 0.9], bands, rows).shape == (2,)


MEMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=30, unique=True)


@given(MEMBERS, st.sets(st.integers(0, 9)))
@settings(max_examples=200, deadline=None)
def test_candidates_share_a_bucket_among_the_documents_looked_at(
    members: list[tuple[int, int]], some: set[int]
) -> None:
    document, bucket = np.array(members, dtype=np.int64).reshape(-1, 2).T
    rows = np.array(sorted(some), dtype=np.int64)
    first, second = candidate_pairs(Groups(document, bucket), rows, np.arange(rows.size))
    of = {row: {b for d, b in members if d == row} for row in some}
    expected = [(a, b) for a, b in itertools.combinations(sorted(some), 2) if of[a] & of[b]]
    assert list(zip(rows[first].tolist(), rows[second].tolist(), strict=True)) == expected


def test_of_a_large_bucket_the_documents_of_low_rank_are_taken() -> None:
    groups = Groups(np.arange(6), np.zeros(6, dtype=np.int64))
    first, second = candidate_pairs(groups, np.arange(6), np.array([9, 1, 8, 2, 7, 3]), most=3)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(1, 3), (1, 5), (3, 5)]


def test_clusters_and_the_pairs_within_them() -> None:
    labels = cluster_labels(np.array([0, 1, 4]), np.array([1, 2, 5]), 7)  # 0-1-2, 3, 4-5, 6
    assert [np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels.tolist())] == [
        [0, 1, 2],
        [3],
        [4, 5],
        [6],
    ]
    assert pairs_within(labels) == 3 + 1


def test_precision_and_recall_by_hand() -> None:
    # True pairs at 0.8: 0-1, 1-2, 3-4. Candidates: 0-1, 1-2, 2-3, 5-6 of eight documents.
    pairs = Pairs(np.array([0, 1, 2, 3]), np.array([1, 2, 3, 4]), np.array([0.9, 0.8, 0.7, 1.0]))
    candidates = np.array([0 * 8 + 1, 1 * 8 + 2, 2 * 8 + 3, 5 * 8 + 6])
    found = agreement(pairs, candidates, 8, 0.8, lambda similarity: s_curve(similarity, 14, 8))
    assert (found.precision.hits, found.precision.total) == (2, 4)
    assert (found.recall.hits, found.recall.total) == (2, 3)
    # Groups found: 0-1-2-3 and 5-6, seven pairs; true: 0-1-2 and 3-4, four; three in both.
    assert (found.cluster_precision.hits, found.cluster_precision.total) == (3, 7)
    assert (found.cluster_recall.hits, found.cluster_recall.total) == (3, 4)
    assert (found.removed, found.truly) == (4, 3)
    curve = [1 - (1 - s**8) ** 14 for s in (0.9, 0.8, 1.0)]
    assert found.expected_recall == pytest.approx(np.mean(curve))
    none = agreement(pairs.take(np.zeros(4, bool)), np.zeros(0, np.int64), 8, 0.8, None)
    assert math.isnan(none.precision.value) and math.isnan(none.recall.interval[0])
    assert math.isnan(none.expected_recall) and none.removed == none.truly == 0


def test_the_stage_itself_agrees_with_its_own_candidates() -> None:
    """Candidates from the stage's groups are the pairs that share a column of its sketches."""
    base = " ".join(f"word{i} of the long text" for i in range(60)).replace("0", "zero")
    texts = [base, base + " and an end", "quite another matter " * 9, base.replace("long", "short")]
    stage = MinhashDedup()
    sketches = stage.sketch_many(texts)
    groups = stage.relate(sketches, np.arange(4), lambda some: [(row, texts[row]) for row in some])
    first, second = candidate_pairs(groups, np.arange(4), np.arange(4))
    expected = [(i, j) for i, j in itertools.combinations(range(4), 2) if (sketches[i] == sketches[j]).any()]
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected and (0, 1) in expected
