"""The effect that a table of gains says it can see: is one of that size called by 80 % of repeats, whoever states it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from ablate.calibrate.cases import Case, shipped, weights_of
from ablate.calibrate.populations import Runs, draw
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import estimated, stream
from ablate.effects.detectable import detectable_effect
from ablate.effects.estimate import Floats
from ablate.effects.multiplicity import holm

PROMISED = (0.78, 0.84)
"""Share of repeats that call an effect of the stated size."""
TENTHS = 10
TRIED = (
    ("LeaveOneOut", "leave_one_out"),
    ("FractionalFactorial IV", "main_effect"),
    ("NearFull", "near_full"),
)
NOISES = ("equal", "one_loud", "loud_reference", "sd_1_to_10")
SEEDS = (3, 5, 8)


@dataclass(frozen=True)
class Repeats:
    """What repeats of studies call.

    Attributes:
        case, noise, seeds, shared, studies: of the cell.
        contrasts: of each study; an effect of the stated size is put into each of them alone.
        called: shape (TENTHS,), of contrasts x studies, by rising stated effect.
        tried: shape (TENTHS,), contrasts x studies.
        spread: 90th over 10th percentile of the stated effect.
    """

    case: str
    noise: str
    seeds: int
    shared: bool
    studies: int
    contrasts: int
    called: tuple[int, ...]
    tried: tuple[int, ...]
    spread: float

    @property
    def share(self) -> float:
        """Of all repeats."""
        return Share(sum(self.called), sum(self.tried)).share

    @property
    def tenths(self) -> list[float]:
        """Shares by rising stated effect; NaN for a tenth without a study."""
        return [Share(hits, n).share for hits, n in zip(self.called, self.tried, strict=True)]

    @property
    def held(self) -> int:
        """Tenths that keep the promise."""
        return sum(PROMISED[0] <= share <= PROMISED[1] for share in self.tenths)

    @property
    def whole(self) -> Share:
        """As a count of studies, since the gains of one study are not independent of each other."""
        return Share(round(self.share * self.studies), self.studies)


@dataclass(frozen=True)
class RepeatTask:
    """The arguments of one cell."""

    case: Case
    noise: str
    seeds: int
    studies: int
    seed: int

    def __call__(self) -> Repeats:
        """Let every study state an effect, and the next one have it."""
        case, shared = self.case, not self.case.own_seeds
        rng = stream(self.seed, "repeats", case.name, case.estimand, self.noise, self.seeds)
        weights = weights_of(case.contrasts, case.arms)
        tables = draw(self.noise, rng, Runs(self.studies, self.seeds, case.present, shared))
        stated = np.array([stated_effect(table, weights, shared=shared) for table in tables])
        there = np.isfinite(stated)
        repeat = [np.roll(part, -1, axis=0)[there] for part in estimated(tables, weights, shared=shared)]
        called = called_alone(stated[there], *repeat)
        parts = np.array_split(np.argsort(stated[there], kind="stable"), TENTHS)
        low, high = np.quantile(stated[there], [0.1, 0.9])
        return Repeats(
            case.name, self.noise, self.seeds, shared, self.studies, len(weights),
            tuple(int(called[part].sum()) for part in parts), tuple(called[part].size for part in parts), float(high / low),
        )  # fmt: skip


def stated_effect(table: Floats, weights: Floats, *, shared: bool) -> float:
    """What the report of one study states."""
    return detectable_effect(table, weights, tests=len(weights), unpaired=not shared).effect


def called_alone(effect: Floats, estimate: Floats, error: Floats, df: Floats) -> np.ndarray:
    """Whether studies without effects call one, put into each contrast alone, after Holm, with its sign.

    Args:
        effect: shape (n_studies,).
        estimate, error, df: shape (n_studies, n_contrasts).
    Returns:
        Shape (n_studies, n_contrasts), bool.
    """
    plain = 2.0 * stdtr(df, -np.abs(estimate) / error)
    called = np.zeros(plain.shape, dtype=bool)
    for place in range(plain.shape[1]):
        shifted = estimate[:, place] + effect
        p = plain.copy()
        p[:, place] = 2.0 * stdtr(df[:, place], -np.abs(shifted) / error[:, place])
        called[:, place] = (holm(p)[:, place] <= 0.05) & (shifted > 0)
    return called


def repeat_tasks(
    noises: Sequence[str], seeds: Sequence[int], studies: int, seed: int = 0
) -> list[RepeatTask]:
    """Every cell among the noises and numbers of seeds that are asked for."""
    cases = [case for case in shipped() if (case.name, case.estimand) in TRIED]
    return [
        RepeatTask(case, noise, n, studies, seed)
        for case in cases for noise in NOISES if noise in noises for n in SEEDS if n in seeds
    ]  # fmt: skip
