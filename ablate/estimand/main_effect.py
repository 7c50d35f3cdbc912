"""Main effect: the gain of a stage averaged over the levels of the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

from ablate.design.base import ContrastSpec, Factor, arm_name, assign
from ablate.estimand.base import Arms, Estimand, NotIdentified
from ablate.estimand.linear_model import linear_model


class MainEffect(Estimand):
    """The full level minus each other level, by least squares in the model without interactions.

    In a full factorial this is the plain average over the others. In a fraction it is that average
    plus whatever interactions are aliased with it (`aliases.py`), and the report's lack-of-fit test
    says whether there are any to fear.
    """

    meaning = "the stage's gain averaged over the levels of the others"
    averages = True
    main_effects = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Average over the other factors: needs each level of a factor beside each level of every other one, at least once."""
        _check_pairs(arms, factors)
        model = linear_model(arms, factors)
        specs, lost = [], []
        for factor in factors:
            for level in factor.levels[1:]:
                weights = model.weights(((factor.name, level),))
                if weights is None:
                    lost.append(f"more arms with other levels beside {factor.name}={level}")
                    continue
                turned = {arm: -weight for arm, weight in weights.items()}
                specs.append(ContrastSpec(factor.name, factor.full, level, "main_effect", turned))
        if lost:
            raise NotIdentified("main_effect", lost, "some factors always change together")
        return specs


def _check_pairs(arms: Arms, factors: Sequence[Factor]) -> None:
    """Refuse arms in which a gain cannot be averaged over another factor's levels, as in leave-one-out."""
    full, missing = assign(factors, full=True), []
    for one, other in combinations(factors, 2):
        seen = {(arm[one.name], arm[other.name]) for arm in arms.values()}
        missing += [
            arm_name(full | {one.name: a, other.name: b}, factors)
            for a, b in product(one.levels, other.levels)
            if (a, b) not in seen
        ]
    if missing:
        raise NotIdentified("main_effect", missing, "some levels were never run beside one another")
