"""Score a model on every task of a study: lm-eval's own metrics, and smooth ones beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ablate.benchmarks.snapshot import HUB_PREFIX
from ablate.errors import ConfigError, DataError, nearest
from ablate.evaluate.forward import Scorer
from ablate.evaluate.lm_eval_task import LmEvalTask
from ablate.evaluate.memorisation import Memorisation, Trained
from ablate.evaluate.metrics import score_task
from ablate.evaluate.requests import (
    Sequences,
    TaskInfo,
    TaskRequests,
    heldout_requests,
    requests_of,
    rolling_windows,
)
from ablate.evaluate.task_source import TaskSource
from ablate.evaluate.tasks import find_tasks
from ablate.fingerprint import NOT_IDENTITY, digest, was
from ablate.reading.records import RECORDS, part_rows, part_text, read_parts
from ablate.store import Store, whole_files

HELDOUT = "heldout"
BLANK_LINE = re.compile(r"\n[ \t]+(?=\n)")
"""A line of blanks only counts as an empty one."""
AGGREGATES = ("all", "screened")
ROLLING = ("loglikelihood_rolling", "heldout", "own_rolling")
"""Kinds of task that score whole texts, in windows: nothing of them is cut off."""
SCORED = 2
"""How answers become scores; another number is another evaluation."""
Part = TaskRequests | LmEvalTask | Memorisation


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What every checkpoint is scored on.

    Attributes:
        tasks: names of snapshot tasks, and `lm_eval:<name>` for any task lm-eval knows; `lm_eval:<name>@5`
            asks it with five examples.
        snapshot: folder of the snapshot; null takes every task from lm-eval (from the hub).
        heldout: file for bits per byte: text, a document a paragraph, or records with a field `text` (.jsonl,
            .csv, .parquet, ...); packed or not; null for none.
        heldout_limit: at most this many of its documents, the first ones.
        limit: at most this many items per task, evenly spread over them; of a group, per member.
        primary: the metric of the headline table.
        aggregate: what the report's aggregate takes: "all" tasks that have the metric (so does null),
            those "screened" as believable by the study's own curves, or named tasks.
        claims: task -> stages whose gain on that task alone is a claim, beside those on the aggregate and in one family
            with them; in the primary metric.
        average_last: the report's score of a run is the mean over its last so many checkpoints.
        batch_tokens: padded tokens per forward pass on a GPU; a CPU takes fewer.
        memorisation: texts generated without a prompt, and as many with one, to see how much of them is
            copied from what the run was trained on, at the end of each run; 0 for none.
        chance: task -> score of a guess, where it is not one over the number of choices.
        unsafe_code: whether tasks may run the code that a model writes, on this machine.
        fallback_metrics: metrics that are reported as the primary one too by tasks that lack it, first match.
    """

    tasks: tuple[str, ...] = ()
    snapshot: str | None = None
    heldout: str | None = None
    heldout_limit: int | None = None
    limit: int | None = None
    primary: str = "prob"
    aggregate: str | tuple[str, ...] | None = field(default="all", metadata=NOT_IDENTITY)
    claims: Mapping[str, tuple[str, ...]] | None = field(default=None, metadata=NOT_IDENTITY)
    average_last: int = field(default=1, metadata=NOT_IDENTITY)
    memorisation: int = 0
    batch_tokens: int = 16384
    chance: Mapping[str, float] | None = None
    fallback_metrics: tuple[str, ...] = field(default=(), metadata=was("stands_in"))
    unsafe_code: bool = False

    def __post_init__(self) -> None:
        if not self.tasks and not self.heldout:
            raise ConfigError("tasks and heldout are both empty: give one of them something to evaluate")
        if isinstance(self.aggregate, str) and self.aggregate not in AGGREGATES:
            raise ConfigError(
                f"aggregate must be {' or '.join(AGGREGATES)}, or a list of tasks, got {self.aggregate!r}: "
                f"{nearest(self.aggregate, AGGREGATES)}"
            )
        for name in ("limit", "heldout_limit", "average_last", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                orelse = ", or null for all" if "limit" in name else ""
                raise ConfigError(f"{name} must be 1 or more{orelse}, got {value}")
        if self.memorisation < 0:
            raise ConfigError(f"memorisation must be 0 or more, got {self.memorisation}")


@dataclass(frozen=True)
class Scores:
    """One evaluation of one model.

    Attributes:
        summary: task -> metric -> value.
        items: columns task, item, metric, value: what the summary was made of.
        missing: task -> metric -> why it has no value.
    """

    summary: dict[str, dict[str, float]]
    items: pa.Table
    missing: dict[str, dict[str, str]]


class Evaluator:
    """Tasks with their requests rendered, tokenised and batched; `evaluate` is then forward passes.

    Args:
        config: which tasks.
        tokenizer: of the study.
        context: longest input of the model, in tokens.
        store: keeps the requests, so that no other process renders them again; None keeps nothing.
    """

    def __init__(
        self, config: EvaluateConfig, tokenizer: Any, context: int, store: Store | None = None
    ) -> None:
        sources = sources_of(config, store)
        self.tasks: list[TaskRequests | LmEvalTask] = [
            requests_of(source, tokenizer, store) or LmEvalTask(source, tokenizer) for source in sources
        ]
        if config.heldout:
            texts = read_heldout(Path(config.heldout))[: config.heldout_limit]
            self.tasks.append(heldout_requests(HELDOUT, texts, tokenizer, store))
        self._probe = Memorisation.fitting(config.memorisation, context) if config.memorisation else None
        self._chance, self._primary, self._fallbacks = (
            config.chance or {},
            config.primary,
            config.fallback_metrics,
        )
        self._batch_tokens, self._context, self._prefix = (
            config.batch_tokens,
            context,
            int(tokenizer.eos_token_id),
        )
        self._prepared: tuple[Scorer, list[np.ndarray]] | None = None

    @property
    def info(self) -> dict[str, TaskInfo]:
        """Per task: chance level per metric, items, digest and which way each metric is better.

        Also how many items lost the beginning of their prompt, for it is longer than the model's context
        (`cut`), and how many name no right answer among their choices, so that nobody gets them right
        (`no_answer`).
        """
        told = self._asked
        for task in self.tasks:
            if task.kind not in ROLLING:
                cut, no_answer = task.cut_items(self._context), task.no_answer
                told[task.name] = {**told[task.name], "cut": cut, "no_answer": no_answer}
        return told

    @property
    def _asked(self) -> dict[str, TaskInfo]:
        """What records say of the tasks whatever the model."""
        parts: list[Part] = [*self.tasks, *([self._probe] if self._probe else [])]
        return {part.name: self._told(part.name, part.info) for part in parts}

    def _told(self, name: str, info: TaskInfo) -> TaskInfo:
        chance, better = dict(info["chance"]), dict(info["higher_is_better"])
        if source := self._source(better):
            better[self._primary] = better[source]
            chance |= {self._primary: chance[source]} if source in chance else {}
        if name in self._chance:
            chance = {metric: float(self._chance[name]) for metric in chance}
        return {**info, "chance": chance, "higher_is_better": better}

    def _source(self, metrics: Collection[str]) -> str | None:
        """The metric that stands in for the primary one."""
        if self._primary in metrics:
            return None
        return next((metric for metric in self._fallbacks if metric in metrics), None)

    @property
    def digest(self) -> str:
        """Of all tasks as they are scored, and of what the record says of them."""
        return digest([SCORED, self._asked, self._fallbacks])

    def evaluate(self, model: Any, trained: Trained | None = None) -> Scores:
        """Score a model on every task.

        Args:
            model: a Llama: has `config` and the parameter names of `LlamaForCausalLM`; generation also calls
                `model(input_ids).logits`, and the memorisation probe `model.generate`.
            trained: what the model was trained on; None leaves the memorisation probe out.
        """
        scorer, owners = self._scorer()
        values, greedy = scorer.score(model)
        scored, first = [], 0
        for task, owner in zip(self.tasks, owners, strict=True):
            part = slice(first, first + owner.size)
            first += owner.size
            # The windows of a long text are one request.
            count = int(owner[-1]) + 1 if owner.size else 0
            total, best = np.zeros(count), np.ones(count, dtype=bool)
            np.add.at(total, owner, values[part])
            np.logical_and.at(best, owner, greedy[part])
            if isinstance(task, LmEvalTask):
                scored.append(task.score(model, total, best, self._context))
            else:
                scored.append(score_task(task, total, best))
        for scores in scored:
            if source := self._source({*scores.summary, *scores.missing}):
                found: Any
                for found in (scores.summary, scores.items, scores.missing):
                    if source in found:
                        found[self._primary] = found[source]
        summary = {
            task.name: dict(sorted(scores.summary.items()))
            for task, scores in zip(self.tasks, scored, strict=True)
        }
        missing = {
            task.name: dict(sorted(scores.missing.items()))
            for task, scores in zip(self.tasks, scored, strict=True)
            if scores.missing
        }
        parts: list[Part] = [*self.tasks]
        items = [scores.items for scores in scored]
        if self._probe and trained:
            found = self._probe.score(model, trained, self._prefix)
            summary[self._probe.name] = {metric: float(shares.mean()) for metric, shares in found.items()}
            parts.append(self._probe)
            items.append(found)
        return Scores(summary, _table(parts, items), missing)

    def _scorer(self) -> tuple[Scorer, list[np.ndarray]]:
        """Every sequence of every task in one forest, and per task the request each sequence belongs to."""
        if self._prepared is None:
            parts, owners, greedy = [], [], []
            for task in self.tasks:
                sequences, owner = task.sequences, np.arange(len(task.sequences))
                if task.kind in ROLLING:
                    sequences, owner = rolling_windows(sequences, self._context, self._prefix)
                parts.append(sequences.cut(self._context))
                owners.append(owner)
                greedy.append(np.full(owner.size, task.kind in ("loglikelihood", "own")))
            whole = Sequences.joined(parts)
            self._prepared = Scorer(whole, np.concatenate(greedy), self._batch_tokens), owners
        return self._prepared


def sources_of(config: EvaluateConfig, store: Store | None) -> list[TaskSource]:
    """The tasks of a configuration.

    Raises:
        ConfigError, DataError: for one that cannot be asked or scored; see `find_tasks`.
    """
    return find_tasks(
        config.tasks,
        snapshot=config.snapshot,
        limit=config.limit,
        store=store,
        unsafe_code=config.unsafe_code,
    )


def check_tasks(config: EvaluateConfig, store: Store, *, made_later: Sequence[str] = ()) -> list[TaskSource]:
    """Refuse tasks that cannot be asked or scored, and held-out text that cannot be read; returns the tasks.

    Args:
        store: remembers what was found out.
        made_later: folders of pools that bring tasks and text along; what is not there yet, or is damaged and
            will be made again, is left alone.
    Raises:
        ConfigError, DataError: names the task or file, says why and what to do.
    """

    def later(path: str | None) -> bool:
        if not path:
            return False
        brought = [Path(folder) for folder in made_later if Path(path).is_relative_to(folder)]
        return bool(brought) and not (Path(path).exists() and all(map(whole_files, brought)))

    if later(config.snapshot):
        named = tuple(name for name in config.tasks if name.startswith(HUB_PREFIX))
        found = find_tasks(
            named, snapshot=None, limit=config.limit, store=store, unsafe_code=config.unsafe_code
        )
    else:
        found = sources_of(config, store)
    if config.heldout and not later(config.heldout):
        read_heldout(Path(config.heldout))
    return found


def check_claims(config: EvaluateConfig, sources: Sequence[TaskSource]) -> None:
    """Refuse claims about tasks that will have no score in the primary metric.

    Args:
        config: what is evaluated.
        sources: its tasks, as `check_tasks` found them.
    Raises:
        ConfigError: names the task, and the nearest one.
    """
    ours = [name for name in config.tasks if config.snapshot and not name.startswith(HUB_PREFIX)]
    known = {source.name for source in sources} | set(ours) | ({HELDOUT} if config.heldout else set())
    for task in config.claims or {}:
        if task not in known:
            raise ConfigError(f"evaluate.claims: no task {task!r} is evaluated: {nearest(task, known)}")
        if task == HELDOUT and config.primary != "bpb":
            raise ConfigError(
                f"evaluate.claims: {HELDOUT} has bits per byte alone, and evaluate.primary is {config.primary}"
            )


def too_long(sources: Sequence[TaskSource], *, context: int, vocab_size: int) -> list[str]:
    """A warning for each task with prompts that look longer than a model's context, which lose their beginning.

    How many tokens a prompt takes is only known once there is a tokenizer; here it is guessed from its bytes.

    Args:
        context: of the model, in tokens.
        vocab_size: of the tokenizer.
    """
    bytes_per_token = 1 + math.log2(max(vocab_size, 256) / 256) / 2  # 1 for bytes, 3 for 4,096, 4 for 16,384
    warnings = []
    for source in sources:
        long = sum(size / bytes_per_token > context for size in source.sizes)
        if long:
            warnings.append(
                f"warning: {source.name}: about {long:,} of {len(source.sizes):,} prompts are longer than "
                f"proxy.context={context} (guessed from their bytes) and lose their beginning, examples first; raise "
                "proxy.context, or ask with fewer examples"
            )
    return warnings


def _table(tasks: Sequence[Part], items: list[dict[str, np.ndarray]]) -> pa.Table:
    """Every score of every item as rows of task, item, metric, value; what an item lacks, or is no finite number, has no row."""
    columns: dict[str, list[Any]] = {"task": [], "item": [], "metric": [], "value": []}
    for task, scores in zip(tasks, items, strict=True):
        ids = pa.array(task.ids, pa.string())
        for metric, values in scores.items():
            there = np.flatnonzero(np.isfinite(values))
            columns["task"].append(_repeated(task.name, there.size))
            columns["item"].append(ids.take(pa.array(there)))
            columns["metric"].append(_repeated(metric, there.size))
            columns["value"].append(pa.array(values[there], pa.float64()))
    kinds = {"task": pa.string(), "item": pa.string(), "metric": pa.string(), "value": pa.float64()}
    joined = {name: pa.chunked_array(parts, kinds[name]).combine_chunks() for name, parts in columns.items()}
    return pa.table(
        {
            name: column.dictionary_encode() if name in ("task", "metric") else column
            for name, column in joined.items()
        }
    )


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def read_heldout(path: Path) -> list[str]:
    """Documents of a text file: the field `text` of a record, or paragraphs between blank lines.

    Raises:
        DataError: when there is no such file, it cannot be read to its end, a record has no text, or there is
            no text in it.
    """
    key = "evaluate.heldout"
    texts: list[str] = []
    for part in read_parts(path, key):
        if part.format in RECORDS:
            for where, row in part_rows(part):
                if not isinstance(text := row.get("text"), str):
                    raise DataError(
                        f"{key}: {where}: expected a field `text` that holds a text, got {text!r}"
                    )
                texts.append(text)
        else:
            text = part_text(part, key).replace("\r\n", "\n").replace("\r", "\n")
            texts += BLANK_LINE.sub("\n", text).split("\n\n")
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError(f"evaluate.heldout={path} holds no text")
    return texts
