"""Evaluation: the same numbers as lm-eval's own, snapshots that name their faults, smooth scores by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablate.benchmarks.snapshot import read_snapshot, references
from ablate.errors import ConfigError, DataError
from ablate.evaluate.evaluator import EvaluateConfig, Evaluator, sources_of, too_long
from ablate.evaluate.lm_eval_task import LmEvalTask
from ablate.evaluate.requests import requests_of
from ablate.evaluate.task_source import TaskSource


def test_smooth_scores_follow_from_the_log_likelihoods(scores: Any, snapshot: Path) -> None:
    rows = {(r["item"], r["metric"]): r["value"] for r in scores.items.to_pylist() if r["task"] == "choice"}
    (task,) = read_snapshot(snapshot, ["choice"])
    for item in task.items:
        lls = np.array([rows[item["id"], f"ll_{number}"] for number in range(3)])
        gold = item["gold"]
        assert rows[item["id"], "prob"] == pytest.approx(np.exp(lls[gold]) / np.exp(lls).sum())
        n_bytes = len(f" {item['choices'][gold]}".encode())
        assert rows[item["id"], "bpb"] == pytest.approx(-lls[gold] / math.log(2) / n_bytes)
        assert rows[item["id"], "acc"] == float(lls.argmax() == gold)
    assert scores.summary["choice"]["prob"] == pytest.approx(
        np.mean([rows[i["id"], "prob"] for i in task.items])
    )


def test_heldout_is_total_bits_over_total_bytes(
    scores: Any, model: Any, tokenizer: Any, snapshot: Path
) -> None:
    """Against one forward pass per window, written out."""
    bits = n_bytes = 0.0
    for text in (snapshot / "heldout.txt").read_text().split("\n\n"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        n_bytes += len(text.encode())
        for first in range(0, len(ids), 48):
            window = ids[first : first + 48]
            before = [tokenizer.eos_token_id] if first == 0 else ids[:first]
            whole = (before + window)[-(48 + 1) :] if len(window) == 48 else (before + window)[-49:]
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([whole[:-1]])).logits[0].log_softmax(-1)
            picked = logits[torch.arange(len(whole) - 1), torch.tensor(whole[1:])]
            bits -= float(picked[-len(window) :].sum()) / math.log(2)
    assert scores.summary["heldout"]["bpb"] == pytest.approx(bits / n_bytes, rel=1e-5)


def test_chance_and_digest_stand_in_the_record(evaluator: Any) -> None:
    info = evaluator.info
    assert info["choice"]["chance"] == {
        "acc": pytest.approx(1 / 3),
        "acc_norm": pytest.approx(1 / 3),
        "prob": pytest.approx(1 / 3),
    }
    assert info["pairs"]["n_items"] == 8
    assert info["choice"]["higher_is_better"] == {"acc": True, "acc_norm": True, "prob": True, "bpb": False}
    assert len({entry["digest"] for entry in info.values()}) == len(info)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "line 2: not JSON"),
        (
            '{"query": "q", "choices": ["a", "b"]}',
            "line 2: a field is missing. Expected one of: .*query \\+ choices \\+ gold.*Found: query, choices",
        ),
        ('{"query": "q", "choices": ["a", "b"], "gold": 2}', "line 2: gold must be 0 .. 1, got 2"),
        ('{"query": "q", "choices": ["a"], "gold": 0}', "line 2: choices must be a list of two or more"),
        ('["query"]', "line 2: expected an object, got list"),
    ],
)
def test_a_faulty_item_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "t").mkdir()
    good = json.dumps({"query": "q", "choices": ["a", "b"], "gold": 0})
    (tmp_path / "t" / "test.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=said):
        read_snapshot(tmp_path, ["t"])


def test_missing_tasks_and_splits_are_named(snapshot: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no task 'choise': did you mean 'choice'"):
        read_snapshot(snapshot, ["choise"])
    with pytest.raises(DataError, match="not a folder"):
        read_snapshot(snapshot / "none", ["choice"])
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "train.jsonl").write_text("")
    with pytest.raises(DataError, match="say which file to use, t/<file>; there are train"):
        read_snapshot(tmp_path, ["t"])
    with pytest.raises(ConfigError, match="decontamination needs the tasks' items as files"):
        references(None, ["choice"])


def test_training_splits_are_never_evaluated(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for split in ("train", "validation", "test"):
        row = {"query": split, "choices": ["a", "b"], "gold": 0}
        (tmp_path / "t" / f"{split}.jsonl").write_text(json.dumps(row))
    assert read_snapshot(tmp_path, ["t"])[0].items[0]["query"] == "test"
    assert read_snapshot(tmp_path, ["t/validation"])[0].items[0]["query"] == "validation"


def test_references_are_questions_with_and_without_their_right_answer(tmp_path: Path) -> None:
    rows = {
        "a": {"query": "Q?", "choices": ["x", "y"], "gold": 1},
        "b": {"context_options": ["one", "two"], "continuation": "end", "gold": 0},
        "c": {"context": "begin", "continuation": "last"},
        "d": {"sentence_good": "good one", "sentence_bad": "bad one"},
    }
    for name, row in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.jsonl").write_text(json.dumps(row))
    found = [(r.task, r.item, r.question, r.with_answer) for r in references(tmp_path, list(rows))]
    assert found == [
        ("a", "test-1", "Q?", "Q? y"),
        ("b", "test-1", "end", "one end"),
        ("c", "test-1", "begin", "begin last"),
        ("d", "test-1", "", "good one"),
    ]


def test_real_benchmarks_are_a_snapshot(shared: Path) -> None:
    names = [
        "hellaswag",
        "arc_easy",
        "blimp",
        "winogrande",
        "lambada_openai",
        "mmlu",
        "commonsense_qa",
        "social_iqa",
        "openbookqa",
    ]
    sizes = {task.name: len(task.items) for task in read_snapshot(shared / "bench", names)}
    assert sizes == {
        "hellaswag": 2000,
        "arc_easy": 2376,
        "blimp": 13200,
        "winogrande": 1267,
        "lambada_openai": 2000,
        "mmlu": 1995,
        "commonsense_qa": 1221,
        "social_iqa": 1954,
        "openbookqa": 500,
    }
    (mmlu,) = read_snapshot(shared / "bench", ["mmlu"], limit=5)
    assert all("\nA. " not in item["query"] and item["query"].endswith("Answer:") for item in mmlu.items), (
        "cloze form"
    )


@pytest.mark.filterwarnings("ignore")
def test_a_snapshot_is_fetched_through_lm_evals_own_task(tmp_path: Path) -> None:
    """From a local data set, as the hub cannot be reached from a test."""
    from ablate.commands.snapshot import fetch

    rows = [{"q": f"What is {i}?", "options": ["one", "two"], "answer": i % 2} for i in range(4)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    definitions = tmp_path / "tasks"
    definitions.mkdir()
    (definitions / "local_quiz.yaml").write_text(
        "task: local_quiz\ndataset_path: json\n"
        f"dataset_kwargs: {{data_files: {{test: {tmp_path / 'data.jsonl'}}}}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: options\ndoc_to_target: answer\n"
    )
    assert fetch("local_quiz", tmp_path / "snapshot", include_path=str(definitions)) == 4
    (task,) = read_snapshot(tmp_path / "snapshot", ["local_quiz"])
    assert [(item["query"], item["gold"]) for item in task.items] == [
        (f"What is {i}?", i % 2) for i in range(4)
    ]
    notes = json.loads((tmp_path / "snapshot" / "snapshot.json").read_text())
    assert set(notes["local_quiz/test.jsonl"]) == {
        "sha256",
        "dataset",
        "config",
        "revision",
        "lm_eval_version",
    }


def test_the_record_counts_items_whose_prompt_lost_its_beginning(
    evaluator: Any, snapshot: Path, tokenizer: Any
) -> None:
    found = {task: told.get("cut") for task, told in evaluator.info.items()}
    assert found == {"choice": 0, "pairs": 0, "partial": 0, "word": 0, "long": 4, "heldout": None}
    config = EvaluateConfig(tasks=("choice", "long"), snapshot=str(snapshot))
    assert Evaluator(config, tokenizer, 4096).info["long"]["cut"] == 0
    (warning,) = too_long(sources_of(config, None), context=48, vocab_size=300)
    assert "long: about 4 of 4 prompts" in warning
    assert not too_long(sources_of(config, None), context=4096, vocab_size=300)


@pytest.mark.parametrize("several", [False, True])
def test_items_without_a_right_answer_are_counted(several: bool, tokenizer: Any) -> None:
    import datasets
    from lm_eval.api.task import ConfigurableTask

    golds = [0, 1, 2, -100]  # of two choices
    rows = [{"q": "the cat", "c": ["sat", "ran"], "gold": [g] if several else g} for g in golds]
    config = {
        "task": "t",
        "dataset_path": "none",
        "test_split": "test",
        "output_type": "multiple_choice",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(rows)},
        "doc_to_text": "q",
        "doc_to_choice": "c",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    source = TaskSource(name="t", digest="t", make=lambda: ConfigurableTask(config=config))
    task = requests_of(source, tokenizer, None) or LmEvalTask(source, tokenizer)
    assert isinstance(task, LmEvalTask) == several
    assert task.no_answer == 2
    assert task.cut_items(48) == 0 and task.cut_items(1) == 4
