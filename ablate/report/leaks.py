"""Scores on the items that a corpus gives away and on the others: how much a leak inflates a task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.render.tables import markdown, signed, unsigned
from ablate.study.record import Record
from ablate.study.results import Study

COLUMNS = (
    "task",
    "metric",
    "arm",
    "items",
    "given_away",
    "leaked_items",
    "score",
    "clean",
    "leaked",
    "inflation",
)


@dataclass(frozen=True)
class Split:
    """One arm on one task and metric, its items split in two; means over seeds.

    Attributes:
        task, metric, arm: whose.
        n_items: of the task.
        given_away: items that this arm's corpus gives away.
        n_leaked: items that the corpus of any arm gives away: the split, the same for all arms.
        score, clean, leaked: on all items, on those no corpus gives away, on the leaked ones; NaN for no item.
        clean_error, leaked_error: standard errors over seeds; NaN with one seed.
    """

    task: str
    metric: str
    arm: str
    n_items: int
    given_away: int
    n_leaked: int
    score: float
    clean: float
    clean_error: float
    leaked: float
    leaked_error: float

    @property
    def inflation(self) -> float:
        """How far the score on all items lies above the score on the clean ones."""
        return self.score - self.clean


def _given_away(records: Sequence[Record]) -> dict[str, set[str]]:
    """Task -> items that any of an arm's corpora gives away."""
    found: dict[str, set[str]] = {}
    for record in records:
        leaks = record.corpus and record.corpus.leaks
        for task, items in leaks.tasks.items() if leaks else ():
            found.setdefault(task, set()).update(items)
    return found


def splits(study: Study) -> list[Split]:
    """Every arm with a record, on every task of which some arm's corpus gives an item away."""
    given = {arm: _given_away(study.corpora(arm)) for arm in study.arms if study.first_record(arm)}
    found = []
    for task in study.tasks:
        leaked = {item for tasks in given.values() for item in tasks.get(task, [])}
        names = study.item_names(task) if leaked else []
        mask = np.array([name in leaked for name in names], dtype=bool)
        if not mask.any():
            continue
        for metric in study.tasks[task].higher_is_better:
            table = study.items(task, metric)
            if table is None or table.shape[2] != mask.size:
                continue
            for arm in given:
                values = table[study.arms.index(arm)]
                values = values[np.isfinite(values).all(axis=1)]
                mine = sum(name in given[arm].get(task, set()) for name in names)
                clean, clean_error = _mean_error(values[:, ~mask])
                bad, bad_error = _mean_error(values[:, mask])
                found.append(
                    Split(
                        task,
                        metric,
                        arm,
                        mask.size,
                        mine,
                        int(mask.sum()),
                        _mean_error(values)[0],
                        clean,
                        clean_error,
                        bad,
                        bad_error,
                    )
                )
    return found


def _mean_error(values: np.ndarray) -> tuple[float, float]:
    """Mean over seeds and items of shape (seeds, items), and the standard error over seeds."""
    if values.size == 0:
        return math.nan, math.nan
    seeds = values.mean(axis=1)
    error = float(seeds.std(ddof=1) / math.sqrt(seeds.size)) if seeds.size > 1 else math.nan
    return float(seeds.mean()), error


def section(study: Study) -> list[str]:
    """The report's section; empty when no record says what its corpus gives away."""
    told = [record.corpus and record.corpus.leaks for record in study.records.values()]
    how = next((leaks for leaks in told if leaks), None)
    if how is None:
        return []
    text = (
        f"Items of the tasks that stand in an arm's training documents, found as decontamination by "
        f"`{how.method}` (`{how.match}`) finds them, in the corpus as it was trained on. The split is the same for all "
        "arms: *leaked* items stand in the corpus of at least one arm. *Inflation* is the score on all items less the "
        "score on those that no corpus gives away. Mean over seeds ± standard error, last point of each run."
    )
    found = [split for split in splits(study) if split.metric == study.primary]
    if not found:
        return [text, "No corpus gives an item of any task away."]
    header = (
        "task",
        "arm",
        "its corpus gives away",
        "clean items",
        "score",
        "leaked items",
        "score",
        "inflation",
    )
    cells = [
        [
            split.task,
            split.arm,
            f"{split.given_away:,} of {split.n_items:,}",
            f"{split.n_items - split.n_leaked:,}",
            _shown(split.clean, split.clean_error),
            f"{split.n_leaked:,}",
            _shown(split.leaked, split.leaked_error),
            signed(split.inflation),
        ]
        for split in found
    ]
    return [text, markdown(header, cells, left=2)]


def _shown(value: float, error: float) -> str:
    return unsigned(value) + ("" if math.isnan(value) or math.isnan(error) else f" ± {error:.4f}")
