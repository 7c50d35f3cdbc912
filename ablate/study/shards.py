"""Whether a pool carries the shards that a plan wants of it."""

from __future__ import annotations

from ablate.corpus.budget import WARN_EPOCHS
from ablate.corpus.shard import cut_of
from ablate.errors import ConfigError
from ablate.pool.pool import Pool
from ablate.study.chance import by_draw
from ablate.study.schema import Plan

UNEQUAL = 2.0
"""Times the documents of the smallest shard that the largest may have before a plan warns."""


def check_shards(plan: Plan, pool: Pool) -> list[str]:
    """Refuse shards without documents; warn of unequal ones and of seeds that share one.

    Raises:
        ConfigError: when a shard is empty.
    """
    n_shards = plan.reference_arm.randomness["shards"]
    cut = cut_of(pool, n_shards)
    least, most = min(cut.documents), max(cut.documents)
    if least == 0:
        empty = cut.documents.count(0)
        raise ConfigError(
            f"randomness.pool=shard: {empty} of {n_shards} shards hold no document. The pool's {len(pool):,} documents come from "
            f"{cut.origins:,} hosts or sources, and all of one stay together (the largest, {cut.heaviest}, has {cut.weight:,}). Take "
            "fewer shards (randomness.shards), or one pool for all seeds (randomness.pool=fixed)"
        )
    warnings = []
    if most > UNEQUAL * least:
        warnings.append(
            f"shards are unequal: {least:,} to {most:,} documents; the largest host or source, {cut.heaviest}, has {cut.weight:,} of "
            f"{len(pool):,}. Seeds then differ by how much text they have, beside which text it is"
        )
    sharing = [seeds for seeds in by_draw(plan.reference_arm, plan.seeds).values() if len(seeds) > 1]
    if sharing:
        groups = "; ".join(", ".join(map(str, seeds)) for seeds in sharing[:3])
        warnings.append(
            f"seeds that share a shard: {groups}{'; ...' if len(sharing) > 3 else ''}. Intervals take all seeds for draws of their own "
            f"and are too narrow for that; {n_shards} shards carry {n_shards} seeds"
        )
    return warnings


def thin_shards(plan: Plan, pool: Pool, tokens_per_document: float) -> list[str]:
    """Warn of shards that hold less than the budget.

    Args:
        plan: with shards.
        pool: that is cut.
        tokens_per_document: what the full recipe leaves of a document of the pool, on average.
    """
    arm = plan.reference_arm
    if arm.budget.match != "tokens":
        return []
    cut = cut_of(pool, arm.randomness["shards"])
    left = [count * tokens_per_document for count in cut.documents]
    epochs = [arm.train.tokens / tokens for tokens in left if tokens > 0]
    if not epochs or max(epochs) <= 1:
        return []
    repeats = f"; more than {WARN_EPOCHS:g} cost" if max(epochs) > WARN_EPOCHS else ""
    return [
        f"a shard holds about {min(left):,.0f} to {max(left):,.0f} tokens of the full recipe, and a run trains on {arm.train.tokens:,}: "
        f"{min(epochs):.1f} to {max(epochs):.1f} epochs{repeats}. Fewer shards, more pool or a smaller budget repeat less"
    ]
