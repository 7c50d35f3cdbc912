"""`study.json` from records and effects: all that is said of a study, for whoever shows it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ablate.corpus.dropped_texts import FILE as DROPPED
from ablate.corpus.dropped_texts import DroppedText, read_dropped_texts
from ablate.design.base import weight_matrix
from ablate.effects.aggregate import aggregate
from ablate.report import decision, leaks, screening
from ablate.report.branching import TRUNK, trunks
from ablate.report.effects_table import headline
from ablate.report.lead import in_short
from ablate.report.noise import noise_table
from ablate.report.row import Row, columns
from ablate.report.tables import scale
from ablate.report.words import chance, families, reading
from ablate.store import Damaged, say
from ablate.study.interim_looks import OPEN
from ablate.study.plan import run_folder
from ablate.study.record import Record
from ablate.study.results import AGGREGATE, GIVEN_UP, NOT_RUN, Study, current, score_table
from ablate.study.tracked import flat
from ablate.summary.model import Columns, Head, Summary
from ablate.summary.state import state_of

EFFECT, SCORE = 6, 8
"""Digits of effects and of scores, as their CSV files have them."""
LOG_END = 2000
"""Bytes of a failed run's log."""
Run = tuple[str, int]


def summarise(study: Study, rows: Sequence[Row]) -> Summary:
    """Put everything that is shown of a study into the model of `study.json`.

    Args:
        study: as its folder tells it.
        rows: its effects.
    """
    runs = [(arm, seed) for arm in study.arms for seed in study.seeds]
    points = _grids(study)
    metrics = [(task, metric) for task, info in study.tasks.items() for metric in info.higher_is_better]
    return Summary(
        head=_head(study, rows),
        words=_words(study, rows),
        factors={one.name: list(one.levels) for one in study.plan.factors},
        arms=_arms(study),
        metrics=_table(
            ("task", "metric", "higher_is_better", "chance", "n_items", "examples", "digest"),
            (
                [
                    task,
                    metric,
                    study.tasks[task].higher_is_better[metric],
                    study.tasks[task].chance.get(metric),
                    *(getattr(study.tasks[task], name) for name in ("n_items", "examples", "digest")),
                ]
                for task, metric in metrics
            ),
        ),
        aggregates={metric: study.aggregated(metric) for metric in study.metrics},
        contrasts=_contrasts(study),
        runs=_runs(study, runs, points),
        points=[list(grid) for grid in points],
        scores=_scores(study, runs, metrics),
        effects=_effects(study, rows),
        corpora=_corpora(study),
        funnel=_funnel(study),
        dropped=_dropped(study),
        screening=_screening(study),
        noise=_table(
            ("metric", "task", "seed_sd", "ci_low", "ci_high", "range_of_arms", "homogeneity_p"),
            (
                [
                    one.metric,
                    one.task,
                    *_reals(
                        (
                            one.floor.seed_sd,
                            one.floor.ci_low,
                            one.floor.ci_high,
                            one.range_of_arms,
                            one.floor.homogeneity_p,
                        )
                    ),
                ]
                for one in (() if study.waiting else noise_table(study))
            ),
        ),
        decisions=_table(
            decision.COLUMNS,
            (
                [_real(getattr(row, name)) for name in decision.COLUMNS]
                for row in (() if study.waiting else decision.by_budget(study))
            ),
        ),
        leaks=_table(
            leaks.COLUMNS,
            ([_real(getattr(one, name), SCORE) for name in LEAKS] for one in leaks.splits(study)),
        ),
        cost=_cost(study, runs),
        curation=_curation(study),
        provenance=_provenance(study),
        dropped_texts=_dropped_texts(study),
    )


LEAKS = (
    "task",
    "metric",
    "arm",
    "n_items",
    "given_away",
    "n_leaked",
    "score",
    "clean",
    "leaked",
    "inflation",
)
"""Of a split, in the order of `leaks.COLUMNS`."""


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Columns:
    table: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for column, value in zip(table.values(), row, strict=True):
            column.append(value)
    return table


