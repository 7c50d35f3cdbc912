"""Scores by hand count: ties are shared, and what is no number costs only its own metric."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablate.benchmarks.snapshot import read_snapshot
from ablate.errors import ConfigError, DataError
from ablate.evaluate.building import build
from ablate.evaluate.evaluator import EvaluateConfig, Evaluator
from ablate.evaluate.lm_eval_task import LmEvalTask, scores_of
from ablate.evaluate.metrics import accuracy, score_task
from ablate.evaluate.requests import requests_of
from ablate.evaluate.task_source import TaskSource

pytestmark = pytest.mark.filterwarnings("ignore")
MEAN = {"aggregation": "mean", "higher_is_better": True}


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _source(rows: list[dict[str, Any]], **config: Any) -> TaskSource:
    """A task of lm-eval on given rows."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    data = datasets.Dataset.from_list(rows)
    whole = {
        "task": "t",
        "dataset_path": "own",
        "custom_dataset": lambda **_: {"test": data},
        "test_split": "test",
        **config,
    }
    return TaskSource(name="t", digest="d", make=lambda: ConfigurableTask(config=whole))


CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_choice": "options",
    "doc_to_target": "gold",
    "metric_list": [{"metric": metric, **MEAN} for metric in ("acc", "acc_norm", "acc_bytes")],
}


def test_a_tie_of_k_is_one_kth_of_a_right_answer() -> None:
    scores = np.array(
        [
            [-1.0, -1.0, -2.0],
            [-1.0, -1.0, -1.0],
            [-2.0, -1.0, -1.0],
            [-1.0, -2.0, -3.0],
            [-1.0, -1.0, -np.inf],
        ]
    )
    found = accuracy(scores, np.array([1, 2, 0, 0, 0]))
    assert found.tolist() == pytest.approx([1 / 2, 1 / 3, 0.0, 1.0, 1 / 2])


def test_pairs_that_are_the_same_are_a_coin(tmp_path: Path, model: Any, tokenizer: Any) -> None:
    same = [{"sentence_good": f"the cat sat {n}", "sentence_bad": f"the cat sat {n}"} for n in range(6)]
    _write(tmp_path, "same", same)
    _write(tmp_path, "four", [{"query": "q", "choices": ["a b", "c", "a b", "a b"], "gold": 2}])
    _write(tmp_path, "partial", [{"context_options": ["one", "one"], "continuation": "end", "gold": 1}])
    config = EvaluateConfig(tasks=("same", "four", "partial"), snapshot=str(tmp_path))
    found = Evaluator(config, tokenizer, 48).evaluate(model).summary
    assert found["same"]["acc"] == found["same"]["acc_norm"] == found["partial"]["acc"] == 0.5
    assert min(abs(found["four"]["acc"] - share) for share in (0.0, 1 / 3)) < 1e-12


@pytest.mark.parametrize(
    ("answers", "acc", "acc_norm"),
    [
        ([-1.0, -1.0, -4.0], 1 / 2, 0.0),  # per letter -0.25, -0.5, -4/20: the third
        ([-4.0, -2.0, -30.0], 1.0, 1 / 2),  # per letter -1, -1, -1.5
        ([-2.0, -2.0, -2.0], 2 / 3, 1.0),  # two of three likeliest are right; per letter the third, right too
    ],
)
def test_ties_among_several_right_answers_by_lm_evals_own_code(
    answers: list[float], acc: float, acc_norm: float
) -> None:
    right = [1, 2] if answers[0] == -2.0 else [1]
    rows = [{"q": "q", "options": ["four", "tw", "t" * 20], "gold": right}]
    source = _source(rows, **CHOICE)
    assert requests_of(source, None, None) is None, "several right answers are scored by lm-eval"
    built = build(source)
    for instance, value in zip(built.instances, answers, strict=True):
        instance.resps, instance.filtered_resps = [(value, False)], {}
    found = scores_of(source.task, built.documents).summary
    assert found["acc"] == pytest.approx(acc) and found["acc_norm"] == pytest.approx(acc_norm)


