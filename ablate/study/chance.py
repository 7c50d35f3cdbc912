"""What the seeds of a study draw anew, and what stays the same in all its runs.

An interval over seeds is of what the seeds vary. With one pool for all of them it says how far a gain would move
under other weights and orders, on these very documents; where each seed has a shard of its own (`randomness.pool:
shard`), documents and what deduplication leaves of them are among what it covers, by the same runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.corpus.shard import Shard
from ablate.stages.classifier_quality import SEED, ClassifierQuality
from ablate.study.schema import Arm, Plan

OF_DOCUMENTS = {"pool": "fixed", "shards": None, "stages": "fixed", "tokenizer": "fixed"}
"""Keys of `randomness` that decide about documents, at the values at which a plan does without them."""
CLASSIFIER = f"{ClassifierQuality.__module__}.{ClassifierQuality.__name__}"


@dataclass(frozen=True)
class Draw:
    """What a run's seed decides before training; the default is nothing: all documents, stages as configured.

    Attributes:
        shard: the part of the pool that is curated; None for all of it.
        stages: seed of what stages leave to chance; None for their own.
        tokenizer: seed of the text that the tokenizer is trained on; None for the one that all runs share.
    """

    shard: Shard | None = None
    stages: int | None = None
    tokenizer: int | None = None

    def __str__(self) -> str:
        parts = [str(self.shard)] if self.shard else []
        parts += [
            f"{name} of seed {seed}"
            for name in ("stages", "tokenizer")
            if (seed := getattr(self, name)) is not None
        ]
        return ", ".join(parts)


AS_CONFIGURED = Draw()


def undrawn(arm: Arm) -> Arm:
    """Return an arm without anything that a seed would draw before training."""
    kept = {key: value for key, value in arm.randomness.items() if key not in OF_DOCUMENTS}
    return arm.having(randomness=kept)


def draw_of(arm: Arm, seed: int) -> Draw:
    """Return what the seed of a run decides before training, the same for all arms: `randomness.seed_offset` moves none of it."""
    randomness = {**OF_DOCUMENTS, **arm.randomness}
    return Draw(
        Shard(seed % randomness["shards"], randomness["shards"]) if randomness["pool"] == "shard" else None,
        seed if randomness["stages"] == "run" else None,
        seed if randomness["tokenizer"] == "run" else None,
    )


def by_draw(arm: Arm, seeds: Sequence[int]) -> dict[Draw, list[int]]:
    """Return the seeds that decide the same before training, in order."""
    found: dict[Draw, list[int]] = {}
    for seed in seeds:
        found.setdefault(draw_of(arm, seed), []).append(seed)
    return found


def draws_documents(plan: Plan) -> bool:
    """Tell whether the arms of a seed share what it drew before training, so that their runs belong together."""
    return any(draw_of(arm, seed) != AS_CONFIGURED for arm in plan.arms.values() for seed in plan.seeds[:1])


@dataclass(frozen=True)
class Chance:
    """What the intervals of a study are over.

    Attributes:
        varied: what each seed draws anew.
        fixed: what is the same in all runs, so that intervals say nothing about it.
    """

    varied: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        return f"seeds vary: {', '.join(self.varied) or 'nothing'}; held fixed: {', '.join(self.fixed)}"


def chance_of(plan: Plan) -> Chance | None:
    """Read from a plan what its seeds vary; None where its arms name no stages, as those of imported results."""
    config = plan.reference_arm.config
    if "stages" not in config:
        return None
    randomness = {**OF_DOCUMENTS, **plan.reference_arm.randomness}
    shards, follows = randomness["shards"], randomness["stages"] == "run"
    documents = (
        f"documents ({shards} shards of the pool, by host or source file)"
        if shards
        else "the pool of documents"
    )
    sources = {
        "initial weights": randomness.get("weights") is None,
        "order of documents and which of them the budget reaches": randomness.get("order") is None,
        documents: shards is not None,
        "tokenizer": randomness["tokenizer"] == "run" and config["tokenizer"].get("pretrained") is None,
    }
    stages = list(config["stages"].values())
    if any(node.get("seed") is not None for node in stages):
        sources["choices of deduplication"] = follows
    if students := [str(node.get("model")) for node in stages if node.get("_target_") == CLASSIFIER]:
        sources["classifier"] = follows and all(SEED in model for model in students)
    sources["items"] = False
    return Chance(
        tuple(name for name, varies in sources.items() if varies),
        tuple(name for name, varies in sources.items() if not varies),
    )