def _real(value: Any, digits: int = EFFECT) -> Any:
    """A float with so many digits, None for NaN; anything else as it is."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _reals(values: Iterable[Any], digits: int = EFFECT) -> list[Any]:
    return [_real(value, digits) for value in values]


def _head(study: Study, rows: Sequence[Row]) -> Head:
    plan = study.plan
    lead = headline(rows, study)
    return Head(
        name=plan.study,
        title=plan.title,
        question=plan.question,
        prediction=plan.prediction,
        design=plan.design,
        digest=plan.digest,
        records=state_of(study.folder),
        reference=plan.reference,
        primary=study.primary,
        headline=lead[0].task if lead else next(iter(study.headline_tasks), ""),
        aggregate=study.aggregate if isinstance(study.aggregate, str) else tuple(study.aggregate),
        seeds=tuple(study.seeds),
        stages=plan.stages,
        sequential=plan.sequential is not None,
        complete=not study.waiting,
        imported=plan.imported or (),
    )


def _words(study: Study, rows: Sequence[Row]) -> dict[str, str]:
    told = {
        "reading": reading(study),
        "scale": scale(study),
        "claims": families(study),
        "chance": " ".join(chance(study)),
    }
    if study.records and rows and not study.waiting:
        told["in_short"] = in_short(study, rows)
    return {name: text for name, text in told.items() if text}


def _arms(study: Study) -> Columns:
    configs = {name: flat(arm.config) for name, arm in study.plan.arms.items()}
    usual = configs[study.plan.reference]
    rows = []
    for name, arm in study.plan.arms.items():
        mine = configs[name]
        paths = [path for path in {**usual, **mine} if mine.get(path) != usual.get(path)]
        rows.append([name, dict(arm.levels), {path: mine.get(path) for path in paths}])
    return _table(("arm", "levels", "changes"), rows)


def _contrasts(study: Study) -> Columns:
    names = ("factor", "level", "versus", "estimand")
    rows = [
        [
            one.name,
            *(getattr(one, name) for name in names),
            dict(one.weights),
            number < len(study.plan.contrasts),
        ]
        for number, one in enumerate(study.contrasts)
    ]
    return _table(("stage", *names, "weights", "planned"), rows)


def _grids(study: Study) -> list[tuple[int, ...]]:
    return list(dict.fromkeys(_grid(record) for record in study.records.values() if record.curve))


def _grid(record: Record) -> tuple[int, ...]:
    return tuple(point.tokens for point in record.curve)


def _runs(study: Study, runs: Sequence[Run], points: Sequence[tuple[int, ...]]) -> Columns:
    names = (
        "arm",
        "seed",
        "folder",
        "status",
        "why",
        "log",
        "run",
        "points",
        "tokens",
        "epochs",
        "parameters",
        "flops",
    )
    needed = _needed(study)
    rows: list[list[Any]] = []
    for arm, seed in runs:
        record, place = study.records.get((arm, seed)), run_folder(study.folder, arm, seed)
        where = place.relative_to(study.folder).as_posix()
        if record is None:
            status = _status(study, (arm, seed), needed)
            why, log = (
                (study.failed[arm, seed], log_end(place / "log.txt"))
                if status in ("failed", "given up")
                else (None, None)
            )
            rows.append([arm, seed, where, status, why, log, *[None] * 6])
            continue
        grid = points.index(_grid(record)) if record.curve else None
        corpus, model = record.corpus, record.model
        rows.append(
            [
                arm,
                seed,
                where,
                "done",
                None,
                None,
                record.run,
                grid,
                record.train.tokens,
                _real(corpus and corpus.epochs),
                model.parameters if model else None,
                model.flops if model else None,
            ]
        )
    return _table(names, rows)


def _needed(study: Study) -> set[str] | None:
    """Arms that a sequential study still asks for; None for a study whose every run is."""
    if study.plan.sequential is None:
        return None
    return {arm for state in current(study) if state.status == OPEN for arm in state.arms}


def _status(study: Study, run: Run, needed: set[str] | None) -> str:
    why = study.failed.get(run)
    if why is None:
        return "waiting" if needed is None or run[0] in needed else "not needed"
    if why.startswith(GIVEN_UP):
        return "given up"
    return "waiting" if why == NOT_RUN else "failed" if study.plan.imported is None else "not imported"


def log_end(path: Path) -> str | None:
    """The last `LOG_END` bytes of a run's log; None where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_END))
            return file.read().decode(errors="replace")
    except OSError:
        return None


