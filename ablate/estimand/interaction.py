"""Two-stage interaction: how much the gain of a stage depends on whether another one is there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ablate.design.base import ContrastSpec, Factor, arm_name, assign
from ablate.estimand.base import Arms, Estimand, NotIdentified, find
from ablate.estimand.linear_model import linear_model


class Interaction(Estimand):
    """Gain of one stage with the other minus its gain without it, averaged over the rest.

    Below zero: the stages do each other's work. Above: each needs the other. Zero: their gains add up.
    Identified from a full factorial or a fraction of resolution V; for two stages alone also from the
    four arms full, without one, without the other, without both.
    """

    meaning = "the gain of the first stage with the second minus its gain without it"
    averages = True
    order = 2

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Contrast every pair of stages; names the arms of the pairs that are not identified."""
        model = linear_model(arms, factors, order=2)
        full = assign(factors, full=True)
        specs: list[ContrastSpec] = []
        missing: list[str] = []
        for one, other in combinations(factors, 2):
            for a in one.levels[1:]:
                for b in other.levels[1:]:
                    weights = model.weights(((one.name, a), (other.name, b)))
                    if weights is None:
                        corners = [
                            full,
                            full | {one.name: a},
                            full | {other.name: b},
                            full | {one.name: a, other.name: b},
                        ]
                        missing += [arm_name(c, factors) for c in corners if find(arms, c) is None]
                        continue
                    specs.append(
                        ContrastSpec(
                            f"{one.name} x {other.name}",
                            _both(one.full, other.full),
                            _both(a, b),
                            "interaction",
                            weights,
                        )
                    )
        if missing or not specs:
            raise NotIdentified(
                "interaction", missing or ["a second factor"], "some pairs are mixed with one another"
            )
        return specs


def _both(one: str, other: str) -> str:
    return one if one == other else f"{one},{other}"
