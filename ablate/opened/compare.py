"""Several studies side by side: the same stages, and whether their gains may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ablate.errors import DataError
from ablate.opened.study import OpenedStudy, open_study
from ablate.summary.model import Summary

COLUMNS = (
    "study", "stage", "factor", "level", "versus", "estimand", "task", "metric", "gain", "low", "high", "n_seeds", "kind", "verdict",
    "comparable", "why_not",
)  # fmt: skip


def compare(studies: Sequence[OpenedStudy | str | Path]) -> pd.DataFrame:
    """Each study's headline gains, a row per study and stage; stages of one name and levels stand together.

    Args:
        studies: opened, or their folders; two or more.
    Returns:
        The columns of `COLUMNS`. `gain`, `low` and `high` are turned so that plus is better, in the study's own metric.
        `comparable` is against the first study; `why_not` says what differs, and sizes must then not be compared: only signs.
    Raises:
        DataError: for fewer than two studies, or two of one name.
    """
    opened = [one if isinstance(one, OpenedStudy) else open_study(one) for one in studies]
    if len(opened) < 2:
        raise DataError(f"expected two studies or more to compare, got {len(opened)}")
    rows = []
    for place, study in enumerate(opened):
        differs = differences(opened[0].summary, study.summary) if place else []
        name = (
            study.name
            if [one.name for one in opened].count(study.name) == 1
            else f"{study.name} ({place + 1})"
        )
        shown = study.effects(task=study.summary.head.headline, metric=study.primary)
        for row in shown.itertuples():
            rows.append(
                (
                    name,
                    row.stage,
                    row.factor,
                    row.level,
                    row.versus,
                    row.estimand,
                    row.task,
                    row.metric,
                    row.turned,
                    row.turned_low,
                    row.turned_high,
                    row.n_seeds,
                    row.kind,
                    row.verdict,
                    not differs,
                    "; ".join(differs),
                )
            )
    found = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    order = {stage: number for number, stage in enumerate(dict.fromkeys(found["stage"]))}
    return found.sort_values("stage", key=lambda column: column.map(order), kind="stable").reset_index(
        drop=True
    )


def differences(one: Summary, other: Summary) -> list[str]:
    """What keeps the sizes of two studies' gains from being compared, in words; empty for nothing."""
    told = []
    for what, first, second in (
        ("metric", one.head.primary, other.head.primary),
        ("task", one.head.headline, other.head.headline),
        ("estimand", _estimand(one), _estimand(other)),
        ("parameters", _all(one, "parameters"), _all(other, "parameters")),
        ("tokens", _all(one, "tokens"), _all(other, "tokens")),
        ("direction", _direction(one), _direction(other)),
    ):
        if not first and not second and what in ("parameters", "tokens"):
            told.append(f"{what}: not known of either")
        elif first != second:
            told.append(f"{what}: {second or 'not known'} here, {first or 'not known'} in {one.head.name}")
    if one.head.primary == other.head.primary:
        mine, theirs = _items(one), _items(other)
        for task in sorted(mine.keys() | theirs.keys()):
            if mine.get(task) != theirs.get(task):
                why = "other items" if task in mine and task in theirs else "not in both"
                told.append(f"task {task}: {why}")
    return told


def _estimand(summary: Summary) -> str:
    return next(iter(summary.contrasts["estimand"]), "")


def _all(summary: Summary, name: str) -> str:
    return ", ".join(
        str(value) for value in sorted({value for value in summary.runs.get(name, []) if value is not None})
    )


def _direction(summary: Summary) -> str:
    pairs = zip(summary.metrics["metric"], summary.metrics["higher_is_better"], strict=True)
    return next(
        ("higher" if better else "lower" for metric, better in pairs if metric == summary.head.primary), ""
    )


def _items(summary: Summary) -> dict[str, tuple[object, object]]:
    """Task of the headline -> number and digest of its items."""
    tasks = summary.aggregates.get(summary.head.primary) or [summary.head.headline]
    rows = zip(*(summary.metrics[name] for name in ("task", "metric", "n_items", "digest")), strict=True)
    return {
        task: (n, digest)
        for task, metric, n, digest in rows
        if metric == summary.head.primary and task in tasks
    }
