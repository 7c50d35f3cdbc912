"""What the planned runs of a study do now, read from what they leave in its folder; nothing there is written or locked."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import DataError
from ablate.fingerprint import digest
from ablate.report.summary import log_end
from ablate.store import read_json
from ablate.study.plan import load_plan, run_folder
from ablate.study.results import GIVEN_UP
from ablate.study.schema import Plan

SILENT_AFTER_S = 120.0
"""Seconds without a line in its log after which a run is said to be silent: steps write one every few seconds, an evaluation may take a minute."""
FEWEST = 2
"""Finished runs before a time of arrival is given; one says nothing of how much they differ."""

Stamp = tuple[int, int]
"""A file's time of change, ns, and its size, bytes: another one means that it was written."""


@dataclass(frozen=True)
class Curve:
    """Scores of a run that goes on.

    Attributes:
        tokens: seen at each checkpoint so far, ascending.
        scores: task and metric, joined by a slash -> score at each of them; None where it was not measured.
    """

    tokens: tuple[int, ...]
    scores: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class RunNow:
    """A planned run, now.

    Attributes:
        arm, seed: which.
        status: "waiting", "running", "done", "failed" or "given up".
        progress: share of its tokens that it has seen, 0 to 1; None where it does not run or its budget is one pass over a corpus.
        why: the reason of a failure in one line.
        log: the end of its log, of failed runs.
        silent_s: seconds since its log grew, of running runs for which that is long; rounded to half a minute.
        curve: its scores so far, of running runs.
        took_s: seconds, of runs that are done.
    """

    arm: str
    seed: int
    status: str
    progress: float | None = None
    why: str | None = None
    log: str | None = None
    silent_s: int | None = None
    curve: Curve | None = None
    took_s: float | None = None


@dataclass(frozen=True)
class Now:
    """A study, now.

    Attributes:
        runs: arms in the plan's order, then seeds.
        left_s: seconds until the last run ends, from the quicker tenth of finished runs to the slower one; None before there are any.
        records: changes when a record comes, goes or changes.
    """

    runs: tuple[RunNow, ...]
    left_s: tuple[float, float] | None
    records: str


class Watch:
    """Looks at a study's folder again and again; only files that changed since the last look are read.

    Args:
        folder: of a planned study.
    Raises:
        DataError: where there is no plan, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan_at: Stamp | None = None
        self._read: dict[Path, tuple[Stamp, RunNow]] = {}
        self._replan()

    def look(self) -> Now:
        """Return what every planned run does now."""
        self._replan()
        stamps, runs = [], []
        for arm, seed, place, tokens in self._runs:
            files = _stamps(place)
            stamps.append([arm, seed, *(files.get(name) for name in ("record.json", "failed.json"))])
            runs.append(self._run(RunNow(arm, seed, "waiting"), place, files, tokens))
        return Now(tuple(runs), left(runs), digest([self._plan_at, stamps]))

    def _replan(self) -> None:
        at = _stamp(self.folder / "plan.json")
        if at is not None and at == self._plan_at:
            return
        plan = load_plan(self.folder)
        if plan.imported is not None:
            raise DataError(f"{self.folder}: its results were imported, so no run of it goes on")
        self._plan_at = at
        self._runs = [
            (name, seed, run_folder(self.folder, name, seed), _tokens(plan, name))
            for name in plan.arms
            for seed in plan.seeds
        ]

    def _run(self, run: RunNow, place: Path, files: Mapping[str, Stamp], tokens: int | None) -> RunNow:
        for name, read in (("record.json", _done), ("failed.json", _failed)):
            if name in files:
                return self._kept(place / name, files[name], partial(read, run, place))
        log = files.get("log.txt")
        if log is None or not log[1]:
            return run
        found = self._kept(place / "log.txt", log, partial(_running, run, place / "log.txt", tokens))
        quiet = time.time() - log[0] / 1e9
        return replace(found, silent_s=round(quiet / 30) * 30) if quiet > SILENT_AFTER_S else found

    def _kept(self, path: Path, stamp: Stamp, read: Callable[[], RunNow]) -> RunNow:
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, read())
        return known[1]


def left(runs: list[RunNow]) -> tuple[float, float] | None:
    """How many seconds the rest takes at the pace of finished runs: at that of the quicker tenth and of the slower.

    Runs that turn out to be the same as others are not known before their corpora are built, so both ends are too
    large where there are such; curation that still waits is not counted.
    """
    took = [run.took_s for run in runs if run.took_s is not None]
    going = [run for run in runs if run.status == "running"]
    rest = sum(run.status == "waiting" for run in runs) + sum(1 - (run.progress or 0.0) for run in going)
    if len(took) < FEWEST or not rest:
        return None
    low, high = np.quantile(took, [0.1, 0.9])
    rounds = rest / max(1, len(going))
    return float(low * rounds), float(high * rounds)


def _tokens(plan: Plan, arm: str) -> int | None:
    chosen = plan.arms[arm]
    return chosen.train.tokens if chosen.budget.match == "tokens" else None


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _stamps(place: Path) -> dict[str, Stamp]:
    try:
        with os.scandir(place) as entries:
            stats = {entry.name: entry.stat() for entry in entries if entry.is_file()}
    except OSError:
        return {}
    return {name: (found.st_mtime_ns, found.st_size) for name, found in stats.items()}


def _object(path: Path) -> Mapping[str, Any]:
    """A file's JSON object; empty where it went or is damaged: the next look reads it again when it changed."""
    try:
        found = read_json(path)
    except (OSError, DataError):
        return {}
    return found if isinstance(found, dict) else {}


def _done(run: RunNow, place: Path) -> RunNow:
    cost = _object(place / "record.json").get("cost")
    took = cost.get("run_s") if isinstance(cost, dict) else None
    sound = isinstance(took, int | float) and math.isfinite(took)
    return replace(run, status="done", took_s=float(took) if sound and took else None)


def _failed(run: RunNow, place: Path) -> RunNow:
    why = str(_object(place / "failed.json").get("error", "without a reason"))
    if why.startswith(GIVEN_UP):
        return replace(run, status="given up", why=why)
    return replace(run, status="failed", why=why, log=log_end(place / "log.txt"))


def _running(run: RunNow, log: Path, tokens: int | None) -> RunNow:
    """A run from its log: lines of steps and of checkpoints, of which the last may be half written."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return run
    seen, points = 0, {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("tokens"), int):
            continue
        seen = entry["tokens"]
        if isinstance(entry.get("scores"), dict):
            points[seen] = _flat(entry["scores"])
    names = dict.fromkeys(name for point in points.values() for name in point)
    at = sorted(points)
    curve = Curve(tuple(at), {name: tuple(points[one].get(name) for one in at) for name in names})
    share = min(1.0, seen / tokens) if tokens else None
    return replace(run, status="running", progress=share, curve=curve if points else None)


def _flat(scores: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{task}/{metric}": float(value)
        for task, metrics in scores.items()
        if isinstance(metrics, dict)
        for metric, value in metrics.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