def test_a_perplexity_that_overflows_costs_itself_alone(tokenizer: Any) -> None:
    source = _source(
        [{"text": "word " * 30}],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{text}}",
        metric_list=[{"metric": name} for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
    )
    task = requests_of(source, tokenizer, None)
    assert task is not None
    found = score_task(task, np.array([-30_000.0]), np.array([False]))
    # 31 words as lm-eval counts them: exp(30000 / 31) is beyond a float; 150 bytes are not.
    assert set(found.missing) == {"word_perplexity"} and "math range" in found.missing["word_perplexity"]
    assert found.summary["bits_per_byte"] == pytest.approx(30_000 / 150 / math.log(2))
    assert found.summary["byte_perplexity"] == pytest.approx(math.exp(200))


def test_a_broken_model_has_no_scores_and_says_why(snapshot: Path, tokenizer: Any, model: Any) -> None:
    import copy

    broken = copy.deepcopy(model)
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(math.nan)
    config = EvaluateConfig(tasks=("choice", "word"), snapshot=str(snapshot), batch_tokens=256)
    found = Evaluator(config, tokenizer, 48).evaluate(broken)
    assert found.summary == {"choice": {}, "word": {}}
    assert set(found.missing["choice"]) == {"acc", "acc_norm", "prob", "bpb"}
    assert "no finite score" in found.missing["word"]["bpb"]
    assert np.isfinite(found.items["value"].to_numpy()).all()


def test_one_item_without_a_score_costs_the_means_that_need_it(tokenizer: Any) -> None:
    rows = [{"q": "q", "options": ["one", "two"], "gold": 0} for _ in range(2)]
    task = requests_of(_source(rows, **CHOICE), tokenizer, None)
    assert task is not None
    found = score_task(task, np.array([-1.0, -2.0, -np.inf, -2.0]), np.zeros(4, dtype=bool))
    assert found.summary["acc"] == 0.5 and found.missing["bpb"] == "1 of 2 items have no finite score"
    assert found.summary["prob"] == pytest.approx((math.exp(-1) / (math.exp(-1) + math.exp(-2)) + 0) / 2)


@pytest.mark.parametrize("value", [None, ["a"], 3, {"a": 1}])
@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"query": "q", "choices": ["a", "b"], "gold": 0}, "query"),
        ({"sentence_good": "g", "sentence_bad": "b"}, "sentence_bad"),
        ({"context_options": ["a", "b"], "continuation": "c", "gold": 0}, "continuation"),
        ({"context": "a", "continuation": "b"}, "context"),
    ],
)
def test_a_text_of_a_snapshot_must_be_one(
    tmp_path: Path, row: dict[str, Any], field: str, value: Any
) -> None:
    _write(tmp_path, "t", [row, {**row, field: value}])
    with pytest.raises(DataError, match=f"line 2: {field} must be a text"):
        read_snapshot(tmp_path, ["t"])


@pytest.mark.parametrize("name", ["limit", "heldout_limit"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be 1 or more"):
        EvaluateConfig(tasks=("t",), **{name: 0})


def test_what_the_record_says_of_a_task_names_its_evaluation(snapshot: Path, tokenizer: Any) -> None:
    plain = EvaluateConfig(tasks=("choice",), snapshot=str(snapshot))
    guessed = EvaluateConfig(tasks=("choice",), snapshot=str(snapshot), chance={"choice": 0.1})
    assert Evaluator(plain, tokenizer, 48).digest != Evaluator(guessed, tokenizer, 48).digest
    assert Evaluator(plain, tokenizer, 48).info["choice"]["examples"] == 0


def test_a_rolling_task_with_code_of_its_own_has_whole_texts(tokenizer: Any, model: Any) -> None:
    def results(doc: dict[str, Any], answers: list[float]) -> dict[str, Any]:
        return {"bits_per_byte": (answers[0], 2 * len(doc["text"]))}

    rolling = {
        "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "bits_per_byte"}],
    }  # fmt: skip
    rows = [{"text": "the cat sat on a mat " * 20}]
    ours, theirs = _source(rows, **rolling), _source(rows, **rolling, process_results=results)
    task = requests_of(ours, tokenizer, None)
    own = LmEvalTask(theirs, tokenizer)
    assert task is not None and own.kind == "own_rolling"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.evaluate.evaluator.find_tasks", lambda *_, **__: [ours, theirs])
        evaluator = Evaluator(EvaluateConfig(tasks=("both",)), tokenizer, 48)
    evaluator.tasks[1].name = "own"
    found = evaluator.evaluate(model).summary
    # The same text in windows of 48 tokens; its own code counts every byte twice.
    assert found["own"]["bits_per_byte"] == pytest.approx(found["t"]["bits_per_byte"] / 2)
