"""Score a model on every task of a study: lm-eval's own metrics, and smooth ones beside them."""

from __future__ import annotations

import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from lm_eval.api.task import ConfigurableTask
from torch import nn
from transformers import PreTrainedTokenizerFast

from ablate.errors import ConfigError, DataError, nearest
from ablate.evaluate.model import ProxyLM, Requests
from ablate.evaluate.snapshot import HUB_PREFIX, SnapshotTask, read_snapshot
from ablate.fingerprint import digest

HELDOUT = "heldout"
AGGREGATES = ("all", "screened")
SMOOTH = {"prob": True, "bpb": False}
"""Metrics this module adds to lm-eval's, and whether higher is better."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What every checkpoint is scored on.

    Attributes:
        tasks: names of snapshot tasks, and `lm_eval:<name>` for any task lm-eval knows.
        snapshot: folder of the snapshot; null takes every task from lm-eval (from the hub).
        heldout: text file (.txt, or .jsonl with a `text` field; .gz) for bits per byte; null for none.
        heldout_limit: at most this many of its documents.
        limit: at most this many items per task.
        primary: the metric of the headline table.
        aggregate: what the report's aggregate takes: "all" tasks that have the metric (so does null),
            those "screened" as believable by the study's own curves, or named tasks.
        average_last: the report's score of a run is the mean over its last so many checkpoints.
        batch_tokens: padded tokens per forward pass.
    """

    tasks: tuple[str, ...] = ()
    snapshot: str | None = None
    heldout: str | None = None
    heldout_limit: int | None = None
    limit: int | None = None
    primary: str = "prob"
    aggregate: str | tuple[str, ...] | None = "all"
    average_last: int = 1
    batch_tokens: int = 16384

    def __post_init__(self) -> None:
        if not self.tasks and not self.heldout:
            raise ConfigError(
                "nothing to evaluate: give evaluate.tasks=[...] or evaluate.heldout=<text file>"
            )
        if isinstance(self.aggregate, str) and self.aggregate not in AGGREGATES:
            raise ConfigError(
                f"evaluate.aggregate must be {' or '.join(AGGREGATES)}, or a list of tasks, got {self.aggregate!r}: "
                f"{nearest(self.aggregate, AGGREGATES)}"
            )
        if self.average_last < 1:
            raise ConfigError(f"evaluate.average_last must be 1 or more, got {self.average_last}")


@dataclass(frozen=True)
class Scores:
    """One evaluation of one model.

    Attributes:
        summary: task -> metric -> value.
        items: columns task, item, metric, value: what the summary was made of.
    """

    summary: dict[str, dict[str, float]]
    items: pa.Table


class Evaluator:
    """Tasks with their requests rendered, tokenised and batched; `evaluate` is then forward passes.

    Args:
        config: which tasks.
        tokenizer: of the study.
        context: longest input of the model, in tokens.
    """

    def __init__(self, config: EvaluateConfig, tokenizer: PreTrainedTokenizerFast, context: int) -> None:
        self.lm = ProxyLM(tokenizer, context, config.batch_tokens)
        self._tasks = [_LmEvalTask(*entry, config.limit) for entry in _tasks(config)]
        self._heldout = _Heldout(config, self.lm) if config.heldout else None
        pairs = [pair for task in self._tasks for pair in self.lm.encode(task.loglikelihoods)]
        self._requests = Requests(pairs, context, config.batch_tokens)

    @property
    def info(self) -> dict[str, Any]:
        """Per task: chance level per metric, items, digest and which way each metric is better."""
        parts: list[_LmEvalTask | _Heldout] = [*self._tasks, *([self._heldout] if self._heldout else [])]
        return {part.name: part.info for part in parts}

    @property
    def digest(self) -> str:
        """Of all tasks as they are scored."""
        return digest({name: info["digest"] for name, info in self.info.items()})

    def evaluate(self, model: nn.Module) -> Scores:
        """Score a model on every task."""
        self.lm.model = model
        results = iter(self._requests.score(model))
        summary: dict[str, dict[str, float]] = {}
        columns: dict[str, list[Any]] = {"task": [], "item": [], "metric": [], "value": []}
        parts: list[_LmEvalTask | _Heldout] = [*self._tasks, *([self._heldout] if self._heldout else [])]
        for part in parts:
            values, items = part.score(self.lm, results)
            summary[part.name] = {name: float(value) for name, value in sorted(values.items())}
            for item, metric, value in items:
                for column, entry in zip(columns.values(), (part.name, item, metric, value), strict=True):
                    column.append(entry)
        table = pa.table(
            {
                "task": pa.array(columns["task"], pa.string()).dictionary_encode(),
                "item": pa.array(columns["item"], pa.string()),
                "metric": pa.array(columns["metric"], pa.string()).dictionary_encode(),
                "value": pa.array(columns["value"], pa.float64()),
            }
        )
        return Scores(summary, table)