def _scores(study: Study, runs: Sequence[Run], metrics: Sequence[tuple[str, str]]) -> Columns:
    """Each task and metric in the order in which the runs' curves have them, then the aggregates."""
    met: dict[tuple[str, str], None] = {}
    for record in study.records.values():
        for scores in [*(point.scores for point in record.curve), record.scores]:
            met |= {(task, metric): None for task, values in scores.items() for metric in values}
    known = [pair for pair in met if pair in set(metrics)]
    rows = []
    for task, metric in known:
        curves = [_curve(study, run, task, metric) for run in runs]
        rows.append([task, metric, _ends(study, task, metric), [_listed(curve) for curve in curves]])
    for metric in study.metrics:
        if not (members := study.aggregated(metric)):
            continue
        chances = study.chances(members, metric)
        curves = []
        for run in runs:
            parts = [_curve(study, run, task, metric) for task in members]
            whole = [part for part in parts if part is not None]
            curves.append(aggregate(np.stack(whole), chances) if len(whole) == len(members) else None)
        rows.append(
            [AGGREGATE, metric, _ends(study, AGGREGATE, metric), [_listed(curve) for curve in curves]]
        )
    return _table(("task", "metric", "end", "curve"), rows)


def _ends(study: Study, task: str, metric: str) -> list[float | None]:
    return _reals(score_table(study, task, metric).ravel().tolist(), SCORE)


def _curve(study: Study, run: Run, task: str, metric: str) -> np.ndarray | None:
    record = study.records.get(run)
    if record is None or not record.curve:
        return None
    values = [point.scores.get(task, {}).get(metric) for point in record.curve]
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _listed(curve: np.ndarray | None) -> list[float | None] | None:
    return None if curve is None else _reals(curve.tolist(), SCORE)


def _effects(study: Study, rows: Sequence[Row]) -> Columns:
    shown = columns(rows)
    tables: dict[tuple[str, str], np.ndarray] = {}
    found = []
    for row in rows:
        scores = tables.setdefault((row.task, row.metric), score_table(study, row.task, row.metric))
        (weights,) = weight_matrix([row], study.arms)
        values = {name: _real(value(row)) for name, value in shown.items()}
        values |= {"mde_noise": _real(row.detectable.noise), "mde_df": _real(row.detectable.df)}
        found.append(
            [
                row.number,
                *values.values(),
                row.verdict.kind.name.lower(),
                _reals((weights[weights != 0] @ scores[weights != 0]).tolist()),
            ]
        )
    return _table(("contrast", *shown, "mde_noise", "mde_df", "kind", "by_seed"), found)


def _corpora(study: Study) -> Columns:
    names = ("documents", "bytes", "unique_tokens")
    rows = []
    for arm in study.arms:
        for record in study.corpora(arm):
            if (corpus := record.corpus) is None:
                continue
            copies = corpus.copies
            rows.append(
                [
                    arm,
                    record.seed,
                    corpus.key,
                    *(getattr(corpus, name) for name in names),
                    record.own_tokens,
                    _real(corpus.epochs),
                    _real(corpus.effective_tokens),
                    _real(copies and copies.mean),
                    copies and copies.max,
                ]
            )
    return _table(
        (
            "arm",
            "seed",
            "key",
            *names,
            "trained_tokens",
            "epochs",
            "effective_tokens",
            "copies_mean",
            "copies_max",
        ),
        rows,
    )


