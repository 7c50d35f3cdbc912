"""What a sampled pool says of the source that it was drawn from, and whether deduplication can show in a run.

For a pool that `pool=sampled` drew: of the documents that reach each stage, the share that it drops, with an interval that
draws the sampled units again (clusters, hosts, ...) and not the documents. Where whole clusters were drawn, the share of
near-duplicates in the source. Then how many of the copies of a document a run would meet: with a budget of T tokens out of U,
1 + (m - 1) T / U of m copies (Penedo et al. 2024, arXiv 2406.17557, appendix E.2).

Example: ablate inspect sample pool=sampled 'pool.of.paths=[crawl/*.warc.gz]' pool.rate=0.02
"""

from __future__ import annotations

import json

import numpy as np
from omegaconf import DictConfig

from ablate.config import plain
from ablate.corpus.budget import copies_met
from ablate.corpus.tokens import token_counts
from ablate.corpus.view import build_corpus
from ablate.effects.cluster_bootstrap import ClusterMean, cluster_mean
from ablate.errors import DataError
from ablate.inspect.arm import open_arm, stage_outcomes
from ablate.pool.drawn import RATE, SIZE, UNIT
from ablate.render.tables import aligned
from ablate.study.run_key import budget_tokens

HEADER = ("stage", "reached", "dropped", "95 % interval", "units", "largest")


def main(config: DictConfig) -> int:
    """Show; returns the exit status."""
    with open_arm(config) as (arm, builder):
        said = [json.loads(one) for one in builder.pool.column("metadata").to_pylist()]
        if any(UNIT not in one or RATE not in one for one in said):
            raise DataError(
                "this pool is no sample: documents carry no sample_unit; `pool=sampled` draws one from any source "
                "(conf/pool/sampled.yaml)"
            )
        units, rate = np.array([one[UNIT] for one in said]), float(said[0][RATE])
        rows = []
        for outcome in stage_outcomes(build_corpus(arm.stages(), builder.annotations)):
            if outcome.rows.size:
                found = cluster_mean((~outcome.keep).astype(float), units[outcome.rows])
                rows.append(_row(outcome.stage, outcome.rows.size, found))
        lines = [
            f"{len(said):,} documents, each drawn with probability {rate:g}, in {np.unique(units).size:,} units"
        ]
        lines.append(aligned(HEADER, rows))
        if all(SIZE in one for one in said):
            of = cluster_mean(np.array([1 - 1 / one[SIZE] for one in said]), units)
            lines.append(f"near-duplicates in the source, before any stage: {of.mean:.1%} {_interval(of)}")
        prepared = builder.prepare(arm, config.seeds[0])
        left = int(
            token_counts(builder.annotations, prepared.tokenizer, prepared.version, prepared.rows).sum()
        )
        budget = budget_tokens(arm.having(budget=plain(config.budget), train=plain(config.train)), prepared)
        lines.append(met(budget, left))
        lines.append(
            f"the whole source would leave about {left / rate:,.0f} tokens; a run of {budget / rate:,.0f} on it reads the same share"
        )
    print("\n".join(lines))
    return 0


def met(budget: int, left: int) -> str:
    """How many copies a run meets, in words."""
    read = budget / max(1, left)
    if read >= 1:
        return f"a run reads all of the {left:,} tokens that are left, {read:.1f} times: it meets every copy in the pool"
    few, many = copies_met(10, read), copies_met(100, read)
    return (
        f"a run reads {budget:,} of the {left:,} tokens that are left ({read:.0%}): of 10 copies in the pool it meets {few:.1f}, "
        f"of 100 {many:.1f}"
    )


def _row(stage: str, reached: int, found: ClusterMean) -> list[str]:
    return [
        stage,
        f"{reached:,}",
        f"{found.mean:.1%}",
        _interval(found),
        f"{found.units:,}",
        f"{found.largest:,}",
    ]


def _interval(found: ClusterMean) -> str:
    return "" if np.isnan(found.low) else f"[{found.low:.1%}, {found.high:.1%}]"
