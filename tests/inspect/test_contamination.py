"""`ablate inspect contamination` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ablate.cli import main

QUESTION = "How many small islands lie off the western coast of the old kingdom of the seals"
FIXED = ("inspect", "contamination", "study.name=small", "pool=files", "pool.paths=[pages.jsonl]", "evaluate=smooth",
         "evaluate.tasks=[geo]", "evaluate.snapshot=tasks", "workers=1", "stages.language.enabled=false",
         "stages.gopher_repetition.enabled=false", "stages.gopher_quality.enabled=false", "stages.c4_quality.enabled=false",
         "stages.fineweb_quality.enabled=false", "stages.minhash_dedup.enabled=false")  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pages, of which two give away the first of two items, and a snapshot."""
    monkeypatch.chdir(tmp_path)
    texts = [
        "A clean page about the weather in the hills.",
        f"Quiz | {QUESTION}? Nine.",
        f"{QUESTION} nine, they say.",
    ]
    pages = [{"text": text, "url": f"https://a.example/{n}"} for n, text in enumerate(texts)]
    Path("pages.jsonl").write_text("\n".join(map(json.dumps, pages)))
    Path("tasks/geo").mkdir(parents=True)
    items = [
        {"query": q, "choices": ["nine", "two"], "gold": 0} for q in (QUESTION, QUESTION[::-1], "Too short")
    ]
    Path("tasks/geo/test.jsonl").write_text("\n".join(map(json.dumps, items)))
    return tmp_path


@pytest.mark.parametrize("method", ["ngram", "gpt3", "cosmopedia", "token_ratio"])
def test_items_and_places(here: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    assert main([*FIXED, f"stages.decontamination.method={method}"]) == 0
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if line.startswith("geo ")]
    assert line.split() == ["geo", "3", "2", "1", "33.3", "%", "2", "0"]
    assert "geo: 1 in https://a.example/1" in shown and f"method: `{method}`" in shown
    folder = Path("studies/small/contamination")
    rows = list(csv.DictReader((folder / "contamination.csv").read_text().splitlines()))
    assert [(row["task"], row["item"], row["row"], row["url"]) for row in rows] == [
        ("geo", "test-1", "1", "https://a.example/1"),
        ("geo", "test-1", "2", "https://a.example/2"),
    ]
    assert "Quiz \\| How many small islands" in (folder / "contamination.md").read_text()


def test_without_decontamination_the_corpus_is_looked_at(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FIXED, "stages.decontamination.enabled=false"]) == 0
    shown = capsys.readouterr().out
    assert "no decontamination is enabled" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("geo ")]
    assert line.split()[-1] == "1", "the item is still there"


def test_without_tasks_it_says_what_to_give(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIXED, "evaluate.tasks=[]", "evaluate.heldout=x"]) == 2
    assert "give evaluate.snapshot=<folder>" in capsys.readouterr().err
