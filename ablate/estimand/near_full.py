"""Near-full gain: the full recipe minus the recipe without the stage, from arms that lack two stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablate.design.base import ContrastSpec, Factor, check_two_levels, weight_matrix
from ablate.effects.estimate import Floats
from ablate.estimand.base import Arms, Estimand, NotIdentified
from ablate.estimand.linear_model import linear_model

MOST = 2
"""Stages that an arm may lack; from arms that lack more, gains are averages over broken recipes."""


class NearFull(Estimand):
    """Least squares in the model without interactions, over the arms that lack at most two stages.

    Equal to leave-one-out's gain where gains add up. Otherwise off by what `leaning` says, about 1 / (k - 1) of each of
    the stage's interactions.
    """

    meaning = (
        "the full recipe minus the recipe without the stage, by least squares over arms that lack one or two; where "
        "gains do not add up it is off by about 1 / (k - 1) of each of the stage's interactions with the k - 1 others"
    )
    averages = True
    stands_for = "leave_one_out"

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Solve for the gains: needs the full arm, and arms that lack one or two stages from which every gain can be told."""
        check_two_levels(factors, "near_full")
        near = _near(arms, factors)
        model = linear_model(near, factors)
        specs, lost = [], []
        for factor in factors:
            weights = model.weights(((factor.name, factor.bare),))
            if weights is None:
                lost.append(f"arms that lack {factor.name} and one other stage (design=near_full)")
                continue
            turned = {arm: -weight for arm, weight in weights.items()}
            specs.append(ContrastSpec(factor.name, factor.full, factor.bare, "near_full", turned))
        if lost or not any(_lacks(levels, factors) == 0 for levels in near.values()):
            raise NotIdentified("near_full", lost or ["full"])
        return specs


@dataclass(frozen=True, eq=False)
class Leaning:
    """What near-full gains are off by.

    Attributes:
        pairs: names of the two stages of each interaction.
        own: shape (n_gains, n_pairs), whether an interaction is one of the gain's stage.
        coefficients: shape (n_gains, n_pairs): the estimate is leave-one-out's gain plus these times the interactions (the gain of
            one stage with the other minus its gain without, see estimand `interaction`).
        columns: shape (n_arms, n_pairs), 1 where an arm lacks both stages of a pair.
    """

    pairs: tuple[tuple[str, str], ...]
    own: np.ndarray
    coefficients: Floats
    columns: Floats

    def said(self) -> str:
        """Say it in words, for a plan and a report."""
        own, others = (np.abs(self.coefficients[where]) for where in (self.own, ~self.own))
        spread = f"{own.min():.2g}" if np.ptp(own) < 1e-9 else f"{own.min():.2g} to {own.max():.2g}"
        rest = (
            f", and by up to {others.max():.2g} of each of the others"
            if others.size and others.max() > 1e-9
            else ""
        )
        return f"a gain is off by {spread} of each of its stage's {int(self.own[0].sum())} interactions{rest}"


def leaning(arms: Arms, factors: Sequence[Factor]) -> Leaning:
    """Work out how near-full gains lean on interactions of two stages, in the arms at hand.

    Source: Box & Wilson (1951), the alias matrix, around the full recipe. Reference in tests: scores with one interaction.
    """
    specs = NearFull().contrasts(arms, factors)
    pairs = tuple((one.name, other.name) for one, other in combinations(factors, 2))
    bare = {factor.name: factor.bare for factor in factors}
    both = np.array(
        [
            [float(all(levels[name] == bare[name] for name in pair)) for pair in pairs]
            for levels in arms.values()
        ]
    )
    weights = weight_matrix(specs, arms)
    own = np.array([[spec.factor in pair for pair in pairs] for spec in specs])
    return Leaning(pairs, own, weights @ both, both)


def _lacks(levels: dict[str, str], factors: Sequence[Factor]) -> int:
    return sum(levels[factor.name] != factor.full for factor in factors)


def _near(arms: Arms, factors: Sequence[Factor]) -> Arms:
    return {name: levels for name, levels in arms.items() if _lacks(levels, factors) <= MOST}
