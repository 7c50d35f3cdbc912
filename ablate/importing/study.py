"""Results of another tool as a study folder: a plan that describes the arms, and a record per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ablate.design.base import Assignment, ContrastSpec, Factor
from ablate.errors import ConfigError, DataError, nearest
from ablate.estimand.base import contrasts_of
from ablate.estimand.versus_reference import VersusReference
from ablate.fingerprint import digest
from ablate.importing.results import Results, Run
from ablate.provenance import provenance
from ablate.store import write_table
from ablate.study.plan import freeze, run_folder
from ablate.study.record import Point, Record, Training, write_record
from ablate.study.schema import Arm, Headline, Plan


def write_study(
    found: Results,
    folder: Path,
    *,
    name: str,
    title: str,
    question: str,
    primary: str | None,
    aggregate: Sequence[str] | None,
    reference: str | None,
    allow_missing: bool,
    replan: bool,
    estimands: Sequence[str] | None = None,
) -> Plan:
    """Write `plan.json` and the records; returns the plan.

    Args:
        found: the scores.
        folder: of the study.
        name, title, question: of the study.
        primary: the headline's metric; None when there is only one.
        aggregate: tasks of the aggregate; None for all.
        reference: the arm that the others are compared with; None for the first.
        allow_missing: take runs or scores that are not there as missing instead of as an error.
        replan: replace another plan in that folder.
        estimands: gains of the factors' levels that count as planned; None for each arm against the reference.
    Raises:
        DataError: for runs or scores that are missing.
        ConfigError: for an unknown arm, metric, task or estimand, or a primary metric that must be chosen.
        NotIdentified: for an estimand that the arms do not determine.
    """
    arms = list(dict.fromkeys(arm for arm, _ in found.points))
    seeds = sorted({seed for _, seed in found.points})
    if not allow_missing:
        _complete(found, arms, seeds)
    if reference is not None and reference not in arms:
        raise ConfigError(f"results.reference: no arm {reference!r}: {nearest(reference, arms)}")
    arms.sort(key=lambda arm: arm != reference)
    factors = _factors(found.levels, arms)
    levels = {arm: dict(found.levels.get(arm, {})) for arm in arms}
    plan = Plan(
        study=name,
        title=title or name,
        question=question,
        prediction="",
        design="imported",
        arms={arm: Arm(name=arm, levels=levels[arm], config={}) for arm in arms},
        reference=arms[0],
        factors=factors,
        seeds=tuple(seeds),
        contrasts=tuple(_contrasts(estimands, levels, factors)),
        metrics=Headline(primary=_primary(found, primary), aggregate=_aggregate(found, aggregate)),
        stages=(),
        tracker={"_target_": "ablate.tracking.tracker.NoTracker"},
        imported=tuple(found.sources),
    )
    plan = freeze(plan, folder, replan)
    for run in found.points:
        _write_record(found, folder, run)
    return plan


def _complete(found: Results, arms: Sequence[str], seeds: Sequence[int]) -> None:
    hint = "add it, or say results.allow_missing=true to have it reported as missing"
    lost = [(arm, seed) for arm in arms for seed in seeds if (arm, seed) not in found.points]
    if lost:
        arm, seed = lost[0]
        count = f"{len(lost)} of {len(arms) * len(seeds)} runs are missing"
        raise DataError(
            f"{count}, first arm {arm!r}, seed {seed}: {hint}. Seeds pair runs of different arms; where they "
            "share none, number each arm's replicates 0, 1, ..."
        )
    wanted = {(task, metric) for task, info in found.tasks.items() for metric in info.higher_is_better}
    for run in found.points:
        there = {(task, metric) for task, scores in found.end(run).items() for metric in scores}
        why = {(task, metric): f": {said}" for (of, task, metric), said in found.lost.items() if of == run}
        if wanted - there:
            task, metric = min(wanted - there, key=lambda score: (score not in why, score))
            raise DataError(
                f"arm {run[0]!r}, seed {run[1]}: no {metric} of {task!r}{why.get((task, metric), '')}; {hint}"
            )


def _factors(levels: Mapping[str, Mapping[str, str]], arms: Sequence[str]) -> tuple[Factor, ...]:
    values = {
        name: tuple(dict.fromkeys(levels[arm][name] for arm in arms)) for name in levels.get(arms[0], {})
    }
    return tuple(Factor(name, each) for name, each in values.items() if len(each) > 1)


def _contrasts(
    estimands: Sequence[str] | None, levels: Mapping[str, Assignment], factors: Sequence[Factor]
) -> list[ContrastSpec]:
    if estimands is not None:
        return contrasts_of(estimands, levels, factors)
    return VersusReference().contrasts(levels, []) if len(levels) > 1 else []


def _primary(found: Results, primary: str | None) -> str:
    metrics = list(dict.fromkeys(m for task in found.tasks.values() for m in task.higher_is_better))
    if primary is None and len(metrics) == 1:
        return metrics[0]
    if primary not in metrics:
        raise ConfigError(
            f"results.primary={primary}: choose the headline's metric; there: {', '.join(metrics)}"
        )
    return primary


def _aggregate(found: Results, aggregate: Sequence[str] | None) -> tuple[str, ...] | None:
    for task in aggregate or ():
        if task not in found.tasks:
            raise ConfigError(f"results.aggregate: no task {task!r}: {nearest(task, found.tasks)}")
    return None if aggregate is None else tuple(aggregate)


def _write_record(found: Results, folder: Path, run: Run) -> None:
    points = sorted(found.points[run].items(), key=lambda point: -1 if point[0] is None else point[0])
    place = run_folder(folder, *run)
    if run in found.items:
        write_table(place / "items.parquet", found.items[run])
    end = found.end(run)
    record = Record(
        run=digest({"imported": run, "scores": end}),
        seed=run[1],
        corpus=None,
        model=None,
        train=Training(tokens=points[-1][0]),
        tasks=found.tasks,
        scores=end,
        curve=tuple(Point(tokens=tokens, scores=scores) for tokens, scores in points if tokens is not None),
        cost={},
        provenance={**provenance(), "imported": found.sources},
    )
    write_record(place, record)
