"""The effects of a study: one row per contrast, task and metric, as `effects.csv` holds them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ablate.design.base import ContrastSpec
from ablate.effects.aggregate import aggregate
from ablate.effects.contrast import estimate_contrasts
from ablate.effects.detectable import detectable_effect
from ablate.effects.estimate import Estimate
from ablate.effects.items import (
    ItemVariance,
    aggregate_item_error,
    item_error,
    item_variance,
    seeds_and_items,
)
from ablate.effects.multiplicity import benjamini_hochberg, correct_claims
from ablate.effects.noise import noise_floor
from ablate.effects.sequential import sequential_contrasts
from ablate.effects.verdict import Kind, Verdict, verdict
from ablate.report.branching import AT_END, at_end
from ablate.study.journal import gain_key
from ablate.study.results import AGGREGATE, Study

COLUMNS = (
    "factor", "level", "versus", "estimand", "task", "metric", "higher_is_better", "estimate", "ci_low",
    "ci_high", "ci_low_items", "ci_high_items", "n_seeds", "seed_error", "item_error", "p_value", "p_adjusted", "verdict",
    "mde", "mde_upper", "tests", "df", "method", "correction", "noise_floor", "runs_failed",
)  # fmt: skip
CLAIMS = (
    "Claims, the only rows that say `helps` or `hurts`, are the planned gains in the primary metric. The aggregate's rows, of "
    "all planned estimands together with those on single tasks that the plan names (`evaluate.claims`), have Holm's p. Any other single task of the aggregate has Holm's over stages x tasks, and "
    "never one below its stage's in the aggregate: where the aggregate shows nothing, a task cannot. So the chance of any false claim in this "
    "report, were no stage to do anything, is at most 5 %. All else is exploration, has Benjamini and Hochberg's p (a family per "
    "estimand and metric over stages x tasks) and says `may help`: other metrics, tasks outside the aggregate, gains asked for afterwards."
)
HOLM, BH = "Holm", "Benjamini-Hochberg"
SMOOTH = "bpb"
"""Bits per byte of the right answers, which every task with right answers has beside its other metrics."""
Row = dict[str, Any]


def effects_table(study: Study) -> list[Row]:
    """Every effect that the records identify; one of an arm without records is marked missing."""
    contrasts = study.contrasts
    if not contrasts:
        return []
    weights = study.weights
    same = [study.identical(contrast.weights) for contrast in contrasts]
    rows: list[Row] = []
    tables: dict[tuple[str, str], np.ndarray] = {}
    for metric, better in study.metrics.items():
        for found in _tables(study, metric, weights, same):
            tables[metric, found.task] = found.scores
            floor = noise_floor(found.scores[study.distinct]).seed_sd
            for number, estimate in enumerate(_estimates(study, found.scores, weights, same)):
                named = found.task in study.claimed or _named(study, found.task, contrasts[number].factor)
                claim = metric == study.primary and named and study.claims_gain(number)
                both = seeds_and_items(estimate, [part[number] for part in found.variances], found.scales)
                rows.append({
                    **_row(contrasts[number], found.task, metric, better, estimate, found.errors[number]),
                    "ci_low_items": both[0], "ci_high_items": both[1], "number": number,
                    "noise_floor": floor, "correction": HOLM if claim else BH,
                    "runs_failed": _failed(study, contrasts[number].weights),
                    **({"gain": AT_END} if at_end(study.plan, contrasts[number].weights) else {}),
                })  # fmt: skip
    _adjust(rows, study)
    _see(rows, study, tables, weights)
    for row in rows:
        row["verdict"] = _words(row, study)
    order = {gain_key(contrast): number for number, contrast in enumerate(contrasts)}
    tasks = {task: number for number, task in enumerate([AGGREGATE, *study.tasks])}
    rows.sort(key=lambda r: (r["metric"] != study.primary, r["metric"], tasks[r["task"]],
                             order[_key(r)]))  # fmt: skip
    return rows


def _alpha(study: Study) -> float:
    rule = study.plan.sequential
    return 0.05 if rule is None else rule.alpha


def _estimates(study: Study, scores: np.ndarray, weights: np.ndarray, same: Sequence[bool]) -> list[Estimate]:
    """Every contrast of a table; where seeds came in rounds, with inference that allows for the looks."""
    rule = study.looks
    if rule is None:
        return planned_estimates(study, scores, weights, same)
    return sequential_contrasts(
        scores, weights, rule.seeds, spending=rule.spending, identical=same, level=1 - _alpha(study)
    )


def planned_estimates(
    study: Study, scores: np.ndarray, weights: np.ndarray, same: Sequence[bool] | None = None
) -> list[Estimate]:
    """Each contrast paired or unpaired, as the study was planned.

    Args:
        study: whose plan says so.
        scores: shape (n_arms, n_seeds), of all its arms and any seeds.
        weights: shape (n_contrasts, n_arms).
        same: shape (n_contrasts,), whether a contrast's arms are the same runs; None for none.
    """
    methods = [study.method(dict(zip(study.arms, row, strict=True))) for row in weights.tolist()]
    flags, estimates = same or [False] * len(methods), dict[int, Estimate]()
    for method in set(methods):
        chosen = [number for number, other in enumerate(methods) if other == method]
        found = estimate_contrasts(
            scores, weights[chosen], method=method, identical=[flags[number] for number in chosen]
        )
        estimates |= dict(zip(chosen, found, strict=True))
    return [estimates[number] for number in range(len(methods))]


def _failed(study: Study, weights: Mapping[str, float]) -> str:
    """Which arms of a gain lack runs, e.g. "without_a 3 of 5, full 0 of 5"; "" where none is missing."""
    used = [arm for arm in study.arms if weights.get(arm)]
    lost = {arm: sum(name == arm for name, _ in study.failed) for arm in used}
    if not any(lost.values()) or len(used) > 2:
        lost = {arm: count for arm, count in lost.items() if count}
    return ", ".join(f"{arm} {count} of {len(study.seeds)}" for arm, count in lost.items())


def _key(contrast: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(contrast[name] for name in ("estimand", "factor", "level", "versus"))


@dataclass(frozen=True, eq=False)
class _Scores:
    """One metric on one task, or on the aggregate of several.

    Attributes:
        task: its name.
        scores: shape (n_arms, n_seeds).
        errors: item error of each contrast.
        variances: for each task behind it, what items add to each contrast.
        scales: what each task's score is multiplied by.
    """

    task: str
    scores: np.ndarray
    errors: list[float]
    variances: list[list[ItemVariance | None]]
    scales: list[float]


def _tables(study: Study, metric: str, weights: np.ndarray, same: Sequence[bool]) -> list[_Scores]:
    """The aggregate and each task that has the metric."""
    found: dict[str, _Scores] = {}
    for task, info in study.tasks.items():
        if metric in info["higher_is_better"]:
            items = study.items(task, metric)
            known = [None if equal or items is None else items for equal in same]
            errors = [
                0.0 if equal else math.nan if some is None else item_error(some, row)
                for some, row, equal in zip(known, weights, same, strict=True)
            ]
            parts = [
                None if some is None else item_variance(some, row)
                for some, row in zip(known, weights, strict=True)
            ]
            found[task] = _Scores(task, study.scores(task, metric), errors, [parts], [1.0])
    members = study.aggregated(metric)
    if not members:
        return list(found.values())
    chance = study.chances(members, metric)
    together = _Scores(
        AGGREGATE,
        aggregate(np.stack([found[task].scores for task in members]), chance),
        [
            aggregate_item_error([found[task].errors[number] for task in members], chance)
            for number in range(len(weights))
        ],
        [found[task].variances[0] for task in members],
        [1.0 / (1.0 - guess) / len(members) for guess in chance or [0.0] * len(members)],
    )
    return [together, *found.values()]


def _row(
    contrast: ContrastSpec, task: str, metric: str, better: bool, estimate: Estimate, item: float
) -> Row:
    return {
        **{name: getattr(contrast, name) for name in ("factor", "level", "versus", "estimand", "weights")},
        "task": task,
        "metric": metric,
        "higher_is_better": better,
        **asdict(estimate),
        "item_error": item,
        "mde": math.nan,
        "mde_upper": math.nan,
        "tests": 0,
        "p_adjusted": math.nan,
    }


def _tested(row: Row) -> bool:
    """Whether something was tested; arms with the same texts are one arm."""
    return row["method"] != "identical" and not math.isnan(row["p_value"])


def _adjust(rows: list[Row], study: Study) -> None:
    """Correct p-values family by family; a task of the aggregate is no surer than the aggregate."""
    members = study.aggregated(study.primary)
    lead: list[Row] = []  # the aggregate's gains, then those that are claimed on single tasks
    tasks: list[Row] = []
    others: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["correction"] == BH:
            others[row["estimand"], row["metric"]].append(row)
        else:
            (tasks if row["task"] in members else lead).append(row)
    by_name = [_named(study, row["task"], row["factor"]) for row in tasks]
    lead += [row for row, named in zip(tasks, by_name, strict=True) if named]
    gated = np.array([
        math.nan if named else _p_tested(row) for row, named in zip(tasks, by_name, strict=True)
    ])  # fmt: skip
    by_gain = np.full((len(lead), len(members) if tasks else 0), np.nan)
    if tasks:
        gains = len(tasks) // len(members)
        by_gain[:gains] = gated.reshape(len(members), gains).T
    ahead, within = correct_claims([_p_tested(row) for row in lead], by_gain)
    if tasks:
        alone = [not named for named in by_name]
        _note([row for row, mine in zip(tasks, alone, strict=True) if mine], within[:gains].T.ravel()[alone])
    _note(lead, ahead)
    if len(members) == 1:
        for row in tasks:
            row["tests"] = sum(map(_tested, lead))
    for family in others.values():
        _note(family, benjamini_hochberg([_p_tested(row) for row in family]))


def _p_tested(row: Row) -> float:
    return float(row["p_value"]) if _tested(row) else math.nan


def _note(family: Sequence[Row], adjusted: np.ndarray) -> None:
    """Enter the corrected p-values of a family, and how many tests it has."""
    tests = sum(map(_tested, family))
    for row, value in zip(family, adjusted, strict=True):
        row["p_adjusted"] = 1.0 if row["method"] == "identical" else float(value)
        row["tests"] = tests


def _see(
    rows: list[Row], study: Study, tables: Mapping[tuple[str, str], np.ndarray], weights: np.ndarray
) -> None:
    """Say for each table of gains which effect it can see (`mde`)."""
    groups: dict[tuple[str, str, str, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        if _tested(row):
            key = row["metric"], row["task"], row["estimand"], row["correction"], row["tests"]
            groups[key].append(row)
    for (metric, task, *_), group in groups.items():
        found = detectable_effect(
            tables[metric, task], weights[[row["number"] for row in group]],
            tests=group[0]["tests"], alpha=_alpha(study), looks=study.looks,
            unpaired=all(study.method(row["weights"]) == "unpaired" for row in group),
        )  # fmt: skip
        for row in group:
            row["mde"], row["mde_upper"] = found.effect, found.upper
            row["mde_noise"], row["mde_df"] = found.noise, found.df


def sees(row: Row) -> str:
    """Say which effect the table that a row stands in can see; "" where nothing was measured."""
    if math.isnan(row["mde"]):
        return ""
    if row["correction"] == HOLM:
        corrected = f"after Holm over {row['tests']} tests" if row["tests"] > 1 else "the only test"
        called = f"called `helps` or `hurts` ({corrected})"
    else:
        called = f"called `may help` or `may hurt` (after Benjamini and Hochberg over {row['tests']} tests)"
    return (
        f"An effect of {short(row['mde'])} in one stage is {called} by 80 % of repeats of this study, as its noise was measured; one of "
        f"{short(row['mde_upper'])} by at least as many, with 95 % confidence. Noise of a run {short(row['mde_noise'])}, from "
        f"{row['mde_df']:.0f} degrees of freedom."
    )


def short(value: float) -> str:
    """Two digits."""
    return str(np.format_float_positional(value, precision=2, fractional=False, trim="-"))


def _words(row: Row, study: Study) -> Verdict:
    lost = sorted({arm for arm, _ in study.failed if row["weights"].get(arm)}, key=study.arms.index)
    gone = [arm for arm in lost if study.first_record(arm) is None]
    if gone:
        return Verdict(Kind.FAILED, f": {', '.join(gone)} failed")
    estimate = Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__})
    found = verdict(
        estimate, p_adjusted=row["p_adjusted"], higher_is_better=row["higher_is_better"], claim=row["correction"] == HOLM,
        alpha=_alpha(study), noise_floor=row["noise_floor"], correction=row["correction"],
    )  # fmt: skip
    if not row["runs_failed"]:
        return found
    return Verdict(found.kind, f"{found.remark}; runs missing: {row['runs_failed']}")


def by_estimand(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each estimand, the plan's own first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["estimand"], []).append(row)
    return found


def _named(study: Study, task: str, stage: str) -> bool:
    """Whether the plan claims a stage's gain on this task alone."""
    return (task, stage) in study.single_claims


