"""A CSV of scores: columns arm, seed, task, score; metric and tokens when there; the others are factors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.errors import DataError
from ablate.fingerprint import digest
from ablate.importing.results import Results, direction
from ablate.reading.records import Place, read_rows
from ablate.study.record import TaskInfo

NEEDED = ("arm", "seed", "task", "score")
RESERVED = (*NEEDED, "metric", "tokens")
NUMBER = re.compile(r"[-+0-9.eE]+")
"""Python also reads 1_0 as ten, and digits of every script."""


def read_csv(path: Path, better: Mapping[str, bool], chance: Mapping[str, float]) -> Results:
    """Read a table with one score per line: .csv, .tsv, or another format of records, packed or not.

    Args:
        path: its columns are `arm`, `seed`, `task` and `score`; `metric` ("score" without it); `tokens`
            seen, which makes points of a curve; every other column is a factor with the arm's level.
        better: metric -> whether higher is better, where its name does not say it.
        chance: task, or "task/metric", -> score of a guess.
    Raises:
        DataError: for a missing column, a value that is no number, or a line that repeats another;
            names the line.
        ConfigError: for a metric whose direction is unknown.
    """
    rows = [
        (place, {name: _cell(value) for name, value in row.items()})
        for place, row in read_rows(path, "results.csv", otherwise=".csv")
    ]
    names = list(rows[0][1]) if rows else []
    if rows and (lacking := [name for name in NEEDED if name not in names]):
        raise DataError(
            f"{path}: no column {', '.join(lacking)}; needed: {', '.join(NEEDED)}; there: {', '.join(names)}"
        )
    factors = [name for name in names if name not in RESERVED]
    found = Results(sources=[f"{path.name}, digest {digest([row for _, row in rows])[:12]}"])
    metrics: dict[str, dict[str, bool]] = {}
    first: dict[tuple[object, ...], Place] = {}
    for place, cells in rows:
        where = str(place)
        if set(cells) != set(names):
            raise DataError(f"{where}: expected {', '.join(names)}; there: {', '.join(cells)}")
        arm, task, metric = cells["arm"], cells["task"], cells.get("metric") or "score"
        if not arm or not task:
            raise DataError(f"{where}: arm and task must be named, got arm {arm!r}, task {task!r}")
        seed = _whole(cells["seed"], f"{where}: seed")
        tokens = _whole(cells["tokens"], f"{where}: tokens") if cells.get("tokens") else None
        key = (arm, seed, tokens, task, metric)
        if key in first:
            raise DataError(
                f"{where} repeats {first[key].unit} {first[key].number}: arm {arm!r}, seed {seed}, task {task!r}, {metric}. "
                "A replicate needs a seed of its own"
            )
        first[key] = place
        found.set_levels(arm, {name: cells[name] for name in factors}, where)
        scores = found.points.setdefault((arm, seed), {}).setdefault(tokens, {})
        scores.setdefault(task, {})[metric] = _number(
            cells["score"], f"{where}: score", f" (arm {arm!r}, seed {seed}, task {task!r})"
        )
        metrics.setdefault(task, {})[metric] = direction(metric, better)
    if not found.points:
        raise DataError(f"{path} holds no score")
    for task, ways in metrics.items():
        levels = {m: chance.get(f"{task}/{m}", chance.get(task)) for m in ways}
        known = {metric: float(level) for metric, level in levels.items() if level is not None}
        found.tasks[task] = TaskInfo(chance=known, n_items=None, digest="", higher_is_better=ways)
    return found


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _number(cell: str, where: str, of: str = "") -> float:
    try:
        value = float(cell) if NUMBER.fullmatch(cell) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{where} must be a finite number, got {cell!r}{of}; leave out the line of a failed run"
        )
    return value


def _whole(cell: str, where: str) -> int:
    value = _number(cell, where)
    if not value.is_integer():
        raise DataError(f"{where} must be a whole number, got {cell!r}")
    return int(value)
