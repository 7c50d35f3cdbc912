"""Every kind of task that lm-eval has and we claim, against `lm_eval.simple_evaluate` with HFLM."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ablate.evaluate.evaluator import EvaluateConfig, Evaluator
from ablate.evaluate.task_source import TaskSource
from ablate.evaluate.tasks import find_tasks
from ablate.fingerprint import digest

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's and transformers' own
SNAPSHOT = ("choice", "pairs", "partial", "word", "long")
MEAN = {"aggregation": "mean", "higher_is_better": True}
OWN = {
    # Kinds that snapshots do not hold, as a user's lm-eval configuration would define them.
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": name} for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
    },
    "last_word": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": " {{word}}",
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", **MEAN},
        ],
    },
    "by_bytes": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{options}}",
        "doc_to_target": "{{options[gold]}}",
        "metric_list": [{"metric": name, **MEAN} for name in ("acc", "acc_norm", "acc_bytes")],
    },
    "few_shot": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", **MEAN}],
        "num_fewshot": 2,
        "fewshot_split": "test",
    },
    "brier": {  # a metric that only lm-eval's own code computes
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": [
            {"metric": "acc", **MEAN},
            {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False},
        ],
    },
    "generation": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": [" a", "\n"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match", **MEAN}],
    },
    "filtered": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 9, "do_sample": False},
        "filter_list": [
            {
                "name": "first",
                "filter": [{"function": "regex", "regex_pattern": "([a-z]+)"}, {"function": "take_first"}],
            }
        ],
        "metric_list": [{"metric": "exact_match", **MEAN}],
    },
}


@pytest.fixture(scope="module")
def own_tasks(say: Callable[[int], str]) -> dict[str, Callable[[], Any]]:
    """Makers of lm-eval tasks of the other kinds, on random sentences."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    rng = np.random.default_rng(1)
    rows = [
        {
            "text": say(int(rng.integers(3, 120))),
            "context": say(7),
            "word": say(1),
            "question": say(6),
            "options": [say(2) + "é" * int(rng.integers(3)), say(3), say(1)],
            "gold": int(rng.integers(3)),
            "answer": say(1),
        }
        for _ in range(9)
    ]

    def maker(name: str, config: dict[str, Any]) -> Callable[[], Any]:
        # Through YAML, so that it is what a file would give.
        read = yaml.safe_load(yaml.safe_dump(config))
        data = datasets.Dataset.from_list(rows)
        return lambda: ConfigurableTask(
            config={
                "task": name,
                "dataset_path": "own",
                "custom_dataset": lambda **_: {"test": data},
                "test_split": "test",
                **read,
            }
        )

    return {name: maker(name, config) for name, config in OWN.items()}


@pytest.fixture(scope="module")
def sources(snapshot: Path, own_tasks: dict[str, Callable[[], Any]]) -> list[TaskSource]:
    ours = find_tasks(SNAPSHOT, snapshot=str(snapshot), limit=None, store=None)
    return ours + [TaskSource(name=name, digest=digest(name), make=make) for name, make in own_tasks.items()]


@pytest.fixture(scope="module")
def scores(sources: list[TaskSource], model: Any, tokenizer: Any) -> Any:
    return _evaluator(sources, tokenizer).evaluate(model)


def _evaluator(sources: list[TaskSource], tokenizer: Any, store: Any = None, **config: Any) -> Evaluator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.evaluate.evaluator.find_tasks", lambda *_, **__: sources)
        return Evaluator(
            EvaluateConfig(tasks=("all of them",), batch_tokens=256, **config), tokenizer, 48, store
        )


