"""Shapley share: a stage's gain averaged over the build orders of the recipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ablate.design.base import ContrastSpec, Factor, arm_name, assign, check_two_levels
from ablate.estimand.base import Arms, Estimand, NotIdentified


class Shapley(Estimand):
    """Average of the stage's gain over all orders from bare to full whose every step was run.

    With all 2^k arms this is the Shapley value exactly. With fewer it is an unbiased estimate of it
    when the orders were drawn at random, as design `shapley` does; the interval then covers retraining,
    not the draw of the orders. Shares add up to full minus bare.

    Source: Shapley (1953). Orders are counted by paths through the arms, not listed. Reference in
    tests: all permutations by brute force.
    """

    meaning = "the stage's gain averaged over the orders in which the recipe can be built up"
    averages = True

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Average a stage's step over orders: needs at least one order and its reverse with the arm of every step."""
        check_two_levels(factors, "shapley", fewest=1)
        sets = {
            frozenset(f.name for f in factors if levels[f.name] == f.full): name
            for name, levels in reversed(list(arms.items()))
        }
        names = [factor.name for factor in factors]
        ahead, behind = _paths(sets, names)
        full = frozenset(names)
        orders = ahead.get(full, 0)
        if orders < min(2, len(names)):
            bare = assign(factors, full=False)
            steps = [bare]
            for way in (factors, factors[::-1]):
                levels = bare
                for factor in way:
                    levels = levels | {factor.name: factor.full}
                    steps.append(levels)
            present = list(arms.values())
            raise NotIdentified(
                "shapley",
                [arm_name(step, factors) for step in steps if step not in present],
                "a share is an average over build orders, and fewer than two of them were run",
            )
        specs = []
        for factor in factors:
            weights: dict[str, float] = defaultdict(float)
            for before, arm in sets.items():
                after = before | {factor.name}
                if factor.name in before or after not in sets:
                    continue
                share = ahead[before] * behind[after] / orders
                if share:
                    weights[sets[after]] += share
                    weights[arm] -= share
            specs.append(ContrastSpec(factor.name, factor.full, factor.bare, "shapley", dict(weights)))
        return specs


def _paths(
    sets: dict[frozenset[str], str], names: list[str]
) -> tuple[dict[frozenset[str], int], dict[frozenset[str], int]]:
    """Number of ways to reach each set from bare, and from each set to full, one stage at a time."""
    ahead: dict[frozenset[str], int] = {}
    for one in sorted(sets, key=len):
        ahead[one] = 1 if not one else sum(ahead.get(one - {name}, 0) for name in one)
    behind: dict[frozenset[str], int] = {}
    for one in sorted(sets, key=len, reverse=True):
        rest = [name for name in names if name not in one]
        behind[one] = 1 if not rest else sum(behind.get(one | {name}, 0) for name in rest)
    return ahead, behind