def _tasks(config: EvaluateConfig) -> Iterator[tuple[str, ConfigurableTask, dict[str, str], str]]:
    """Name, task, items' names by position and digest, in the order asked for."""
    ours = {}
    if config.snapshot:
        ours = {task.name: task for task in read_snapshot(config.snapshot, config.tasks, config.limit)}
    for name in config.tasks:
        if name in ours:
            names = {str(position): item["id"] for position, item in enumerate(ours[name].items)}
            yield name, _configurable(ours[name]), names, ours[name].digest
        else:
            yield from _from_lm_eval(name.removeprefix(HUB_PREFIX))


def _configurable(task: SnapshotTask) -> ConfigurableTask:
    rows = datasets.Dataset.from_list(list(task.items))
    metrics = ["acc"] if task.kind != "choice" else ["acc", "acc_norm"]
    config: dict[str, Any] = {
        "task": task.name,
        "dataset_path": "snapshot",
        "custom_dataset": lambda **_: {"test": rows},
        "test_split": "test",
        "target_delimiter": " ",
        "output_type": "loglikelihood" if task.kind == "last_word" else "multiple_choice",
        "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in metrics],
        "num_fewshot": 0,
    }
    config |= {
        "choice": {"doc_to_text": "query", "doc_to_choice": "choices", "doc_to_target": "gold"},
        "partial": {"doc_to_text": "gold", "doc_to_choice": "contexts", "doc_to_target": "continuation"},
        "last_word": {"doc_to_text": "query", "doc_to_target": "continuation"},
    }[task.kind]
    if task.kind == "choice" and not any(item["query"] for item in task.items):
        config["target_delimiter"] = ""
    return ConfigurableTask(config=config)


def _from_lm_eval(name: str) -> Iterator[tuple[str, ConfigurableTask, dict[str, str], str]]:
    from lm_eval.tasks import TaskManager, get_task_dict

    try:
        found = get_task_dict([name], TaskManager())
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"evaluate.tasks: lm-eval has no task {name!r} ({error}); `lm-eval ls tasks` lists them"
        ) from error
    except (OSError, ConnectionError) as error:
        raise DataError(
            f"evaluate.tasks: the data of {name!r} cannot be fetched ({error}); make a snapshot where there is "
            "a network (`ablate snapshot`) and give evaluate.snapshot=<folder>"
        ) from error
    for label, task in _flatten(found):
        docs = list(task.eval_docs)
        yield label, task, {}, digest([1, task.config.to_dict().get("metadata"), [str(doc) for doc in docs]])


def _flatten(tasks: dict[Any, Any]) -> Iterator[tuple[str, ConfigurableTask]]:
    for name, task in tasks.items():
        if isinstance(task, dict):
            yield from _flatten(task)
        else:
            yield str(name), task


