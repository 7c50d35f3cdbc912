"""Samples of a source: what is drawn together, with which probability, and what they say of the whole."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ablate.corpus.sampled_source import Sampled
from ablate.errors import ConfigError, DataError
from ablate.plain import Plain
from ablate.pool.files import Files
from ablate.pool.hub import Hub
from ablate.pool.mixed import Mixed
from ablate.pool.pool import build_pool
from ablate.pool.repeated import Edition, Repeated
from ablate.pool.source import Document, Skipped, Source
from ablate.pool.spike.source import Spike
from ablate.store import Store
from tests.conftest import InMemory

BY = ("documents", "minhash", "clusters", "url", "host")


@dataclass(frozen=True, kw_only=True)
class Given(Source):
    items: Sequence[Document | Skipped]

    def request(self) -> dict[str, Plain]:
        return {"given": [getattr(one, "text", "") for one in self.items]}

    def documents(self) -> Iterator[Document | Skipped]:
        yield from self.items


def words(count: int, seed: object) -> list[str]:
    drawn = random.Random(str(seed))
    return ["".join(drawn.choices("abcdefghijklmnop", k=6)) for _ in range(count)]


def page(seed: object, at: str = "", kind: str = "text") -> Document:
    text = " ".join(words(60, seed))
    return Document(text=text, kind=kind, url=at)


def drawn(items: Sequence[Document | Skipped], **settings: Any) -> list[Document]:
    return [
        one for one in Sampled(of=Given(items=items), **settings).documents() if isinstance(one, Document)
    ]


def texts(documents: Sequence[Document]) -> list[str]:
    return [one.text for one in documents]


@pytest.mark.parametrize("by", BY)
def test_all_is_in_a_sample_of_everything(by: str) -> None:
    items = [page(n % 5, f"https://{n % 3}.example/{n}") for n in range(20)]
    assert texts(drawn(items, by=by, rate=1.0)) == texts(items)


@pytest.mark.parametrize("by", BY)
def test_each_document_is_drawn_with_the_rate_and_order_is_kept(by: str) -> None:
    """Twenty documents of different texts and hosts under 400 seeds: binomial counts, within five standard errors."""
    items = [page(n, f"https://{n}.example/") for n in range(20)]
    place = {one.text: n for n, one in enumerate(items)}
    counts = Counter[int]()
    for seed in range(400):
        found = [place[one.text] for one in drawn(items, by=by, rate=0.3, seed=seed)]
        assert found == sorted(found)
        counts.update(found)
    error = (400 * 0.3 * 0.7) ** 0.5
    assert all(abs(counts[n] - 120) < 5 * error for n in range(20))


@pytest.mark.parametrize(("by", "rate"), [("clusters", 0.2), ("minhash", 0.2)])
def test_equal_texts_come_together(by: str, rate: float) -> None:
    items = [page(n // 4, f"https://{n}.example/") for n in range(200)]
    counts = Counter(texts(drawn(items, by=by, rate=rate)))
    assert 0 < len(counts) < 50 and set(counts.values()) == {4}
    alone = Counter(texts(drawn(items, by="documents", rate=rate)))
    assert 1 in alone.values()


@pytest.mark.parametrize("by", ["url", "host"])
def test_addresses_and_hosts_come_together(by: str) -> None:
    items = [page(n, f"https://{n // 5}.example/{0 if by == 'url' else n}") for n in range(200)]
    hosts = Counter(one.url.split("/")[2] for one in drawn(items, by=by, rate=0.3))
    assert 0 < len(hosts) < 40 and set(hosts.values()) == {5}
    unnamed = drawn([page(n) for n in range(200)], by=by, rate=0.3)
    assert 20 < len(unnamed) < 100, "without an address each is drawn by itself"


def test_pages_are_compared_by_what_is_read_in_them() -> None:
    """One article in 30 different wrappings is one cluster, though no two sources are alike."""
    body = "".join(f"<p>{' '.join(words(40, n))}.</p>" for n in range(5))
    items = [
        Document(
            text=f"<html><head><title>{n}</title></head><body><main>{body}</main></body></html>",
            kind="html",
            url=f"u{n}",
        )
        for n in range(30)
    ]
    for seed in range(20):
        assert len(drawn(items, by="clusters", rate=0.03, seed=seed)) in (0, 30)


def test_a_cluster_beyond_the_rate_is_thinned() -> None:
    items = [page(0, f"https://{n}.example/") for n in range(1000)]
    found = drawn(items, by="clusters", rate=0.1)
    assert 50 < len(found) < 150 and {one.metadata["cluster_size"] for one in found} == {1000}
    assert len({one.metadata["sample_unit"] for one in found}) == len(found)


def test_a_near_copy_comes_along_as_often_as_theory_says() -> None:
    """J + (1 - J) rate, with J counted in the sets of word 5-grams: 600 pairs, within four standard errors."""
    rate, items, alike = 0.2, [], []
    for n in range(600):
        first = words(60, n)
        second = [*first[:50], *words(10, f"end {n}")]
        grams = [{tuple(one[i : i + 5]) for i in range(len(one) - 4)} for one in (first, second)]
        alike.append(len(grams[0] & grams[1]) / len(grams[0] | grams[1]))
        items += [Document(text=" ".join(first), url=f"a{n}"), Document(text=" ".join(second), url=f"b{n}")]
    urls = {one.url for one in drawn(items, by="minhash", rate=rate)}
    firsts = [n for n in range(600) if f"a{n}" in urls]
    both = sum(f"b{n}" in urls for n in firsts)
    expected = np.mean(alike) + (1 - np.mean(alike)) * rate
    assert abs(both / len(firsts) - expected) < 4 * (expected * (1 - expected) / len(firsts)) ** 0.5


@pytest.mark.parametrize("by", ["minhash", "clusters", "url", "host"])
def test_order_and_batches_draw_the_same(by: str) -> None:
    items = [page(n // 3, f"https://{n // 2}.example/") for n in range(600)]
    expected = Counter(texts(drawn(items, by=by, rate=0.25)))
    assert Counter(texts(drawn(items[::-1], by=by, rate=0.25))) == expected


def test_what_was_not_drawn_is_said_and_what_was_skipped_stays() -> None:
    items: list[Document | Skipped] = [page(n) for n in range(100)]
    items.insert(50, Skipped("f", 7, "status 404"))
    found = list(Sampled(of=Given(items=items), by="clusters", rate=0.1).documents())
    kept = sum(isinstance(one, Document) for one in found)
    assert Skipped("f", 7, "status 404") in found
    assert found[-1] == Skipped(
        "the source", 100, f"not in the sample: {100 - kept} of 100 documents, drawn by clusters"
    )


def test_a_pool_of_a_sample_is_found_again_and_another_rate_is_another(tmp_path: Any) -> None:
    store, items = Store(tmp_path), [page(n) for n in range(50)]
    first = build_pool(Sampled(of=Given(items=items), rate=0.5), store)
    assert build_pool(Sampled(of=Given(items=items), rate=0.5), store).name == first.name
    assert build_pool(Sampled(of=Given(items=items), rate=0.4), store).name != first.name
    requests = [
        Sampled(of=Given(items=items), by=by, rate=0.5, seed=seed).request() for by in BY for seed in (0, 1)
    ]
    assert len({str(one) for one in requests}) == 10
    plain = [Sampled(of=Given(items=items), by="host", rate=0.5, bands=bands).request() for bands in (14, 20)]
    assert plain[0] == plain[1], "signatures have no effect there"


@pytest.mark.parametrize("items", [[], [Document(text="")], [Document(text="...", url="u")]])
@pytest.mark.parametrize("by", BY)
def test_sources_without_words_are_read(items: list[Document], by: str) -> None:
    assert texts(drawn(items, by=by, rate=1.0)) == texts(items)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.0}, "rate must be above 0"),
        ({"rate": 1.1}, "at most 1"),
        ({"rate": float("nan")}, "rate must be"),
        ({"rate": 0.1, "by": "page"}, "by must be documents, minhash"),
        ({"rate": 0.1, "bands": 0}, "bands must be 1 or more"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampled(of=Given(items=[]), **settings)


@pytest.mark.parametrize(
    ("pool", "keys"),
    [
        (Files(paths=["a"]), "pool.paths"),
        (Sampled(of=Files(paths=["a"]), rate=1), "pool.of.paths"),
        (Repeated(of=Files(paths=["a"]), editions={"all": Edition(once=1)}), "pool.of.paths"),
        (Mixed(parts={"a": Files(paths=["a"])}), "pool.parts.a.paths"),
        (
            Mixed(parts={"a": Files(paths=["a"]), "b": Hub(path="a")}),
            "pool.parts.a.paths and pool.parts.b.path",
        ),
        (Spike(of=Sampled(of=Files(paths=["a"]), rate=1)), "pool.of.paths"),
        (InMemory(()), "pool"),
    ],
)
def test_a_source_names_the_keys_that_say_what_it_reads(pool: Source, keys: str) -> None:
    assert (" and ".join(f"pool.{place}" for place in pool.places()) or "pool") == keys


def test_the_error_of_an_empty_sample_names_the_key_that_was_typed(tmp_path: Any) -> None:
    (tmp_path / "a.jsonl").write_text("no json\n")
    pool = Sampled(of=Files(paths=[str(tmp_path / "a.jsonl")]), rate=1.0, by="documents")
    with pytest.raises(DataError, match=r"Check pool\.of\.paths$"):
        build_pool(pool, Store(tmp_path))
