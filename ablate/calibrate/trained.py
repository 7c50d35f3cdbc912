"""Trained calibration: intervals from few seeds against what many seeds of the same arms say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit
from scipy.stats import nct

from ablate.calibrate.economy import Economy
from ablate.calibrate.share import Share
from ablate.effects.contrast import estimate_contrasts
from ablate.effects.estimate import Floats, seed_differences
from ablate.effects.pairing import seed_correlation
from ablate.errors import DataError
from ablate.report.effects_table import planned_estimates
from ablate.study.results import AGGREGATE, Study, score_table

SURE_OF_TRUTH = 3.0
"""Standard errors from zero at which the many-seed mean is taken to have the true sign."""


@dataclass(frozen=True)
class Contrast:
    """One gain of one small study, beside what the other seeds say.

    Attributes:
        factor: whose gain.
        estimate, ci_low, ci_high, p_value: from the small study.
        truth, truth_error: mean of the seeds outside the small study, and its standard error.
        covered: whether the interval, widened for the truth's own error, holds the truth.
        power: chance to find the true effect with this many seeds, from the outside seeds' noise.
    """

    factor: str
    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    truth: float
    truth_error: float
    covered: bool
    power: float

    @property
    def planted(self) -> bool:
        """Whether the sign of the truth is beyond doubt."""
        return abs(self.truth) > SURE_OF_TRUTH * self.truth_error


@dataclass(frozen=True)
class Trained:
    """What trained runs say about the instrument.

    Attributes:
        seeds: of each small study.
        contrasts: every gain of every small study.
        aa: p-values of A/A contrasts, replicates of one arm under different seeds.
        shared: share of the seed variance that arms have in common when they share seeds.
    """

    seeds: int
    contrasts: tuple[Contrast, ...]
    aa: tuple[float, ...]
    shared: float

    @property
    def coverage(self) -> Share:
        """Of the intervals of all contrasts."""
        return Share(sum(c.covered for c in self.contrasts), len(self.contrasts))

    @property
    def false_positives(self) -> Share:
        """A/A contrasts rejected at 5 %."""
        return Share(sum(p <= 0.05 for p in self.aa), len(self.aa))

    @property
    def signs(self) -> Share:
        """Contrasts with a planted effect whose estimate has its sign."""
        planted = [c for c in self.contrasts if c.planted]
        return Share(sum(c.estimate * c.truth > 0 for c in planted), len(planted))

    @property
    def found(self) -> Share:
        """Contrasts with a planted effect that are significant, before correction, with the right sign."""
        planted = [c for c in self.contrasts if c.planted]
        return Share(sum(c.p_value <= 0.05 and c.estimate * c.truth > 0 for c in planted), len(planted))

    @property
    def predicted(self) -> float:
        """Mean predicted power over the contrasts with a planted effect."""
        return float(np.mean([c.power for c in self.contrasts if c.planted]))


def headline_scores(study: Study) -> Floats:
    """The primary aggregate of every run, shape (n_arms, n_seeds).

    Raises:
        DataError: when a run is missing.
    """
    table = score_table(study, AGGREGATE, study.primary)
    if not np.isfinite(table).all():
        raise DataError(f"{study.folder}: a calibration needs every run of its study; some are missing")
    return table


def groups_of(n_seeds: int, size: int) -> list[np.ndarray]:
    """Disjoint groups of seeds, each the seeds of a small study."""
    return [np.arange(start, start + size) for start in range(0, n_seeds - size + 1, size)]


def check(study: Study, seeds: int = 3) -> Trained:
    """Cut a study with many seeds into small studies and see whether they tell the truth.

    Args:
        study: all its runs done, with at least four times `seeds` seeds.
        seeds: of a small study.
    Raises:
        DataError: for too few seeds, or a missing run.
    """
    table = headline_scores(study)
    groups = groups_of(table.shape[1], seeds)
    if len(groups) < 4:
        raise DataError(f"{study.folder}: expected at least {4 * seeds} seeds, got {table.shape[1]}")
    weights = study.weights
    names = [contrast.factor for contrast in study.contrasts]
    found: list[Contrast] = []
    for group in groups:
        rest = np.setdiff1d(np.arange(table.shape[1]), group)
        for name, row, e in zip(
            names, weights, planned_estimates(study, table[:, group], weights), strict=True
        ):
            outside = seed_differences(table[:, rest], row)
            sd, truth = float(outside.std(ddof=1)), float(outside.mean())
            # The truth has an error of its own; estimate minus truth has both.
            half = (e.ci_high - e.estimate) * math.sqrt(1 + len(group) / len(rest))
            found.append(
                Contrast(
                    name,
                    e.estimate,
                    e.ci_low,
                    e.ci_high,
                    e.p_value,
                    truth,
                    sd / math.sqrt(len(rest)),
                    abs(e.estimate - truth) <= half,
                    power(truth, sd / math.sqrt(seeds), e.df),
                )
            )
    aa = [p for row in table for p in aa_p_values(row, seeds)]
    return Trained(seeds, tuple(found), tuple(aa), seed_correlation(table).value)


def aa_p_values(scores: Floats, seeds: int) -> list[float]:
    """One arm's runs as an A/A study: replicates of `seeds` runs each, in disjoint pairs."""
    replicates = np.array([scores[group] for group in groups_of(scores.size, seeds)])
    replicates = replicates[: len(replicates) // 2 * 2]
    weights = np.zeros((len(replicates) // 2, len(replicates)))
    for pair in range(len(weights)):
        weights[pair, 2 * pair : 2 * pair + 2] = 1.0, -1.0
    return [found.p_value for found in estimate_contrasts(replicates, weights)]


def power(effect: float, error: float, df: float, alpha: float = 0.05) -> float:
    """Chance that a two-sided t test finds `effect`."""
    critical, shift = float(stdtrit(df, 1 - alpha / 2)), abs(effect) / error
    return float(nct.sf(critical, df, shift) + nct.sf(critical, df, -shift))


def economy(study: Study, seeds: Sequence[int]) -> list[Economy]:
    """Mean interval width of a study's gains against the number of seeds, from disjoint groups of its runs."""
    table = headline_scores(study)
    weights = study.weights
    found = []
    for n in seeds:
        groups = groups_of(table.shape[1], n)
        widths = [
            e.ci_high - e.ci_low
            for group in groups
            for e in planned_estimates(study, table[:, group], weights)
        ]
        found.append(
            Economy(study.plan.design, n, n * len(study.arms), float(np.nanmean(widths)), len(groups))
        )
    return found
