"""Runs that fail: what is left of an interval when those fail that would have scored worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ablate.calibrate.cases import SWITCHES, weights_of
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import BAND, stream
from ablate.design.leave_one_out import LeaveOneOut
from ablate.effects.contrast import estimate_contrasts
from ablate.effects.failures import failure_p, worst_case
from ablate.estimand.base import contrasts_of

RATES = (0.0, 0.2, 0.4)
"""Share of the runs of the first stage's arm that fail; all others succeed."""
SEEDS = (3, 5, 8)


@dataclass(frozen=True)
class Missing:
    """What came out for the gain of the stage whose arm fails.

    Attributes:
        rate, lowest, seeds, studies: of the cell; `lowest` whether the runs fail that would have scored worst.
        measured: studies in which it has an interval.
        covered: of these, those in which the interval holds the gain that all runs would have.
        bias: mean of estimate minus that gain, in standard deviations of a run.
        worst_bias: of the bound that gives failed runs the worst score there is.
        noticed: studies in which Fisher's test of the arms' failures has p <= 0.05.
    """

    rate: float
    lowest: bool
    seeds: int
    studies: int
    measured: int
    covered: int
    bias: float
    worst_bias: float
    noticed: int

    @property
    def coverage(self) -> Share:
        """Of the intervals that there are."""
        return Share(self.covered, self.measured)

    @property
    def narrow(self) -> bool:
        """Whether coverage is surely below the band of a claimed cell."""
        return self.coverage.surely_below(BAND[0])


@dataclass(frozen=True)
class MissingTask:
    """The arguments of one cell."""

    rate: float
    lowest: bool
    seeds: int
    studies: int
    seed: int

    def __call__(self) -> Missing:
        """Simulate it."""
        rng = stream(self.seed, "missing", self.rate, self.lowest, self.seeds)
        arms = LeaveOneOut().arms(SWITCHES[:4])
        weights = weights_of(contrasts_of(["leave_one_out"], arms, SWITCHES[:4]), arms)
        latent = rng.normal(size=(self.studies, len(arms), self.seeds))
        luck = latent[:, 1] if self.lowest else rng.normal(size=latent[:, 1].shape)
        scores = latent.copy()
        scores[:, 1][luck < norm.ppf(self.rate)] = np.nan
        measured = covered = noticed = 0
        off, worst = [], []
        for table in scores:
            gain = estimate_contrasts(table, weights)[0]
            if gain.ci_low <= gain.ci_high:
                measured += 1
                covered += gain.ci_low <= 0.0 <= gain.ci_high
                off.append(gain.estimate)
                worst.append(worst_case(table, weights[0], higher_is_better=True))
            failed = int(np.isnan(table[1]).sum())
            noticed += failure_p(failed, self.seeds, 0, self.seeds) <= 0.05
        return Missing(
            self.rate,
            self.lowest,
            self.seeds,
            self.studies,
            measured,
            covered,
            float(np.mean(off)),
            float(np.mean(worst)),
            noticed,
        )


def missing_tasks(seeds: Sequence[int], studies: int, seed: int = 0) -> list[MissingTask]:
    """Every cell among the numbers of seeds that are asked for."""
    return [
        MissingTask(rate, lowest, n, studies, seed)
        for lowest in (False, True)
        for rate in RATES
        if rate or not lowest
        for n in SEEDS
        if n in seeds
    ]
