"""Simulated calibration: every design and estimand on scores whose truth is known, thousands of times.

The scores go through `effects.many.estimate_many`, which a test holds equal to what a study's scores go
through (`effects.contrast.estimate_contrasts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from ablate.calibrate.cases import FURTHER, Case, shipped, weights_of
from ablate.calibrate.populations import POPULATIONS, Runs, draw
from ablate.calibrate.share import Share
from ablate.design.base import Assignment, Factor
from ablate.design.full_factorial import FullFactorial
from ablate.effects.estimate import Floats
from ablate.effects.many import estimate_many
from ablate.estimand.base import contrasts_of, stands_for

BAND = (0.935, 0.965)
"""Where the coverage of a 95 % interval must lie in a cell that is claimed."""


@dataclass(frozen=True)
class Cell:
    """What came out for one case, noise and number of seeds.

    Attributes:
        case, estimand, noise, interactions, seeds: of the cell; `interactions` whether gains depend on
            each other.
        shared: whether arms shared their seeds; else each had its own.
        default: whether that is what the design does unless asked.
        n_arms, contrasts, studies: sizes.
        covered: shape (contrasts,), studies whose interval held the truth.
        rejected: of contrasts x studies, those with p <= 0.05 when tested against the truth.
        any_rejected: studies in which Holm's correction let any such test through.
        width: median width of an interval.
    """

    case: str
    estimand: str
    noise: str
    interactions: bool
    shared: bool
    default: bool
    seeds: int
    n_arms: int
    contrasts: int
    studies: int
    covered: tuple[int, ...]
    rejected: int
    any_rejected: int
    width: float

    @property
    def coverage(self) -> float:
        """Mean over contrasts."""
        return sum(self.covered) / (self.contrasts * self.studies)

    @property
    def worst(self) -> Share:
        """The contrast that is furthest from 95 %."""
        return Share(max(self.covered, key=lambda count: abs(count / self.studies - 0.95)), self.studies)

    @property
    def familywise(self) -> Share:
        """Studies with any false claim after Holm."""
        return Share(self.any_rejected, self.studies)

    @property
    def narrow(self) -> bool:
        """Whether intervals promise too much: below the band on average, or a contrast or false claims surely beyond it."""
        below = any(Share(count, self.studies).surely_below(BAND[0]) for count in self.covered)
        return below or self.coverage < BAND[0] or not self.familywise_held

    @property
    def wide(self) -> bool:
        """Whether intervals promise too little: above the band on average, or a contrast surely."""
        above = any(Share(count, self.studies).surely_above(BAND[1]) for count in self.covered)
        return not self.narrow and (above or self.coverage > BAND[1])

    @property
    def familywise_held(self) -> bool:
        """Family-wise error not surely above 5 %."""
        return not self.familywise.surely_above(0.05)

    @property
    def assumed(self) -> bool:
        """Whether intervals are derived for such a study, so that calibration fails when they do not hold in it."""
        return POPULATIONS[self.noise].assumed and not self.interactions


def truth_of(case: Case, score: Callable[[Assignment], float]) -> Floats:
    """True values of a case's gains: the estimand in all combinations of levels, over which some of them average."""
    arms = FullFactorial(max_arms=10_000).arms(case.factors)
    specs = contrasts_of([stands_for(case.estimand)], arms, case.factors)
    return np.asarray(weights_of(specs, arms) @ np.array([score(levels) for levels in arms.values()]))


def effects(
    factors: Sequence[Factor], interactions: bool, rng: np.random.Generator
) -> Callable[[Assignment], float]:
    """A true score for every combination of levels: gains of a few noise units, and how they depend on each other."""
    gain = {
        f.name: dict(zip(f.levels, [2.0, *rng.normal(size=len(f.levels) - 1)], strict=True)) for f in factors
    }
    pairs = (
        {(a.name, b.name): rng.normal(0.0, 3.0) for a, b in combinations(factors, 2)} if interactions else {}
    )
    full = {factor.name: factor.full for factor in factors}

    def score(levels: Assignment) -> float:
        alone = sum(gain[name][level] for name, level in levels.items())
        both = sum(s for (a, b), s in pairs.items() if levels[a] != full[a] and levels[b] != full[b])
        return float(alone + both)

    return score


def stream(*parts: Any) -> np.random.Generator:
    """A generator for a cell, named by what the cell is: the same whoever simulates it, and in whatever order."""
    return np.random.default_rng(list("\x1f".join(map(str, parts)).encode()))


def simulate(
    case: Case,
    noise: str,
    seeds: int,
    studies: int,
    *,
    interactions: bool = False,
    shared: bool = True,
    seed: int = 0,
) -> Cell:
    """Simulate one cell.

    Args:
        case: design, estimand, factors.
        noise: kind of it (`populations.POPULATIONS`).
        seeds: replicates of each arm.
        studies: replications.
        interactions: whether gains depend on each other, strongly.
        shared: whether arms share their seeds.
        seed: of the draw.
    """
    rng = stream(seed, case.name, case.estimand, noise, seeds, interactions, shared)
    arms, specs = case.arms, case.contrasts
    weights = weights_of(specs, arms)
    score = (lambda levels: 0.0) if case.estimand == "aa" else effects(case.factors, interactions, rng)
    means = np.array([score(levels) for levels in arms.values()])
    tables = means[:, None] + draw(noise, rng, Runs(studies, seeds, case.present, shared))
    estimate, error, df = estimated(tables, weights, shared=shared)
    off = np.abs(estimate - truth_of(case, score))
    half = stdtrit(df, 0.975) * error
    p = 2.0 * stdtr(df, -off / error)
    # Holm lets something through when the smallest p-value passes the first step.
    claims = (p.min(axis=1) * p.shape[1] <= 0.05).sum()
    return Cell(
        case.name,
        case.estimand,
        noise,
        interactions,
        shared,
        shared != case.own_seeds,
        seeds,
        len(arms),
        len(specs),
        studies,
        tuple((off <= half).sum(axis=0).tolist()),
        int((p <= 0.05).sum()),
        int(claims),
        float(np.median(2 * half)),
    )


def estimated(tables: Floats, weights: Floats, *, shared: bool) -> tuple[Floats, Floats, Floats]:
    """Estimates, errors and degrees of freedom by the rule that a plan gives a study of such seeds (`study.pairing`)."""
    return estimate_many(tables, weights, unpaired=not shared)


@dataclass(frozen=True)
class Task:
    """The arguments of one cell, so that cells can be shared out among processes."""

    case: Case
    noise: str
    seeds: int
    interactions: bool
    shared: bool
    studies: int
    seed: int

    def __call__(self) -> Cell:
        """Simulate it."""
        return simulate(
            self.case,
            self.noise,
            self.seeds,
            self.studies,
            interactions=self.interactions,
            shared=self.shared,
            seed=self.seed,
        )


def tasks(noises: Sequence[str], seeds: Sequence[int], studies: int, seed: int = 0) -> list[Task]:
    """Every cell, under shared seeds and under own ones; strong interactions with equal noise and three seeds."""
    found = []
    for case in (*shipped(), *FURTHER):
        for shared in (True, False):
            found += [Task(case, noise, n, False, shared, studies, seed) for noise in noises for n in seeds]
            if len(case.factors) > 1:
                found.append(Task(case, "equal", 3, True, shared, studies, seed))
    return found


def run(todo: Sequence[Callable[[], Any]], workers: int | None) -> Iterator[Any]:
    """What each of `todo` returns, in order, by `workers` processes; None for one per core."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_call, todo)


def _call(one: Callable[[], Any]) -> Any:
    return one()
