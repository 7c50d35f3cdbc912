"""Two processes that come to the same stage of one store: one works, the other waits, and nothing is done twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.pool.source import Document
from ablate.stages.base import Stage, Transform
from ablate.stages.c4_quality import C4Quality
from ablate.stages.pii import Pii
from ablate.store import Store

PROSE = "The old man went to the market and bought some bread. Nobody was there to talk to him at all."
PAGES = [
    Document(f"Page {number} of the book. {PROSE}\nWrite to anna{number}@mail.org.") for number in range(12)
]


@dataclass(frozen=True, kw_only=True)
class Meeting(Transform):
    """Ends each text with a mark; says that it has begun and waits until it may go on, where it is told to."""

    name: ClassVar[str] = "meeting"
    decide_only: ClassVar[tuple[str, ...]] = ("begun", "go_on", "done")
    begun: int | None = None
    go_on: int | None = None
    done: str

    def slow_identity(self) -> dict[str, Any]:
        return {"stage": "meeting", "version": 1}

    def transform_many(self, texts: list[str]) -> list[str]:  # type: ignore[override]
        if self.begun is not None and self.go_on is not None:
            os.write(self.begun, b"x")
            os.read(self.go_on, 1)
        with open(self.done, "a") as file:
            file.writelines(text.split(" of")[0] + "\n" for text in texts)
        return [text + " [met]" for text in texts]

    def transform(self, text: str) -> str:
        return self.transform_many([text])[0]


def _process(work: Callable[[], None]) -> tuple[int, int]:
    """A process of its own; its number, and where its standard error can be read."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        sys.stderr = os.fdopen(write, "w", buffering=1)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    return child, read


def _lines(handle: int) -> Iterator[str]:
    with os.fdopen(handle) as file:
        yield from file


def _texts(pool: Any, store: Store, stages: list[Stage]) -> list[str]:
    annotations = Annotations(pool, store, workers=1)
    corpus = build_corpus(stages, annotations)
    return [text for _, text in annotations.texts(corpus.version, corpus.rows)]


def test_the_second_waits_and_finds_the_work_done(
    make_pool: Any, store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pool, done = make_pool(store, PAGES), tmp_path / "done"
    inside, begun = os.pipe()
    may_go, go_on = os.pipe()
    first, _ = _process(
        lambda: _texts(pool, store, [Meeting(begun=begun, go_on=may_go, done=str(done))]) and None  # type: ignore[func-returns-value]
    )
    assert os.read(inside, 1) == b"x"  # the first is in the stage now
    second, said = _process(lambda: _texts(pool, store, [Meeting(done=str(done)), Pii()]) and None)  # type: ignore[func-returns-value]
    line = next(_lines(said), "")
    os.write(go_on, b"x")
    assert f"waiting for process {first}" in line
    assert [os.waitpid(child, 0)[1] for child in (first, second)] == [0, 0]
    assert sorted(done.read_text().splitlines()) == sorted(f"Page {number}" for number in range(12))
    found = _texts(pool, store, [C4Quality(min_sentences=1), Meeting(done=str(done)), Pii()])
    assert found == _texts(
        pool, Store(tmp_path / "alone"), [C4Quality(min_sentences=1), Meeting(done=os.devnull), Pii()]
    )
