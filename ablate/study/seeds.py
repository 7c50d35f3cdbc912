"""Where the random numbers of a run come from."""

from __future__ import annotations

from typing import NamedTuple

from ablate.study.schema import Arm


def own_seed(arm: Arm, seed: int) -> int:
    """Return the seed of a run's random numbers, before `randomness` gives some of them one of their own."""
    return seed + int(arm.randomness.get("seed_offset", 0))


class Seeds(NamedTuple):
    """Seeds of a run's random numbers: its own unless `randomness` says otherwise; `subset` is None for that of the order."""

    weights: int
    order: int
    subset: int | None


def run_seeds(arm: Arm, seed: int) -> Seeds:
    """Return the seeds that the random numbers of a run come from."""
    own = own_seed(arm, seed)
    weights, order, subset = (arm.randomness.get(name) for name in Seeds._fields)
    weights, order = (own if value is None else int(value) for value in (weights, order))
    return Seeds(weights, order, None if subset is None or subset == order else int(subset))
