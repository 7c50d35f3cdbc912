"""`ablate label` as a user runs it, kill -9 included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main

DOCUMENTS = 60


@pytest.fixture
def overrides(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A pool of texts, a recipe that drops one of two equal ones, and the server as the teacher."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "id": f"doc-{number}",
            "url": f"https://a.example/{number}",
            "text": f"Text {number} points={number % 6}.",
        }
        for number in range(DOCUMENTS - 1)
    ]
    rows += [{"text": "A text without an id, points=5"}, rows[0] | {"id": "doc-copy"}]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "plain.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /stages@stages.exact_dedup: exact_dedup\n"
        "  - /stages@stages.classifier_quality: classifier_quality\n"
        "recipe:\n  name: plain\n  order: null\n"
    )
    return [
        "--config-dir",
        "conf",
        "recipe=plain",
        "pool=files",
        "pool.paths=[texts.jsonl]",
        "study.name=edu",
        "workers=1",
        f"teacher.base_url={server.url}",
        "teacher.wait_s=0.01",
        "teacher.concurrency=3",
        "label.sample=1000",
    ]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_writes_labels_and_a_summary(
    server: Any, overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", *overrides, "label.max_cost=1"]) == 0
    folder = tmp_path / "studies" / "edu" / "labels"
    rows = {row["id"]: row for row in rows_of(folder / "labels.jsonl")}
    assert len(rows) == len(server.requests) == DOCUMENTS
    assert ("doc-0" in rows) != ("doc-copy" in rows), "the recipe's stages come first"
    assert rows["doc-4"]["score"] == 4 and rows["doc-4"]["text"] == "Text 4 points=4."
    assert rows["doc-4"]["answer"].endswith("Score: 4.") and rows["doc-4"]["url"] == "https://a.example/4"
    (unnamed,) = [row for row in rows.values() if "without an id" in row["text"]]
    assert len(unnamed["id"]) == 16 and int(unnamed["id"], 16)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["labelled"] == DOCUMENTS and summary["unparsed"] == 0
    assert summary["cost"] == pytest.approx(DOCUMENTS * (100 * 0.10 + 10 * 0.50) / 1e6)
    out = capsys.readouterr().out
    assert "score 5" in out and "without a score" in out


def test_a_sample_is_part_of_a_larger_one(server: Any, overrides: list[str], tmp_path: Path) -> None:
    path = tmp_path / "studies" / "edu" / "labels" / "labels.jsonl"
    assert main(["label", *overrides, "label.sample=7"]) == 0
    small = rows_of(path)
    assert main(["label", *overrides, "label.sample=20"]) == 0
    large = rows_of(path)
    assert (len(small), len(large)) == (7, 20) and len(server.requests) == 20
    assert {row["id"] for row in small} < {row["id"] for row in large}


def test_unanswered_documents_give_status_1_and_are_named(
    server: Any, overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refused = "Text 17 "
    assert main(["label", *overrides]) == 1
    summary = json.loads((tmp_path / "studies/edu/labels/summary.json").read_text())
    assert list(summary["failures"]) == ["doc-17"]
    assert "prompt is too long" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teacher=openai_compatible", "teacher.model is not set; give it as teacher.model=..."),
        ("label.sample=0", "label.sample must be 1 or more"),
        ("label.max_cost=0", "label.max_cost must be above 0"),
        ("teacher.modle=x", "did you mean 'model'?"),
        ("teacher.concurrency=0", "teacher.concurrency must be 1 or more"),
    ],
)
def test_what_is_wrong_is_said(
    server: Any, overrides: list[str], capsys: pytest.CaptureFixture[str], override: str, said: str
) -> None:
    kept = overrides if not override.startswith("teacher=") else [o for o in overrides if "teacher" not in o]
    assert main(["label", *kept, override]) == 2
    assert said in capsys.readouterr().err
    assert not server.requests


def test_a_missing_key_is_said_before_the_pool_is_read(
    server: Any,
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert main(["label", *overrides]) == 2
    assert "Set the environment variable ANTHROPIC_API_KEY" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_killed_run_pays_for_no_label_twice(server: Any, overrides: list[str], tmp_path: Path) -> None:
    """kill -9 at three moments; what was answered and written is never asked for again."""
    server.pause_s = 0.02
    command = [sys.executable, "-m", "ablate", "label", *overrides]
    known: set[str] = set()
    for wanted in (5, 20, 40):
        process = subprocess.Popen(command, env=os.environ, start_new_session=True, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while len(journal(tmp_path)) < wanted:
            assert process.poll() is None and time.monotonic() < deadline, process.stderr
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        answered = journal(tmp_path)
        assert known <= answered and wanted <= len(answered) < DOCUMENTS
        known = answered
        assert not (tmp_path / "studies").exists()
    before_last = len(server.requests)
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) - before_last == DOCUMENTS - len(known)
    asked = Counter(request.question for request in server.requests)
    assert len(asked) == DOCUMENTS
    # Only answers under way at a kill may be asked for once more: three at a time, three kills.
    assert sum(asked.values()) <= DOCUMENTS + 3 * 3
    labels = rows_of(tmp_path / "studies" / "edu" / "labels" / "labels.jsonl")
    assert len(labels) == DOCUMENTS and all(f"points={row['score']:g}" in row["text"] for row in labels)


def test_a_silent_teacher_is_waited_for_unless_asked_twice(
    server: Any, overrides: list[str], tmp_path: Path
) -> None:
    """Ctrl-C says what is waited for; the second one leaves at once, though the server is silent for an hour."""
    silent = threading.Event()
    server.faults.extend([lambda _: silent.wait(3600)] * 3)
    command = [sys.executable, "-m", "ablate", "label", *overrides, "teacher.timeout_s=3000"]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        while len(server.requests) < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "3 answers that are on their way are waited for" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
    finally:
        silent.set()
        process.kill()
        process.communicate()


def journal(folder: Path) -> set[str]:
    """Keys of the whole lines on disk."""
    found = set()
    for path in folder.glob("store/labels/*/answers.jsonl"):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                found.add(json.loads(line)["key"])
    return found
