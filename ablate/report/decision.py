"""Would a smaller budget, or a smaller model, have decided the same? From the records of one study, or of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from ablate.effects.decision import (
    Agreement,
    agreement,
    agreement_across_seeds,
    clear_pairs,
    seed_ceiling,
    seed_means,
)
from ablate.effects.gain_slope import gain_slope
from ablate.errors import DataError
from ablate.render.csv_text import csv_text
from ablate.render.tables import markdown, unsigned
from ablate.report.effects_table import effects_table, headline
from ablate.study.results import Study, score_table, tasks_with

HEADER = (
    "cheap run", "task", "pairs", "ranked alike", "95 % interval", "clear pairs", "ranked alike", "rank correlation",
    "95 % interval", "one seed alone",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Decision(Agreement):
    """How far cheap runs rank arms as the full ones do: an agreement, with what it is one of. NaN was not measured.

    Attributes:
        cheap: what was cheaper, in words.
        task, metric: by which score arms are ranked.
        clear_pairs: pairs of arms that the full runs tell apart; None while runs are waiting.
        clear_accuracy: share of those that are ranked alike.
        seed_ceiling: accuracy that one seed of the full runs reaches against the others.
    """

    cheap: str
    task: str
    metric: str
    clear_pairs: int | None
    clear_accuracy: float
    seed_ceiling: float


@dataclass(frozen=True, kw_only=True)
class Carried(Decision):
    """How far a small study ranks arms as a large one does, and how much of its gains is left there.

    Attributes:
        slope: gain at the large study per gain at the small one, errors in both.
        slope_low, slope_high: its interval; infinite where the arms do not determine it.
    """

    slope: float
    slope_low: float
    slope_high: float


COLUMNS = (
    "cheap", "task", "metric", "n_arms", "n_pairs", "accuracy", "ci_low", "ci_high", "clear_pairs", "clear_accuracy",
    "spearman", "spearman_low", "spearman_high", "seed_ceiling",
)  # fmt: skip

CARRIED = (*COLUMNS, "slope", "slope_low", "slope_high")


def by_budget(study: Study) -> list[Decision]:
    """Each point of the curves against their end: one row per point, task and metric."""
    ends = {record.train.tokens for record in study.records.values()}
    end = next(iter(ends), None)
    if len(ends) != 1 or end is None:
        return []  # arms with budgets of their own share no points
    points = sorted({p.tokens for record in study.records.values() for p in record.curve} - {end})
    return [
        _row(f"{100 * point / end:.0f} % of the budget", task, metric, study, study, point, study.ranked)
        for point in points
        for metric in study.metrics
        for task in tasks_with(study, metric)
    ]


def between(small: Study, large: Study) -> list[Carried]:
    """A study against another of the same arms: one row per task and metric that both have.

    While planned runs of either are waiting, estimates stand alone, as in the table of effects: no interval, and no pairs that are
    told apart.

    Raises:
        DataError: when they share fewer than two arms, or no task.
    """
    shared = [arm for arm in large.arms if arm in small.arms]
    if len(shared) < 2:
        raise DataError(
            f"{small.folder} and {large.folder} share {len(shared)} arms by name; two or more are needed. "
            f"Theirs: {', '.join(small.arms)}; and {', '.join(large.arms)}"
        )
    kept = [large.arms.index(arm) for arm in shared if large.arms.index(arm) in large.ranked]
    rows = [
        _carried(small.plan.study, task, metric, small, large, kept)
        for metric in large.metrics
        for task in tasks_with(large, metric)
        if task in tasks_with(small, metric)
    ]
    if not rows:
        raise DataError(f"{small.folder} and {large.folder} have no task with the same metric")
    rows = [_withheld(row) for row in rows] if small.waiting or large.waiting else rows
    return sorted(rows, key=lambda row: row.metric != large.primary)


def _carried(cheap: str, task: str, metric: str, small: Study, large: Study, kept: Sequence[int]) -> Carried:
    """A row with the slope of gain on gain."""
    row = _row(cheap, task, metric, small, large, None, kept)
    order = [small.arms.index(large.arms[number]) for number in kept]
    found = gain_slope(score_table(small, task, metric)[order], score_table(large, task, metric)[list(kept)])
    return Carried(**vars(row), slope=found.slope, slope_low=found.low, slope_high=found.high)


def _withheld(row: Carried) -> Carried:
    """A row with its estimates and nothing that would say whether they are more than chance."""
    none = math.nan
    return replace(
        row,
        ci_low=none,
        ci_high=none,
        spearman_low=none,
        spearman_high=none,
        clear_pairs=None,
        clear_accuracy=none,
        slope_low=none,
        slope_high=none,
    )


def _row(
    cheap: str, task: str, metric: str, small: Study, large: Study, point: int | None, kept: Sequence[int]
) -> Decision:
    target = score_table(large, task, metric)[list(kept)]
    order = [small.arms.index(large.arms[number]) for number in kept]
    proxy = score_table(small, task, metric, point)[order]
    return compared(cheap, task, metric, proxy, target, same_runs=point is not None)


def compared(
    cheap: str, task: str, metric: str, proxy: np.ndarray, target: np.ndarray, *, same_runs: bool = False
) -> Decision:
    """One row: the same arms scored by cheap runs (`proxy`) and by full ones (`target`), shape (n_arms, n_seeds) each.

    Args:
        same_runs: whether the cheap scores are earlier points of the runs of `target`; they are then taken from
            other seeds.
    """
    if same_runs:
        found, among = agreement_across_seeds(proxy, target)
    else:
        means = seed_means(proxy), seed_means(target)
        found, among = agreement(*means), agreement(*means, pairs=clear_pairs(target))
    return Decision(
        **vars(found),
        cheap=cheap,
        task=task,
        metric=metric,
        clear_pairs=among.n_pairs,
        clear_accuracy=among.accuracy,
        seed_ceiling=seed_ceiling(target),
    )


def to_csv(rows: Sequence[Decision], columns: Sequence[str] = COLUMNS) -> str:
    """Every row, as `decisions.csv` holds them; an empty cell is a value that was not measured."""
    return csv_text(columns, map(attrgetter(*columns), rows))


def slope_cells(rows: Sequence[Carried]) -> list[list[str]]:
    """Cells under `SLOPE_HEADER`."""
    return [
        [
            row.task,
            str(row.n_arms),
            unsigned(row.slope, 2),
            f"{unsigned(row.slope_low, 2)} to {unsigned(row.slope_high, 2)}",
        ]
        for row in rows
    ]


def gain_cells(small: Study, large: Study) -> list[list[str]]:
    """Each gain of the large study's headline that the small one has too, side by side; empty where their headlines differ."""
    if small.primary != large.primary:
        return []
    ours, theirs = (
        {(row.estimand, row.name): row for row in headline(effects_table(study), study)}
        for study in (small, large)
    )
    return [
        [
            theirs[key].name,
            *(
                cell
                for row in (ours[key], theirs[key])
                for cell in (f"{row.estimate:+.3g}", f"{_digits(row.ci_low)} to {_digits(row.ci_high)}")
            ),
            "yes" if ours[key].estimate * theirs[key].estimate > 0 else "no",
        ]
        for key in theirs
        if key in ours
    ]


