"""Runs that branch off a trunk, as a report tells them: what their gains are called, and what the trunk took."""

from __future__ import annotations

from collections.abc import Mapping

from ablate.study.record import TrunkRecord
from ablate.study.results import Study
from ablate.study.schema import Plan
from ablate.train.config import TrainConfig

AT_END = "at the end of training"
"""What a gain between two branches is a gain of: a gain at the end of training."""
TRUNK = "trunk"
"""Stands for the arm where a trunk has a line of its own."""


def settings_of(plan: Plan, arm: str) -> TrainConfig | None:
    """How an arm's runs train, where they branch off something."""
    train = plan.arms[arm].config.get("train")
    return plan.arms[arm].train if train and train.get("branch_from") else None


def at_end(plan: Plan, weights: Mapping[str, float]) -> bool:
    """Whether a contrast is one between branches alone."""
    used = [arm for arm, weight in weights.items() if weight]
    return bool(used) and all(settings_of(plan, arm) for arm in used)


def meaning(plan: Plan) -> str:
    """What branching makes of the gains of a plan, in a sentence or two; "" where no arm branches."""
    branched = {arm: settings for arm in plan.arms if (settings := settings_of(plan, arm))}
    if not branched:
        return ""
    some = (
        ""
        if len(branched) == len(plan.arms)
        else f" ({', '.join(branched)} alone; the other arms are from scratch)"
    )
    (first, *_) = branched.values()
    if first.from_trunk:
        share = 100 * first.trunk_share
        start = (
            f"one trunk per seed, arm `{plan.reference}` on the first {share:.3g} % of the budget at a constant learning "
            f"rate, and differ in the last {100 - share:.3g} %, on text that comes after the trunk's in the shuffled pool"
        )
    else:
        start = (
            f"one checkpoint, `{first.branch_from}`, and differ in the text that it is trained on from there"
        )
    return (
        f"**Gain {AT_END}.** Arms start from {start}; there the learning rate goes linearly to zero{some}. A gain is what a stage "
        "is worth to that part of training: not what it is worth when all of training is on its text."
    )


def trunks(study: Study) -> dict[str, TrunkRecord]:
    """What each trunk took that was trained here, by its name: each once, however many runs branch off it."""
    found = {record.trunk.run: record.trunk for record in study.records.values() if record.trunk}
    return {name: trunk for name, trunk in found.items() if trunk.tokens}
