"""Near full: arms that each lack two stages, and the full recipe several times over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from ablate.design.base import Assignment, Factor, arm_name, assign, check_two_levels

FEWEST = 3
"""Stages; the one arm that lacks two of two says nothing of either."""
Pair = tuple[int, int]
"""Positions of the two stages that an arm lacks, ascending."""


@dataclass(frozen=True)
class NearFull:
    """k two-level factors: every pair of them left out once, or a balanced part of the pairs; the rest of the runs on full.

    Each run informs two gains of the finished recipe where one of leave-one-out informs one, so that with seven
    stages a gain is as sure with 0.38 of the runs. The price: it is read off by adding up, and is off by about
    1 / (k - 1) of each interaction of its stage with another, where a fraction of a factorial is off by half of it.

    Attributes:
        pairs: how many arms lack two stages; null for all k (k - 1) / 2. Every stage is lacking equally often, so
            that 2 x pairs must be a multiple of k.
        full_share: of the runs on the full recipe, in (0, 1), to the next whole arm; what is best depends little on
            k (0.25 for three stages, 0.20 for seven, 0.18 for ten).

    The part of the pairs is a circulant graph of the stages, the one of its size with the least mean variance of the gains.
    Source of circulant arrangements: John & Williams, "Cyclic and Computer Generated Designs" (1995).
    """

    estimands: ClassVar[tuple[str, ...]] = ("near_full",)
    clear: ClassVar[bool] = True
    usual: ClassVar[bool] = True
    pairs: int | None = None
    full_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.full_share < 1.0:
            raise ValueError(f"full_share must be in (0, 1), got {self.full_share}")

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `full`, `full_2`, ..., then `without_<factor>+<factor>` for each pair.

        The arms of the full recipe differ in their seeds alone, which a plan gives to each arm (`design.own_seeds`).

        Raises:
            ValueError: for fewer than three factors, two of one name, one with more than two levels, or a number of
                pairs in which stages cannot be lacking equally often.
        """
        check_two_levels(factors, "near_full", fewest=FEWEST)
        full = assign(factors, full=True)
        pairs = self._pairs(len(factors))
        copies = max(1, round(len(pairs) * self.full_share / (1.0 - self.full_share)))
        arms = {"full" if copy == 1 else f"full_{copy}": full for copy in range(1, copies + 1)}
        for pair in pairs:
            lacking = full | {factors[place].name: factors[place].bare for place in pair}
            arms[arm_name(lacking, factors)] = lacking
        return arms

    def _pairs(self, k: int) -> list[Pair]:
        every = k * (k - 1) // 2
        wanted = every if self.pairs is None else self.pairs
        for degree in range(2, k):
            if degree * k == 2 * wanted and (found := balanced_pairs(k, degree)):
                return found
        sizes = [
            degree * k // 2 for degree in range(2, k) if degree * k % 2 == 0 and balanced_pairs(k, degree)
        ]
        raise ValueError(
            f"pairs must be one of {', '.join(map(str, sizes))} with {k} factors, so that every stage is lacking equally often "
            f"and each gain is determined, got {wanted}"
        )


def balanced_pairs(k: int, degree: int) -> list[Pair]:
    """Return pairs of k stages in which each occurs `degree` times and none twice; empty where no such pairs determine every gain."""
    best: tuple[float, list[Pair]] = (np.inf, [])
    for size in range(1, degree + 1):
        for steps in combinations(range(1, k // 2 + 1), size):
            if sum(1 if 2 * step == k else 2 for step in steps) != degree:
                continue
            pairs = sorted({(min(a, (a + s) % k), max(a, (a + s) % k)) for s in steps for a in range(k)})
            lacks = np.zeros((len(pairs), k))
            for row, pair in zip(lacks, pairs, strict=True):
                row[list(pair)] = 1.0
            if np.linalg.matrix_rank(lacks) == k:
                variance = float(np.trace(np.linalg.inv(lacks.T @ lacks)))
                if variance < best[0] - 1e-9:
                    best = variance, pairs
    return best[1]
