"""What the kinds of tables share: means over seeds, captions, the gains of the headline, the rule for bold."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from ablate.errors import ConfigError, nearest
from ablate.summary.model import Columns, Summary
from ablate.tables.asked import Asked
from ablate.tables.model import ALONE, DOWN, HOLDS, UP, Cell, decimals_of, number

AGGREGATE = "aggregate"
HOLD = ("helps", "hurts", "may_help", "may_hurt")
SUGGEST = ("suggests_help", "suggests_hurt")
IDENTICAL = "identical"
Row = dict[str, Any]
Scores = list[list[float]]
"""Arms by seeds, NaN for a missing run."""


def rows_of(columns: Columns) -> Iterator[Row]:
    """The rows of a table of `study.json`."""
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def metric_of(summary: Summary, asked: Asked) -> str:
    """The metric asked for.

    Raises:
        ConfigError: when the study has none of that name.
    """
    metric = asked.metric or summary.head.primary
    if metric not in summary.aggregates:
        raise ConfigError(f"metric={metric}: {nearest(metric, summary.aggregates)}")
    return metric


def tasks_of(summary: Summary, asked: Asked) -> list[str]:
    """Tasks that have the metric: those asked for, or the aggregate where it is of several, then each.

    Raises:
        ConfigError: for a task without the metric.
    """
    metric = metric_of(summary, asked)
    single = [row["task"] for row in rows_of(summary.metrics) if row["metric"] == metric]
    known = [AGGREGATE, *single] if summary.aggregates[metric] else single
    for task in asked.tasks:
        if task not in known:
            raise ConfigError(f"no {metric} of task {task!r}: {nearest(task, known)}")
    return list(asked.tasks) or (known if len(summary.aggregates[metric]) > 1 else single)


def leading_task(summary: Summary, asked: Asked) -> str:
    """The task whose gains a table has that shows one: the one asked for, else the headline's; in another metric the first.

    Raises:
        ConfigError: when several are asked for.
    """
    if len(asked.tasks) > 1:
        raise ConfigError(
            f"this table shows the gains on one task, got {len(asked.tasks)}: {', '.join(asked.tasks)}; table=tasks shows several"
        )
    of_primary = metric_of(summary, asked) == summary.head.primary and not asked.tasks
    return summary.head.headline if of_primary else tasks_of(summary, asked)[0]


def higher_is_better(summary: Summary, metric: str) -> bool:
    """Direction of a metric."""
    return bool(next(row["higher_is_better"] for row in rows_of(summary.metrics) if row["metric"] == metric))


def arrow(summary: Summary, metric: str) -> str:
    """Which way a metric is better."""
    return UP if higher_is_better(summary, metric) else DOWN


def scores(summary: Summary, task: str, metric: str) -> Scores:
    """Scores at the end: arms by seeds, as planned."""
    for row in rows_of(summary.scores):
        if (row["task"], row["metric"]) == (task, metric):
            found = iter(math.nan if value is None else value for value in row["end"])
            return [[next(found) for _ in summary.head.seeds] for _ in summary.arms["arm"]]
    return [[math.nan] * len(summary.head.seeds) for _ in summary.arms["arm"]]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds; NaN for what was not measured.

    Attributes:
        value, error: mean and its standard error, which is NaN while planned runs are missing.
        n: seeds with a score.
    """

    value: float
    error: float
    n: int


def mean(summary: Summary, values: Sequence[float]) -> Mean:
    """Mean and standard error over the seeds that have a score."""
    there = [value for value in values if not math.isnan(value)]
    if not there:
        return Mean(math.nan, math.nan, 0)
    known = summary.head.complete and len(there) > 1
    return Mean(fmean(there), stdev(there) / math.sqrt(len(there)) if known else math.nan, len(there))


def gains(summary: Summary, asked: Asked, task: str | None = None) -> list[Row]:
    """The effects on a task (`leading_task` for None) in the metric and estimand asked for, with `stage` in words.

    `turned`, `turned_low`, `turned_high` are the estimate and its interval with plus for better.

    Raises:
        ConfigError: when the study has no contrast, or not this estimand.
    """
    metric = metric_of(summary, asked)
    rows = [row for row in rows_of(summary.effects) if row["metric"] == metric]
    if not rows:
        raise ConfigError(f"{summary.head.name} has no contrast, so there is no gain to show; use table=arms")
    known = list(dict.fromkeys(row["estimand"] for row in rows))
    estimand = asked.estimand or known[0]
    if estimand not in known:
        raise ConfigError(f"estimand={estimand}: {nearest(estimand, known)}")
    wanted = task or leading_task(summary, asked)
    return [_turned(row, summary) for row in rows if (row["estimand"], row["task"]) == (estimand, wanted)]


