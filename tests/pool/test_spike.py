"""Planted defects: how many, of which kind, known to nobody but the truth, and the same every time."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest

from ablate.compose import compose
from ablate.config import make_pool, plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.planted import PlantedPart
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError, DataError, FieldError
from ablate.fingerprint import digest
from ablate.pool.pool import Pool, build_pool
from ablate.pool.source import Document, Skipped, Truth
from ablate.pool.spike.carrier import carrier
from ablate.pool.spike.defects import IN_PLACE, KINDS
from ablate.pool.spike.source import Spike
from ablate.stages.base import Filter, Table, Verdict
from ablate.stages.decontamination import Decontamination
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.extraction import Extraction
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.language import Language
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import Pii, scrub
from ablate.store import Store
from ablate.testing import check_source
from tests.conftest import InMemory

WORDS = [
    "the", "river", "and", "a", "bridge", "of", "stone", "that", "have", "stood", "with", "be", "to", "mill", "garden",
    "winter", "letter", "market", "candle", "forest", "window", "table", "bread", "morning", "evening", "road", "house",
    "field", "apple", "horse", "summer", "people", "story", "little", "always", "under", "between",
]  # fmt: skip


def prose(number: int, words: int = 120) -> str:
    """Four sentences a paragraph, no two documents alike."""
    random = Random(number)
    drawn = [random.choice(WORDS) for _ in range(words)]
    sentences = [" ".join(drawn[i : i + 10]).capitalize() + "." for i in range(0, words, 10)]
    return "\n\n".join(" ".join(sentences[i : i + 4]) for i in range(0, len(sentences), 4))


def page(text: str) -> str:
    body = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
    return f"<html><head><title>A</title></head><body><main><article>{body}</article></main></body></html>"


def texts(count: int = 200, kind: str = "text") -> InMemory:
    made = [prose(number) for number in range(count)]
    return InMemory(
        tuple(
            Document(page(text) if kind == "html" else text, kind, f"https://a.example/{number}")
            for number, text in enumerate(made)
        )
    )


@pytest.fixture
def snapshot(tmp_path: Path) -> str:
    """One task of two items."""
    folder = tmp_path / "snapshot" / "quiz"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text(
        '{"query": "How many <sheep> & goats graze on the hill behind the chapel of Rurenor today?", '
        '"choices": ["some forty", "none"], "gold": 0}\n'
        '{"query": "What do they call the beacon on the far island of Benor by the sea?", '
        '"choices": ["none", "old Tom"], "gold": 1}\n'
    )
    return str(tmp_path / "snapshot")


def read(source: Spike) -> list[Document]:
    return [item for item in source.documents() if isinstance(item, Document)]


def planted(source: Spike) -> list[tuple[Document, Truth]]:
    return [(item, item.truth) for item in read(source) if item.truth is not None and item.truth.kind]


@pytest.mark.parametrize("rate", [0.0, 0.004, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["text", "html"])
def test_as_many_have_a_defect_as_the_rate_says_to_the_nearest_document(rate: float, kind: str) -> None:
    source = Spike(of=texts(200, kind), shuffled=rate, exact_copies=rate, emails=rate)
    counts = Counter(truth.kind for _, truth in planted(source))
    expected = {0.0: 0, 0.004: 1, 0.1: 20, 0.3: 60}[rate]  # 0.004 x 200 = 0.8
    assert [counts[name] for name in ("shuffled", "exact_copies", "emails")] == [expected] * 3
    assert len(read(source)) == 200 + expected, "copies are added, everything else stands in place"
    origins = [truth.origin for _, truth in planted(source)]
    assert len(set(origins)) == len(origins), "no document carries two"


def test_what_has_no_defect_is_as_it_was_and_in_its_place(snapshot: str) -> None:
    of = texts(100, "html")
    source = Spike(of=of, snapshot=snapshot, tasks=("quiz",), **dict.fromkeys(KINDS, 0.05))
    seen = read(source)
    clean = [item for item in seen if item.truth and item.truth.kind == ""]
    assert len(clean) == 100 - 5 * len(IN_PLACE)
    for item in clean:
        assert item.truth and replace(item, truth=None) == of.items[item.truth.origin]
    assert [item.truth.origin for item in seen if item.truth] == sorted(
        item.truth.origin for item in seen if item.truth
    )
    for item, truth in planted(source):
        original = of.items[truth.origin]
        assert isinstance(original, Document)
        assert (item.url, item.kind, item.metadata) == (original.url, original.kind, original.metadata)
        assert (item.text == original.text) == (truth.kind == "exact_copies")


def test_defects_are_what_their_names_say(snapshot: str) -> None:
    rates = dict.fromkeys(KINDS, 0.06)
    for kind in ("text", "html"):
        of = texts(150, kind)
        source = Spike(
            of=of, snapshot=snapshot, tasks=("quiz",), edits=(0.1,), symbol_shares=(0.25,), **rates
        )
        found = planted(source)
        assert Counter(truth.kind for _, truth in found) == dict.fromkeys(KINDS, 9)
        for item, truth in found:
            old, new = (carrier(one) for one in (of.items[truth.origin], item) if isinstance(one, Document))
            assert old is not None and new is not None
            before, after = ([word for part in one.paragraphs for word in part] for one in (old, new))
            differing = [b for a, b in zip(before, after, strict=False) if a != b]
            if truth.kind in ("near_copies", "symbols"):
                share = {"near_copies": 0.1, "symbols": 0.25}[truth.kind]
                assert len(before) == len(after) and len(differing) == round(share * 120)
                assert truth.strength == share
                assert truth.kind == "near_copies" or not any(
                    any(map(str.isalnum, word)) for word in differing
                )
            elif truth.kind == "shuffled":
                assert Counter(before) == Counter(after) and len(differing) > 60
            elif truth.kind == "foreign":
                assert set(before) & set(after) <= {"a"}, "a is a word of French too"
                assert len(before) <= len(after) < 2 * len(before)
            for piece in truth.pieces:
                written = html.escape(piece, quote=False) if kind == "html" else piece
                assert written in item.text and piece not in of.items[truth.origin].text  # type: ignore[union-attr]
            assert bool(truth.pieces) == (truth.kind in ("boilerplate", "leaked", "emails", "ips", "phones"))


def test_scripts_and_short_paragraphs_of_a_page_are_left_alone() -> None:
    script = (
        "<script>var a = '<p>" + " ".join(["code"] * 60) + "</p>';</script><!-- <p>" + "x " * 60 + "</p> -->"
    )
    menu = "<p>Home News</p><ul><li><p>" + "item " * 9 + "</p></li></ul>"
    bare = f"<html><body>{script}{menu}</body></html>"
    assert carrier(Document(bare, "html")) is None
    text = bare.replace("</body>", f"<p class=x>{'word <b>bold</b> ' * 30}</p></body>")
    ((made, _),) = planted(Spike(of=InMemory((Document(text, "html"),)), shuffled=1.0))
    assert script in made.text and "<p>Home News</p>" in made.text and made.text != text


@pytest.mark.parametrize(
    "hostile",
    [
        "<p>" * 40_000,
        "<p " * 40_000,
        "<!--" * 40_000,
        "<script>" * 20_000,
        "<body" * 40_000,
        "<p><b>" * 30_000,
    ],
)
def test_a_hostile_page_is_read_in_one_go(hostile: str) -> None:
    assert carrier(Document(hostile, "html")) is None


def test_the_contract_of_sources(snapshot: str) -> None:
    source = Spike(of=texts(20), near_copies=0.1, leaked=0.1, symbols=0.1, snapshot=snapshot, tasks=("quiz",))
    check_source(
        source, values={"edits": [(0.3,)], "seed": [1, 2], "most": [{"shuffled": 0.1}, {"leaked": 0.2}]}
    )


def test_more_of_a_defect_holds_what_less_of_it_held() -> None:
    few, many = (planted(Spike(of=texts(100), symbols=rate, emails=0.1)) for rate in (0.1, 0.3))
    assert len(few) == 20 and len(many) == 40
    assert {item.text for item, truth in few if truth.kind == "symbols"} < {item.text for item, _ in many}


def test_rates_that_cannot_be_met_are_refused() -> None:
    of = texts(10)
    with pytest.raises(ConfigError, match=r"shuffled must be in \[0, 1\], got 1.5"):
        Spike(of=of, shuffled=1.5)
    with pytest.raises(ConfigError, match="must not add up to more than 1"):
        Spike(of=of, shuffled=0.6, emails=0.6)
    with pytest.raises(ConfigError, match="leaked needs the tasks' items as files"):
        Spike(of=of, leaked=0.1)
    short = InMemory((*texts(5).items, *(Document("far too short", url=str(i)) for i in range(15))))
    with pytest.raises(
        FieldError, match="spike: the rates ask for 10 documents with a defect, and 5 of the pool's 20 can"
    ):
        list(Spike(of=short, shuffled=0.5).documents())
    with pytest.raises(FieldError, match="spike: the pool has planted defects already"):
        list(Spike(of=Spike(of=of, emails=0.1), shuffled=0.1).documents())


@dataclass(frozen=True)
class Changing(InMemory):
    """Gives other documents from the second reading on, as files that are written meanwhile do."""

    readings: ClassVar[int] = 0

    def documents(self) -> Any:
        Changing.readings += 1
        return iter(
            self.items if Changing.readings == 1 else [Document("short", url=str(i)) for i in range(20)]
        )


def test_a_pool_that_changes_while_it_is_read_is_refused() -> None:
    with pytest.raises(DataError, match="other documents the second time"):
        list(Spike(of=Changing(texts(20).items), shuffled=0.5).documents())


@dataclass(frozen=True, kw_only=True)
class Peeks(Filter):
    """Reads whatever column it is told to."""

    name: ClassVar[str] = "peeks"
    reads: ClassVar[str] = "kind_of_truth"

    def measure_many(self, texts: Sequence[str]) -> Table:
        return {"length": np.array([len(text) for text in texts])}

    def decide(self, measured: Table) -> Verdict:
        return Verdict.first_of(long=measured["length"] > 10**9)


def test_no_stage_can_read_the_truth(store: Store) -> None:
    pool = build_pool(Spike(of=texts(40), shuffled=0.5), store)
    truth = pool.truth()
    assert truth is not None and truth["kind"].to_pylist().count("shuffled") == 20
    columns = pool.shard(0)
    assert not set(columns.column_names) & {"origin", "rank", "strength", "pieces", "planted", "truth"}
    for name in ("url", "source", "language", "metadata", "kind"):  # nothing of it anywhere else
        assert columns[name].to_pylist() == build_pool(texts(40), store).shard(0)[name].to_pylist()
    for name in ("truth", "origin", "rank", "strength", "pieces"):
        stage = type("Reader", (Peeks,), {"reads": name})()
        with pytest.raises(Exception, match=f"No match for FieldRef.Name\\({name}\\)"):
            Annotations(pool, store, 1).measure(Annotations(pool, store, 1).root(), stage)


def test_a_pool_without_planted_defects_is_named_as_it_always_was(store: Store) -> None:
    """The names are computed here by the rule, not by the code: texts, then what is said of the documents."""
    import hashlib

    documents = texts(3).items
    names, rest = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    for one in documents:
        assert isinstance(one, Document)
        key = hashlib.blake2b(f"text\0{one.url}\0{one.text}".encode(), digest_size=8).digest()
        names.update(key)
        rest.update(key + b"\0\0{}\0")
    pool = build_pool(InMemory(documents), store)
    assert pool.digest == digest([2, 1000, names.hexdigest()])
    assert pool.name == digest([2, 1000, names.hexdigest(), rest.hexdigest()])
    assert pool.truth() is None and not (pool.folder / "truth.parquet").exists()


def test_a_lost_truth_is_made_again(store: Store) -> None:
    source = Spike(of=texts(40), shuffled=0.5)
    pool = build_pool(source, store)
    before = pool.truth()
    (pool.folder / "truth.parquet").write_bytes(b"damaged")
    again = build_pool(source, store)
    assert again.name == pool.name and again.truth() == before


def test_another_truth_over_the_same_texts_is_another_pool(store: Store) -> None:
    """An exact copy that was planted, and a pool that had it: measurements are shared, the pool is not."""
    of = texts(4)
    spiked = build_pool(Spike(of=of, exact_copies=1.0), store)
    plain = build_pool(InMemory(tuple(one for one in of.items for _ in range(2))), store)
    assert spiked.digest == plain.digest and spiked.name != plain.name


@pytest.mark.parametrize("choice", ["files", "warc", "mixed", "testbed", "hf"])
def test_any_pool_takes_planted_defects(choice: str) -> None:
    paths = {
        "files": ["pool.paths=[a.jsonl]"],
        "warc": ["pool.paths=[a.warc.gz]"],
        "hf": ["pool.path=folder"],
        "testbed": [],
        "mixed": ["pool.parts.pages.paths=[a.warc]", "pool.parts.texts.paths=[a.jsonl]"],
    }[choice]
    given = [f"pool={choice}", *paths, "evaluate=heldout", "pool/spike=planted", "pool.spike.shuffled=0.25"]
    node = plain(compose(given).pool)
    source = make_pool(node)
    assert isinstance(source, Spike) and source.shuffled == 0.25
    assert source.of == make_pool({key: value for key, value in node.items() if key != "spike"})
    with pytest.raises(ConfigError, match=r"pool\.spike\.shufled does not exist: did you mean 'shuffled'"):
        make_pool({**node, "spike": {**node["spike"], "shufled": 0.1}})


@dataclass(frozen=True)
class Found:
    """A pool with its truth."""

    pool: Pool
    text: list[str]
    kind: np.ndarray
    origin: np.ndarray

    @classmethod
    def of(cls, source: Spike, store: Store) -> Found:
        pool = build_pool(source, store)
        truth = pool.truth()
        assert truth is not None
        kinds = np.array(truth["kind"].to_pylist(), dtype=object)
        return cls(pool, pool.column("text").to_pylist(), kinds, truth["origin"].to_numpy())


def share_dropped(stage: Filter, found: Found, kind: str) -> float:
    rows = np.flatnonzero(found.kind == kind)
    verdict = stage.decide(stage.measure_many([found.text[row] for row in rows]))
    return float(1 - verdict.keep.mean())


def test_each_defect_is_found_by_the_stage_that_is_meant_for_it(store: Store, snapshot: str) -> None:
    """No stage here is meant for shuffled words and telephone numbers."""
    rates = dict.fromkeys(KINDS, 0.08)
    source = Spike(
        of=texts(100), snapshot=snapshot, tasks=("quiz",), edits=(0.02,), symbol_shares=(0.3,), **rates
    )
    found = Found.of(source, store)
    meant: list[tuple[str, Filter]] = [
        ("foreign", Language()),
        ("symbols", GopherQuality()),
        ("leaked", Decontamination(snapshot=snapshot, tasks=("quiz",)).steps()[0]),  # type: ignore[list-item]
    ]
    for kind, stage in meant:
        assert share_dropped(stage, found, kind) == 1.0, kind
        assert share_dropped(stage, found, "") <= 0.05, kind
    annotations = Annotations(found.pool, store, 1)
    for kind, relation in (
        ("exact_copies", ExactDedup(keep="first")),
        ("near_copies", MinhashDedup(keep="first")),
    ):
        rows = np.arange(len(found.pool))
        sizes = annotations.sizes(annotations.root())
        groups = annotations.groups(annotations.root(), relation)
        verdict = relation.resolve(groups, rows, keys=found.pool.keys, n_bytes=sizes)
        assert not verdict.keep[found.kind == kind].any(), kind
        assert verdict.keep[~np.isin(found.kind, ("exact_copies", "near_copies"))].all()
    for kind, counted in (("emails", 1), ("ips", 2)):
        for row in np.flatnonzero(found.kind == kind):
            clean = scrub(found.text[row], emails="email@example.com", ips="192.0.2.1")
            assert clean[counted] == 1, kind


def test_boilerplate_of_a_page_meets_extraction_and_what_is_planted_in_the_text_passes_it(
    snapshot: str,
) -> None:
    source = Spike(
        of=texts(60, "html"), boilerplate=0.3, emails=0.1, leaked=0.1, snapshot=snapshot, tasks=("quiz",)
    )
    for method in ("resiliparse", "trafilatura"):
        for item, truth in planted(source):
            text = " ".join(Extraction(method=method).transform(item.text).split())
            there = [piece in text for piece in truth.pieces]
            assert not any(there) if truth.kind == "boilerplate" else all(there), (method, truth.kind)


def test_records_that_were_skipped_stay_where_they_are() -> None:
    skipped = Skipped("a", 3, "status 404")
    blank = Document(" ", url="blank")
    of = InMemory((skipped, *texts(10).items, blank))
    items = list(Spike(of=of, shuffled=0.5).documents())
    assert items[0] == skipped and items[-1] == blank
    assert sum(isinstance(item, Document) and item.truth is not None for item in items) == 10


def texts_of(pool: Pool, rows: np.ndarray) -> list[tuple[str, str]]:
    columns = pool.columns("text", "url").take(rows)
    return list(zip(columns["text"].to_pylist(), columns["url"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["shuffled", "near_copies"])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.333, 0.4])
def test_an_arm_has_the_pool_that_its_rate_alone_would_plant(kind: str, rate: float, store: Store) -> None:
    """Of the one pool that all arms share: document for document, as they would stand in a pool of their own."""
    varied: dict[str, Any] = {kind: rate, "emails": 0.0, "exact_copies": 0.1}
    shared = build_pool(Spike(of=texts(60), most={kind: 0.4}, **varied), store)
    part = PlantedPart.of({"pool": {"spike": {**varied, "most": {kind: 0.4}}}})
    alone = build_pool(Spike(of=texts(60), **varied), store)
    assert part is not None
    assert texts_of(shared, part.rows(shared)) == texts_of(alone, np.arange(len(alone)))


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_arms_with_other_rates_share_one_pool_and_what_is_measured_on_it(rate: float, store: Store) -> None:
    sources = [Spike(of=texts(60), most={"shuffled": 0.3}, shuffled=one) for one in (0.0, rate)]
    assert sources[0].request() == sources[1].request()
    pool = build_pool(sources[0], store)
    annotations = Annotations(pool, store, 1)
    stages = [Language(), MinhashDedup(), Pii()]
    corpus = build_corpus(stages, annotations, PlantedPart((("shuffled", rate),)))
    alone = build_pool(Spike(of=texts(60), shuffled=rate), store)
    other = Annotations(alone, store, 1)
    expected = build_corpus(stages, other)
    assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == [
        text for _, text in other.texts(expected.version, expected.rows)
    ], "the view of the part is what the stages make of the part alone"
    assert corpus.source.size == len(alone) == 60


def test_two_defects_can_be_varied_at_once(store: Store) -> None:
    most = {"shuffled": 0.3, "exact_copies": 0.2}
    pool = build_pool(Spike(of=texts(50), most=most), store)
    truth = pool.truth()
    assert truth is not None
    for shuffled, copies in ((0.0, 0.0), (0.1, 0.2), (0.3, 0.0)):
        rows = PlantedPart((("exact_copies", copies), ("shuffled", shuffled))).rows(pool)
        taken = truth.take(rows)
        kinds = Counter(taken["kind"].to_pylist())
        assert (kinds["shuffled"], kinds["exact_copies"]) == (50 * shuffled, 50 * copies)
        assert len(rows) == 50 + 50 * copies and len(set(taken["origin"].to_pylist())) == 50
