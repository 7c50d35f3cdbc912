"""The one linear model behind the estimands: the mean score of an arm from its levels.

Each factor has a column per level other than the full one (1 where the arm has that level, else 0), so
a coefficient is what changes when the full recipe's level is replaced; a product of two columns is how
that change depends on another factor. Estimates are least squares over arm means, as weights over arms,
so that whatever a seed adds to all arms cancels and the errors come from the seeds (`ablate.effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablate.design.base import Factor
from ablate.effects.estimate import Floats
from ablate.estimand.base import Arms

Term = tuple[tuple[str, str], ...]
"""(factor, level) pairs: none for the mean, one for a main effect, two for an interaction."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A model matrix.

    Attributes:
        arms: names, the rows.
        terms: the columns.
        matrix: shape (n_arms, n_terms).
    """

    arms: tuple[str, ...]
    terms: tuple[Term, ...]
    matrix: Floats

    def weights(self, term: Term) -> dict[str, float] | None:
        """Map each arm to its weight in the least-squares estimate of a term; None when it is not identified."""
        number = self.terms.index(term)
        inverse = np.linalg.pinv(self.matrix)
        if not np.allclose((inverse @ self.matrix)[number], np.eye(len(self.terms))[number], atol=1e-8):
            return None
        row = inverse[number]
        return {
            arm: float(w) for arm, w in zip(self.arms, row, strict=True) if abs(w) > 1e-10 * abs(row).max()
        }


def linear_model(arms: Arms, factors: Sequence[Factor], order: int = 1) -> LinearModel:
    """Build the model with main effects, and with `order` 2 every two-factor interaction.

    Args:
        arms: name -> level of every factor.
        factors: in the order of the columns.
        order: 1 or 2.
    """
    levels = [[(factor.name, level) for level in factor.levels[1:]] for factor in factors]
    terms: list[Term] = [(), *((pair,) for group in levels for pair in group)]
    if order > 1:
        terms += [(a, b) for one, other in combinations(levels, 2) for a in one for b in other]
    matrix = [
        [float(all(arm[name] == level for name, level in term)) for term in terms] for arm in arms.values()
    ]
    return LinearModel(tuple(arms), tuple(terms), np.array(matrix).reshape(len(arms), len(terms)))
