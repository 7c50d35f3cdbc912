"""Bad input for every stage in `conf/stages`, found by folder: it survives, repeats itself, accounts for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from ablate.config import CONF, RESERVED, make
from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.view import build_corpus
from ablate.errors import DataError
from ablate.pool.source import Document
from ablate.stages.base import Filter, Relation, SpanRelation, Stage, Transform
from ablate.store import Store
from ablate.testing.contract import as_read
from tests.stages.needed import NEEDED

LONG, MEGABYTE = 100_000, 1_000_000
"""Characters of the long texts: what takes the square of them shows at the one and never ends at the other."""


def huge(length: int) -> dict[str, str]:
    """Texts of some `length` characters each."""
    return {
        "long on one line": ("the rain fell on a small town and it " * 30_000)[:length],
        "long without a blank": "w" * length,
        "long of marks": "?!" * (length // 2),
        "long of line breaks": "a" + "\n" * length + "b",
    }


BAD = {
    "no word characters": "!!! ... --- \n*** ///",
    "only emoji": "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd",
    "lone surrogates": "one \ud800 two \udfff three \udc80\ud83d four",
    "right to left": "\u200fوقف مالك الحزين بجانب البركة. \u202bשלום עולם\u202c!",
    "NULs": "\x00one\x00\x00 two\x00.\x00",
    "control characters": "".join(map(chr, range(32))) + "x\x7f\x85\u2028y\ufeff\ufffe",
    "combining marks": "\u0301\u0301 a" + "\u0301" * 2_000 + " \u0e31\u0e31",
    "unclosed markup": "<html><body><p><a href='x" + "<div>" * 2_000,
}
GOOD = (
    "The old man went to the market and bought some bread for the family. It was late, and nobody was there "
    "to have a word with him. He walked home along the river, and the light of the day was gone. In the house "
    "that he had built with his own hands a lamp was burning. He sat down to eat."
)


def stage_of(name: str, model: str) -> Stage:
    config = OmegaConf.to_container(OmegaConf.load(CONF / "stages" / f"{name}.yaml"), resolve=False)
    assert isinstance(config, dict)
    outside = {"snapshot": None, "tasks": [], "model": model}  # what a stage takes from outside its file
    node = {key: outside.get(key, value) for key, value in config.items()}
    node |= NEEDED.get(name, {})
    stage = make(node, f"stages.{name}", leave_out=RESERVED)
    assert isinstance(stage, Stage)
    return stage


@pytest.fixture(
    scope="module",
    params=[LONG, pytest.param(MEGABYTE, marks=pytest.mark.slow)],
    ids=["100 kB", "a megabyte"],
)
def texts(request: pytest.FixtureRequest) -> dict[str, str]:
    """Every bad text; at a megabyte by `make test-slow`."""
    return huge(request.param) | BAD


@pytest.fixture(scope="module")
def pool(make_pool: Any, tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> Any:
    """Every bad text as text and as a page, an empty and a blank text, two good ones."""
    documents = [Document(""), Document(" \n\t\r\n\u00a0")]
    for name, text in texts.items():
        documents += [
            Document(text, url=name, metadata={"score": 3, "shown_overlap": 0.1}),
            Document(text, "html", url=name),
        ]
    return make_pool(
        Store(tmp_path_factory.mktemp("pool")), [*documents, Document(GOOD), Document(GOOD[:400])]
    )


def test_the_pool_takes_what_utf8_can_hold_and_lists_the_rest(pool: Any, texts: dict[str, str]) -> None:
    """Lone surrogates are made U+FFFD where documents come in, so no stage ever meets one."""
    assert pool.summary["skipped_reasons"] == {"no text": 2} and len(pool) == 2 * len(texts) + 2
    kept = dict(zip(pool.column("url").to_pylist(), pool.column("text").to_pylist(), strict=True))
    assert kept.pop("lone surrogates") == "one \ufffd two \ufffd three \ufffd\ufffd four"
    assert all(kept[name] == text for name, text in texts.items() if name != "lone surrogates")


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "stages").glob("*.yaml")))
def test_a_stage_survives_and_accounts_for_its_input(
    name: str, student_folder: str, pool: Any, tmp_path: Path
) -> None:
    stage, found = stage_of(name, student_folder), []
    for turn in ("first", "again"):
        annotations = Annotations(pool, Store(tmp_path / turn), workers=1)
        try:
            corpus = build_corpus([stage], annotations)
        except DataError as error:  # says what became of all of them
            assert f"stage {name} drops every document" in str(error)
            found.append(str(error))
            continue
        came_in, went_out = funnel(corpus, annotations, lambda version, rows: None)
        assert came_in["documents"] == len(pool)
        assert went_out["documents"] + sum(went_out["dropped"].values()) == len(pool)
        texts = list(annotations.texts(corpus.version, corpus.rows))
        assert went_out["bytes"] == sum(len(text.encode()) for _, text in texts)
        assert all(text.strip() for _, text in texts)
        measured = [
            annotations.measure(decision.before, decision.step)
            for decision in corpus.decisions
            if isinstance(decision.step, Filter)
        ]
        found.append((corpus.content, texts, went_out["dropped"], measured))
    np.testing.assert_equal(found[0], found[1])


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "stages").glob("*.yaml")))
def test_an_empty_text_between_two_steps(name: str, student_folder: str) -> None:
    """A pool has no empty text, but a step may be given what another left."""
    for step in stage_of(name, student_folder).steps():
        if isinstance(step, Filter):
            measured = step.measure_many(as_read(step, ["", " \n"]))
            assert step.decide(measured).code.shape == (2,)
        elif isinstance(step, Transform):
            assert [text.strip() for text in step.transform_many(["", " \n"])] == ["", ""]
        else:
            assert isinstance(step, (Relation, SpanRelation))
            assert len(step.sketch_many(["", " \n"])) == 2 and len(step.sketch_many([])) == 0
