"""Editions of a pool: the same documents once, or a few of them many times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ablate.config import make
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.pool.pool import build_pool
from ablate.pool.repeated import Edition, Repeated
from ablate.pool.source import Document, Skipped, Source
from ablate.stages.column import Column
from ablate.stages.exact_dedup import ExactDedup
from ablate.store import Store


@dataclass(frozen=True)
class Numbers(Source):
    """Documents "page 0", "page 1", ..., the third record of which is broken."""

    count: int

    def request(self) -> dict[str, int]:
        return {"numbers": self.count}

    def documents(self) -> Iterator[Document | Skipped]:
        for number in range(self.count):
            if number == 2:
                yield Skipped("numbers", 2, "broken")
            yield Document(f"page {number}", url=f"https://n.example/{number}", source="numbers")


EDITIONS = {"all": Edition(once=6), "half": Edition(once=3), "few": Edition(once=2, repeated=1, times=4)}


def test_documents_by_hand() -> None:
    items = list(Repeated(of=Numbers(10), editions=EDITIONS).documents())
    made = [(one.source, int(one.text.split()[1])) for one in items if isinstance(one, Document)]
    few = [("few", 0), ("few", 1), *[("few", 2)] * 4]
    assert made == [*[("all", n) for n in range(6)], *[("half", n) for n in range(3)], *few]
    assert [one.reason for one in items if isinstance(one, Skipped)] == ["broken"], "told once"


def test_an_arm_takes_an_edition_and_deduplication_gives_the_pages_that_it_has(store: Store) -> None:
    """`few` has the pages of `half`, and its repeats make it as long as `all`."""
    pool = build_pool(Repeated(of=Numbers(10), editions=EDITIONS), store)
    annotations = Annotations(pool, store, workers=1)
    texts = pool.column("text")

    def kept(*names: str, dedup: bool) -> Counter[str]:
        stages = [Column(column="source", keep=names), *([ExactDedup()] if dedup else [])]
        return Counter(texts[row].as_py() for row in build_corpus(stages, annotations).rows.tolist())

    assert kept("few", dedup=False).total() == kept("all", dedup=False).total() == 6
    assert kept("few", dedup=False)["page 2"] == 4
    assert kept("few", dedup=True) == kept("half", dedup=True) == kept("half", dedup=False)
    assert pool.keys.size == len(set(pool.keys.tolist())), "each copy is a document of its own"


def test_names_and_requests_differ_by_edition() -> None:
    one, other = (
        Repeated(of=Numbers(10), editions={"a": Edition(once=2, repeated=1, times=times)}) for times in (2, 3)
    )
    assert (
        one.request() != other.request()
        and one.request() == Repeated(of=Numbers(10), editions=one.editions).request()
    )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="one wants 6 documents, and the pool has 5"):
        list(Repeated(of=Numbers(5), editions=EDITIONS).documents())
    with pytest.raises(ConfigError, match="editions is empty"):
        Repeated(of=Numbers(5), editions={})
    node = {"_target_": "ablate.pool.repeated.Edition"}
    for values, message in (
        ({}, "once and repeated"),
        ({"once": -1}, "once and repeated"),
        ({"once": 1, "times": 0}, "times must be 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(node | values, "pool.editions.a")
