"""Seed noise of the kinds that studies meet: equal, one loud arm, a loud reference, heavy tails, ..."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ablate.effects.estimate import Floats

SHARED_SD = 0.7
"""What a seed adds to every arm, in units of a quiet arm's own noise."""
HEAVY_DF = 3.0
"""Degrees of freedom of heavy-tailed noise: infinite kurtosis."""


def _scales(n_arms: int, pattern: str) -> Floats:
    if pattern == "one_loud":
        return np.r_[np.ones(n_arms - 1), np.sqrt(10.0)]
    if pattern == "one_very_loud":
        return np.r_[np.ones(n_arms - 1), 10.0]
    if pattern == "loud_reference":
        return np.r_[np.sqrt(10.0), np.ones(n_arms - 1)]
    if pattern == "sd_1_to_10":
        return np.asarray(np.geomspace(1.0, 10.0, n_arms))
    return np.ones(n_arms)


PATTERNS = ("equal", "one_loud", "loud_reference", "sd_1_to_10", "one_very_loud", "heavy_tails")
"""Equal normal noise; last arm with 10 times the variance; first arm likewise; standard deviations from 1 to 10
over the arms; last arm with 100 times the variance; Student-t noise with 3 degrees of freedom."""
Draw = Callable[[np.random.Generator, int, int, int], Floats]


def noise(pattern: str) -> Draw:
    """A function (rng, n_studies, n_arms, n_seeds) -> noise of shape (n_studies, n_arms, n_seeds).

    Raises:
        ValueError: for an unknown pattern.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"noise must be one of {', '.join(PATTERNS)}, got {pattern!r}")

    def draw(rng: np.random.Generator, n_studies: int, n_arms: int, n_seeds: int) -> Floats:
        shape = (n_studies, n_arms, n_seeds)
        own = rng.standard_t(HEAVY_DF, shape) if pattern == "heavy_tails" else rng.normal(size=shape)
        shared = SHARED_SD * rng.normal(size=(n_studies, 1, n_seeds))
        return np.asarray(own * _scales(n_arms, pattern)[:, None] + shared)

    return draw
