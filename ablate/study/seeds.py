"""Where the random numbers of a run come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


def own_seed(config: Mapping[str, Any], seed: int) -> int:
    """The seed of a run's random numbers, before `randomness` gives some of them one of their own."""
    return seed + int((config.get("randomness") or {}).get("seed_offset", 0))


class Seeds(NamedTuple):
    """Of a run: its own seed unless `randomness` says otherwise; `subset` None for that of the order."""

    weights: int
    order: int
    subset: int | None


def run_seeds(config: Mapping[str, Any], seed: int) -> Seeds:
    """Where the random numbers of a run come from."""
    randomness = config.get("randomness") or {}
    own = own_seed(config, seed)
    weights, order, subset = (randomness.get(name) for name in Seeds._fields)
    weights, order = (own if value is None else int(value) for value in (weights, order))
    return Seeds(weights, order, None if subset is None or subset == order else int(subset))
