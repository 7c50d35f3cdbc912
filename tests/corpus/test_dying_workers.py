"""A document that ends the process that looks at it costs itself, not the shard, the stage or the sweep."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.pool.pool import Pool, build_pool
from ablate.pool.source import Document
from ablate.stages.base import Stage
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.python import Python
from ablate.store import Store
from tests.conftest import InMemory

FUNCTIONS = """
import os, signal

def odd(text):
    if "crashes" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "is killed once" in text:
        try:
            os.close(os.open({once!r}, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    while "never ends" in text:
        pass

def shout(text):
    odd(text)
    return text.upper()

def length(text):
    odd(text)
    return len(text)
"""
ODD = {3: "this one crashes", 17: "this one never ends", 18: "this one crashes too", 33: "it is killed once"}


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS.format(once=str(tmp_path / "once")))
    return path


def odd_pool(store: Store, odd: dict[int, str], count: int) -> Pool:
    """Pages of a pool, four a shard; some of them are odd."""
    documents = tuple(Document(text_of(odd, number), url=str(number)) for number in range(count))
    return build_pool(InMemory(documents), store, 4)


def text_of(odd: dict[int, str], number: int) -> str:
    return odd.get(number, f"Text number {number}.")


@pytest.mark.slow
def test_a_transform_goes_on_without_them(
    tmp_path: Path, functions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store")
    annotations = Annotations(odd_pool(store, ODD, 40), store, workers=2, document_s=0.5)
    stages: list[Stage] = [Python(function=f"{functions}:shout", gives="text")]
    try:
        corpus = build_corpus(stages, annotations)
    finally:
        annotations.close()
    expected = [(row, text_of(ODD, row).upper()) for row in range(40) if row not in (3, 17, 18)]
    assert list(annotations.texts(corpus.version, corpus.rows)) == expected
    (decision,) = corpus.decisions
    assert decision.verdict.reasons == ("empty",) and (~decision.verdict.keep).sum() == 3
    told = capfd.readouterr().err
    assert [f"row {row} of the pool" in told for row in (3, 17, 18, 33)] == [True, True, True, False]
    again = Annotations(annotations.pool, store, workers=2, document_s=0.5)
    assert build_corpus(stages, again).content == corpus.content
    assert capfd.readouterr().err == "", "what was found out is kept"


def test_a_filter_measures_nothing_of_a_text_that_crashes_it(tmp_path: Path, functions: Path) -> None:
    """Of two filters in one pass the other one measures it; no worker is left."""
    store, odd = Store(tmp_path / "store"), {5: "this one crashes"}
    annotations = Annotations(odd_pool(store, odd, 8), store, workers=2)
    length, other = Python(function=f"{functions}:length", min=1), FineWebQuality()
    before = children()
    try:
        measured = annotations.measure(annotations.root(), length, also=[other])
        beside = annotations.measure(annotations.root(), other)
    finally:
        annotations.close()
    assert measured["score"].tolist() == [0 if row == 5 else len(text_of(odd, row)) for row in range(8)]
    alone = other.measure_many([text_of(odd, row) for row in range(8)])
    for name, column in alone.items():
        np.testing.assert_array_equal(beside[name], column)
    assert len(children() - before) <= 2, "the server of new processes and its tracker stay"


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
