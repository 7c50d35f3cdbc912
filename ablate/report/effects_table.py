"""The effects of a study: one row per contrast, task and metric, as `effects.csv` holds them."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ablate.effects.aggregate import aggregate
from ablate.effects.contrast import estimate_contrasts
from ablate.effects.estimate import Estimate
from ablate.effects.items import aggregate_item_error, item_error
from ablate.effects.multiplicity import benjamini_hochberg, holm
from ablate.effects.noise import noise_floor
from ablate.effects.power import detectable
from ablate.effects.sequential import sequential_contrasts
from ablate.effects.verdict import verdict
from ablate.report.records import AGGREGATE, Study

COLUMNS = (
    "factor", "level", "versus", "estimand", "task", "metric", "higher_is_better", "estimate", "ci_low",
    "ci_high", "n_seeds", "seed_error", "item_error", "p_value", "p_adjusted", "verdict", "mde", "df", "method", "correction", "noise_floor",
)  # fmt: skip
FAMILIES = (
    "Claims, which are the gains that the plan froze in the primary metric, have Holm's p: the aggregate's rows "
    "make one family per estimand (those of the only task too, where there is just one), the rows of single "
    "tasks another, over stages x tasks. All else is exploration and has Benjamini and Hochberg's: other "
    "metrics, and gains that were asked for afterwards, a family per estimand and metric over stages x tasks."
)
HOLM, BH = "Holm", "Benjamini-Hochberg"
Row = dict[str, Any]


def effects_table(study: Study) -> list[Row]:
    """Every effect that the records identify; one of an arm without records is marked missing."""
    contrasts = study.contrasts
    if not contrasts:
        return []
    weights = np.array([[c["weights"].get(arm, 0.0) for arm in study.arms] for c in contrasts])
    same = [study.identical(c["weights"]) for c in contrasts]
    rows: list[Row] = []
    for metric, better in study.metrics.items():
        for task, scores, errors in _tables(study, metric, weights, same):
            floor = noise_floor(scores[study.distinct]).seed_sd
            for number, estimate in enumerate(_estimates(study, scores, weights, same)):
                row = _row(contrasts[number], task, metric, better, estimate, errors[number])
                claim = metric == study.primary and number < len(study.plan["contrasts"])
                rows.append(row | {"noise_floor": floor, "correction": HOLM if claim else BH})
    _adjust(rows, study)
    for row in rows:
        row["verdict"] = _words(row, study)
    order = {_key(contrast): number for number, contrast in enumerate(contrasts)}
    tasks = {task: number for number, task in enumerate([AGGREGATE, *study.tasks])}
    rows.sort(key=lambda r: (r["metric"] != study.primary, r["metric"], tasks[r["task"]],
                             order[_key(r)]))  # fmt: skip
    return rows


def _estimates(study: Study, scores: np.ndarray, weights: np.ndarray, same: Sequence[bool]) -> list[Estimate]:
    """Every contrast of a table; where seeds came in rounds, with inference that allows for the looks."""
    rule = study.plan.get("sequential")
    if rule is None:
        return estimate_contrasts(scores, weights, identical=same)
    return sequential_contrasts(
        scores, weights, rule["rounds"], spending=rule["spending"], identical=same, level=1 - rule["alpha"]
    )


def _key(contrast: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(contrast[name] for name in ("estimand", "factor", "level", "versus"))


def _tables(
    study: Study, metric: str, weights: np.ndarray, same: Sequence[bool]
) -> list[tuple[str, np.ndarray, list[float]]]:
    """(task, scores, item error per contrast) for the aggregate and each task with the metric."""
    tables, errors = {}, {}
    for task, info in study.tasks.items():
        if metric in info["higher_is_better"]:
            tables[task] = study.scores(task, metric)
            items = study.items(task, metric)
            errors[task] = [
                0.0 if equal else math.nan if items is None else item_error(items, row)
                for row, equal in zip(weights, same, strict=True)
            ]
    found = [(task, tables[task], errors[task]) for task in tables]
    members = study.aggregated(metric)
    if members:
        levels = [study.tasks[task]["chance"].get(metric) for task in members]
        chance = None if None in levels else [float(level) for level in levels]
        together = aggregate(np.stack([tables[task] for task in members]), chance)
        combined = [
            aggregate_item_error([errors[task][number] for task in members], chance)
            for number in range(len(weights))
        ]
        found.insert(0, (AGGREGATE, together, combined))
    return found


def _row(
    contrast: Mapping[str, Any], task: str, metric: str, better: bool, estimate: Estimate, item: float
) -> Row:
    return {
        **{name: contrast[name] for name in ("factor", "level", "versus", "estimand")},
        "weights": contrast["weights"],
        "task": task,
        "metric": metric,
        "higher_is_better": better,
        **asdict(estimate),
        "item_error": item,
        "mde": detectable(estimate),
        "p_adjusted": math.nan,
    }


def _adjust(rows: list[Row], study: Study) -> None:
    families: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    members = study.aggregated(study.primary)
    alone = members[0] if len(members) == 1 else None
    for row in rows:
        leads = row["metric"] == study.primary and row["task"] in (AGGREGATE, alone)
        families[row["estimand"], row["metric"], row["task"] if leads else None].append(row)
    for family in families.values():
        # Arms with the same texts are one arm: nothing was tested there, so nothing is corrected for.
        tested = [math.nan if row["method"] == "identical" else row["p_value"] for row in family]
        adjusted = holm(tested) if family[0]["correction"] == HOLM else benjamini_hochberg(tested)
        for row, value in zip(family, adjusted, strict=True):
            row["p_adjusted"] = 1.0 if row["method"] == "identical" else float(value)


def _words(row: Row, study: Study) -> str:
    lost = sorted({arm for arm, _ in study.failed if row["weights"].get(arm)}, key=study.arms.index)
    lost = [arm for arm in lost if study.first_record(arm) is None]
    if lost:
        return f"missing: {', '.join(lost)} failed"
    estimate = Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__})
    return verdict(
        estimate, p_adjusted=row["p_adjusted"], mde=row["mde"], higher_is_better=row["higher_is_better"],
        noise_floor=row["noise_floor"], correction=row["correction"],
    )  # fmt: skip


def by_estimand(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each estimand, the plan's own first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["estimand"], []).append(row)
    return found


def headline(rows: Sequence[Row], study: Study) -> list[Row]:
    """The rows that the report leads with: the aggregate of the primary metric."""
    chosen = [row for row in rows if row["metric"] == study.primary and row["task"] == AGGREGATE]
    return chosen or [row for row in rows if row["metric"] == study.primary]


def number(value: float, digits: int = 6) -> str:
    """A float for a file: fixed digits, empty for NaN."""
    return "" if math.isnan(value) else f"{value:.{digits}g}"


def to_csv(rows: Sequence[Row]) -> str:
    """`effects.csv`: an empty cell is a value that was not measured."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = (row[name] for name in COLUMNS)
        writer.writerow([number(cell) if isinstance(cell, float) else str(cell) for cell in cells])
    return out.getvalue()
