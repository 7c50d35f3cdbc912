"""Precedence: what it is worth to have one stage before another, averaged over the orders of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ablate.design.base import ContrastSpec, Factor
from ablate.estimand.base import Arms, Estimand, NotIdentified

BEFORE = ">"
"""Between the stages in the name of an order."""


class Order(Estimand):
    """Least squares in the pairwise-order model: a mean, and for each pair which of the two comes first.

    Source: Van Nostrand, "Design of Experiments Where the Order of Addition is Important" (1995);
    Voelkel, Journal of Quality Technology 51 (2019).
    """

    meaning = "the configured order of two stages minus the other order, averaged over the rest"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Compare orders of each pair: needs arms of design `order` in which every pair of stages stands in both orders."""
        if len(factors) != 1 or BEFORE not in factors[0].full:
            raise NotIdentified("order", ["permutations of some stages (design=order)"])
        (factor,) = factors
        orders = {arm: levels[factor.name].split(BEFORE) for arm, levels in arms.items()}
        pairs = list(combinations(factor.full.split(BEFORE), 2))
        first = [[o.index(a) < o.index(b) for a, b in pairs] for o in orders.values()]
        matrix = np.hstack([np.ones((len(first), 1)), np.array(first, dtype=np.float64)])
        inverse = np.linalg.pinv(matrix)
        if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
            stuck = [
                f"{b}{BEFORE}{a}" for (a, b), column in zip(pairs, matrix.T[1:], strict=True) if column.all()
            ]
            raise NotIdentified(
                "order",
                stuck or ["more orders (raise design.method.max_arms)"],
                "some pairs of stages never change places independently",
            )
        return [
            ContrastSpec(
                f"{a} before {b}",
                f"{a}{BEFORE}{b}",
                f"{b}{BEFORE}{a}",
                "order",
                {arm: float(w) for arm, w in zip(orders, row, strict=True) if abs(w) > 1e-10},
            )
            for (a, b), row in zip(pairs, inverse[1:], strict=True)
        ]
