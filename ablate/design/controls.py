"""Controls: beside two arms that differ in one stage, a third in which documents go at random in its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ablate.design.base import Assignment, Factor

CONTROL = "control"
"""Key of an arm's configuration that names the stage in whose place documents are removed at random."""
AT_RANDOM = "removed at random"
"""Level of the factor in such an arm; no factor's own."""
PARTS = ("selection", "volume")
"""Estimands of the two parts: the gain is their sum."""


def controls(
    arms: Mapping[str, Assignment], factors: Sequence[Factor], controlled: Collection[str]
) -> dict[str, Assignment]:
    """Make one arm `control_<factor>` for each pair of arms that differ in whether they have the factor's stage.

    Args:
        arms: of a design of which each gain is such a pair.
        factors: of the design.
        controlled: names of those whose bare level is the absence of a stage that removes documents.
    Returns:
        Arm name -> level of every factor, `AT_RANDOM` for the one that the pair differs in.
    Raises:
        ValueError: when a control has the name of an arm.
    """
    found: dict[str, Assignment] = {}
    for factor in factors:
        if factor.name not in controlled:
            continue
        for levels in arms.values():
            if levels[factor.name] == factor.full and levels | {factor.name: factor.bare} in arms.values():
                found[f"{CONTROL}_{factor.name}"] = levels | {factor.name: AT_RANDOM}
    if taken := sorted(found.keys() & arms.keys()):
        raise ValueError(f"arms {', '.join(taken)} have names that their size-matched controls need")
    return found


def controlled_factor(levels: Assignment) -> str | None:
    """Return the factor whose stage an arm has a removal at random in place of; None where it is no control."""
    return next((name for name, level in levels.items() if level == AT_RANDOM), None)


def without_controls(arms: Mapping[str, Assignment]) -> dict[str, Assignment]:
    """Return the arms that are combinations of the factors' own levels."""
    return {name: levels for name, levels in arms.items() if controlled_factor(levels) is None}
