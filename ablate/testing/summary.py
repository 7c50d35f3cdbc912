"""A `study.json` of any size with made numbers, for whoever tests or times what reads one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ablate.effects.multiplicity import holm
from ablate.summary.model import SCHEMA

AGGREGATE = "aggregate"
METRIC = "bpb"
TOKENS = 1_000_000
CLAIMED = 0.05


def made_study(
    *,
    stages: Sequence[str],
    seeds: int,
    tasks: Sequence[str],
    points: int,
    name: str = "made",
    host: str = "machine",
    waiting: int = 0,
    failed: Mapping[tuple[str, int], str] | None = None,
    draw: int = 0,
) -> dict[str, Any]:
    """Make a leave-one-out study in bits per byte: every second stage helps by a tenth of a bit, the others do nothing.

    Args:
        stages: what is left out, an arm each beside "full".
        seeds, points: how many seeds, and checkpoints on a curve.
        tasks: their names; the aggregate is their mean.
        name, host: foreign text like the stages' and tasks' names.
        waiting: how many of the last runs have not been made.
        failed: (arm, seed) -> why, of runs that failed.
        draw: seed of the made numbers.
    """
    rng = np.random.default_rng(draw)
    arms = ["full", *(f"without_{stage}" for stage in stages)]
    worth = np.array([0.0, *(0.1 * (number % 2) for number in range(len(stages)))])
    drop = 4.0 - 1.2 * np.linspace(0.1, 1.0, points)
    shape = (len(tasks), len(arms), seeds, points)
    scores = drop + worth[:, None, None] + rng.normal(0, 0.02, shape)
    scores = np.concatenate([scores, scores.mean(axis=0, keepdims=True)])
    runs = [(arm, seed) for arm in arms for seed in range(seeds)]
    lost = dict(failed or {})
    late = set(runs[len(runs) - waiting :])
    for number, arm in enumerate(arms):
        for seed in range(seeds):
            if (arm, seed) in lost or (arm, seed) in late:
                scores[:, number, seed] = np.nan
    status = ["failed" if run in lost else "waiting" if run in late else "done" for run in runs]
    there = [value == "done" for value in status]
    names = [*tasks, AGGREGATE]
    effects = [
        row
        for place in [len(tasks), *range(len(tasks))]
        for row in _effects(scores[place, :, :, -1], stages, names[place], complete=not waiting)
    ]
    metrics = [
        {
            "task": task,
            "metric": METRIC,
            "higher_is_better": False,
            "chance": None,
            "n_items": 500,
            "examples": 0,
            "digest": "0" * 16,
        }
        for task in tasks
    ]
    kept = np.linspace(1.0, 0.3, len(stages) + 1)
    return {
        "schema": SCHEMA,
        "head": {
            "name": name,
            "title": f"A made study: {name}",
            "question": "What is each stage worth?",
            "prediction": "",
            "design": "leave_one_out",
            "digest": "0" * 16,
            "records": "0" * 16,
            "reference": "full",
            "primary": METRIC,
            "headline": AGGREGATE,
            "aggregate": "all",
            "seeds": list(range(seeds)),
            "stages": list(stages),
            "sequential": False,
            "complete": not waiting,
            "imported": [],
        },
        "words": {"in_short": f"**{len(stages)} stages** were left out in turn."},
        "factors": {stage: ["on", "off"] for stage in stages},
        "arms": {
            "arm": arms,
            "levels": [{}, *({stage: "off"} for stage in stages)],
            "changes": [{}, *({f"stages.{stage}.enabled": False} for stage in stages)],
        },
        "metrics": _columns(metrics),
        "aggregates": {METRIC: list(tasks)},
        "contrasts": {
            "stage": list(stages),
            "factor": list(stages),
            "level": ["on"] * len(stages),
            "versus": ["off"] * len(stages),
            "estimand": ["leave_one_out"] * len(stages),
            "weights": [{"full": 1.0, f"without_{stage}": -1.0} for stage in stages],
            "planned": [True] * len(stages),
        },
        "runs": {
            "arm": [arm for arm, _ in runs],
            "seed": [seed for _, seed in runs],
            "status": status,
            "why": [lost.get(run) for run in runs],
            "log": ["step 1\nstep 2\n" if run in lost else None for run in runs],
            "run": [f"{number:016x}" if done else None for number, done in enumerate(there)],
            "points": [0 if done else None for done in there],
            "tokens": [TOKENS if done else None for done in there],
            "epochs": [1.0 if done else None for done in there],
            "parameters": [1_000_000 if done else None for done in there],
            "folder": [f"runs/{number}" for number in range(len(runs))],
            "flops": [1e12 if done else None for done in there],
        },
        "points": [[round(TOKENS * (number + 1) / points) for number in range(points)]],
        "scores": {
            "task": names,
            "metric": [METRIC] * len(names),
            "end": [[_number(value, 8) for value in table[:, :, -1].ravel()] for table in scores],
            "curve": [
                [
                    [_number(value, 8) for value in run] if done else None
                    for run, done in zip(table.reshape(-1, points), there, strict=True)
                ]
                for table in scores
            ],
        },
        "effects": _columns(effects),
        "corpora": {},
        "funnel": _columns(
            [
                {
                    "arm": "full",
                    "stage": stage,
                    "documents": int(10_000 * kept[n]),
                    "bytes": int(5e7 * kept[n]),
                    "tokens": int(1e7 * kept[n] ** 1.2),
                    "changed": 0,
                }
                for n, stage in enumerate(["input", *stages])
            ]
        ),
        "dropped": _columns(
            [
                {
                    "arm": "full",
                    "stage": stage,
                    "what": "dropped",
                    "reason": f"{stage}: too short",
                    "count": 7,
                }
                for stage in stages
            ]
        ),
        "screening": {},
        "noise": _columns(
            [
                {
                    "metric": METRIC,
                    "task": task,
                    "seed_sd": 0.02,
                    "ci_low": 0.015,
                    "ci_high": 0.03,
                    "range_of_arms": 0.1,
                    "homogeneity_p": 0.5,
                }
                for task in names
            ]
        ),
        "decisions": {},
        "leaks": {},
        "cost": {},
        "curation": _columns(
            [{"stage": stage, "cpu_s": 1.0 + n, "kept": 0.9} for n, stage in enumerate(stages)]
        ),
        "provenance": {
            "commit": [None],
            "dirty": [False],
            "python": ["3.11"],
            "platform": [host],
            "cores": [2],
            "versions": [{"ablate": "0"}],
            "runs": [sum(there)],
        },
        "dropped_texts": _columns(
            [
                {
                    "arm": "full",
                    "stage": stage,
                    "reason": f"{stage}: too short",
                    "key": f"{number:016x}",
                    "url": f"https://{host}/{number}",
                    "source": "",
                    "text": f"A text of {host} that {stage} dropped.",
                }
                for number, stage in enumerate(stages)
            ]
        ),
    }


def _effects(end: np.ndarray, stages: Sequence[str], task: str, *, complete: bool) -> list[dict[str, Any]]:
    """Paired differences on one task; `end` has shape (n_arms, n_seeds)."""
    differences = end[0] - end[1:]
    known = [row[np.isfinite(row)] for row in differences]
    tests = [stats.ttest_1samp(row, 0.0) if row.size > 1 else None for row in known]
    values = np.array([np.nan if test is None else float(test.pvalue) for test in tests])
    adjusted = holm(values)
    rows = []
    for number, (stage, row, test) in enumerate(zip(stages, known, tests, strict=True)):
        low, high = (np.nan, np.nan) if test is None else test.confidence_interval(0.95)
        error = float(row.std(ddof=1) / np.sqrt(row.size)) if row.size > 1 else np.nan
        mean, p, corrected = (
            (row.mean() if row.size else np.nan),
            values[number],
            float(np.atleast_1d(adjusted)[number]),
        )
        way = "help" if mean < 0 else "hurt"
        kind = (
            "no_runs"
            if test is None
            else f"{way}s"
            if corrected < CLAIMED
            else f"suggests_{way}"
            if p < CLAIMED
            else "none_seen"
        )
        said = {"none_seen": "no effect seen", "no_runs": "not measured: runs missing"}.get(
            kind, kind.replace("_", " ")
        )
        hidden = not complete
        rows.append(
            {
                "contrast": number,
                "factor": stage,
                "level": "on",
                "versus": "off",
                "estimand": "leave_one_out",
                "task": task,
                "metric": METRIC,
                "higher_is_better": False,
                "estimate": _number(mean),
                **{
                    key: None if hidden else _number(value)
                    for key, value in {
                        "ci_low": low,
                        "ci_high": high,
                        "ci_low_items": low,
                        "ci_high_items": high,
                        "seed_error": error,
                        "p_value": p,
                        "p_adjusted": corrected,
                        "mde": 4 * error,
                        "mde_upper": 5 * error,
                    }.items()
                },
                "n_seeds": int(row.size),
                "item_error": 0.001,
                "df": float(row.size - 1),
                "method": "paired",
                "correction": "Holm",
                "tests": len(stages),
                "kind": "incomplete" if hidden else kind,
                "verdict": "no verdict before the plan is complete" if hidden else said,
                "mde_noise": 0.02,
                "mde_df": 10.0,
                "noise_floor": 0.02,
                "runs_failed": "",
                "by_seed": [_number(value) for value in differences[number]],
            }
        )
    return rows


def _number(value: float, digits: int = 6) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
