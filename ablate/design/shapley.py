"""Shapley: the recipe built up in many orders, so that a stage's gain is averaged over what was there before it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from ablate.design.base import Assignment, Factor, by_signs, check_two_levels, named


@dataclass(frozen=True)
class Shapley:
    """All 2^k arms when k is small; else those along randomly drawn build orders and their reverses.

    An order and its reverse are drawn together (antithetic pairs): a stage that comes early in one
    comes late in the other, which takes away most of the sampling error. The shares add up to full
    minus bare, whatever the interactions are.

    Attributes:
        pairs: build orders drawn, each with its reverse; an order of k stages has k - 1 arms of its own.
        exact_up_to: number of factors up to which all 2^k arms are run instead.
        seed: of the draw; a larger `pairs` with the same seed keeps the orders of a smaller one.

    Source: Castro, Gomez & Tejada, Computers & Operations Research 36 (2009); Mitchell et al.,
    "Sampling Permutations for Shapley Value Estimation", JMLR 23 (2022) for antithetic pairs.
    """

    estimands: ClassVar[tuple[str, ...]] = ("shapley",)
    pairs: int = 4
    exact_up_to: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1, got {self.pairs}")

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Return the full recipe, then every arm on the way of an order, each once.

        Raises:
            ValueError: for fewer than two factors, two of one name, or one with more than two levels.
        """
        check_two_levels(factors, "shapley")
        if len(factors) <= self.exact_up_to:
            return named(by_signs(product((1, -1), repeat=len(factors)), factors), factors)
        draw = random.Random(self.seed)
        arms = []
        for _ in range(self.pairs):
            order = draw.sample(range(len(factors)), len(factors))
            for path in (order, order[::-1]):
                arms += [
                    [1 if i in path[:length] else -1 for i in range(len(factors))]
                    for length in range(len(factors) + 1)
                ]
        return named(by_signs(arms, factors), factors)
