"""Rounds of seeds: what a plan freezes of them, and which contrast is closed in which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ablate.design.base import weight_matrix
from ablate.effects.multiplicity import holm
from ablate.effects.sequential import sequential_contrasts
from ablate.errors import ConfigError
from ablate.study.schema import Plan, Sequential

OPEN, DECIDED, NEGLIGIBLE, SAME = "open", "decided", "negligible", "the same runs"


@dataclass(frozen=True)
class State:
    """How far one contrast is.

    Attributes:
        name: factor and levels.
        arms: that it needs.
        status: "open", "decided" (Holm-adjusted sequential p at most alpha), "negligible" (the
            interval lies inside +/- `negligible`) or "the same runs".
        round: in which it was closed, from 1; the last one so far when open.
        seeds: that it has.
    """

    name: str
    arms: tuple[str, ...]
    status: str
    round: int
    seeds: int


def check_looks(asked: Mapping[str, Any], seeds: list[int]) -> Sequential | None:
    """Check what a plan freezes of `sequential`; None when it is off.

    Raises:
        ConfigError: for looks that do not rise from 2 to the number of seeds.
    """
    looks = asked["looks"]
    if looks is None:
        return None
    rising = all(b > a for a, b in pairwise(looks))
    if not looks or looks[0] < 2 or not rising or looks[-1] != len(seeds):
        raise ConfigError(
            f"sequential.looks={list(looks)}: expected the seeds at each look, rising from 2 or more to all "
            f"{len(seeds)} seeds, e.g. seeds=[0,1,2,3,4,5] sequential.looks=[2,4,6]"
        )
    return Sequential(
        looks=tuple(looks),
        spending=asked["spending"],
        alpha=asked["alpha"],
        negligible=asked["negligible"],
    )


def states(plan: Plan, rule: Sequential, scores: np.ndarray, same: list[bool], rounds: int) -> list[State]:
    """Replay the rounds: which contrast was closed in which.

    Args:
        plan: arms and contrasts.
        rule: the plan's.
        scores: shape (n_arms, n_seeds), of the headline; NaN for runs not done.
        same: per contrast, whether its arms are the same runs.
        rounds: that have been run.
    """
    arms, weights = list(plan.arms), weight_matrix(plan.contrasts, plan.arms)
    closed: dict[int, tuple[str, int, int]] = {}
    for number, look in enumerate(rule.looks[:rounds], start=1):
        seen = np.where(np.arange(scores.shape[1]) < look, scores, np.nan)
        found = sequential_contrasts(
            seen, weights, rule.looks, spending=rule.spending, identical=same, level=1 - rule.alpha
        )
        # Arms with the same texts are one arm: nothing is tested there, as in the report.
        tested = [np.nan if estimate.method == "identical" else estimate.p_value for estimate in found]
        for place, (estimate, p) in enumerate(zip(found, holm(tested), strict=True)):
            if place in closed:
                continue
            least = rule.negligible
            if estimate.method == "identical":
                closed[place] = (SAME, number, estimate.n_seeds)
            elif p <= rule.alpha:
                closed[place] = (DECIDED, number, estimate.n_seeds)
            elif least is not None and -least < estimate.ci_low and estimate.ci_high < least:
                closed[place] = (NEGLIGIBLE, number, estimate.n_seeds)
    found_states = []
    for place, contrast in enumerate(plan.contrasts):
        used = tuple(arm for arm, weight in contrast.weights.items() if weight)
        seeds = int(np.isfinite(scores[[arms.index(arm) for arm in used]]).all(axis=0).sum())
        status, when, had = closed.get(place, (OPEN, rounds, seeds))
        name = f"{contrast.factor}: {contrast.level} vs {contrast.versus}"
        found_states.append(State(name, used, status, when, had))
    return found_states
