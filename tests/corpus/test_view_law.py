"""The law: an arm's view is what running its stages one after another on raw documents would give."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablate.corpus import annotate
from ablate.corpus.annotate import Annotations
from ablate.corpus.mixture import Mixture
from ablate.corpus.shard import Shard
from ablate.corpus.size_matched import SizeMatchedRemoval
from ablate.corpus.view import build_corpus, corpus_key
from ablate.errors import DataError
from ablate.fingerprint import mix64
from ablate.pool.pool import Pool
from ablate.pool.source import Document
from ablate.stages._references import References
from ablate.stages.base import Filter, Relation, SpanRelation, Stage, Step, Table, Transform, Verdict
from ablate.stages.c4_quality import C4Quality
from ablate.stages.decontamination import CountPieces, CutHits, FindItems
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.extraction import Extraction
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition
from ablate.stages.language import Language
from ablate.stages.line_dedup import LineDedup
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import Pii
from ablate.stages.random_removal import RandomRemoval
from ablate.stages.substring_dedup import SubstringDedup
from ablate.stages.url_filter import UrlFilter
from ablate.store import Store
from ablate.text.text_norm import words


@dataclass(frozen=True, kw_only=True)
class OddAddress(Filter):
    """Drops documents with an address of odd length; reads nothing else."""

    name: ClassVar[str] = "odd_address"
    reads: ClassVar[str] = "url"

    def measure(self, text: str) -> dict[str, float | int | bool]:
        return {"length": len(text)}

    def decide(self, measured: Table) -> Verdict:
        return Verdict.first_of(odd=measured["length"] % 2 == 1)


SENTENCES = (
    "The old man went to the market and bought some bread for his family.",
    "Nobody knew that the river had flooded the lower fields again.",
    "Write to anna@mail.org or visit 8.8.4.4 for more of this.",
    "Der Nachbar hat gestern das kleine Haus am Fluss verkauft.",
    "Home\nLogin\nCart\nContact",
    "This page needs javascript to be of any use at all.",
    "function test() { return 1 }",
    "# # # # # # # # #",
    "We have a deal. We have a deal. We have a deal. We have a deal.",
    "And so it was that with the first snow the town fell silent.",
)
ITEMS = References.of([f"{SENTENCES[0]} Yes", SENTENCES[-1]], 8, 8)
STAGES: tuple[Stage, ...] = (
    Extraction(method="raw"),
    Extraction(method="resiliparse"),
    Language(threshold=0.4),
    GopherQuality(min_words=12, min_stop_words=1),
    GopherRepetition(),
    C4Quality(terminal_punctuation=False, min_sentences=2),
    C4Quality(min_sentences=1),
    FineWebQuality(max_duplicate_chars=0.2),
    ExactDedup(keep="first"),
    ExactDedup(keep="longest"),
    MinhashDedup(ngram=2, bands=8, rows=2, seed=3),
    MinhashDedup(ngram=2, bands=8, rows=2, verify="jaccard", min_similarity=0.6),
    MinhashDedup(ngram=2, bands=8, rows=2, verify="edit", min_similarity=0.7, keep="longest"),
    Pii(),
    SubstringDedup(min_tokens=12),
    SubstringDedup(min_tokens=15, keep="none"),
    SubstringDedup(min_tokens=12, on_hit="drop", max_share=0.6),
    SubstringDedup(min_tokens=14, keep="none", on_hit="drop"),
    LineDedup(),
    LineDedup(unit="paragraph", keep="none"),
    LineDedup(unit="three_sentences", on_hit="drop", max_share=0.3),
    LineDedup(unit="three_sentences"),
    UrlFilter(),
    OddAddress(),
    RandomRemoval(rate=0.3),
    SizeMatchedRemoval(rate=0.4, seed=7),
    FindItems(references=ITEMS, ratio=0.7),
    FindItems(references=ITEMS, in_order=True, ratio=0.5),
    CountPieces(references=ITEMS, window=5, max_pieces=2),
    CutHits(references=ITEMS, window=5, min_piece=30),
)


def documents() -> st.SearchStrategy[list[Document]]:
    line = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3).map(" ".join)
    text = st.lists(line | st.just(""), min_size=1, max_size=5).filter(any).map("\n".join)
    html = text.map(lambda t: f"<html><body><nav>Menu</nav><main><p>{t}</p></main></body></html>")
    plain_page = text.map(lambda t: Document(t, "text"))
    urls = st.sampled_from(["https://a.example/1", "https://b.example/23", ""])
    web_page = st.builds(lambda t, url: Document(t, "html", url=url), html, urls)
    return st.lists(plain_page | web_page, min_size=1, max_size=12)


def run_one_by_one(pool: Pool, stages: Sequence[Stage], rows: Sequence[int] | None = None) -> list[str]:
    """The plain way: no sharing, no versions; each stage sees only what the one before it left.

    Args:
        rows: the documents that there are; None for all.
    """
    there = range(len(pool)) if rows is None else rows
    columns = ("text", "kind", "url", "metadata")
    there_is = [[pool.column(name)[i].as_py() for i in there] for name in columns]
    pages = [Page(*values, int(pool.keys[i])) for i, *values in zip(there, *there_is, strict=True)]
    for stage in stages:
        for step in stage.steps():
            chosen = [stage.only in (None, "synthetic" if page.synthetic else "real") for page in pages]
            done = iter(_one_step(step, [page for page, mine in zip(pages, chosen, strict=True) if mine]))
            after = [next(done) if mine else page for page, mine in zip(pages, chosen, strict=True)]
            pages = [page for page in after if page is not None]
    return [page.text for page in pages]


@dataclass(frozen=True)
class Page:
    """A document on its way."""

    text: str
    kind: str
    url: str
    metadata: str
    key: int

    @property
    def synthetic(self) -> bool:
        return "AlgorithmicMedia" in self.metadata


def _one_step(step: Step, pages: list[Page]) -> list[Page | None]:
    """What becomes of each document, None where it is dropped."""
    texts = [page.text for page in pages]
    if isinstance(step, Transform):
        texts = [step.transform(page.text) if page.kind in step.kinds else page.text for page in pages]
        keep = [bool(text.strip()) for text in texts]
    elif isinstance(step, Filter):
        keep = [bool(step.decide(step.measure_many([getattr(page, step.reads)])).keep[0]) for page in pages]
    elif isinstance(step, SpanRelation):
        texts, keep = _without_repeats(step, texts)
    else:
        keys, synthetic = [page.key for page in pages], [page.synthetic for page in pages]
        keep = _keep_one_of_each(step, texts, keys, synthetic)
    made = zip(pages, texts, keep, strict=True)
    return [replace(page, text=text) if kept else None for page, text, kept in made]


def _keep_one_of_each(step: Relation, texts: list[str], keys: list[int], synthetic: list[bool]) -> list[bool]:
    """Connected components by repeated merging, on these documents alone; real ones go before synthetic ones."""
    if not texts:
        return []
    sketches = step.sketch_many(texts)
    cluster = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if (
                sketches[i].any()
                and (sketches[i] == sketches[j]).any()
                and _is_verified(step, texts[i], texts[j])
            ):
                old, new = cluster[i], cluster[j]
                cluster = [new if c == old else c for c in cluster]
    keep = [False] * len(texts)
    for label in set(cluster):
        members = [i for i, c in enumerate(cluster) if c == label]
        members = [i for i in members if not synthetic[i]] or members
        if step.keep == "random":
            best = min(
                members, key=lambda i: (int(mix64(np.array([keys[i]], dtype=np.uint64), step.seed)[0]), i)
            )
        elif step.keep == "longest":
            best = max(members, key=lambda i: (len(texts[i].encode()), -i))
        else:
            best = members[0]
        keep[best] = True
    return keep


def _is_verified(step: Relation, one: str, other: str) -> bool:
    """Similarity of a pair by sets of shingles or by the table of edit distances."""
    if not isinstance(step, MinhashDedup) or step.verify == "none":
        return True
    first, second = words(one), words(other)
    if step.verify == "jaccard":
        sets = [
            {tuple(some[i : i + step.ngram]) for i in range(max(1, len(some) - step.ngram + 1))}
            for some in (first, second)
        ]
        return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) >= step.min_similarity
    line = list(range(len(second) + 1))
    for i, word in enumerate(first, start=1):
        above, line[0] = line[0], i
        for j, against in enumerate(second, start=1):
            above, line[j] = line[j], min(line[j] + 1, line[j - 1] + 1, above + (word != against))
    return 1 - line[-1] / max(len(first), len(second)) >= step.min_similarity


def _without_repeats(step: SpanRelation, texts: list[str]) -> tuple[list[str], list[bool]]:
    """Every window looked up among all windows of these documents alone, by content."""
    sketches = [sketch.tolist() for sketch in step.sketch_many(texts)]
    compared = step.width if isinstance(step, SubstringDedup) else 1  # a line's number stands for all of it
    seen: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for d, sketch in enumerate(sketches):
        for start in range(len(sketch) - step.width + 1):
            window = tuple(sketch[start : start + compared])
            if window != (0,):
                seen.setdefault(window, []).append((d, start))
    repeated = [[False] * len(sketch) for sketch in sketches]
    for places in seen.values():
        (first, at), *_ = places
        for d, start in places if len(places) > 1 else ():
            if step.keep == "none" or d != first or start >= at + step.width:
                repeated[d][start : start + step.width] = [True] * step.width
    if step.on_hit == "drop":
        return texts, [sum(hits) <= step.max_share * len(hits) for hits in repeated]
    cut = []
    for text, hits in zip(texts, repeated, strict=True):
        edges = np.diff(np.array([False, *hits, False]).astype(int))
        begin, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        cut.append(step.cut(text, begin, end) if begin.size else text)
    return cut, [bool(text.strip()) for text in cut]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.lists(st.sampled_from(STAGES), max_size=6))
def test_a_view_is_what_running_the_stages_one_by_one_would_give(
    make_pool: Any, pages: list[Document], stages: list[Stage]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = make_pool(store, pages)
        annotations = Annotations(pool, store, workers=1)
        expected = run_one_by_one(pool, stages)
        if not expected:
            with pytest.raises(DataError, match="drops every document"):
                build_corpus(stages, annotations)
            return
        corpus = build_corpus(stages, annotations)
        assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == expected


SPAN_STAGES = tuple(stage for stage in STAGES if isinstance(stage, SpanRelation))
OTHERS = (ExactDedup(keep="first"), GopherQuality(min_words=14, min_stop_words=0, min_alpha_words=0), Pii())


@st.composite
def planted(draw: st.DrawFn) -> list[Document]:
    """Pages of a few lines that most pages draw from, with words of their own between them."""
    pages = []
    for number in range(draw(st.integers(2, 8))):
        lines = draw(st.lists(st.sampled_from(SENTENCES), max_size=4))
        at = draw(st.integers(0, len(lines)))
        own = f"Page {number} has words of its own, number {number} too."
        joins = draw(st.lists(st.sampled_from([" ", "\n", "\n\n"]), min_size=5, max_size=5))
        parts = [*lines[:at], own, *lines[at:]]
        pages.append(Document("".join(a + b for a, b in zip(parts, joins[: len(parts)], strict=True))))
    return pages


TERMS = (
    {},
    {"digital_source_type": "TrainedAlgorithmicMediaDigitalSource"},
    {"digital_source_type": "DigitalCaptureDigitalSource"},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    documents() | planted(),
    st.lists(st.tuples(st.sampled_from(STAGES), st.sampled_from((None, "synthetic", "real"))), max_size=5),
    st.data(),
)
def test_two_kinds_of_text_and_stages_that_deal_with_one_of_them(
    make_pool: Any, pages: list[Document], drawn: list[tuple[Stage, Any]], data: st.DataObject
) -> None:
    """The law with a real and a synthetic source in one pool, `only` on any stage, in any order, and in a mixture."""
    stages = [replace(stage, only=only) for stage, only in drawn]
    pages = [replace(page, metadata=data.draw(st.sampled_from(TERMS))) for page in pages]
    pages.sort(key=lambda page: page.metadata == TERMS[1])  # real text first
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = make_pool(store, pages)
        annotations = Annotations(pool, store, workers=1)
        expected = run_one_by_one(pool, stages)
        if not expected:
            with pytest.raises(DataError, match="drops every document"):
                build_corpus(stages, annotations)
            return
        corpus = build_corpus(stages, annotations)
        assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == expected
        # A mixture reads the very same documents, each from the source that it is of.
        made = [page.metadata == TERMS[1] for page in pages]
        kept = [made[row] for row in corpus.rows.tolist()]
        assert pool.is_synthetic.tolist() == made
        if len(set(kept)) == 2:
            sources = pool.column("source").take(corpus.rows).to_pylist()
            synthetic, tokens = pool.is_synthetic[corpus.rows], np.ones(corpus.rows.size, dtype=np.int64)
            parts = Mixture({"synthetic": 0.25}).divide(sources, synthetic, tokens).parts
            for part, of in zip(parts, (True, False), strict=True):
                read = [text for _, text in annotations.texts(corpus.version, corpus.rows[part.members])]
                assert read == [text for text, one in zip(expected, kept, strict=True) if one is of]


@settings(max_examples=30, deadline=None)
@given(planted(), st.sampled_from(SPAN_STAGES), st.sampled_from(SPAN_STAGES), st.data())
def test_what_is_cut_depends_on_the_survivors_alone(
    make_pool: Any, pages: list[Document], first: Stage, second: Stage, data: st.DataObject
) -> None:
    """Every arm of a small sweep around span relations, built from one store, in a random order."""
    order = data.draw(st.permutations([first, second, *OTHERS]))
    arms = [[stage for stage in order if stage is not left_out] for left_out in (None, *order)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = make_pool(store, pages)
        annotations = Annotations(pool, store, workers=1)
        for stages in data.draw(st.permutations(arms)):
            expected = run_one_by_one(pool, stages)
            if not expected:
                continue
            corpus = build_corpus(stages, annotations)
            assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents() | planted(), st.lists(st.sampled_from(STAGES), max_size=5), st.integers(1, 3), st.data())
def test_a_shard_is_curated_as_if_it_were_all_there_is(
    make_pool: Any, pages: list[Document], stages: list[Stage], n_shards: int, data: st.DataObject
) -> None:
    """Relations are found in the whole pool, and give in a shard what they would in the shard alone."""
    names = st.sampled_from(
        ["", "https://a.example/1", "https://b.example/", "https://c.example/x", "https://d.example"]
    )
    pages = [replace(page, url=data.draw(names), source=data.draw(st.sampled_from("pq"))) for page in pages]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = make_pool(store, pages)
        annotations = Annotations(pool, store, workers=1)
        for number in data.draw(st.permutations(range(n_shards))):
            shard = Shard(number, n_shards)
            expected = run_one_by_one(pool, stages, shard.rows(pool).tolist())
            if not expected:
                with pytest.raises(DataError):
                    build_corpus(stages, annotations, shard)
                continue
            corpus = build_corpus(stages, annotations, shard)
            assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == expected


@settings(max_examples=25, deadline=None)
@given(documents(), st.permutations((*STAGES[2:7], SPAN_STAGES[0])), st.data())
def test_arms_that_share_a_store_do_not_change_each_other(
    make_pool: Any, pages: list[Document], order: list[Stage], data: st.DataObject
) -> None:
    """Leave-one-out arms built in any order from one store equal arms built from empty stores."""
    left_out = data.draw(st.permutations(range(len(order))))
    with tempfile.TemporaryDirectory() as folder:
        shared = Store(Path(folder) / "shared")
        together = Annotations(make_pool(shared, pages), shared, workers=1)
        for number in left_out:
            stages = [stage for i, stage in enumerate(order) if i != number]
            fresh = Store(Path(folder) / f"fresh-{number}")
            alone = Annotations(make_pool(fresh, pages), fresh, workers=1)
            results = []
            for annotations in (together, alone):
                try:
                    corpus = build_corpus(stages, annotations)
                except DataError:
                    results.append(None)
                else:
                    results.append((corpus.content, list(annotations.texts(corpus.version, corpus.rows))))
            assert results[0] == results[1]


ARMS = st.lists(st.sampled_from(STAGES), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents() | planted(), ARMS, ARMS, st.integers(0, 3), st.data())
def test_a_store_with_overlapping_parts_gives_the_same_texts(
    make_pool: Any, pages: list[Document], one: list[Stage], other: list[Stage], at: int, data: st.DataObject
) -> None:
    """Two processes that filled a store side by side, neither seeing the other's parts: a third is not misled."""
    third = data.draw(st.sampled_from([one[at:] + other[:at], other[at:] + one[:at], one, other]))
    with tempfile.TemporaryDirectory() as folder:
        for number, stages in enumerate((one, other)):
            store = Store(Path(folder) / str(number))
            with suppress(DataError):
                build_corpus(stages, Annotations(make_pool(store, pages), store, workers=1))
            shutil.copytree(store.root, Path(folder) / "both", dirs_exist_ok=True)
        both = Store(Path(folder) / "both")
        pool = make_pool(both, pages)
        annotations = Annotations(pool, both, workers=1)
        expected = run_one_by_one(pool, third)
        if expected:
            corpus = build_corpus(third, annotations)
            assert [text for _, text in annotations.texts(corpus.version, corpus.rows)] == expected