def claimed_alone(rows: Sequence[Row], study: Study) -> list[Row]:
    """The rows of gains on single tasks that the plan claims by name."""
    return [
        row
        for row in rows
        if row["metric"] == study.primary
        and row["correction"] == HOLM
        and _named(study, row["task"], row["factor"])
    ]


def headline(rows: Sequence[Row], study: Study) -> list[Row]:
    """The rows that the report leads with: the aggregate of the primary metric."""
    chosen = [row for row in rows if row["metric"] == study.primary and row["task"] == AGGREGATE]
    return chosen or [row for row in rows if row["metric"] == study.primary]


def in_bits(rows: Sequence[Row], study: Study) -> dict[tuple[str, int], Row]:
    """(task, contrast) -> its row in bits per byte; empty where those are the headline themselves."""
    if study.primary == SMOOTH:
        return {}
    return {(row["task"], row["number"]): row for row in rows if row["metric"] == SMOOTH}


def number(value: float, digits: int = 6) -> str:
    """A float for a file: fixed digits, empty for NaN."""
    return "" if math.isnan(value) else f"{value:.{digits}g}"


def in_words(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their verdicts as text, for whoever shows them elsewhere."""
    return [{**row, "verdict": str(row["verdict"])} for row in rows]


def kind_of(row: Row) -> str:
    """What a row's gain is called: its estimand, and whether it is one at the end of training."""
    return f"{row['estimand']} gain" + (f" {row['gain']}" if "gain" in row else "")


def columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """Columns of `effects.csv`; where runs branch, one more says which gains are those at the end of training."""
    return (*COLUMNS, "gain") if any("gain" in row for row in rows) else COLUMNS