SLOPE_HEADER = ("task", "arms", "gain per gain", "95 % interval")
SLOPE_EXPLAINED = (
    "`gain per gain` is how much larger or smaller gains are in the larger study, with errors in both (Deming): 1 where they carry over as they "
    "are, 0 where nothing is left. An interval that ends at inf says that the arms do not differ by enough more than noise."
)


def cells(rows: Sequence[Decision]) -> list[list[str]]:
    """Cells under `HEADER`."""
    return [
        [
            row.cheap,
            row.task,
            str(row.n_pairs),
            _share(row.accuracy),
            f"{_share(row.ci_low)} to {_share(row.ci_high)}",
            "–" if row.clear_pairs is None else str(row.clear_pairs),
            _share(row.clear_accuracy),
            unsigned(row.spearman, 2),
            f"{unsigned(row.spearman_low, 2)} to {unsigned(row.spearman_high, 2)}",
            _share(row.seed_ceiling),
        ]
        for row in rows
    ]


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _digits(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


EXPLAINED = (
    "`ranked alike` is decision accuracy (DataDecide, Magnusson et al. 2025): of all pairs of arms, the share that the "
    "cheap run puts in the same order as the full one, means over seeds. An earlier point of a run shares its seed's luck, so "
    "it is asked of one half of the seeds and the full runs of the other, averaged over the ways to halve them. "
    "The interval is for arms like these, not only for these. `clear pairs` are those that the full runs tell apart (t over seeds, 5 %). `one seed alone` is "
    "what one seed of the full budget reaches against the others: a cheap run cannot be asked for more."
)


def section(study: Study) -> list[str]:
    """The report's part on cheaper budgets; empty where the curves have no earlier point."""
    rows = [row for row in by_budget(study) if row.metric == study.primary]
    if not rows:
        return []
    lead = rows[0].task
    cheapest = rows[0].cheap
    shown = [row for row in rows if row.task == lead or row.cheap == cheapest]
    note = (
        "A point of a longer run has not lowered its learning rate yet, so a run of that budget would do a little "
        "better. Other metrics are in `decisions.csv`."
    )
    return [f"{EXPLAINED} {note}", markdown(HEADER, cells(shown), left=2)]
