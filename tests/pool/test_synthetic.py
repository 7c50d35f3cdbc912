"""Generated documents in a pool: what is known of each stays with it, and text of unknown origin is not called human."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.config import make
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus, corpus_key
from ablate.errors import DataError
from ablate.pool.digital_source import MODEL_MADE, MODEL_REWORKED, TERM
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.pool.synthetic import Synthetic
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.rouge_dedup import RougeDedup
from ablate.stages.sources import Sources
from ablate.stages.substring_dedup import SubstringDedup
from ablate.store import Store

MADE: dict[str, Any] = {
    "text": "Boats bring the bread.",
    "source": "synthetic/textbook",
    TERM: MODEL_MADE,
    "teacher": "testbed",
    "question": "q1",
    "number": 0,
    "defects": "cut_off",
    "seeds": "a b",
}


def written(path: Path, *rows: dict[str, Any]) -> Synthetic:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Synthetic(path=str(path))


def test_provenance_stands_in_the_metadata_and_defects_drop_nothing(store: Store, tmp_path: Path) -> None:
    source = written(
        tmp_path / "s.jsonl", MADE, MADE | {"text": "", "defects": "refusal"}, MADE | {"text": "Other."}
    )
    pool = build_pool(source, store)
    assert len(pool) == 2 and pool.is_synthetic.all()
    said = json.loads(pool.column("metadata")[0].as_py())
    assert said == {name: value for name, value in MADE.items() if name not in ("text", "source")}
    assert pool.column("source")[0].as_py() == "synthetic/textbook"
    (skipped,) = pool.skipped()
    assert skipped.offset == 2 and "refusal" in skipped.reason


@pytest.mark.parametrize(
    "row", [{"text": "No term."}, {"text": 3, TERM: MODEL_MADE}, {"text": "x", TERM: "human"}]
)
def test_a_file_that_is_no_generation_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"s\.jsonl, line 1"):
        list(written(tmp_path / "s.jsonl", row).documents())


def pool_of(make_pool: Any, store: Store) -> Any:
    """Two real texts, one of unknown and one of stated origin, and copies of both behind them."""
    stated = {TERM: "DigitalCaptureDigitalSource"}
    real = [Document("The mill stands by the river."), Document("The bridge is old.", metadata=stated)]
    copies = [
        Document(one.text, source="synthetic/rephrase", metadata={TERM: MODEL_REWORKED}) for one in real
    ]
    return make_pool(store, [*real, *copies])


@pytest.mark.parametrize("keep", ["random", "first", "longest"])
def test_real_text_wins_against_its_synthetic_copies(make_pool: Any, store: Store, keep: str) -> None:
    pool = pool_of(make_pool, store)
    assert pool.is_synthetic.tolist() == [False, False, True, True]
    annotations = Annotations(pool, store, workers=1)
    for seed in range(4):
        assert build_corpus([ExactDedup(keep=keep, seed=seed)], annotations).rows.tolist() == [0, 1]
    alone = build_corpus([ExactDedup(keep=keep, only="synthetic")], annotations)
    assert alone.rows.tolist() == [0, 1, 2, 3], (
        "copies are compared with one another, and not with the originals"
    )


@pytest.mark.parametrize("real_first", [True, False])
@pytest.mark.parametrize("keep", ["random", "first", "longest"])
@pytest.mark.parametrize(
    "stage", [ExactDedup, MinhashDedup, partial(MinhashDedup, verify="jaccard", ngram=2), RougeDedup]
)
def test_real_text_wins_in_every_relation_wherever_it_stands(
    make_pool: Any, store: Store, stage: Any, keep: str, real_first: bool
) -> None:
    """Also where the synthetic copy is the longer one, and the copies of copies go with their like."""
    said = "The mill stands by the river and grinds the corn of three villages all the year round."
    longer = said if stage is ExactDedup else f"  {said}  "
    term = {TERM: MODEL_REWORKED}
    real = [Document(said), Document("The bridge is old, and nobody has crossed it in winter.")]
    copies = [Document(longer, source="synthetic/x", metadata=term | {"number": n}) for n in range(2)]
    own = Document(
        "Sailors look for the light tower when they come home.", source="synthetic/x", metadata=term
    )
    pages = [*real, *copies, own] if real_first else [*copies, own, *real]
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    kept = [pages[row] for row in build_corpus([stage(keep=keep)], annotations).rows.tolist()]
    assert len(kept) == 3 and all(one in kept for one in [*real, own])


def test_switching_sources_off_leaves_the_generated_out(make_pool: Any, store: Store) -> None:
    from ablate.config import make_stages

    annotations = Annotations(pool_of(make_pool, store), store, workers=1)
    node = {
        "_target_": "ablate.stages.sources.Sources",
        "enabled": True,
        "without": {"drop": ["synthetic/*"]},
    }
    for enabled, rows in ((True, [0, 1, 2, 3]), (False, [0, 1])):
        stages = make_stages({"stages": {"sources": node | {"enabled": enabled}}, "recipe": {}})
        assert build_corpus(stages, annotations).rows.tolist() == rows
    assert build_corpus([Sources(drop=("synthetic/story",))], annotations).rows.size == 4


def test_a_cut_never_falls_on_real_text_because_a_synthetic_copy_stands_first(
    make_pool: Any, store: Store
) -> None:
    text = " ".join(f"word{number}" for number in range(60))
    pages = [Document(text, metadata={TERM: MODEL_MADE}), Document(text + " end", source="books")]
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    with pytest.raises(DataError, match="name the real parts first"):
        build_corpus([SubstringDedup(min_tokens=20)], annotations)
    assert build_corpus([SubstringDedup(min_tokens=20, only="real")], annotations).rows.tolist() == [0, 1]


def test_only_counts_where_it_is_given_and_nowhere_else() -> None:
    node = {"_target_": "ablate.stages.exact_dedup.ExactDedup"}
    plain, null = make(node, "stages.d"), make(node | {"only": None}, "stages.d")
    real = make(node | {"only": "real"}, "stages.d")
    assert "only" not in json.dumps(plain.identity())
    assert corpus_key("p", [plain]) == corpus_key("p", [null]) != corpus_key("p", [real])
    assert plain.slow_identity() == real.slow_identity(), "what was measured serves both"
    assert np.array_equal(real.deals_with(np.array([True, False])), [False, True])
