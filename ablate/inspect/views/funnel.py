"""The funnel of one arm, and samples of what a stage dropped, by reason, and of what it rewrote.

This is what `ablate inspect` shows when no view is named.

  inspect.stage=gopher_quality     also show samples of what this stage dropped or rewrote
  inspect.reason=gopher_short_doc  only for this reason
  inspect.samples=5                how many per reason

Example: ablate inspect funnel study=demo inspect.stage=gopher_quality inspect.samples=2
"""

from __future__ import annotations

import textwrap

import numpy as np
from omegaconf import DictConfig

from ablate.corpus.annotate import rewritten
from ablate.corpus.ledger import reasons
from ablate.corpus.view import Corpus, build_corpus
from ablate.errors import ConfigError, nearest
from ablate.fingerprint import mix64
from ablate.inspect.arm import open_arm
from ablate.inspect.views.duplicates import from_difference
from ablate.render.funnel import funnel_table
from ablate.study.corpus_builder import CorpusBuilder


def main(config: DictConfig) -> int:
    """Inspect; returns the exit status."""
    with open_arm(config) as (arm, builder):
        prepared = builder.prepare(arm, config.seeds[0])
        if config.randomness.pool != "fixed":
            print("the whole pool is shown; in a study each seed would curate its shard by itself")
        pool = builder.pool.summary
        print(
            f"pool {builder.pool.digest[:12]}: {pool['documents']:,} documents, {pool['skipped']:,} records skipped"
        )
        for reason, count in pool["skipped_reasons"].items():
            print(f"  skipped {count:,}: {reason}   (listed in {builder.pool.folder / 'skipped.jsonl'})")
        for file, lost in pool.get("lost_bytes", {}).items():
            print(f"  {file}: {lost:,} bytes could not be read   (offsets and reasons are in that list)")
        print(funnel_table(prepared.info["funnel"]))
        print(f"ledger: {builder.store.root / 'corpora' / prepared.key / 'ledger'}")
        if config.inspect.stage:
            corpus = build_corpus(arm.stages(), builder.annotations)
            _samples(config, builder, corpus)
    return 0


def _samples(config: DictConfig, builder: CorpusBuilder, corpus: Corpus) -> None:
    stage = config.inspect.stage
    known = list(dict.fromkeys(decision.stage for decision in corpus.decisions))
    if stage not in known:
        raise ConfigError(f"inspect.stage: no enabled stage {stage!r}: {nearest(stage, known)}")
    url = builder.pool.column("url")
    for decision in corpus.decisions:
        if decision.stage != stage:
            continue
        names = np.asarray(reasons(decision).to_pylist(), dtype=object)
        for reason in decision.verdict.reasons:
            rows = decision.rows[names == reason]
            if rows.size == 0 or config.inspect.reason not in (None, reason):
                continue
            print(f"\n{stage}: {reason}: {rows.size:,} documents")
            rows = _some(rows, config, builder)
            for row, text in builder.annotations.texts(decision.before, rows):
                print(f"  [{row}] {url[row].as_py() or '(no address)'}")
                print(textwrap.indent(textwrap.shorten(text, 300, placeholder=" ..."), "      "))
        kept = decision.rows[decision.verdict.keep]
        changed = kept[rewritten(decision.before, decision.after, kept)]
        if changed.size == 0 or config.inspect.reason:
            continue
        print(f"\n{stage}: rewritten: {changed.size:,} documents, shown from where they first differ")
        rows = _some(changed, config, builder)
        texts = (builder.annotations.texts(version, rows) for version in (decision.before, decision.after))
        for (row, old), (_, new) in zip(*texts, strict=True):
            before, after = from_difference(old, new)
            print(f"  [{row}] {url[row].as_py() or '(no address)'}: {len(old):,} to {len(new):,} characters")
            print(textwrap.indent(f"- {before}\n+ {after}", "      "))


def _some(rows: np.ndarray, config: DictConfig, builder: CorpusBuilder) -> np.ndarray:
    """`inspect.samples` of some rows by a hash of their keys, ascending."""
    order = np.argsort(mix64(builder.pool.keys[rows], 0), kind="stable")
    return np.sort(rows[order[: config.inspect.samples]])
