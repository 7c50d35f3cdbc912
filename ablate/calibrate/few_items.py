"""Benchmarks with few items: intervals over other seeds, and over other seeds and items together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.calibrate.share import Share
from ablate.calibrate.simulate import BAND, stream
from ablate.effects.contrast import paired_contrast
from ablate.effects.items import item_variance, seeds_and_items

ITEMS = (10, 40, 120)
SEEDS = (2, 3, 5, 8)
TASKS = (1, 3)
RUN_SD, ARM_BY_ITEM_SD, REST_SD = 0.05, 0.25, 0.35
"""Of a run on all items, of an arm on an item, of a run on an item."""


@dataclass(frozen=True)
class FewItems:
    """What came out for one gain whose truth is that over all seeds and items.

    Attributes:
        items, tasks, seeds, studies: of the cell; `items` of each task.
        seeds_alone: studies whose interval over seeds held the truth.
        both: studies whose interval over seeds and items did.
        wider: median width of the second over the first's.
    """

    items: int
    tasks: int
    seeds: int
    studies: int
    seeds_alone: int
    both: int
    wider: float

    @property
    def coverage_alone(self) -> Share:
        """Of intervals over seeds."""
        return Share(self.seeds_alone, self.studies)

    @property
    def coverage(self) -> Share:
        """Of intervals over seeds and items."""
        return Share(self.both, self.studies)

    @property
    def narrow(self) -> bool:
        """Whether coverage over both is surely below the band of a claimed cell."""
        return self.coverage.surely_below(BAND[0])


@dataclass(frozen=True)
class ItemTask:
    """The arguments of one cell."""

    items: int
    tasks: int
    seeds: int
    studies: int
    seed: int

    def __call__(self) -> FewItems:
        """Simulate it."""
        rng = stream(self.seed, "items", self.items, self.tasks, self.seeds)
        weights, scales = np.array([1.0, -1.0]), [1.0 / self.tasks] * self.tasks
        alone = both = 0
        ratio = []
        for _ in range(self.studies):
            scores = self._scores(rng)
            gain = paired_contrast(scores.mean(axis=(0, 3)), weights)
            low, high = seeds_and_items(gain, [item_variance(task, weights) for task in scores], scales)
            alone += gain.ci_low <= 0.0 <= gain.ci_high
            both += low <= 0.0 <= high
            ratio.append((high - low) / (gain.ci_high - gain.ci_low))
        return FewItems(
            self.items, self.tasks, self.seeds, self.studies, alone, both, float(np.median(ratio))
        )

    def _scores(self, rng: np.random.Generator) -> np.ndarray:
        """Two arms of the same worth, shape (n_tasks, 2, n_seeds, n_items)."""
        shape = self.tasks, 2, self.seeds, self.items
        run = RUN_SD * rng.normal(size=(1, *shape[1:3], 1))
        difficulty = rng.normal(size=(self.tasks, 1, 1, self.items))
        arm_by_item = ARM_BY_ITEM_SD * rng.normal(size=(self.tasks, 2, 1, self.items))
        return np.asarray(run + difficulty + arm_by_item + REST_SD * rng.normal(size=shape))


def item_tasks(seeds: Sequence[int], studies: int, seed: int = 0) -> list[ItemTask]:
    """Every cell among the numbers of seeds that are asked for."""
    return [
        ItemTask(items, tasks, n, studies, seed)
        for tasks in TASKS
        for items in ITEMS
        for n in SEEDS
        if n in seeds
    ]
