"""From log-likelihoods to scores: lm-eval's metrics by array arithmetic, and smooth ones beside them.

`acc` and `acc_norm` as in lm-eval's `ConfigurableTask.process_results`, aggregated by its own functions;
tests hold both to `lm_eval.simple_evaluate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablate.evaluate.requests import TaskRequests

SMOOTH = {"prob": True, "bpb": False}
"""Metrics this module adds to lm-eval's, and whether higher is better."""


@dataclass(frozen=True, eq=False)
class TaskScores:
    """One task's scores of one model.

    Attributes:
        summary: metric -> value.
        items: metric -> score of each item, shape (n_docs,); NaN where an item has none.
    """

    summary: dict[str, float]
    items: dict[str, np.ndarray]


def score_task(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    """Score one task.

    Args:
        values, greedy: shape (n_requests,): log-likelihood in nats, and whether greedy decoding gives it.
    """
    of = {
        "multiple_choice": _choice,
        "loglikelihood": _ending,
        "loglikelihood_rolling": _rolling,
        "heldout": _heldout,
    }
    return of[task.kind](task, values, greedy)


def _choice(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    """`prob`: p(right) over the sum of p(choice); `bpb`: bits per byte of the right ending.

    Both from unnormalised log-likelihoods (OLMES, Gu et al. 2024, section 3; bits per byte as in
    Heineman et al. 2025). The leading blank counts as a byte of the ending, as it is scored.
    """
    n_docs, column = task.ids.size, _place(task.doc)
    table = np.full((n_docs, int(column.max()) + 1), -np.inf)
    table[task.doc, column] = values
    items = {}
    for metric in task.aggregations:
        scale = {"acc": None, "acc_norm": task.n_chars, "acc_bytes": task.n_bytes}[metric]
        ranked = table
        if scale is not None:
            ranked = np.full_like(table, -np.inf)
            with np.errstate(divide="ignore"):
                ranked[task.doc, column] = values / scale
        items[metric] = (ranked.argmax(axis=1) == task.gold).astype(np.float64)
    named = np.flatnonzero(task.gold >= 0)
    shifted = np.exp(table - table.max(axis=1, keepdims=True))
    for metric in SMOOTH:
        items[metric] = np.full(n_docs, np.nan)
    items["prob"][named] = shifted[named, task.gold[named]] / shifted[named].sum(axis=1)
    endings = np.zeros(table.shape, dtype=np.int64)
    endings[task.doc, column] = task.ending_bytes
    items["bpb"][named] = _bits(table[named, task.gold[named]], endings[named, task.gold[named]])
    summary = _aggregated(task, items) | {m: float(np.nanmean(items[m])) for m in SMOOTH if named.size}
    for number, entries in enumerate(table.T):
        items[f"ll_{number}"] = np.where(np.isneginf(entries), np.nan, entries)
    return TaskScores(summary, items)


def _ending(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    known = {"acc": greedy.astype(np.float64), "perplexity": values}
    items = {metric: known[metric] for metric in task.aggregations}
    items["bpb"] = _bits(values, task.ending_bytes)
    return TaskScores(_aggregated(task, items) | {"bpb": float(items["bpb"].mean())}, items)


def _rolling(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    weight = {"word_perplexity": task.n_words, "byte_perplexity": task.n_bytes, "bits_per_byte": task.n_bytes}
    summary = {}
    for metric, aggregation in task.aggregations.items():
        pairs = list(zip(values.tolist(), weight[metric].tolist(), strict=True))
        summary[metric] = _aggregate(aggregation, pairs)
    return TaskScores(summary, {"ll_0": values})


def _heldout(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    bits = -values / math.log(2)
    items = {"bpb": bits / task.n_bytes, "bytes": task.n_bytes.astype(np.float64)}
    return TaskScores({"bpb": float(bits.sum() / task.n_bytes.sum())}, items)


def _aggregated(task: TaskRequests, items: dict[str, np.ndarray]) -> dict[str, float]:
    return {metric: _aggregate(name, items[metric].tolist()) for metric, name in task.aggregations.items()}


def _aggregate(name: str, entries: list[Any]) -> float:
    import lm_eval.api.metrics  # noqa: F401  (registers the aggregations)
    from lm_eval.api.registry import get_aggregation

    function = get_aggregation(name)
    assert function is not None
    return float(function(entries))


def _place(doc: np.ndarray) -> np.ndarray:
    """Number of each request within its document; requests of a document stand together."""
    first = np.flatnonzero(np.diff(doc, prepend=-1))
    return np.arange(doc.size) - np.repeat(first, np.diff(first, append=doc.size))


def _bits(loglikelihood: np.ndarray, n_bytes: np.ndarray) -> np.ndarray:
    return -loglikelihood / (math.log(2) * np.where(n_bytes > 0, n_bytes, np.nan))


def bits_per_byte(loglikelihood: float, text: str) -> float:
    """-log2 p(text) / bytes of the text; NaN for an empty one."""
    size = len(text.encode())
    return -loglikelihood / (math.log(2) * size) if size else math.nan
