"""What every importer yields: scores by run, task and metric, whatever tool wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from ablate.errors import ConfigError, DataError, nearest
from ablate.study.record import TaskInfo

Run = tuple[str, int]
"""Arm and seed."""
Scores = dict[str, dict[str, float]]
"""Task -> metric -> value."""

BETTER = {
    "score": True, "acc": True, "acc_norm": True, "prob": True, "exact_match": True, "f1": True, "mcc": True,
    "bleu": True, "rouge": True, "bpb": False, "loss": False, "perplexity": False, "word_perplexity": False,
    "byte_perplexity": False, "bits_per_byte": False,
}  # fmt: skip
"""Whether higher is better, for metrics whose name says it."""


@dataclass
class Results:
    """Scores that another tool measured.

    Attributes:
        points: run -> tokens seen (None when unknown) -> scores; the largest is the end of the run.
        tasks: by name.
        levels: arm -> factor -> level; empty where arms have names only.
        items: run -> table of columns task, item, metric, value, where items were kept.
        lost: run, task and metric -> why a score that should be there is none.
        sources: where the scores stood, for the report.
    """

    points: dict[Run, dict[int | None, Scores]] = field(default_factory=dict)
    tasks: dict[str, TaskInfo] = field(default_factory=dict)
    levels: dict[str, dict[str, str]] = field(default_factory=dict)
    items: dict[Run, pa.Table] = field(default_factory=dict)
    lost: dict[tuple[Run, str, str], str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)

    def end(self, run: Run) -> Scores:
        """Scores at the last point of a run."""
        points = self.points[run]
        return points[max(points, key=lambda tokens: -1 if tokens is None else tokens)]

    def set_levels(self, arm: str, levels: Mapping[str, str], where: str) -> None:
        """Note an arm's levels.

        Raises:
            DataError: when the arm was given other levels before.
        """
        known = self.levels.setdefault(arm, dict(levels))
        if known != dict(levels):
            raise DataError(f"{where}: arm {arm!r} has levels {dict(levels)} here and {known} before")


def direction(metric: str, given: Mapping[str, bool]) -> bool:
    """Whether higher is better: as given, or as the metric's name says.

    Raises:
        ConfigError: for a metric nobody has said it of.
    """
    name = metric.partition(",")[0]
    for known in (given, BETTER):
        for key in (metric, name):
            if key in known:
                return known[key]
    raise ConfigError(
        f"which way is {metric!r} better? Say so: 'results.higher_is_better={{{metric}: true}}' "
        f"({nearest(name, BETTER)})"
    )
