"""Tokens, streams and budgets."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus import tokens as token_files
from ablate.corpus.annotate import Annotations
from ablate.corpus.branch import BranchStream
from ablate.corpus.budget import copies_seen
from ablate.corpus.tokenizer import TokenizerConfig, load_tokenizer, prepare_tokenizer, tokenizer_digest
from ablate.corpus.tokens import TokenCounter, TokenStream, open_stream, tokenize
from ablate.effects.repetition import effective_tokens
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.store import Store
from tests.conftest import InMemory


def stream_of(
    documents: list[list[int]], seed: int = 0, context: int = 4, subset: tuple[int, int] | None = None
) -> TokenStream:
    """A stream over documents given as token ids."""
    count = np.array([len(document) for document in documents])
    flat = np.array([token for document in documents for token in document], dtype=np.uint16)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    keys = np.arange(1, len(documents) + 1, dtype=np.uint64)
    return TokenStream(
        [flat],
        np.zeros(len(documents), dtype=np.int64),
        start,
        count,
        keys,
        seed=seed,
        context=context,
        subset=subset,
    )


corpora = st.lists(st.lists(st.integers(1, 60_000), min_size=1, max_size=9), min_size=1, max_size=8)


@settings(deadline=None)
@given(corpora, st.integers(0, 5), st.integers(1, 6))
def test_an_epoch_holds_every_document_once_and_whole(
    documents: list[list[int]], seed: int, context: int
) -> None:
    stream = stream_of(documents, seed, context)
    total = sum(map(len, documents))
    flat = stream.sequences(0, 3 * total + 1)[:, :-1].ravel()
    for epoch in range(2):
        tokens = flat[epoch * total : (epoch + 1) * total].tolist()
        assert sorted(tokens) == sorted(token for document in documents for token in document)
        left = [tuple(document) for document in documents]
        while tokens:  # the epoch splits into the documents, each in one piece
            match = next(
                (d for d in sorted(left, key=len, reverse=True) if tuple(tokens[: len(d)]) == d), None
            )
            if match is None:
                break  # a shorter document begins like this one; the multiset above decides
            left.remove(match)
            tokens = tokens[len(match) :]


@settings(deadline=None)
@given(corpora, st.integers(1, 5), st.integers(0, 40), st.integers(1, 5))
def test_any_sequence_can_be_asked_for_at_any_time(
    documents: list[list[int]], context: int, first: int, count: int
) -> None:
    whole = stream_of(documents, 1, context).sequences(0, first + count)
    part = stream_of(documents, 1, context).sequences(first, count)
    np.testing.assert_array_equal(whole[first:], part)
    assert part.shape == (count, context + 1)
    np.testing.assert_array_equal(part[1:, 0], part[:-1, -1])  # the target of one begins the next


def test_arms_that_share_documents_see_them_in_the_same_order() -> None:
    documents = [[i] for i in range(1, 40)]
    full = stream_of(documents, seed=2, context=1).sequences(0, 39)[:, 0].tolist()
    keys = np.arange(1, 40, dtype=np.uint64)
    some = np.arange(0, 39, 3)
    ids, count = np.arange(1, 40, dtype=np.uint16), np.ones(some.size, dtype=np.int64)
    arm = TokenStream([ids], np.zeros(some.size, dtype=np.int64), some, count, keys[some], seed=2, context=1)
    subset = arm.sequences(0, some.size)[:, 0].tolist()
    assert subset == [token for token in full if token - 1 in set(some.tolist())]


def test_documents_seen_counts_what_the_sequences_hold() -> None:
    documents = [[10 * i + j for j in range(1 + i % 4)] for i in range(1, 12)]
    stream = stream_of(documents, seed=4, context=3)
    for tokens in (1, 7, stream.unique_tokens, stream.unique_tokens + 5, 3 * stream.unique_tokens):
        flat = stream.sequences(0, tokens)[:, :-1].ravel()[:tokens].tolist()
        seen, times = stream.documents_seen(tokens)
        assert set(seen.tolist()) == {i for i, d in enumerate(documents) if set(d) & set(flat)}
        assert times.max() == -(-tokens // stream.unique_tokens)


@pytest.mark.parametrize("epochs", [0, 2])
def test_which_documents_are_reached_and_their_order_have_seeds_of_their_own(epochs: int) -> None:
    """30 documents of a token, of which the budget's last epoch reaches 10."""
    documents = [[i] for i in range(1, 31)]
    budget = epochs * 30 + 10

    def last(order: int, subset: int | None) -> list[int]:
        stream = stream_of(documents, order, 1, None if subset is None else (subset, budget))
        whole = stream.sequences(0, (epochs + 1) * 30)[:, 0].tolist()
        for epoch in range(epochs + 1):
            assert sorted(whole[epoch * 30 : (epoch + 1) * 30]) == list(range(1, 31))
        reached = whole[epochs * 30 : budget]
        seen, times = stream.documents_seen(budget)
        assert {
            int(document) + 1 for document, count in zip(seen, times, strict=True) if count > epochs
        } == set(reached)
        return reached

    assert last(0, 0) == last(0, None), "one seed for both is what a stream does without"
    assert set(last(0, 7)) == set(last(1, 7)) == set(last(7, None)) and last(0, 7) != last(1, 7)
    assert set(last(0, 7)) != set(last(0, 8))
    one, other = last(0, 7), last(0, 8)
    both = set(one) & set(other)
    assert [d for d in one if d in both] == [d for d in other if d in both], "the order is the stream's"


