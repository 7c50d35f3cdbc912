"""From log-likelihoods to scores: lm-eval's metrics by array arithmetic, and smooth ones beside them.

`acc` and `acc_norm` as in lm-eval's `ConfigurableTask.process_results`, aggregated by its own functions;
tests hold both to `lm_eval.simple_evaluate`. But for ties: where k choices have the highest score and the right
one is among them, that is 1/k of a right answer, what a guess among them gets on average. lm-eval takes the first
of them, so on minimal pairs, whose right sentence comes first, every tie is right.

A metric that is no finite number (a perplexity beyond 1e308, an item of probability 0) is missing, with the reason;
the other metrics stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ablate.evaluate.requests import TaskRequests

SMOOTH = {"prob": True, "bpb": False}
"""Metrics this module adds to lm-eval's, and whether higher is better."""


@dataclass(frozen=True, eq=False)
class TaskScores:
    """One task's scores of one model.

    Attributes:
        summary: metric -> value, finite.
        items: metric -> score of each item, shape (n_docs,); NaN where an item has none.
        missing: metric -> why it has no value.
    """

    summary: dict[str, float]
    items: dict[str, np.ndarray]
    missing: dict[str, str] = field(default_factory=dict)


def finite(metric: str, value: Callable[[], Any], summary: dict[str, float], missing: dict[str, str]) -> None:
    """Put a metric's value into `summary`, or into `missing` why it has none."""
    try:
        found = float(value())
    except (ArithmeticError, ValueError, TypeError) as error:
        missing[metric] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return
    if math.isfinite(found):
        summary[metric] = found
    else:
        missing[metric] = f"the value is {found}"


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
            with np.errstate(divide="ignore", invalid="ignore"):
                ranked[task.doc, column] = values / scale
        items[metric] = accuracy(ranked, task.gold)
    named = np.flatnonzero(task.gold >= 0)
    with np.errstate(invalid="ignore"):
        shifted = np.exp(table - table.max(axis=1, keepdims=True))
    for metric in SMOOTH:
        items[metric] = np.full(n_docs, np.nan)
    items["prob"][named] = shifted[named, task.gold[named]] / shifted[named].sum(axis=1)
    endings = np.zeros(table.shape, dtype=np.int64)
    endings[task.doc, column] = task.ending_bytes
    items["bpb"][named] = _bits(table[named, task.gold[named]], endings[named, task.gold[named]])
    summary, missing = _aggregated(task, items)
    for metric in SMOOTH:
        if named.size:
            _mean(metric, items[metric][named], summary, missing)
    for number, entries in enumerate(table.T):
        items[f"ll_{number}"] = np.where(np.isneginf(entries), np.nan, entries)
    return TaskScores(summary, items, missing)


def accuracy(scores: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """1 where the right choice has the highest score, 1/k where k choices share it, else 0.

    Args:
        scores: shape (n_docs, most choices), -inf where an item has fewer.
        gold: shape (n_docs,): the right choice; -1 where there is none, which nobody gets right.
    Returns:
        Shape (n_docs,); NaN where a score is, or where no choice has a finite one.
    """
    highest = scores.max(axis=1)
    best = scores == highest[:, None]
    found = np.where(gold >= 0, best[np.arange(gold.size), gold], False) / np.maximum(best.sum(axis=1), 1)
    return np.where(np.isfinite(highest), found, np.nan)


def _ending(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    known = {"acc": np.where(np.isnan(values), np.nan, greedy), "perplexity": values}
    items = {metric: known[metric] for metric in task.aggregations}
    items["bpb"] = _bits(values, task.ending_bytes)
    summary, missing = _aggregated(task, items)
    _mean("bpb", items["bpb"], summary, missing)
    return TaskScores(summary, items, missing)


def _rolling(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    weight = {"word_perplexity": task.n_words, "byte_perplexity": task.n_bytes, "bits_per_byte": task.n_bytes}
    summary: dict[str, float] = {}
    missing: dict[str, str] = {}
    for metric, aggregation in task.aggregations.items():
        pairs = list(zip(values.tolist(), weight[metric].tolist(), strict=True))
        finite(metric, partial(_aggregate, aggregation, pairs), summary, missing)
    return TaskScores(summary, {"ll_0": values}, missing)


def _heldout(task: TaskRequests, values: np.ndarray, greedy: np.ndarray) -> TaskScores:
    bits = -values / math.log(2)
    items = {"bpb": bits / task.n_bytes, "bytes": task.n_bytes.astype(np.float64)}
    summary: dict[str, float] = {}
    missing: dict[str, str] = {}
    finite("bpb", lambda: bits.sum() / task.n_bytes.sum(), summary, missing)
    return TaskScores(summary, items, missing)


def _aggregated(task: TaskRequests, items: dict[str, np.ndarray]) -> tuple[dict[str, float], dict[str, str]]:
    """lm-eval's own aggregation of each metric: what has a value, and why the rest has none."""
    summary: dict[str, float] = {}
    missing: dict[str, str] = {}
    for metric, name in task.aggregations.items():
        finite(metric, partial(_aggregate, name, items[metric].tolist()), summary, missing)
    return summary, missing


def _mean(metric: str, values: np.ndarray, summary: dict[str, float], missing: dict[str, str]) -> None:
    """Mean over items; missing when one of them has no finite score, for without it the mean is another's."""
    if lost := int((~np.isfinite(values)).sum()):
        missing[metric] = f"{lost} of {values.size} items have no finite score"
    else:
        summary[metric] = float(values.mean())


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
