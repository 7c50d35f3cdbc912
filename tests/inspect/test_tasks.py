"""`ablate inspect tasks`: what would be scored, without training or fetching."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.benchmarks.snapshot import read_snapshot
from ablate.cli import main


def rows_of(printed: str) -> dict[str, str]:
    return {line.split()[0]: line for line in printed.splitlines()[2:] if line.strip()}


def test_items_chance_direction_and_digest_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {
        "quiz": [
            {"query": "q", "choices": ["a", "b", "c"], "gold": 0},
            {"query": "r", "choices": ["a", "b"], "gold": 1},
        ],
        "word": [{"context": "one", "continuation": "two"}] * 3,
    }
    for name, items in tasks.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "held.txt").write_text("one\n\ntwo")
    status = main(
        [
            "inspect",
            "tasks",
            "pool=warc",
            "pool.paths=[none]",
            "evaluate=smooth",
            f"evaluate.snapshot={tmp_path}",
            "evaluate.tasks=[quiz,word,lm_eval:piqa@5]",
            f"evaluate.heldout={tmp_path / 'held.txt'}",
            "evaluate.chance={piqa@5: 0.5}",
        ]
    )
    assert status == 0
    rows = rows_of(capsys.readouterr().out)
    (quiz, word) = read_snapshot(tmp_path, ["quiz", "word"])
    assert (
        rows["quiz"].split()[4:6] == ["2", f"{(1 / 3 + 1 / 2) / 2:.3f}"] and quiz.digest[:12] in rows["quiz"]
    )
    assert "acc+ acc_norm+ prob+ bpb-" in rows["quiz"]
    assert rows["word"].split()[4:6] == ["3", "0.000"] and word.digest[:12] in rows["word"]
    assert "lm-eval: piqa" in rows["piqa@5"] and "5 examples" in rows["piqa@5"] and "0.500" in rows["piqa@5"]
    assert rows["heldout"].split()[4] == "2"


def test_every_task_of_core_has_a_chance_level(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "tasks", "pool=warc", "pool.paths=[none]", "evaluate=core"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len([name for name in rows if "@" in name]) == 21
    assert "by its choices" not in "".join(rows.values())
    assert "0.620" in rows["boolq@10"] and "0.250" in rows["hellaswag@0"]