def test_tokens_of_a_corpus_are_those_of_its_texts(store: Store, make_pool: Any) -> None:
    texts = [f"page {i} speaks of the river and the bridge" for i in range(30)]
    pool = make_pool(store, [Document(text) for text in texts])
    annotations = Annotations(pool, store, workers=1)
    folder = prepare_tokenizer(TokenizerConfig(vocab_size=300), annotations, annotations.root(), store)
    tokenizer, operation = load_tokenizer(folder), tokenize(folder)
    rows = np.array([3, 4, 17])
    stream = open_stream(annotations, operation, annotations.root(), rows, seed=0, context=8)
    expected = [
        [*tokenizer.encode(texts[row], add_special_tokens=False), tokenizer.eos_token_id] for row in rows
    ]
    assert stream.unique_tokens == sum(map(len, expected))
    assert TokenCounter(annotations, operation)(annotations.root(), rows) == stream.unique_tokens
    flat = stream.sequences(0, stream.unique_tokens)[:, :-1].ravel()[: stream.unique_tokens].tolist()
    order = [text for text in tokenizer.decode(flat).split(tokenizer.eos_token) if text]
    assert sorted(order) == sorted(texts[row] for row in rows)


def test_the_tokenizer_is_trained_the_same_way_every_time(tmp_path: Any, make_pool: Any) -> None:
    documents = [
        Document(f"document {i} with some {'words ' * (i % 7)}and {i * 7} numbers") for i in range(60)
    ]
    digests = []
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        annotations = Annotations(make_pool(store, documents), store, workers=1)
        digests.append(
            tokenizer_digest(
                prepare_tokenizer(TokenizerConfig(vocab_size=320), annotations, annotations.root(), store)
            )
        )
    assert digests[0] == digests[1]


def test_effective_tokens_against_the_paper() -> None:
    """Muennighoff et al. 2023: up to one epoch nothing is lost; 4 epochs are worth about 3.7; the limit is 16.39."""
    assert effective_tokens(80, 100) == 80
    assert effective_tokens(400, 100) == pytest.approx(100 + 100 * 15.39 * (1 - np.exp(-3 / 15.39)))
    assert 365 < effective_tokens(400, 100) < 375
    assert effective_tokens(1e9, 100) == pytest.approx(100 * (1 + 15.39))
    with pytest.raises(ValueError, match="must be positive"):
        effective_tokens(10, 0)


def test_copies_seen_by_hand() -> None:
    stream = stream_of([[1]] * 4, context=1)
    clusters = np.array([7, 7, 7, 9])
    assert copies_seen(stream, clusters, 4) == {
        "documents_seen": 4,
        "clusters_seen": 2,
        "mean": 2.0,
        "max": 3,
    }
    assert copies_seen(stream, clusters, 8)["max"] == 3, "an epoch over the same document is no copy"


def branch_of(trunk: list[list[int]], arm: dict[int, list[int]], at: int, seed: int = 0) -> BranchStream:
    """Trunk: documents with keys 1, 2, ...; arm: key -> document."""
    count = np.array([len(document) for document in arm.values()])
    flat = np.array([token for document in arm.values() for token in document], dtype=np.uint16)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    keys = np.array(list(arm), dtype=np.uint64)
    own = TokenStream([flat], np.zeros(len(arm), dtype=np.int64), start, count, keys, seed=seed, context=2)
    return BranchStream(stream_of(trunk, seed, 2), own, at)