class _LmEvalTask:
    """An lm-eval task with its requests built once."""

    def __init__(
        self, name: str, task: ConfigurableTask, names: dict[str, str], key: str, limit: int | None
    ) -> None:
        self.name, self.task, self.names = name, task, names
        with redirect_stderr(StringIO()):  # its progress bar knows no terminal
            task.build_all_requests(limit=None if names else limit, rank=0, world_size=1)
        self.by_doc: dict[int, list[Any]] = defaultdict(list)
        for instance in task.instances:
            self.by_doc[instance.doc_id].append(instance)
        for instances in self.by_doc.values():
            instances.sort(key=lambda instance: instance.idx)
        self.loglikelihoods = [i for i in task.instances if i.request_type == "loglikelihood"]
        self.others = [i for i in task.instances if i.request_type != "loglikelihood"]
        self.docs = {doc_id: instances[0].doc for doc_id, instances in self.by_doc.items()}
        self.is_choice = task.OUTPUT_TYPE == "multiple_choice"
        sizes = [len(instances) for instances in self.by_doc.values()]
        chance = float(np.mean([1 / size for size in sizes])) if self.is_choice else None
        better = {metric: bool(task.higher_is_better()[metric]) for metric in task.aggregation()}
        scored = task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood")
        better |= (SMOOTH if self.is_choice else {"bpb": False}) if scored else {}
        levels = {m: chance for m in ("acc", "acc_norm", "prob") if m in better} if chance else {}
        if task.OUTPUT_TYPE == "loglikelihood" and "acc" in better:
            levels = {"acc": 0.0}
        self.info = {"chance": levels, "n_items": len(self.by_doc), "digest": key, "higher_is_better": better}

    def score(
        self, lm: ProxyLM, results: Iterator[tuple[float, bool]]
    ) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
        for instance in self.loglikelihoods:
            instance.resps, instance.filtered_resps = [next(results)], {}
        by_type: dict[str, list[Any]] = defaultdict(list)
        for instance in self.others:
            by_type[instance.request_type].append(instance)
        for kind, instances in by_type.items():
            for instance, response in zip(instances, getattr(lm, kind)(instances), strict=True):
                instance.resps, instance.filtered_resps = [response], {}
        self.task.apply_filters()
        values: dict[str, list[Any]] = defaultdict(list)
        items: list[tuple[str, str, float]] = []
        for doc_id, instances in self.by_doc.items():
            key = next(iter(instances[0].filtered_resps))
            answers = [instance.filtered_resps[key] for instance in instances]
            metrics = dict(self.task.process_results(self.docs[doc_id], answers))
            extra = self._smooth(doc_id, instances, answers)
            name = self.names.get(str(doc_id), str(doc_id))
            for metric, value in {**metrics, **extra}.items():
                values[metric].append(value)
                if isinstance(value, (int, float)):
                    items.append((name, metric, float(value)))
        aggregate = self.task.aggregation()
        summary = {
            metric: float(aggregate[metric](entries)) if metric in aggregate else float(np.mean(entries))
            for metric, entries in values.items()
            if not metric.startswith("ll_")
        }
        return summary, items

    def _smooth(self, doc_id: int, instances: list[Any], answers: list[Any]) -> dict[str, float]:
        """`prob`: p(right) over the sum of p(choice); `bpb`: bits per byte of the right ending.

        Both from unnormalised log-likelihoods (OLMES, Gu et al. 2024, section 3; bits per byte as in
        Heineman et al. 2025). The leading blank counts as a byte of the ending, as it is scored.
        """
        if self.task.OUTPUT_TYPE == "loglikelihood":
            return {"bpb": bits_per_byte(answers[0][0], instances[0].args[1])}
        if not self.is_choice:
            return {}
        lls = np.array([answer[0] for answer in answers])
        gold = self._gold(doc_id)
        if gold is None or lls.size != len(instances):
            return {}
        shifted = np.exp(lls - lls.max())
        return {
            "prob": float(shifted[gold] / shifted.sum()),
            "bpb": bits_per_byte(float(lls[gold]), instances[gold].args[1]),
            **{f"ll_{number}": float(value) for number, value in enumerate(lls)},
        }

    def _gold(self, doc_id: int) -> int | None:
        doc = self.docs[doc_id]
        gold = self.task.doc_to_text(doc) if self.task.multiple_input else self.task.doc_to_target(doc)
        if isinstance(gold, str):
            choices = self.task.doc_to_choice(doc)
            return choices.index(gold) if gold in choices else None
        return gold if isinstance(gold, int) and gold >= 0 else None


class _Heldout:
    """Bits per byte of a text file: total bits over total bytes."""

    name = HELDOUT

    def __init__(self, config: EvaluateConfig, lm: ProxyLM) -> None:
        assert config.heldout is not None
        texts = read_heldout(Path(config.heldout))[: config.heldout_limit]
        self.n_bytes = np.array([len(text.encode()) for text in texts])
        pairs, self.owner = lm.rolling(texts)
        self.requests = Requests(pairs, lm.context, lm.batch_tokens)
        self.info = {
            "chance": {}, "n_items": len(texts), "digest": digest([1, texts]), "higher_is_better": {"bpb": False},
        }  # fmt: skip

    def score(
        self, lm: ProxyLM, results: Iterator[tuple[float, bool]]
    ) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
        assert lm.model is not None
        nats = np.zeros(self.n_bytes.size)
        np.add.at(nats, self.owner, [value for value, _ in self.requests.score(lm.model)])
        bits = -nats / math.log(2)
        items = [(str(number), "bpb", float(value)) for number, value in enumerate(bits / self.n_bytes)]
        items += [(str(number), "bytes", float(value)) for number, value in enumerate(self.n_bytes)]
        return {"bpb": float(bits.sum() / self.n_bytes.sum())}, items


def bits_per_byte(loglikelihood: float, text: str) -> float:
    """-log2 p(text) / bytes of the text; NaN for an empty one."""
    size = len(text.encode())
    return -loglikelihood / (math.log(2) * size) if size else math.nan


def read_heldout(path: Path) -> list[str]:
    """Documents of a text file: one per JSON line, or paragraphs between blank lines.

    Raises:
        DataError: when there is no such file, no text in it, or a line is not of that form.
    """
    if not path.exists():
        raise DataError(f"evaluate.heldout={path} does not exist")
    text = (
        gzip.decompress(path.read_bytes()).decode()
        if path.suffix == ".gz"
        else path.read_text(encoding="utf-8")
    )
    if path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        texts = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                texts.append(json.loads(line)["text"])
            except (ValueError, KeyError, TypeError):
                raise DataError(
                    f"{path}, line {number}: expected a JSON object with a field `text`"
                ) from None
    else:
        texts = text.split("\n\n")
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError(f"evaluate.heldout={path} holds no text")
    return texts
