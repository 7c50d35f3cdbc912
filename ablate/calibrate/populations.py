"""Populations of runs, of the kinds that studies meet: noise whose truth is known because it was drawn here.

Nothing is shared with the estimators: what is drawn is the score of each run about its arm's true mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHARED_SD = 0.7
"""What a seed adds to every arm, in units of a quiet arm's own noise."""
HEAVY_DF = 3.0
"""Degrees of freedom of heavy-tailed noise: infinite kurtosis."""
QUIET = 0.3
"""Noise of the other arms where the reference alone is skewed, in units of the reference's."""
MODES, AROUND = (0.50, 0.95), 0.02
"""Scores of a run that has not and that has made the transition, and the noise about either."""
CONCENTRATION = 50.0
"""Of beta scores: mean 0.99 then has a standard deviation of 0.014, and 0.95 one of 0.031."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs that are to be drawn.

    Attributes:
        studies, seeds: how many.
        present: shape (n_arms, n_factors), whether the arm has the factor at its full level; the first arm, and
            all that are like it, are the reference.
        shared: whether arms share their seeds; else each run has a seed of its own.
    """

    studies: int
    seeds: int
    present: NDArray[np.bool_]
    shared: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_studies, n_arms, n_seeds)."""
        return self.studies, len(self.present), self.seeds

    @property
    def reference(self) -> NDArray[np.bool_]:
        """Shape (n_arms,)."""
        return np.asarray((self.present == self.present[0]).all(axis=1))

    def per_seed(self, rng: np.random.Generator) -> Floats:
        """A standard normal draw for each seed: shape (n_studies, 1 or n_arms, n_seeds)."""
        arms = 1 if self.shared else len(self.present)
        return rng.normal(size=(self.studies, arms, self.seeds))


Draw = Callable[[np.random.Generator, Runs], Floats]


@dataclass(frozen=True)
class Population:
    """A kind of noise.

    Attributes:
        words: what it is.
        draw: noise of mean zero in every arm, shape (n_studies, n_arms, n_seeds).
        assumed: whether intervals are derived for it: normal, with what a seed does to all arms alike; calibration
            fails where they do not hold there.
    """

    words: str
    draw: Draw
    assumed: bool = False


def _normal(scales: Callable[[Runs], Floats]) -> Draw:
    """Normal noise with the standard deviations that `scales` gives the arms, and seeds that move all arms alike."""

    def draw(rng: np.random.Generator, runs: Runs) -> Floats:
        own = rng.normal(size=runs.shape) * scales(runs)[:, None]
        return np.asarray(own + SHARED_SD * runs.per_seed(rng))

    return draw


def _last(factor: float) -> Callable[[Runs], Floats]:
    """The last arm has `factor` times the standard deviation of the others."""
    return lambda runs: np.r_[np.ones(len(runs.present) - 1), factor]


def _heavy(rng: np.random.Generator, runs: Runs) -> Floats:
    return np.asarray(rng.standard_t(HEAVY_DF, runs.shape) + SHARED_SD * runs.per_seed(rng))


def _exponential(rng: np.random.Generator, runs: Runs) -> Floats:
    return np.asarray(1 - rng.exponential(size=runs.shape) + SHARED_SD * runs.per_seed(rng))


def _skewed_reference(tail: Callable[[np.random.Generator, tuple[int, ...]], Floats]) -> Draw:
    """The reference alone has a tail of unit variance to the bad side; the others are normal and quieter."""

    def draw(rng: np.random.Generator, runs: Runs) -> Floats:
        found = QUIET * rng.normal(size=runs.shape)
        found[:, runs.reference] = tail(rng, (runs.studies, int(runs.reference.sum()), runs.seeds))
        return np.asarray(found)

    return draw


def _minus_exponential(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.asarray(1 - rng.exponential(size=shape))


def _minus_lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    mean, sd = np.exp(0.5), np.sqrt((np.e - 1) * np.e)
    return np.asarray((mean - rng.lognormal(size=shape)) / sd)


def _bimodal(reference: float, others: float) -> Draw:
    """Runs that have made a transition, with these probabilities, or have not."""

    def draw(rng: np.random.Generator, runs: Runs) -> Floats:
        chance = np.where(runs.reference, reference, others)[:, None]
        made: Floats = (rng.random(runs.shape) < chance) - chance
        return np.asarray((MODES[1] - MODES[0]) / AROUND * made + rng.normal(size=runs.shape))

    return draw


def _bounded(reference: float, others: float) -> Draw:
    """Beta scores below 1 with these means."""

    def draw(rng: np.random.Generator, runs: Runs) -> Floats:
        mean = np.where(runs.reference, reference, others)[:, None]
        scores = rng.beta(CONCENTRATION * mean, CONCENTRATION * (1 - mean), runs.shape)
        return np.asarray((scores - mean) / AROUND)

    return draw


def _stages_by_seed(sd: float, stages: slice) -> Draw:
    """A seed moves what stages do: each of `stages` adds or takes away the same, of this sd, in all arms by its level."""

    def draw(rng: np.random.Generator, runs: Runs) -> Floats:
        found = rng.normal(size=runs.shape) + SHARED_SD * runs.per_seed(rng)
        for column in runs.present.T[stages]:
            found += sd * runs.per_seed(rng) * np.where(column, 1.0, -1.0)[:, None]
        return np.asarray(found)

    return draw


def _seed_where_present(rng: np.random.Generator, runs: Runs) -> Floats:
    """A seed moves those arms alike that have the first stage, and no other."""
    return np.asarray(rng.normal(size=runs.shape) + SHARED_SD * runs.per_seed(rng) * runs.present[:, :1])


POPULATIONS: dict[str, Population] = {
    "equal": Population("equal normal noise", _normal(lambda runs: np.ones(len(runs.present))), assumed=True),
    "one_loud": Population("one arm with 10 times the variance", _normal(_last(10**0.5)), assumed=True),
    "loud_reference": Population(
        "the reference with 10 times the variance",
        _normal(lambda runs: np.where(runs.reference, 10**0.5, 1.0)),
        assumed=True,
    ),
    "sd_1_to_10": Population(
        "standard deviations from 1 to 10 over the arms",
        _normal(lambda runs: np.geomspace(1, 10, len(runs.present))),
        assumed=True,
    ),
    "one_very_loud": Population("one arm with 100 times the variance", _normal(_last(10.0))),
    "heavy_tails": Population("Student-t noise with 3 degrees of freedom", _heavy),
    "exponential": Population("exponential noise to the bad side, in all arms", _exponential),
    "exponential_reference": Population(
        "exponential noise to the bad side in the reference, others normal and 0.3 as loud",
        _skewed_reference(_minus_exponential),
    ),
    "lognormal_reference": Population(
        "minus-lognormal noise in the reference, others normal and 0.3 as loud",
        _skewed_reference(_minus_lognormal),
    ),
    "bimodal_90_90": Population("a run has made a transition or not: 90 % in every arm", _bimodal(0.9, 0.9)),
    "bimodal_90_50": Population("... 90 % in the reference, 50 % in the others", _bimodal(0.9, 0.5)),
    "bimodal_80_20": Population("... 80 % in the reference, 20 % in the others", _bimodal(0.8, 0.2)),
    "bimodal_90_0": Population("... 90 % in the reference, none in the others", _bimodal(0.9, 0.0)),
    "bounded": Population("beta scores of mean 0.99 in every arm", _bounded(0.99, 0.99)),
    "bounded_reference": Population(
        "beta scores of mean 0.99 in the reference, 0.95 in the others", _bounded(0.99, 0.95)
    ),
    "every_stage_by_seed": Population(
        "every stage's effect varies with the seed, by a quarter of a run's noise either way",
        _stages_by_seed(0.25, slice(None)),
    ),
    "one_stage_by_seed": Population(
        "one stage's effect varies with the seed, by half a run's noise either way",
        _stages_by_seed(0.5, slice(1)),
    ),
    "seed_by_presence": Population("seeds move only arms that have the first stage", _seed_where_present),
}
"""Kinds of noise by name. Gains are drawn in units of a quiet arm's noise."""


def draw(kind: str, rng: np.random.Generator, runs: Runs) -> Floats:
    """Noise of a kind, shape (n_studies, n_arms, n_seeds), of mean zero in every arm."""
    return POPULATIONS[kind].draw(rng, runs)