@settings(deadline=None)
@given(corpora, st.integers(0, 5), st.integers(0, 30), st.integers(0, 30), st.integers(1, 8))
def test_the_branch_of_the_trunks_own_text_goes_on_where_it_stopped(
    documents: list[list[int]], seed: int, half: int, first: int, count: int
) -> None:
    whole = stream_of(documents, seed, 2)
    branch = branch_of(documents, dict(enumerate(documents, 1)), 2 * half, seed)
    np.testing.assert_array_equal(branch.sequences(first, count), whole.sequences(first, count))


@pytest.mark.parametrize("epochs", [0, 2])
def test_an_arm_goes_on_at_the_place_in_the_order_where_the_trunk_stopped(epochs: int) -> None:
    """Documents of two tokens; the arm lacks every third of the trunk's and has some of its own."""
    trunk = [[i, i] for i in range(1, 31)]
    order = stream_of(trunk, 3, 2).sequences(epochs * 30, 30)[:, 0].tolist()
    arm = {key: [key, key] for key in [k for k in range(1, 31) if k % 3] + list(range(101, 121))}
    branch = branch_of(trunk, arm, 2 * (epochs * 30 + 12), 3)
    assert branch.sequences(0, epochs * 30 + 12)[-12:, 0].tolist() == order[:12], "the trunk's own text first"
    read = branch.sequences(epochs * 30 + 12, len(arm))[:, 0].tolist()
    rest = [token for token in order[12:] if token in arm]
    assert not set(read[: len(rest)]) & set(order[:12]), "nothing that the trunk has read in this epoch"
    assert [token for token in read if token in rest][: len(rest)] == rest, "what both have in the same order"
    seen, times = branch.documents_seen(2 * (epochs * 30 + 12 + 5))
    assert sorted(list(arm)[place] for place in seen) == sorted(read[:5]) and set(times.tolist()) == {1}


def test_a_branch_begins_inside_the_document_in_which_the_trunk_stopped() -> None:
    """One document of the trunk has become shorter in the arm, one is gone."""
    trunk = [list(range(10, 20)), list(range(30, 40))]
    whole = stream_of(trunk, 0, 2).sequences(0, 10)[:, :-1].ravel().tolist()
    first = 1 if whole[0] == 10 else 2
    kept = {first: trunk[first - 1][:5], 3 - first: trunk[2 - first]}
    for at, expected in ((2, kept[first][2:]), (4, kept[first][4:]), (8, [])):
        read = branch_of(trunk, kept, at).sequences(at // 2, 5)[:, :-1].ravel().tolist()
        assert read[: len(expected) + 2] == [*expected, *kept[3 - first][:2]]
    gone = branch_of(trunk, {3 - first: trunk[2 - first]}, 4).sequences(2, 5)[:, :-1].ravel().tolist()
    assert gone == trunk[2 - first]


def mapped(folder: Path) -> int:
    """Files below a folder that this process has in its memory map."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return len({line.split()[-1] for line in lines if str(folder) in line})


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of memory maps on this system")
def test_the_files_that_are_mapped_do_not_grow_with_the_pool(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may map some 65,000 files; whatever reads a pool of more shards keeps but a few of them open."""
    documents = tuple(Document(f"page {number} speaks of the river and the bridge") for number in range(40))
    pool = build_pool(InMemory(documents), store, shard_documents=1)
    annotations = Annotations(pool, store, workers=1)
    folder = prepare_tokenizer(TokenizerConfig(vocab_size=300), annotations, annotations.root(), store)
    operation, rows = tokenize(folder), np.arange(40)
    of_all = open_stream(annotations, operation, annotations.root(), rows, seed=0, context=8)
    expected = of_all.sequences(0, 100)
    del of_all
    monkeypatch.setattr(token_files, "OPEN_FILES", 4)
    gc.collect()
    before = mapped(store.root)
    stream = open_stream(annotations, operation, annotations.root(), rows, seed=0, context=8)
    np.testing.assert_array_equal(stream.sequences(0, 100), expected)
    assert mapped(store.root) - before <= 5
    annotations.forget()
    assert annotations.measure(annotations.root(), FineWebQuality())
    assert mapped(store.root) - before <= 5
