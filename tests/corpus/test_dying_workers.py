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
TEXTS = [f"Text number {number}." for number in range(40)]
ODD = {3: "this one crashes", 17: "this one never ends", 18: "this one crashes too", 33: "it is killed once"}


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS.format(once=str(tmp_path / "once")))
    return path


def odd_pool(store: Store) -> Pool:
    texts = [ODD.get(number, text) for number, text in enumerate(TEXTS)]
    return build_pool(InMemory(tuple(Document(text, url=str(n)) for n, text in enumerate(texts))), store, 4)


def test_a_transform_goes_on_without_them(
    tmp_path: Path, functions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store")
    annotations = Annotations(odd_pool(store), store, workers=2, document_s=0.5)
    stages: list[Stage] = [Python(function=f"{functions}:shout", gives="text")]
    try:
        corpus = build_corpus(stages, annotations)
    finally:
        annotations.close()
    expected = [(row, ODD.get(row, text).upper()) for row, text in enumerate(TEXTS) if row not in (3, 17, 18)]
    assert list(annotations.texts(corpus.version, corpus.rows)) == expected
    (decision,) = corpus.decisions
    assert decision.verdict.reasons == ("empty",) and (~decision.verdict.keep).sum() == 3
    told = capfd.readouterr().err
    assert [f"row {row} of the pool" in told for row in (3, 17, 18, 33)] == [True, True, True, False]
    again = Annotations(annotations.pool, store, workers=2, document_s=0.5)
    assert build_corpus(stages, again).content == corpus.content
    assert capfd.readouterr().err == "", "what was found out is kept"


def test_a_filter_measures_nothing_of_them(tmp_path: Path, functions: Path) -> None:
    """Of several filters in one pass the one that dies alone goes without."""
    store = Store(tmp_path / "store")
    annotations = Annotations(odd_pool(store), store, workers=2, document_s=0.5)
    length, other = Python(function=f"{functions}:length", min=1), FineWebQuality()
    try:
        measured = annotations.measure(annotations.root(), length, also=[other])
        beside = annotations.measure(annotations.root(), other)
    finally:
        annotations.close()
    scores = [0 if row in (3, 17, 18) else len(ODD.get(row, text)) for row, text in enumerate(TEXTS)]
    assert measured["score"].tolist() == scores
    alone = other.measure_many([ODD.get(number, text) for number, text in enumerate(TEXTS)])
    for name, column in alone.items():
        np.testing.assert_array_equal(beside[name], column)


def test_no_process_is_left(tmp_path: Path, functions: Path) -> None:
    store = Store(tmp_path / "store")
    annotations = Annotations(odd_pool(store), store, workers=2, document_s=0.5)
    before = children()
    annotations.measure(annotations.root(), Python(function=f"{functions}:length", min=1))
    annotations.close()
    assert len(children() - before) <= 2, "the server of new processes and its tracker stay, no worker does"


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
