"""The funnel: documents, bytes and tokens before and after each stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from ablate.corpus.annotate import Annotations, TextVersion, rewritten
from ablate.corpus.view import Corpus
from ablate.render.funnel import FunnelRow
from ablate.stages.base import Filter, SpanRelation

TokenCounts = Callable[[TextVersion, np.ndarray], int | None]
"""Tokens of some rows of a text version; None where they are not counted (HTML source)."""


def funnel(corpus: Corpus, annotations: Annotations, tokens: TokenCounts) -> list[FunnelRow]:
    """Make one row for the pool, or its shard, and one per stage: what is left after it, what it dropped and changed."""

    def row(stage: str, version: TextVersion, rows: np.ndarray) -> FunnelRow:
        return {
            "stage": stage,
            "documents": int(rows.size),
            "bytes": int(annotations.sizes(version)[rows].sum()),
            "tokens": tokens(version, rows),
            "dropped": {},
            "changed": 0,
            "found": {},
        }

    lines = [row("input", annotations.root(), corpus.source)]
    stages = list(dict.fromkeys(decision.stage for decision in corpus.decisions))
    for stage in stages:
        steps = [decision for decision in corpus.decisions if decision.stage == stage]
        kept = steps[-1].rows[steps[-1].verdict.keep]
        line = row(stage, steps[-1].after, kept)
        dropped: Counter[str] = Counter()
        for decision in steps:
            counts = np.bincount(decision.verdict.code, minlength=len(decision.verdict.reasons) + 1)
            dropped.update(
                {r: int(n) for r, n in zip(decision.verdict.reasons, counts[1:], strict=True) if n}
            )
            if isinstance(decision.step, Filter) and decision.step.counts:
                measured = annotations.measure(decision.before, decision.step)
                found = {
                    name: int(measured[name][decision.rows[decision.mine]].sum())
                    for name in decision.step.counts
                }
                line["found"].update(found)
            elif isinstance(decision.step, SpanRelation):
                line["found"]["repeated_pieces"] = int(decision.measured["repeated_pieces"].sum())
        line["dropped"] = dict(sorted(dropped.items()))
        line["changed"] = int(rewritten(steps[0].before, steps[-1].after, kept).sum())
        lines.append(line)
    return lines