@pytest.fixture(scope="module")
def reference(sources: list[TaskSource], model: Any, tokenizer: Any) -> Any:
    """`lm_eval.simple_evaluate` with its own Hugging Face model, on task objects of its own."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    lm = HFLM(
        pretrained=model, tokenizer=tokenizer, backend="causal", batch_size=4, device="cpu", max_length=48
    )
    return lm_eval.simple_evaluate(
        model=lm,
        tasks=[source.make() for source in sources],
        bootstrap_iters=0,
        log_samples=True,
        task_manager=TaskManager(include_defaults=False),
    )


def test_every_metric_is_lm_evals_own(scores: Any, reference: Any) -> None:
    compared = {}
    for task, values in reference["results"].items():
        for name, value in values.items():
            metric = name.split(",")[0]
            if "," in name and not metric.endswith("_stderr"):
                # Counts are equal; perplexities come from log-likelihoods that agree to rounding.
                close = (
                    1e-12
                    if "perplexity" not in metric and metric not in ("bits_per_byte", "brier_score")
                    else 1e-5 * abs(value)
                )
                assert scores.summary[task][metric] == pytest.approx(value, abs=close), (task, metric)
                compared[task, metric] = value
    asked = {(name, entry["metric"]) for name, config in OWN.items() for entry in config["metric_list"]}
    snapshots = {(name, "acc") for name in SNAPSHOT} | {(n, "acc_norm") for n in ("choice", "pairs", "long")}
    assert set(compared) == asked | snapshots
    assert len({round(value, 6) for value in compared.values()}) > 8, (
        "scores that could not differ prove nothing"
    )


def test_every_log_likelihood_is_lm_evals_own(scores: Any, reference: Any) -> None:
    rows = {(r["task"], r["item"], r["metric"]): r["value"] for r in scores.items.to_pylist()}
    compared: dict[str, int] = {}
    for task, samples in reference["samples"].items():
        if task in ("generation", "filtered", "brier"):
            continue
        items = list(dict.fromkeys(item for name, item, _ in rows if name == task))
        for item, sample in zip(items, samples, strict=True):
            for number, response in enumerate(sample["resps"]):
                value = response[0][0] if isinstance(response[0], (tuple, list)) else response[0]
                found = rows.get((task, item, f"ll_{number}"), rows.get((task, item, "perplexity")))
                if found is None:  # a last word without perplexity: from bits per byte
                    found = -rows[task, item, "bpb"] * np.log(2) * len(sample["arguments"][0][1].encode())
                assert found == pytest.approx(float(value), abs=1e-4), (task, item, number)
                compared[task] = compared.get(task, 0) + 1
    assert compared == {
        "choice": 12 * 3,
        "pairs": 8 * 2,
        "partial": 8 * 2,
        "word": 8,
        "long": 4 * 2,
        "rolling": 9,
        "last_word": 9,
        "by_bytes": 9 * 3,
        "few_shot": 9 * 3,
    }


def test_generated_texts_are_lm_evals_own(
    sources: list[TaskSource], model: Any, tokenizer: Any, reference: Any
) -> None:
    from ablate.evaluate.lm_eval_task import generate

    for name in ("generation", "filtered"):
        samples = reference["samples"][name]
        asked = [tuple(sample["arguments"][0][:2]) for sample in samples]
        made = generate(model, tokenizer, asked, 48)
        assert made == [sample["resps"][0][0] for sample in samples]
        assert len(set(made)) > 1


def test_what_the_store_gives_back_scores_the_same(
    sources: list[TaskSource], model: Any, tokenizer: Any, store: Any
) -> None:
    def never() -> Any:
        raise AssertionError("lm-eval was asked again")

    plain = [source for source in sources if source.name not in ("brier", "generation", "filtered")]
    first = _evaluator(plain, tokenizer, store)
    again = _evaluator(
        [TaskSource(name=s.name, digest=s.digest, make=never, ids=s.ids, limit=s.limit) for s in plain],
        tokenizer,
        store,
    )
    assert again.info == first.info and again.digest == first.digest
    scores = again.evaluate(model)
    assert scores.summary == first.evaluate(model).summary and len(scores.summary) == len(plain)
    assert scores.items == first.evaluate(model).items


def test_tokens_of_another_tokenizer_or_items_are_not_taken(
    snapshot: Path, tmp_path: Path, tokenizer: Any, store: Any
) -> None:
    config = EvaluateConfig(tasks=("choice",), snapshot=str(snapshot))
    before = Evaluator(config, tokenizer, 48, store).tasks[0]
    rows = [json.loads(line) for line in (snapshot / "choice" / "test.jsonl").read_text().splitlines()]
    rows[0]["query"] = "another"
    (tmp_path / "choice").mkdir()
    (tmp_path / "choice" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    after = Evaluator(EvaluateConfig(tasks=("choice",), snapshot=str(tmp_path)), tokenizer, 48, store).tasks[
        0
    ]
    assert before.info["digest"] != after.info["digest"]
    assert not np.array_equal(before.sequences.tokens, after.sequences.tokens)
    assert len(list((store.root / "requests").iterdir())) == 2


def test_another_metric_may_stand_in_for_the_primary_one(
    sources: list[TaskSource], model: Any, tokenizer: Any, reference: Any
) -> None:
    """As in CORE, whose one number per task is accuracy here and exact match there."""
    chosen = [source for source in sources if source.name in ("generation", "choice")]
    evaluator = _evaluator(
        chosen, tokenizer, primary="acc", fallback_metrics=("exact_match",), chance={"generation": 0.1}
    )
    scores = evaluator.evaluate(model)
    assert scores.summary["generation"]["acc"] == scores.summary["generation"]["exact_match"]
    assert scores.summary["choice"]["acc"] == reference["results"]["choice"]["acc,none"]
    assert evaluator.info["generation"]["chance"] == {"exact_match": 0.1, "acc": 0.1}
    assert evaluator.info["generation"]["higher_is_better"]["acc"] is True
    rows = scores.items.to_pylist()
    assert sum(row["metric"] == "acc" and row["task"] == "generation" for row in rows) == 9
