"""The effect that a table of gains says it can see: is one of that size called by 80 % of repeats, whoever states it?"""

from __future__ import annotations

import math
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
APART = 100.0
"""Largest over smallest noise where studies differ in it, evenly spread by its logarithm. Among the tasks and metrics of
one shipped study (web_loo) the standard errors of gains differ by a factor of 25, and studies differ in proxy and budget."""
SCALES = 50
"""Noises that each simulated study is given in turn."""
NOISES = ("equal", "one_loud", "loud_reference", "sd_1_to_10")
SEEDS = (3, 5, 8)


@dataclass(frozen=True)
class Repeats:
    """What repeats of studies call.

    Attributes:
        case, noise, seeds, shared, studies: of the cell.
        contrasts: of each study; an effect of the stated size is put into each of them alone.
        called: shape (TENTHS,), of contrasts x studies, by rising stated effect; all studies have the same noise.
        tried: shape (TENTHS,), contrasts x studies.
        differing: shape (TENTHS,), share called where the noise differs from study to study, by a factor of up to `APART`.
        upper: as `called`, of an effect of the size of the stated upper confidence bound.
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
    differing: tuple[float, ...]
    upper: tuple[int, ...]
    spread: float

    @property
    def share(self) -> float:
        """Of all repeats."""
        return Share(sum(self.called), sum(self.tried)).share

    def tenths(self, called: Sequence[int]) -> list[float]:
        """Shares by rising stated effect; NaN for a tenth without a study."""
        return [Share(hits, n).share for hits, n in zip(called, self.tried, strict=True)]

    @property
    def whole(self) -> Share:
        """As a count of studies, since the gains of one study are not independent of each other."""
        return Share(round(self.share * self.studies), self.studies)

    @property
    def upper_below(self) -> int:
        """Tenths in which the upper bound is called surely less often than promised, counting studies."""
        each = self.studies // TENTHS
        shares = [share for share in self.tenths(self.upper) if not math.isnan(share)]
        return sum(Share(round(share * each), each).interval[1] < PROMISED[0] for share in shares)


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
        found = [
            detectable_effect(table, weights, tests=len(weights), unpaired=not shared) for table in tables
        ]
        effect, bound = np.array([(one.effect, one.upper) for one in found]).T
        there = np.isfinite(effect)
        effect, bound = effect[there], bound[there]
        repeat = [np.roll(part, -1, axis=0)[there] for part in estimated(tables, weights, shared=shared)]
        called = called_alone(effect, *repeat)
        # a study whose noise is another states as much more or less, and calls the same
        scales = APART ** rng.uniform(-0.5, 0.5, size=(SCALES, effect.size))
        many = np.tile(called, (SCALES, 1))
        hits, tries = (by_tenths(what, (effect * scales).ravel()) for what in (many, np.ones_like(many)))
        low, high = np.quantile(effect, [0.1, 0.9])
        return Repeats(
            case.name,
            self.noise,
            self.seeds,
            shared,
            self.studies,
            len(weights),
            by_tenths(called, effect),
            by_tenths(np.ones_like(called), effect),
            tuple(np.divide(hits, tries).tolist()),
            by_tenths(called_alone(bound, *repeat), bound),
            float(high / low),
        )


def kept(shares: Sequence[float]) -> int:
    """Count the tenths that keep the promise."""
    return sum(PROMISED[0] <= share <= PROMISED[1] for share in shares)


def by_tenths(called: np.ndarray, stated: Floats) -> tuple[int, ...]:
    """Count calls of the tenth of studies that state least, of the next tenth, and so on."""
    parts = np.array_split(np.argsort(stated, kind="stable"), TENTHS)
    return tuple(int(called[part].sum()) for part in parts)


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
    cases = [case for case in shipped() if case.usual]
    return [
        RepeatTask(case, noise, n, studies, seed)
        for case in cases
        for noise in NOISES
        if noise in noises
        for n in SEEDS
        if n in seeds
    ]
