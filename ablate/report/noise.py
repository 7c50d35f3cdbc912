"""How much noise there is: the spread between seeds of one arm beside the spread between arms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ablate.effects.noise import NoiseFloor, noise_floor
from ablate.study.results import AGGREGATE, Study, score_table


@dataclass(frozen=True, eq=False)
class Noise:
    """One metric on one task, or the primary one on the aggregate.

    Attributes:
        metric, task: which score.
        floor: the spread between seeds.
        means: of each arm that has a score, over its seeds.
    """

    metric: str
    task: str
    floor: NoiseFloor
    means: np.ndarray

    @property
    def range_of_arms(self) -> float:
        """Best arm less worst, in the metric's units; NaN with fewer than two."""
        return float(np.ptp(self.means)) if self.means.size > 1 else math.nan


def noise_table(study: Study) -> Iterator[Noise]:
    """Every metric on every task, the primary aggregate before its tasks."""
    for metric in study.metrics:
        for task in [AGGREGATE, *study.tasks]:
            members = study.aggregated(metric) if task == AGGREGATE else [task]
            if not members or (task != AGGREGATE and metric not in study.tasks[task].higher_is_better):
                continue
            if metric != study.primary and task == AGGREGATE:
                continue
            values = score_table(study, task, metric)
            means = [row[np.isfinite(row)].mean() for row in values if np.isfinite(row).any()]
            yield Noise(metric, task, noise_floor(values[study.distinct]), np.array(means))
