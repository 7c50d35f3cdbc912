"""The funnel and the ledger tell the same story as the texts."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ablate.corpus import ledger
from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.ledger import write_ledger
from ablate.corpus.view import Corpus, build_corpus
from ablate.errors import DataError
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.stages.c4_quality import C4Quality
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.pii import Pii
from ablate.stages.substring_dedup import SubstringDedup
from ablate.store import Store
from tests.conftest import InMemory

LONG = "The man and the cat have to be in the house with that dog of ours. "
PAGES = [
    Document(LONG * 4, url="https://a.example/0"),
    Document("Far too short.", url="https://a.example/1"),
    Document(LONG * 4, url="https://b.example/2"),
    Document(LONG * 5 + "Ask bob@mail.org for more.", url="https://b.example/3"),
    Document("Extraordinarily " * 60 + "the of and.", url="https://c.example/4"),
]
STAGES = [GopherQuality(), ExactDedup(keep="first"), C4Quality(min_sentences=5), Pii()]


@pytest.fixture
def curated(make_pool: Any, store: Store) -> tuple[Corpus, Annotations]:
    annotations = Annotations(make_pool(store, PAGES), store, workers=1)
    return build_corpus(STAGES, annotations), annotations


def test_the_funnel_counts_what_each_stage_left(curated: tuple[Corpus, Annotations]) -> None:
    corpus, annotations = curated
    lines = funnel(corpus, annotations, lambda version, rows: rows.size)
    assert [line["stage"] for line in lines] == [
        "input",
        "gopher_quality",
        "exact_dedup",
        "c4_quality",
        "pii",
    ]
    # Documents 1 and 4 fall to Gopher, 2 is a copy of 0, 0 has four sentences; 3 has six.
    assert [line["documents"] for line in lines] == [5, 3, 2, 1, 1]
    assert [line["tokens"] for line in lines] == [5, 3, 2, 1, 1]
    assert lines[1]["dropped"] == {"gopher_above_avg_threshold": 1, "gopher_short_doc": 1}
    assert lines[2]["dropped"] == {"duplicate": 1}
    assert lines[3]["dropped"] == {"too_few_sentences": 1}
    assert [line["changed"] for line in lines] == [0, 0, 0, 0, 1]
    assert lines[0]["bytes"] == sum(len(page.text) for page in PAGES)
    ((_, text),) = annotations.texts(corpus.version, corpus.rows)
    assert "email@example.com" in text and lines[-1]["bytes"] == len(text.encode())
    for before, after in itertools.pairwise(lines):
        assert before["documents"] - after["documents"] == sum(after["dropped"].values())


def test_the_ledger_says_why_and_what_was_measured(curated: tuple[Corpus, Annotations], store: Store) -> None:
    corpus, annotations = curated
    folder = store.root / "ledger"
    write_ledger(corpus, annotations, folder)
    names = sorted(path.name for path in folder.glob("*.parquet"))
    assert names == [
        "00-gopher_quality.parquet",
        "01-exact_dedup.parquet",
        "02-c4_quality.parquet",
        "03-c4_quality.parquet",
        "04-pii.parquet",
        "05-pii.parquet",
    ]
    first = pq.read_table(folder / names[0]).to_pylist()
    assert [row["row"] for row in first] == [0, 1, 2, 3, 4]
    assert [row["reason"] for row in first] == [
        None,
        "gopher_short_doc",
        None,
        None,
        "gopher_above_avg_threshold",
    ]
    assert [row["kept"] for row in first] == [row["reason"] is None for row in first]
    assert first[1]["url"] == "https://a.example/1" and first[1]["measured_words"] == 3
    assert len({row["key"] for row in first}) == 5 and len(first[0]["key"]) == 16
    # Every document leaves the ledger at exactly one step, or stays in the corpus.
    left = [
        row["row"] for name in names for row in pq.read_table(folder / name).to_pylist() if not row["kept"]
    ]
    assert sorted([*left, *corpus.rows.tolist()]) == list(range(len(PAGES)))


def test_funnel_and_ledger_account_for_what_was_cut(make_pool: Any, store: Store) -> None:
    texts = ["one two three four", "It rained. one two three", "five six", "one two three"]
    annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
    corpus = build_corpus([SubstringDedup(min_tokens=3)], annotations)
    before, after = funnel(corpus, annotations, lambda version, rows: None)
    assert (before["documents"], after["documents"]) == (4, 3)
    assert (
        after["dropped"] == {"empty": 1}
        and after["changed"] == 1
        and after["found"] == {"repeated_pieces": 6}
    )
    left = ["one two three four", "It rained.", "five six"]
    assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == left
    assert before["bytes"] == sum(map(len, texts)) and after["bytes"] == sum(map(len, left))
    write_ledger(corpus, annotations, store.root / "ledger")
    lines = pq.read_table(store.root / "ledger" / "00-substring_dedup.parquet").to_pylist()
    assert [line["changed"] for line in lines] == [False, True, False, True]
    assert [line["reason"] for line in lines] == [None, None, None, "empty"]
    assert [line["measured_pieces"] for line in lines] == [4, 6, 2, 3]
    assert [line["measured_repeated_pieces"] for line in lines] == [0, 3, 0, 3]


def test_a_stage_that_drops_everything_is_named(make_pool: Any, store: Store) -> None:
    annotations = Annotations(make_pool(store, PAGES[:2]), store, workers=1)
    with pytest.raises(DataError, match=r"gopher_quality drops every document.*gopher_short_doc"):
        build_corpus([GopherQuality(min_words=500)], annotations)


def test_measurements_are_in_the_order_of_the_pool(curated: tuple[Corpus, Annotations]) -> None:
    _, annotations = curated
    measured = annotations.measure(annotations.root(), GopherQuality())
    words = [len(page.text.replace("@", " ").replace(".org", " org").split()) for page in PAGES]
    np.testing.assert_allclose(measured["words"], words, atol=2)


def test_the_ledger_of_a_large_pool_is_written_in_pieces(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row groups of two documents or more, over shards of two; of a document's neighbours nothing depends on them."""
    annotations = Annotations(build_pool(InMemory(tuple(PAGES)), store, shard_documents=2), store, workers=1)
    corpus = build_corpus(STAGES, annotations)
    write_ledger(corpus, annotations, store.root / "whole")
    shutil.rmtree(store.root / "decisions")
    monkeypatch.setattr(ledger, "ROWS", 2)
    write_ledger(corpus, annotations, store.root / "pieces")
    files = sorted((store.root / "whole").glob("*.parquet"))
    assert len(files) == 6
    for path in files:
        pieces = store.root / "pieces" / path.name
        assert pq.read_table(pieces).equals(pq.read_table(path))
    first = pq.ParquetFile(store.root / "pieces" / files[0].name)
    assert [first.metadata.row_group(group).num_rows for group in range(first.num_row_groups)] == [2, 2, 1]
