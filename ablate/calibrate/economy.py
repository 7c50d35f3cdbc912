"""What designs cost for intervals of one width: simulated, equal noise."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import stdtrit

from ablate.calibrate.cases import FURTHER, SWITCHES, Case, shipped, weights_of
from ablate.calibrate.populations import Runs, draw
from ablate.calibrate.simulate import estimated, stream


@dataclass(frozen=True)
class Economy:
    """What a design costs for its intervals.

    Attributes:
        design: its name.
        seeds, runs: of one study.
        width: mean width of a gain's interval over stages and studies.
        studies: how many were looked at.
    """

    design: str
    seeds: int
    runs: int
    width: float
    studies: int


def economy(studies: int, seed: int = 0) -> list[Economy]:
    """Width of the intervals of seven stages' gains against runs: one at a time, and several at once."""
    chosen = [case for case in (*shipped(), *FURTHER) if case.usual and case.factors == SWITCHES]
    found = []
    for case in sorted(chosen, key=lambda case: (not _one_at_a_time(case), case.name)):
        weights, n_arms, shared = weights_of(case.contrasts, case.arms), len(case.arms), not case.own_seeds
        most = 24 if _one_at_a_time(case) else 6 if n_arms == 8 else 4
        for seeds in range(2, most + 1):
            rng = stream(seed, "economy", case.name, seeds)
            tables = draw("equal", rng, Runs(studies, seeds, case.present, shared))
            _, error, df = estimated(tables, weights, shared=shared)
            width = float((2 * stdtrit(df, 0.975) * error).mean())
            name = case.estimand if _one_at_a_time(case) else case.name
            found.append(Economy(name, seeds, seeds * n_arms, width, studies))
    return found


def _one_at_a_time(case: Case) -> bool:
    """Whether each of its gains is a difference of two arms."""
    return all(len(spec.weights) == 2 for spec in case.contrasts)