def test_work_that_stands_in_two_parts_is_counted_once(make_pool: Any, store: Store, tmp_path: Path) -> None:
    """Half of the documents were measured by two processes; the time of the second does not count for them."""
    pages = [Document(f"{text} {text}") for text in SENTENCES]
    step, spent = GopherQuality(), []
    for name, rows in (("a", np.arange(10)), ("b", np.arange(5))):
        other = Store(tmp_path / name)
        annotations = Annotations(make_pool(other, pages), other, workers=1)
        annotations.fill(annotations.root(), step, rows)
        spent.append(annotations.cpu_s(step, ["raw"]))
        shutil.copytree(other.root, store.root, dirs_exist_ok=True)
    both = Annotations(make_pool(store, pages), store, workers=1).cpu_s(step, ["raw"])
    # By the part that is read first, the one of all rows or that of five, which leaves half of the other.
    assert min(abs(both - spent[0]), abs(both - (spent[1] + spent[0] / 2))) < 1e-9


def test_toggling_a_late_stage_leaves_earlier_keys_unchanged() -> None:
    early = [GopherQuality(), GopherRepetition()]
    assert corpus_key("pool", early) == corpus_key("pool", list(early))
    assert corpus_key("pool", [*early, Pii()]) != corpus_key("pool", early)
    assert corpus_key("pool", early) != corpus_key("pool", early[::-1])


