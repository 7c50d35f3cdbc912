"""Writes a run's record into its study: the result from the store, with what is known of its corpus."""

from __future__ import annotations

import shutil

from ablate.corpus.budget import Copies, copies_seen
from ablate.effects.repetition import effective_tokens
from ablate.shape import from_json, to_json
from ablate.stages.base import Relation
from ablate.store import atomic, read_json
from ablate.study.chain import Chain
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.open_run import OpenRun
from ablate.study.record import Record, write_record
from ablate.study.tracked import PROGRESS


def record_run(builder: CorpusBuilder, run: OpenRun) -> None:
    """Write the record of a run whose result is in the store, and beside it its item scores, journal and dropped texts."""
    path = run.result / "result.json"
    outcome = read_json(path)
    tokens, info = outcome["train"]["tokens"], run.prepared.info
    trunk = run.origin.record() if run.origin else None
    own_tokens = tokens - (trunk["tokens"] if trunk else 0)
    cpu_s = builder.curation_cpu_s(run.prepared)
    division, chain = run.prepared.division, Chain.of(run.arm.config)
    mixture = division and division.read(own_tokens, run.arm.proxy.context)
    unique = sum(part.tokens for part in division.parts) if chain and division else info["unique_tokens"]
    worth = (
        sum(part.effective_tokens for part in mixture)
        if mixture
        else effective_tokens(own_tokens, info["unique_tokens"])
    )
    data = {
        **outcome,
        "run": run.result.name,
        "seed": run.name[1],
        "corpus": {
            "key": info["content"],
            **{name: info[name] for name in ("documents", "bytes", "unique_tokens")},
            "epochs": own_tokens / unique,
            "effective_tokens": worth,
            **({"mixture": to_json(mixture)} if mixture else {}),
            # Text of a chain is in no cluster of the pool's.
            "copies": None if chain else _copies(builder, run, tokens),
            "funnel": info["funnel"],
            "leaks": builder.leaks(run.arm, run.prepared),
        },
        "trunk": trunk,
        "cost": {**outcome["cost"], "curation_cpu_s": sum(cpu_s.values())},
        "curation_cpu_s": cpu_s,
    }
    record = from_json(Record, data, str(path))
    with atomic(run.folder / "items.parquet", seal=True) as part:
        shutil.copyfile(run.result / "items.parquet", part)
    if (run.result / PROGRESS).exists():
        with atomic(run.folder / PROGRESS) as part:
            shutil.copyfile(run.result / PROGRESS, part)
    if texts := builder.dropped_texts(run.prepared):
        # A copy: a link would share damage with the store.
        with atomic(run.folder / texts.name, seal=True) as part:
            shutil.copyfile(texts, part)
    write_record(run.folder, record)
    (run.folder / "failed.json").unlink(missing_ok=True)


def _copies(builder: CorpusBuilder, run: OpenRun, tokens: int) -> Copies | None:
    """Return how often documents of one duplicate cluster were trained on; None where the recipe has no relation.

    Clusters are those of the recipe's last relation, whether this arm enables it or not, so that arms compare.
    """
    enabled = {name: {**node, "enabled": True} for name, node in run.arm.config["stages"].items()}
    stages = run.arm.having(stages=enabled).stages(run.prepared.draw.stages)
    relations = [stage for stage in stages if isinstance(stage, Relation)]
    if not relations:
        return None
    return copies_seen(run.stream, builder.clusters(run.prepared, relations[-1]), tokens)
