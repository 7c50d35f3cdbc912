"""Shards are parts of a pool that keep hosts and source files whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.shard import Shard, cut_of, shards_of
from ablate.corpus.view import build_corpus, corpus_key
from ablate.errors import DataError
from ablate.pool.source import Document
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.pii import Pii
from ablate.store import Store

TEXT = "The man and the cat have to be in the house with that dog of ours. "
# Two spellings of one host, an address without a host, one that is none; two source files.
ORIGINS = [
    ("https://a.example/1", "x.warc", "a"), ("http://A.example:80/other", "y.warc", "a"), ("https://b.example", "x.warc", "b"),
    ("https://www.b.example/", "x.warc", "www.b"), ("", "x.jsonl", "x"), ("", "y.jsonl", "y"), ("file:///tmp/page", "y.jsonl", "y"),
    ("https://[broken", "x.jsonl", "x"),
]  # fmt: skip
DRAWN = st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=20)


def documents(origins: list[tuple[str, str, str]]) -> list[Document]:
    return [
        Document(f"{TEXT * 5} Number {n}.", url=url, source=source)
        for n, (url, source, _) in enumerate(origins)
    ]


@settings(max_examples=40, deadline=None)
@given(DRAWN, st.integers(1, 5))
def test_every_document_is_in_one_shard_and_no_host_or_source_in_two(
    make_pool: Any, origins: list[tuple[str, str, str]], n_shards: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pool = make_pool(Store(Path(folder)), documents(origins))
        rows = [Shard(number, n_shards).rows(pool) for number in range(n_shards)]
        assert sorted(np.concatenate(rows).tolist()) == list(range(len(origins)))
        found: dict[str, set[int]] = {}
        for (*_, origin), number in zip(origins, shards_of(pool, n_shards).tolist(), strict=True):
            found.setdefault(origin, set()).add(number)
        assert all(len(numbers) == 1 for numbers in found.values())
        assert cut_of(pool, n_shards).documents == tuple(map(len, rows))
        assert cut_of(pool, n_shards).origins == len(found)


@settings(max_examples=20, deadline=None)
@given(DRAWN, DRAWN, st.integers(2, 5))
def test_a_host_stays_in_its_shard_whatever_else_the_pool_holds(
    make_pool: Any, origins: list[tuple[str, str, str]], more: list[tuple[str, str, str]], n_shards: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        alone = shards_of(make_pool(Store(Path(folder)), documents(origins)), n_shards)
        larger = shards_of(make_pool(Store(Path(folder)), documents([*origins, *more])), n_shards)
    assert larger[: len(origins)].tolist() == alone.tolist()


def test_many_hosts_fall_into_shards_of_like_size(make_pool: Any, store: Store) -> None:
    """2,000 hosts thrown at random into four: a shard has 500 with standard deviation 19.4."""
    pool = make_pool(store, [Document(TEXT, url=f"https://host{n}.example") for n in range(2_000)])
    assert all(abs(count - 500) < 5 * 19.4 for count in cut_of(pool, 4).documents)


def test_shards_of_a_measured_pool_measure_nothing(
    make_pool: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = documents(ORIGINS * 3)
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    calls: list[str] = []
    measure = GopherQuality.measure
    monkeypatch.setattr(
        GopherQuality, "measure", lambda self, text: calls.append(text) or measure(self, text)
    )
    stages = [GopherQuality(min_words=5), Pii(), ExactDedup()]
    whole = build_corpus(stages, annotations)
    assert len(calls) == len(pages)
    parts = [build_corpus(stages, annotations, Shard(number, 2)) for number in range(2)]
    assert len(calls) == len(pages)
    assert len({whole.key, *(part.key for part in parts)}) == 3, "each is a corpus of its own"
    total = annotations.cpu_s(stages[0], ["raw"])
    shares = [
        annotations.cpu_s(stages[0], ["raw"], Shard(number, 2).rows(annotations.pool)) for number in range(2)
    ]
    assert sum(shares) == pytest.approx(total) and min(shares) > 0
    for part in parts:
        first = funnel(part, annotations, lambda version, rows: rows.size)[0]
        assert first["documents"] == part.source.size < len(pages)


def test_one_shard_holds_the_texts_of_the_whole_pool(make_pool: Any, store: Store) -> None:
    annotations = Annotations(make_pool(store, documents(ORIGINS)), store, workers=1)
    stages = [ExactDedup(keep="first")]
    assert build_corpus(stages, annotations, Shard(0, 1)).content == build_corpus(stages, annotations).content
    assert corpus_key("pool", stages, Shard(0, 1)) != corpus_key("pool", stages, Shard(0, 2))


def test_an_empty_shard_is_named(make_pool: Any, store: Store) -> None:
    pool = make_pool(store, [Document(TEXT, url="https://one.example")])
    empty = Shard(1 - int(shards_of(pool, 2)[0]), 2)
    with pytest.raises(DataError, match=rf"{empty} of the pool holds no document.*randomness\.shards"):
        build_corpus([], Annotations(pool, store, workers=1), empty)