def test_a_threshold_sweep_measures_once(
    make_pool: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(store, [Document(text) for text in SENTENCES])
    annotations = Annotations(pool, store, workers=1)
    calls = []
    measure = GopherQuality.measure
    monkeypatch.setattr(
        GopherQuality, "measure", lambda self, text: calls.append(text) or measure(self, text)
    )
    for least in (1, 5, 8, 11):
        build_corpus([GopherQuality(min_words=least, min_stop_words=0, min_alpha_words=0)], annotations)
    assert len(calls) == len(SENTENCES)
    again = Annotations(pool, store, workers=1)
    build_corpus([GopherQuality(min_words=3, min_stop_words=0)], again)
    assert len(calls) == len(SENTENCES), "a second process finds the measurements on disk"


def test_a_transform_shares_the_texts_it_left_alone(
    make_pool: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(store, [Document(text) for text in SENTENCES])
    annotations = Annotations(pool, store, workers=1)
    calls = []
    measure = GopherRepetition.measure
    monkeypatch.setattr(
        GopherRepetition, "measure", lambda self, text: calls.append(text) or measure(self, text)
    )
    filters = GopherRepetition(dup_lines=1, dup_line_chars=1, top_n_grams=(), dup_n_grams=())
    build_corpus([filters], annotations)
    build_corpus([Pii(), filters], annotations)
    assert len(calls) == len(SENTENCES) + 1, "only the one text with an address is measured again"


def test_filters_in_a_row_are_measured_in_one_pass_over_the_texts(
    make_pool: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations = Annotations(make_pool(store, [Document(text) for text in SENTENCES]), store, workers=1)
    reads = []
    read = annotate._read_texts
    monkeypatch.setattr(annotate, "_read_texts", lambda *args: reads.append(args) or read(*args))
    loose: dict[str, Any] = {
        "min_punctuated_lines": 0,
        "max_short_lines": 1,
        "max_duplicate_chars": 1,
        "max_line_breaks": 9,
    }
    filters = [
        GopherRepetition(dup_lines=1, dup_line_chars=1, top_n_grams=(), dup_n_grams=()),
        GopherQuality(
            min_words=1, min_mean_length=0, max_symbol_ratio=9, min_alpha_words=0, min_stop_words=0
        ),
        FineWebQuality(**loose),
        FineWebQuality(short_line=9, **loose),
    ]
    build_corpus(filters[:1], annotations)
    assert len(reads) == 1
    build_corpus([*filters, Pii(), *filters[:2]], annotations)
    assert len(reads) == 1 + 1 + 1 + 2 + 1, (
        "three filters, the transform, sizes before and after, two filters on the text that it changed"
    )
    for step in filters:
        table = annotations.measure(annotations.root(), step)
        alone = step.measure_many(list(SENTENCES))
        assert table.keys() == alone.keys()
        for name, column in table.items():
            np.testing.assert_array_equal(column, alone[name])
