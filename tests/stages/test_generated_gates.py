"""Gates for generated text: every reason, and greedy deduplication beside the plain loop of Self-Instruct."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import DataError, FieldError
from ablate.pool.digital_source import DEFECTS, MODEL_MADE, TERM
from ablate.pool.source import Document
from ablate.stages.rouge_dedup import RougeDedup
from ablate.stages.seed_overlap import SeedOverlap
from ablate.stages.well_formed import WellFormed
from ablate.store import Store

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
GOOD = "The mill stands by the river and grinds the corn of three villages."


def made(text: str, **said: Any) -> Document:
    return Document(text, source="synthetic/x", metadata={TERM: MODEL_MADE, **said})


def reasons(make_pool: Any, store: Store, stage: Any, *pages: Document) -> list[str | None]:
    """Why each document is dropped."""
    annotations = Annotations(
        make_pool(store, [*pages, Document("Something real that stays.")]), store, workers=1
    )
    found: list[str | None] = [None] * len(pages)
    for decision in build_corpus([stage], annotations).decisions:
        for row, code in zip(decision.rows.tolist(), decision.verdict.code.tolist(), strict=True):
            if code:
                found[row] = decision.verdict.reasons[code - 1]
    return found


def test_every_recorded_defect_is_a_reason(make_pool: Any, store: Store) -> None:
    pages = [made(f"{GOOD} {number}", defects=name) for number, name in enumerate(DEFECTS)]
    found = reasons(make_pool, store, WellFormed(only="synthetic"), *pages, made(GOOD))
    assert found == [*DEFECTS, None]
    lenient = WellFormed(only="synthetic", drop=("echo",))
    found = reasons(make_pool, store, lenient, *pages)
    assert [name for name in found if name] == ["echo"]


def test_what_a_text_shows_is_a_reason_and_a_switch(make_pool: Any, store: Store) -> None:
    pages = [
        made("As an AI model I cannot."),
        made("Sure! " + GOOD),
        made(GOOD + " They ran." * 30),
        made(GOOD),
    ]
    assert reasons(make_pool, store, WellFormed(), *pages) == ["refusal", "canned_opening", "loop", None]
    off = WellFormed(refusal=False, canned=False, max_loop=1.0)
    assert reasons(make_pool, store, off, *pages) == [None] * 4


def test_real_text_is_left_alone_by_a_gate_for_synthetic_text(make_pool: Any, store: Store) -> None:
    real = Document("I'm sorry, but I can't help you, said the miller.")
    assert reasons(make_pool, store, WellFormed(), real) == [None]
    assert reasons(make_pool, store, WellFormed(only=None), real) == ["refusal"]


def test_overlap_with_what_was_shown(make_pool: Any, store: Store) -> None:
    pages = [made(GOOD + " a", shown_overlap=0.71), made(GOOD + " b", shown_overlap=0.7), made(GOOD + " c")]
    assert reasons(make_pool, store, SeedOverlap(only="synthetic"), *pages) == ["shown", None, None]
    with pytest.raises(FieldError, match="shown_overlap"):
        reasons(make_pool, Store(store.root / "other"), SeedOverlap(), Document("No such column."))


WORDS = st.lists(st.sampled_from(["red", "mill", "old", "river", "Town", "8"]), max_size=7).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.booleans(), st.booleans()), max_size=9), st.sampled_from([0.5, 0.7, 0.9]))
def test_what_is_kept_is_what_the_published_loop_keeps(
    items: list[tuple[str, bool, bool]], threshold: float
) -> None:
    """Relations are found among all and resolved among some, the real ones first, as if those were all there are."""
    texts = [text for text, _, _ in items]
    rows = np.array([n for n, (_, there, _) in enumerate(items) if there], dtype=np.int64)
    synthetic = np.array([items[n][2] for n in rows], dtype=bool)
    stage = RougeDedup(threshold=threshold)
    everything = np.arange(len(texts))
    groups = stage.relate(
        stage.sketch_many(texts), everything, lambda asked: [(int(n), texts[n]) for n in asked]
    )
    keys, sizes = everything.astype(np.uint64), np.array([len(texts[n]) for n in rows], dtype=np.int64)
    verdict = stage.resolve(groups, rows, keys=keys, n_bytes=sizes, synthetic=synthetic)
    kept: list[int] = []
    for n in [*rows[~synthetic].tolist(), *rows[synthetic].tolist()]:
        if all(SCORER.score(texts[n], texts[other])["rougeL"].fmeasure <= threshold for other in kept):
            kept.append(n)
    assert sorted(kept) == rows[verdict.keep].tolist()


def test_of_a_chain_every_second_is_kept_and_whole_classes_cost_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = [
        "a b c d e f g h",
        "b c d e f g h i",
        "c d e f g h i j",
        "d e f g h i j k",
    ]  # F of neighbours 7/8, then 6/8
    stage = RougeDedup(threshold=0.8)
    texts = [*chain, *["one answer again and again"] * 3000]
    rows = np.arange(len(texts))

    def resolved() -> list[int]:
        groups = stage.relate(
            stage.sketch_many(texts), rows, lambda asked: [(int(n), texts[n]) for n in asked]
        )
        assert groups.document.size <= 3000 + 3 * 2
        verdict = stage.resolve(groups, rows, keys=rows.astype(np.uint64), n_bytes=rows)
        return rows[verdict.keep].tolist()

    assert resolved() == [0, 2, 4]
    monkeypatch.setattr("ablate.stages.rouge_dedup.MOST_PAIRS", 3)
    with pytest.raises(DataError, match="of one mould"):
        resolved()


def test_first_lines_are_compared_alone(make_pool: Any, store: Store) -> None:
    task = "Name the river of the old town"
    pages = [
        made(f"{task}\nOutput: the Ruba"),
        made(f"{task}\n\nIt is called Zelin, said all of them at once and left."),
    ]
    assert reasons(make_pool, store, RougeDedup(), *pages) == [None, None]
    assert reasons(make_pool, store, RougeDedup(part="first_line"), *pages) == [None, "duplicate"]


def test_a_synthetic_near_copy_gives_way_to_real_text_behind_it(make_pool: Any, store: Store) -> None:
    pool = make_pool(store, [made(GOOD), Document(GOOD + " Always.")])
    annotations = Annotations(pool, store, workers=1)
    assert build_corpus([RougeDedup()], annotations).rows.tolist() == [1]
    assert build_corpus([RougeDedup(only="synthetic")], annotations).rows.tolist() == [0, 1]
    assert json.loads(pool.column("metadata")[0].as_py())[TERM] == MODEL_MADE
