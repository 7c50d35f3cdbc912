"""A study as pandas frames, with the columns that `COLUMNS` documents; its CSV files are these frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from ablate.errors import DataError, nearest
from ablate.spreadsheet import cell_text
from ablate.summary.model import Columns, Summary

AGGREGATE = "aggregate"
EXACT = None
"""Digits of a file that has every digit that was measured."""


def runs(summary: Summary) -> pd.DataFrame:
    """One row per planned run, arms in order, then seeds."""
    return _frame(summary.runs).drop(columns="points")


def missing(summary: Summary) -> pd.DataFrame:
    """The planned runs without a record, and why: arm, seed, status, why."""
    found = runs(summary)
    return found.loc[found["status"] != "done", ["arm", "seed", "status", "why"]].reset_index(drop=True)


def scores(summary: Summary, task: str | None = None, *, metric: str | None = None) -> pd.DataFrame:
    """The score of every run at the end of its training, one row per run, task and metric that it has.

    Args:
        summary: of the study.
        task: one of its tasks, or "aggregate"; None for every task, without the aggregates.
        metric: one of its metrics; None for all.
    """
    known = {
        (t, m): (chance, better)
        for t, m, chance, better in zip(
            *(summary.metrics[name] for name in ("task", "metric", "chance", "higher_is_better")), strict=True
        )
    }
    direction = {m: better for (_, m), (_, better) in known.items()}
    rows = []
    chosen = _chosen(summary, task=task, metric=metric)
    for number, (arm, seed) in enumerate(zip(summary.runs["arm"], summary.runs["seed"], strict=True)):
        for place in chosen:
            name, kind = summary.scores["task"][place], summary.scores["metric"][place]
            value = summary.scores["end"][place][number]
            if value is not None:
                chance, better = known.get((name, kind), (None, direction.get(kind)))
                rows.append((arm, seed, name, kind, value, chance, better))
    names = ["arm", "seed", "task", "metric", "score", "chance", "higher_is_better"]
    return pd.DataFrame.from_records(rows, columns=names).astype({"score": float, "chance": float})


def curves(summary: Summary, task: str | None = None, *, metric: str | None = None) -> pd.DataFrame:
    """The score of every run at every point of its curve: what `scores.csv` holds. Arguments as for `scores`."""
    chosen = [
        (summary.scores["task"][n], summary.scores["metric"][n], summary.scores["curve"][n])
        for n in _chosen(summary, task=task, metric=metric)
    ]
    rows = []
    for number, (arm, seed, grid) in enumerate(
        zip(*(summary.runs[name] for name in ("arm", "seed", "points")), strict=True)
    ):
        if grid is None:
            continue
        for point, tokens in enumerate(summary.points[grid]):
            rows += [
                (arm, seed, tokens, name, kind, curve[number][point])
                for name, kind, curve in chosen
                if curve[number] is not None and curve[number][point] is not None
            ]
    names = ["arm", "seed", "tokens", "task", "metric", "score"]
    return pd.DataFrame.from_records(rows, columns=names).astype({"score": float})


def effects(
    summary: Summary, estimand: str | None = None, *, task: str | None = None, metric: str | None = None
) -> pd.DataFrame:
    """What each stage is worth: the columns of `effects.csv`, then the same turned so that plus is better.

    Args:
        summary: of the study.
        estimand, task, metric: to keep; None for all.
    """
    found = _frame({name: column for name, column in summary.effects.items() if name != "by_seed"})
    found.insert(0, "stage", [summary.contrasts["stage"][n] for n in summary.effects["contrast"]])
    turn = found["higher_is_better"].map({True: 1.0, False: -1.0}).astype(float)
    low, high = found["ci_low"].astype(float) * turn, found["ci_high"].astype(float) * turn
    found["turned"] = found["estimate"].astype(float) * turn
    found["turned_low"], found["turned_high"] = low.where(turn > 0, high), high.where(turn > 0, low)
    return _kept(found, summary, estimand=estimand, task=task, metric=metric)


def pairs(
    summary: Summary, stage: str | None = None, *, task: str | None = None, metric: str | None = None
) -> pd.DataFrame:
    """The differences behind each effect, seed by seed.

    Args:
        summary: of the study.
        stage: in words as in `effects`, or the factor's name; None for all.
        task, metric: to keep; None for the headline's task and the primary metric.
    """
    task, metric = task or summary.head.headline, metric or summary.head.primary
    wanted = _kept(effects(summary), summary, task=task, metric=metric)
    if stage is not None:
        mine = (wanted["stage"] == stage) | (wanted["factor"] == stage)
        if not mine.any():
            raise DataError(f"no stage {stage!r}: {nearest(stage, sorted(set(wanted['stage'])))}")
        wanted = wanted[mine]
    rows = []
    for number, row in wanted.iterrows():
        sign = 1.0 if row["higher_is_better"] else -1.0
        for seed, value in zip(summary.head.seeds, summary.effects["by_seed"][number], strict=True):
            if value is not None:
                rows.append((*(row[name] for name in PAIRED), seed, value, sign * value))
    return pd.DataFrame.from_records(rows, columns=[*PAIRED, "seed", "difference", "turned"])


PAIRED = ["stage", "estimand", "task", "metric"]


def funnel(summary: Summary, arm: str | None = None) -> pd.DataFrame:
    """What is left after each stage, in order; `kept` is the share of the documents that reached the stage."""
    found = _kept(_frame(summary.funnel), summary, arm=arm)
    before = found.groupby("arm", sort=False)["documents"].shift()
    found["kept"] = found["documents"].astype(float) / before.astype(float)
    return found


def dropped(summary: Summary, arm: str | None = None, *, stage: str | None = None) -> pd.DataFrame:
    """Why documents went, and what was found in texts: one row per arm, stage and reason, largest first."""
    return _kept(_frame(summary.dropped), summary, arm=arm, stage=stage)


def dropped_texts(summary: Summary, *, stage: str | None = None) -> pd.DataFrame:
    """Some of the texts that each stage dropped, with the reason: of the reference, or of the first arm that dropped any."""
    found = _frame(summary.dropped_texts)
    if not len(found.columns):
        found = pd.DataFrame({name: pd.Series(dtype=str) for name in COLUMNS["dropped_texts"]})
    return _kept(found, summary, stage=stage)


def screening(summary: Summary) -> pd.DataFrame:
    """Which tasks can be believed at this scale: `screening.csv`, and the spread of the last checkpoints."""
    return _frame(summary.screening)


def noise(summary: Summary) -> pd.DataFrame:
    """The spread between seeds of one arm beside the spread between arms, per metric and task."""
    return _frame(summary.noise)


def decisions(summary: Summary) -> pd.DataFrame:
    """Whether a smaller budget would have decided the same: `decisions.csv`."""
    return _frame(summary.decisions)


def leaks(summary: Summary) -> pd.DataFrame:
    """Scores on items that a corpus gives away, and on the others: `leaks.csv`."""
    return _frame(summary.leaks)


def cost(summary: Summary) -> pd.DataFrame:
    """What each run took on the machine it ran on: `cost.csv`."""
    return _frame(summary.cost)


COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        "arm": "name", "seed": "of weights and data order", "folder": "from the study's",
        "status": "done, failed, waiting, given up, not needed, not imported", "why": "of a failed run, one line",
        "log": "the end of a failed run's log", "run": "key; equal keys are the same run", "tokens": "trained on",
        "epochs": "passes over the arm's unique tokens", "parameters": "of the proxy", "flops": "of training",
    },
    "missing": {"arm": "name", "seed": "number", "status": "as in runs", "why": "one line"},
    "scores": {
        "arm": "name", "seed": "number", "task": "name, heldout for held-out text", "metric": "name",
        "score": "at the end, in the metric's units", "chance": "score of a guess; NaN where there is none",
        "higher_is_better": "direction",
    },
    "curves": {
        "arm": "name", "seed": "number", "tokens": "seen so far", "task": "name", "metric": "name",
        "score": "in the metric's units, not smoothed",
    },
    "effects": {
        "stage": "in words", "contrast": "number", "factor": "what was varied", "level": "with", "versus": "without",
        "estimand": "which gain", "task": "name, aggregate for the mean over tasks", "metric": "name",
        "higher_is_better": "direction", "estimate": "level minus versus, metric's units", "ci_low": "95 % interval over seeds",
        "ci_high": "95 % interval over seeds", "ci_low_items": "over seeds and items", "ci_high_items": "over seeds and items",
        "n_seeds": "in which all its arms have a score", "seed_error": "standard error over seeds",
        "item_error": "standard error over test items", "p_value": "two-sided, alone", "p_adjusted": "corrected",
        "verdict": "in words", "mde": "effect that 80 % of repeats would call", "mde_upper": "its bound for a reader of one study",
        "tests": "corrected over", "df": "degrees of freedom", "method": "paired, moderated, pooled, unpaired, identical",
        "correction": "Holm or Benjamini-Hochberg", "noise_floor": "standard deviation of one run", "runs_failed": "which arms lack runs",
        "mde_noise": "noise that mde rests on", "mde_df": "its degrees of freedom", "gain": "only where runs branch: which gain",
        "kind": "helps, hurts, may_help, may_hurt, suggests_help, suggests_hurt, none_seen, identical, ...",
        "turned": "estimate, plus is better", "turned_low": "interval, plus is better", "turned_high": "interval, plus is better",
    },
    "pairs": {
        "stage": "in words", "estimand": "which gain", "task": "name", "metric": "name", "seed": "shared by the arms",
        "difference": "level minus versus, metric's units", "turned": "the same, plus is better",
    },
    "items": {
        "arm": "name", "seed": "number", "item": "of the task", "score": "at the end, in the metric's units",
    },
    "funnel": {
        "arm": "name", "stage": "input, then the recipe's", "documents": "left", "bytes": "of UTF-8 text left",
        "tokens": "left", "changed": "documents that it rewrote", "kept": "share of what reached the stage, 0 to 1",
    },
    "dropped": {
        "arm": "name", "stage": "name", "what": "dropped documents or found pieces", "reason": "the stage's word",
        "count": "documents or pieces",
    },
    "dropped_texts": {
        "arm": "name", "stage": "name", "reason": "the stage's word", "key": "of the document, 16 hex digits",
        "url": "address, empty where there is none", "source": "of the document", "text": "its beginning, on one line",
    },
    "screening": {
        "task": "name", "metric": "name", "believed": "yes or no", "failed": "criteria not met",
        "monotonicity": "rank correlation of score and tokens", "snr": "mean score over noise",
        "non_random": "best arm less chance, in noises", "signal": "range of arms, in noises", "signal_p": "of equal arms having it",
        "ordering": "Kendall's tau of the arms' order between points", "signal_noise": "Heineman et al. 2025",
        "noise": "seed standard deviation", "chance": "score of a guess", "points": "of the curves", "arms": "ranked", "seeds": "planned",
        "checkpoint_sd": "of a run's last checkpoints",
    },
    "noise": {
        "metric": "name", "task": "name", "seed_sd": "standard deviation of one run", "ci_low": "95 % interval",
        "ci_high": "95 % interval", "range_of_arms": "best mean less worst", "homogeneity_p": "of arms being equally noisy",
    },
    "decisions": {
        "cheap": "which points of the curves", "task": "name", "metric": "name", "n_arms": "ranked", "n_pairs": "of arms",
        "accuracy": "share of pairs ranked alike", "ci_low": "95 % interval", "ci_high": "95 % interval",
        "clear_pairs": "told apart at the end", "clear_accuracy": "among them", "spearman": "rank correlation",
        "spearman_low": "95 % interval", "spearman_high": "95 % interval", "seed_ceiling": "what one seed of the full budget reaches",
    },
    "leaks": {
        "task": "name", "metric": "name", "arm": "name", "items": "of the task", "given_away": "by this arm's corpus",
        "leaked_items": "by any arm's", "score": "on all items", "clean": "on those no corpus gives away",
        "leaked": "on the others", "inflation": "score less clean",
    },
    "cost": {
        "arm": "name, trunk for what branches share", "seed": "number", "tokens": "trained on by the run itself",
        "flops": "of training", "curation_cpu_s": "CPU-seconds of the arm's curation", "device": "name", "evaluate_s": "seconds",
        "peak_memory_bytes": "bytes", "precision": "of the arithmetic", "processes": "of the run", "run_s": "seconds",
        "share_of_peak": "of the device's arithmetic, 0 to 1", "threads": "of the run", "together": "runs trained in lockstep",
        "tokens_per_s": "while training", "train_s": "seconds",
    },
}  # fmt: skip
"""Frame -> column -> what it is, and its unit."""

FILES: dict[str, tuple[Callable[[Summary], pd.DataFrame], tuple[str, ...], int | None]] = {
    "effects.csv": (
        effects,
        ("stage", "contrast", "mde_noise", "mde_df", "kind", "turned", "turned_low", "turned_high"),
        6,
    ),
    "scores.csv": (curves, (), 8),
    "screening.csv": (screening, ("checkpoint_sd",), 6),
    "leaks.csv": (leaks, (), 8),
    "cost.csv": (cost, (), EXACT),
    "decisions.csv": (decisions, (), 6),
}
"""File of a report -> the frame that it is, columns that it does without, and digits of its numbers."""


def csv_files(summary: Summary) -> dict[str, str]:
    """Text of every CSV file of a report; an empty cell is a value that was not measured."""
    return {
        name: csv_text(make(summary).drop(columns=list(less)), digits)
        for name, (make, less, digits) in FILES.items()
    }


def csv_text(frame: pd.DataFrame, digits: int | None = 6) -> str:
    """A frame as CSV, floats with so many digits; None for all."""
    form = None if digits is None else f"%.{digits}g"
    texts = {
        name: frame[name].map(lambda cell: cell_text(cell) if isinstance(cell, str) else cell)
        for name in frame.select_dtypes(exclude="number")
    }
    frame = frame.assign(**texts).rename(columns=cell_text)
    return str(frame.to_csv(index=False, lineterminator="\n", float_format=form))


def _frame(columns: Columns) -> pd.DataFrame:
    """A table as a frame; whole numbers stay whole where some are missing."""
    return pd.DataFrame({name: _series(column) for name, column in columns.items()})


def _series(column: list[Any]) -> pd.Series:
    there = [value for value in column if value is not None]
    if len(there) < len(column) and there and all(type(value) is int for value in there):
        return pd.Series(column, dtype="Int64")
    if all(type(value) in (int, float) for value in there) and any(type(value) is float for value in there):
        return pd.Series([float("nan") if value is None else value for value in column], dtype=float)
    return pd.Series(column, dtype=None if len(there) == len(column) and column else object)


def _kept(frame: pd.DataFrame, summary: Summary, **wanted: str | None) -> pd.DataFrame:
    for name, value in wanted.items():
        if value is not None:
            known = list(dict.fromkeys(frame[name]))
            if known and value not in known:
                raise DataError(f"{summary.head.name} has no {name} {value!r}: {nearest(value, known)}")
            frame = frame[frame[name] == value]
    return frame


def _chosen(summary: Summary, *, task: str | None, metric: str | None) -> list[int]:
    """Rows of `scores` of a task (all but the aggregates for None) and a metric."""
    names = list(zip(summary.scores["task"], summary.scores["metric"], strict=True))
    for value, known, what in (
        (task, [t for t, _ in names], "task"),
        (metric, [m for _, m in names], "metric"),
    ):
        if value is not None and value not in known:
            raise DataError(f"{summary.head.name} has no {what} {value!r}: {nearest(value, known)}")
    return [
        n
        for n, (t, m) in enumerate(names)
        if (t == task if task else t != AGGREGATE) and (metric is None or m == metric)
    ]