def _funnel(study: Study) -> Columns:
    return _table(
        ("arm", "stage", "documents", "bytes", "tokens", "changed"),
        (
            [arm, line["stage"], line["documents"], line["bytes"], line["tokens"], line["changed"]]
            for arm in study.arms
            for line in study.funnel(arm) or ()
        ),
    )


def _dropped(study: Study) -> Columns:
    rows = [
        [arm, line["stage"], what, reason, count]
        for arm in study.arms
        for line in study.funnel(arm) or ()
        for what, counts in (("dropped", line["dropped"]), ("found", line.get("found", {})))
        for reason, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    return _table(("arm", "stage", "what", "reason", "count"), rows)


def _dropped_texts(study: Study) -> Columns:
    """Of each stage those of the reference, or of the first arm in which it dropped any."""
    most, told, rows = study.plan.dropped_texts, dict[str, str](), list[list[str]]()
    for arm in dict.fromkeys((study.plan.reference, *study.arms)) if most else ():
        found: dict[tuple[str, str], list[DroppedText]] = {}
        for one in _texts_of(study, arm):
            if told.setdefault(one.stage, arm) == arm:
                found.setdefault((one.stage, one.reason), []).append(one)
        rows += [[arm, *vars(one).values()] for texts in found.values() for one in texts[:most]]
    return _table(("arm", *(entry.name for entry in fields(DroppedText))), rows)


def _texts_of(study: Study, arm: str) -> list[DroppedText]:
    record = study.first_record(arm)
    if record is None:
        return []
    try:
        return read_dropped_texts(run_folder(study.folder, arm, record.seed) / DROPPED)
    except Damaged as problem:  # they are shown, and decide nothing
        say(f"{problem}; the texts of arm {arm} are not shown")
        return []


def _screening(study: Study) -> Columns:
    judged = () if study.waiting else screening.table(study)
    rows = [[*row, _real(study.checkpoint_sd(row[0], row[1]))] for row in judged]
    return _table((*screening.COLUMNS, "checkpoint_sd"), ([_real(value) for value in row] for row in rows))


def _cost(study: Study, runs: Sequence[Run]) -> Columns:
    """What each run cost on the machine it ran on; of branches what they took beyond their trunk."""
    took = trunks(study).values()
    costs = [one.cost for one in study.records.values()] + [one.cost for one in took]
    names = sorted({name for cost in costs for name in cost})
    rows = [[TRUNK, one.seed, one.tokens, one.flops, *(one.cost.get(name) for name in names)] for one in took]
    for arm, seed in runs:
        record = study.records.get((arm, seed))
        if record:
            flops = record.model.flops if record.model else None
            rows.append([arm, seed, record.own_tokens, flops, *(record.cost.get(name) for name in names)])
    return _table(("arm", "seed", "tokens", "flops", *names), rows)


def _curation(study: Study) -> Columns:
    record = study.first_record(study.plan.reference)
    spent = dict(record.curation_cpu_s or {}) if record else {}
    lines = study.funnel(study.plan.reference) or []
    kept = {
        after["stage"]: after["documents"] / before["documents"]
        for before, after in pairwise(lines)
        if before["documents"]
    }
    return _table(
        ("stage", "cpu_s", "kept"),
        ([stage, _real(spent.get(stage)), _real(kept.get(stage))] for stage in {**kept, **spent}),
    )


def _provenance(study: Study) -> Columns:
    names = ("commit", "dirty", "python", "platform", "cores", "versions")
    found: dict[str, list[Any]] = {}
    for record in study.records.values():
        told = [record.provenance.get(name) for name in names]
        found.setdefault(repr(told), [*told, 0])[-1] += 1
    return _table((*names, "runs"), found.values())
