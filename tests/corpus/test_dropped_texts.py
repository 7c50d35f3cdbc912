"""The texts that stages dropped are those that the ledger says were dropped, readable in any script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.dropped_texts import (
    CHARACTERS,
    DroppedText,
    dropped_texts,
    excerpt,
    read_dropped_texts,
    write_dropped_texts,
)
from ablate.corpus.view import build_corpus
from ablate.errors import DataError
from ablate.pool.source import Document
from ablate.settings import MOST_DROPPED_TEXTS
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.gopher_quality import GopherQuality
from ablate.store import Store, write_json

SHORT = [Document(f"Short text number {n}.", url=f"https://short.example/{n}") for n in range(14)]
ENOUGH = "The man and the cat have to be in the house with that dog of ours. " * 4


def texts_of(make_pool: Any, store: Store, pages: list[Document], *stages: Any) -> list[DroppedText]:
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    return dropped_texts(build_corpus(stages, annotations), annotations)


def test_each_stage_shows_what_it_dropped_and_why(make_pool: Any, store: Store) -> None:
    pages = [
        Document(ENOUGH, url="https://a.example/0"),
        Document("Far too\nshort.", url="https://a.example/1"),
        Document(ENOUGH),
    ]
    short, copy = texts_of(make_pool, store, pages, GopherQuality(), ExactDedup(keep="first"))
    assert (short.stage, short.reason, short.url, short.text) == (
        "gopher_quality",
        "gopher_short_doc",
        "https://a.example/1",
        "Far too short.",
    )
    assert (copy.stage, copy.reason, copy.url) == ("exact_dedup", "duplicate", "")
    assert copy.text == ENOUGH.strip()


def test_the_same_texts_are_shown_in_whatever_order_the_pool_has_them(make_pool: Any, tmp_path: Path) -> None:
    kept = Document(ENOUGH)
    found = [
        texts_of(make_pool, Store(tmp_path / str(n)), pages, GopherQuality())
        for n, pages in enumerate(([kept, *SHORT], [*reversed(SHORT), kept]))
    ]
    assert len(found[0]) == MOST_DROPPED_TEXTS < len(SHORT)
    assert found[0] == found[1]
    assert len({one.key for one in found[0]}) == MOST_DROPPED_TEXTS


def test_nothing_dropped_is_no_text(make_pool: Any, store: Store) -> None:
    assert texts_of(make_pool, store, [Document(ENOUGH)], GopherQuality()) == []


@pytest.mark.parametrize(
    "text", ["", "\u200b", "這是沒有空格的一句話。" * 90, "a" * 9_000, "<p" * 90_000, "<!--" * 50_000]
)
def test_an_excerpt_of_any_text_shows_its_beginning_and_ends(text: str) -> None:
    for is_html in (False, True):
        shown = excerpt(text, 60, is_html=is_html)
        assert len(shown) <= 60
        if not is_html or "<" not in text:
            assert shown.removesuffix(" ...") == text[: len(shown.removesuffix(" ..."))]
            assert len(shown) > 50 or shown == text


def test_of_html_source_the_visible_text_is_shown() -> None:
    page = "<html><head><title>no</title></head><body><script>no()</script><p>Bread &amp; butter</p></body></html>"
    assert excerpt(page, CHARACTERS, is_html=True) == "Bread & butter"


def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "dropped_texts.json"
    assert read_dropped_texts(path) == []
    one = DroppedText(stage="s", reason="r", key="0" * 16, url="", source="", text="t")
    write_dropped_texts(path, [one])
    assert read_dropped_texts(path) == [one]
    write_json(path, [{"stage": 1}], seal=True)
    with pytest.raises(DataError, match=r"dropped_texts\.json: 0"):
        read_dropped_texts(path)
