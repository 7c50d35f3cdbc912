"""What each stage threw out, from whom, and what that cost in lexical diversity.

For every enabled stage: the share of documents it kept by host, top-level domain, stated language, text
length and source, with intervals; the groups it removes more or less often than others, corrected for
the number of groups; word n-gram diversity, type-token ratio and compression before and after; samples
of dropped beside kept documents. Writes audit.md, audit.csv, diversity.csv and retention.{svg,png} into
<study.dir>/audit. The same arm gives the same bytes.

  inspect.by=[host,length,date]    also tld, language, source, kind, and any metadata of the pool
  inspect.min_group=20             documents a group needs to be tested
  inspect.sample_bytes=500_000     text in each sample for diversity
  inspect.samples=3                dropped and kept documents shown for each stage

Example: ablate inspect audit study=demo 'inspect.by=[host,length]'
"""

from __future__ import annotations

import numpy as np
from omegaconf import DictConfig

from ablate.config import plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.dropped_texts import excerpts, lowest
from ablate.corpus.view import build_corpus
from ablate.inspect.arm import StageOutcome, open_arm, stage_outcomes
from ablate.inspect.diversity import Point, measure
from ablate.inspect.figure import retention_figure
from ablate.inspect.groups import LENGTH, Grouping, pool_groupings, quantile_bins
from ablate.inspect.page import (
    SHORT,
    audit_csv,
    audit_page,
    diversity_csv,
    escape,
    sample_table,
    terminal,
)
from ablate.inspect.retention import Retention, adjust, retention
from ablate.render.figure import save
from ablate.store import write_text
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Audit; returns the exit status."""
    by = plain(config.inspect.by)
    with open_arm(config) as (arm, builder):
        annotations = builder.annotations
        groupings = pool_groupings(builder.pool, by)
        corpus = build_corpus(arm.stages(), annotations)
        passed = stage_outcomes(corpus)
        lines = adjust(
            [
                line
                for outcome in passed
                for line in _retention(outcome, by, groupings, annotations, config.inspect.min_group)
            ]
        )
        points = [Point("input", annotations.root(), np.arange(len(builder.pool)))]
        points += [Point(outcome.stage, outcome.after, outcome.kept) for outcome in passed]
        diversity = measure(points, annotations, config.inspect.sample_bytes)
        samples = {
            outcome.stage: _samples(outcome, annotations, config.inspect.samples)
            for outcome in passed
            if config.inspect.samples and not outcome.keep.all()
        }
    title = config.study.title or config.study.name
    stages = [(outcome.stage, outcome.rows.size, outcome.kept.size) for outcome in passed]
    facts = {
        "pool": f"`{builder.pool.digest}`, {len(builder.pool):,} documents",
        "corpus": f"`{corpus.key}`",
        "stages": ", ".join(f"`{outcome.stage}`" for outcome in passed) or "none",
        "settings": f"`inspect.by=[{','.join(by)}]` `inspect.min_group={config.inspect.min_group}` "
        f"`inspect.sample_bytes={config.inspect.sample_bytes}` `inspect.samples={config.inspect.samples}`",
    }
    folder = folder_of(config) / "audit"
    save(retention_figure(lines, title), folder / "retention")
    write_text(folder / "audit.csv", audit_csv(lines))
    write_text(folder / "diversity.csv", diversity_csv(diversity))
    write_text(folder / "audit.md", audit_page(title, facts, stages, lines, diversity, samples))
    print(terminal(stages, lines, diversity))
    print(f"\naudit: {folder / 'audit.md'}")
    return 0


def _retention(
    outcome: StageOutcome, by: list[str], groupings: dict[str, Grouping], annotations: Annotations, least: int
) -> list[Retention]:
    lines = []
    for column in dict.fromkeys(by):
        if column == LENGTH:
            grouping = quantile_bins(annotations.sizes(outcome.before)[outcome.rows], "bytes")
        else:
            grouping = groupings[column]
            grouping = Grouping(grouping.names, grouping.code[outcome.rows])
        lines += retention(outcome.stage, column, grouping, outcome.keep, least)
    return lines


def _samples(outcome: StageOutcome, annotations: Annotations, count: int) -> str:
    keys, url = annotations.pool.keys, annotations.pool.column("url")
    dropped, kept = (lowest(keys, rows, count) for rows in (outcome.rows[~outcome.keep], outcome.kept))
    rows = np.sort(np.concatenate([dropped, kept]))
    text = {row: escape(text) for row, text in excerpts(annotations, outcome.before, rows, SHORT)}
    why = dict(zip(outcome.rows.tolist(), outcome.reason.tolist(), strict=True))
    return sample_table(
        [(url[row].as_py(), why[row], text[row]) for row in dropped.tolist()],
        [(url[row].as_py(), text[row]) for row in kept.tolist()],
    )