def _turned(row: Row, summary: Summary) -> Row:
    sign = 1.0 if row["higher_is_better"] else -1.0
    ends = [None if row[name] is None else sign * row[name] for name in ("ci_low", "ci_high")]
    low, high = ends if sign > 0 else ends[::-1]
    estimate = row["estimate"]
    return {
        **row,
        "stage": summary.contrasts["stage"][row["contrast"]],
        "weights": summary.contrasts["weights"][row["contrast"]],
        "turned": None if estimate is None else sign * estimate,
        "turned_low": low,
        "turned_high": high,
    }


def mark(row: Row) -> str:
    """Whether a gain holds after the correction, alone, or not."""
    return HOLDS if row["kind"] in HOLD else ALONE if row["kind"] in SUGGEST else ""


def gain(row: Row, *, error: bool = True) -> Cell:
    """The cell of a gain; a plain 0 where both arms are the same texts."""
    if row["kind"] == IDENTICAL:
        return Cell(value=0.0, decimals=0)
    spread = row["seed_error"]
    return number(
        row["turned"],
        error=spread if error else None,
        decimals=decimals_of(spread),
        signed=True,
        n=row["n_seeds"],
        mark=mark(row),
    )


def removed(summary: Summary, arm: str | None = None) -> dict[str, float]:
    """Stage -> share of the bytes that reached it which it took away, in percent, in an arm (the reference for None)."""
    wanted, found, before = arm or summary.head.reference, {}, None
    for row in rows_of(summary.funnel):
        if row["arm"] == wanted:
            if before:
                found[row["stage"]] = 100 * (1 - row["bytes"] / before)
            before = row["bytes"]
    return found


def scale(summary: Summary) -> str:
    """How large the study is: "8 arms x 5 seeds, 1.3M parameters, 0.5M tokens"."""
    parts = [f"{len(summary.arms['arm'])} arms x {len(summary.head.seeds)} seeds"]
    for name, word in (("parameters", "parameters"), ("tokens", "tokens")):
        known = sorted({value for value in summary.runs.get(name, []) if value is not None})
        if known:
            low, high = short(known[0]), short(known[-1])
            parts.append(f"{low if low == high else f'{low} to {high}'} {word}")
    return ", ".join(parts)


def short(value: float) -> str:
    """1,315,968 as 1.3M."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}" if value / size >= 10 else f"{value / size:.2g}{unit}"
    return f"{value:g}"


def caption(summary: Summary, what: str) -> str:
    """What a table shows, of which study, at which scale."""
    question = f" {summary.head.question}" if summary.head.question else ""
    design = summary.head.design.replace("_", " ")
    return f"{summary.head.title}: {what}.{question} Design: {design}; {scale(summary)}."


def origin(summary: Summary, kind: str) -> tuple[str, ...]:
    """Where a table came from: the command, and the digest of the plan."""
    return (f"ablate table study.name={summary.head.name} table={kind}; plan {summary.head.digest}",)


def label(summary: Summary, kind: str) -> str:
    """A label of letters, digits and hyphens."""
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in summary.head.name).strip("-")
    return f"{name or 'study'}-{kind}"


def bold(summary: Summary, table: Scores, metric: str, rule: str) -> tuple[list[bool], bool]:
    """Which arms are bold in a column, and whether bold was withheld because more than half would be."""
    better = higher_is_better(summary, metric)
    if rule == "none" or (rule == "group" and not summary.head.complete):
        return [False] * len(table), False
    if rule == "best":
        values = [mean(summary, row).value for row in table]
        there = [value for value in values if not math.isnan(value)]
        best = (max if better else min)(there, default=math.nan)
        return [value == best for value in values], False
    from ablate.effects.best_group import best_group

    group = best_group(table, higher_is_better=better)
    return ([False] * len(table), True) if 2 * sum(group) > len(group) else (group, False)


RULES = {
    "group": "Bold: the best and every arm not told from it (multiple comparisons with the best, Hsu 1981, seeds paired, 5 %).",
    "best": "Bold: the best mean, told from the others or not.",
    "none": "",
}
WITHHELD = "No bold where more than half of the arms would be: {columns}."
"""Footnotes on bold, by the rule asked for."""
SAME_TEXTS = "0: both arms are the same texts."


def spread_words(summary: Summary, over: str = "seeds") -> str:
    """What a footnote says of the errors in a table, or of why there are none."""
    if not summary.head.complete:
        return "errors are withheld until the plan is complete"
    return f"± is the standard error over {over}"


def spread_note(summary: Summary, seeds: Collection[int]) -> str:
    """The footnote on the errors of means over so many seeds."""
    low, high = min(seeds, default=0), max(seeds, default=0)
    n = f"{low} to {high}" if low < high else low or "no"
    items = "; test items are not part of it" if summary.head.complete else ""
    return sentence(spread_words(summary, f"{n} seeds") + items)


def sentence(words: str) -> str:
    """Words with a capital and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."
