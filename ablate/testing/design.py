"""The contract of designs: arms that can be reported, named and told apart, the same each time."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.design.base import Design, Factor
from ablate.errors import AblateError
from ablate.estimand.base import NotIdentified, contrasts_of
from ablate.testing.contract import require

USUAL = (
    tuple(Factor(name, ("on", "off")) for name in "abcd"),
    tuple(Factor(name, ("on", "off")) for name in "abcdefg"),
    (Factor("method", ("x", "y", "z")), Factor("a", ("on", "off"))),
    (Factor("threshold", ("0.5", "0.1", "0.9")),),
)
"""Factors that are tried where none are given."""


def check_design(design: Design, factors: Sequence[Sequence[Factor]] = USUAL) -> None:
    """Check what plans and reports rely on, over several sets of factors.

    Arms give every factor one of its levels, no two have a name that another has, and the same factors give the same arms in
    the same order. Over some of the sets the arms determine the estimands that the design names, by weights that sum to zero.

    Args:
        design: to check.
        factors: sets to try; one that the design refuses with a ValueError or an error of ablate's is passed over.
    Raises:
        ContractError: for what does not hold, or when the design takes none of the sets.
    """
    taken = determined = 0
    for some in factors:
        try:
            arms = design.arms(some)
        except (ValueError, AblateError):
            continue
        taken += 1
        what = f"{type(design).__name__} over {', '.join(factor.name for factor in some)}"
        require(arms, f"{what} gives no arm")
        require(
            list(design.arms(some).items()) == list(arms.items()), f"{what} gives other arms when asked again"
        )
        for name, levels in arms.items():
            require(name and name == name.strip(), f"{what}: {name!r} is no name of an arm")
            require(
                set(levels) == {factor.name for factor in some},
                f"{what}: arm {name!r} gives levels of {sorted(levels)}",
            )
            for factor in some:
                require(
                    levels[factor.name] in factor.levels,
                    f"{what}: arm {name!r} has {factor.name}={levels[factor.name]!r}, which is none of {factor.levels}",
                )
        try:
            specs = contrasts_of(design.estimands, arms, some)
        except (NotIdentified, ValueError):
            continue  # as a plan would refuse them
        determined += 1
        for spec in specs:
            require(set(spec.weights) <= set(arms), f"{what}: {spec.name} weighs arms that there are not")
            total = sum(spec.weights.values())
            require(abs(total) < 1e-9, f"{what}: weights of {spec.name} sum to {total:g}, not to zero")
    name = type(design).__name__
    require(taken, f"{name} takes none of the {len(factors)} sets of factors: give it some that it does")
    require(determined, f"the arms of {name} determine {', '.join(design.estimands)} over none of the sets")
