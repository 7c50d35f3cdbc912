"""Which runs share a seed, and whether gains are differences under one seed: decided when a study is planned, not by its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ablate.design.base import Assignment, ContrastSpec, Factor
from ablate.errors import ConfigError
from ablate.fingerprint import digest
from ablate.study.chance import draws_documents
from ablate.study.schema import PAIRED, UNPAIRED, Plan

SPACING = 1_000_000
"""Between the seeds of two arms; a study has fewer seeds, and they lie closer together."""
PLACES = 10**9
"""Where an arm's seeds may start: 10^15 is below what a float of JSON holds exactly."""


def own_seeds(arms: Mapping[str, Assignment], factors: Sequence[Factor]) -> dict[str, int]:
    """Return what is added to the seeds of each arm, so that no two arms share one.

    It is drawn from what the arm changes, so that an arm that another design has too has the same runs there. The first arm of
    the full recipe keeps the seeds as they are: those of a design whose arms share them.
    """
    offsets, met = {}, Counter[str]()
    for name, levels in arms.items():
        changed = {
            factor.name: levels[factor.name] for factor in factors if levels[factor.name] != factor.full
        }
        key = digest(changed)
        met[key] += 1
        first = not changed and met[key] == 1
        offsets[name] = 0 if first else SPACING * (1 + int(digest([changed, met[key]]), 16) % PLACES)
    return offsets


def shares_seeds(plan: Plan) -> bool:
    """Tell whether any two arms of a plan have runs under one seed, or its documents."""
    if draws_documents(plan):
        return True
    offsets = [arm.randomness.get("seed_offset", 0) for arm in plan.arms.values()]
    return len(set(offsets)) < len(offsets)


def choose_pairing(asked: str | None, *, own: bool, contrasts: Sequence[ContrastSpec], rounds: bool) -> str:
    """Choose paired where arms share their seeds, unpaired where each has its own, or what was asked for.

    Paired is the default under shared seeds because its error is right whatever the noise of the arms. Unpaired has up to
    twice the degrees of freedom and finds more where seeds bring little: with five seeds below a correlation of
    about 0.2 where arms are equally noisy, and of 0.35 or more where one is loud (seven stages, simulated). An earlier study
    measures that correlation.

    Args:
        asked: "paired", "unpaired", or None for the rule.
        own: whether no two arms share a seed.
        contrasts: that are planned.
        rounds: whether seeds come in rounds, whose boundaries are those of the paired statistic.
    Raises:
        ConfigError: for another word, or a pairing that this study cannot have.
    """
    if asked not in (None, PAIRED, UNPAIRED):
        raise ConfigError(f"design.pairing must be {PAIRED}, {UNPAIRED} or null, got {asked!r}")
    if asked == PAIRED and own:
        raise ConfigError(
            "design.pairing=paired: every arm has seeds of its own, so there is nothing to pair; share them with design.own_seeds=false"
        )
    if asked == UNPAIRED and rounds:
        raise ConfigError(
            "design.pairing=unpaired: seeds in rounds (sequential.looks) are tested by pairs; leave one out"
        )
    if asked == UNPAIRED and not own and any(sum(map(bool, spec.weights.values())) > 2 for spec in contrasts):
        raise ConfigError(
            "design.pairing=unpaired: gains that average over arms need seeds of their own in every arm (design.own_seeds=true); "
            "under shared seeds, what a seed does to a stage does not average out"
        )
    if asked is None:
        return UNPAIRED if own and contrasts and not rounds else PAIRED
    return asked
