"""A short probe of this machine: some real training steps, one evaluation, the curation of a sample."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablate.corpus.tokenizer import load_tokenizer
from ablate.errors import AblateError, under
from ablate.pool.pool import Pool, build_pool
from ablate.pool.source import Document, Skipped, Source
from ablate.progress import track
from ablate.store import MAKING, Store, making
from ablate.study.chance import undrawn
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.prediction import Probe
from ablate.study.schema import Plan

Say = Callable[[str], None]

FEW = 20
"""Documents that only load what the stages need."""


@dataclass(frozen=True, eq=False)
class _Sample(Source):
    """Some rows of a pool as a source of their own."""

    pool: Pool
    rows: np.ndarray

    def documents(self) -> Iterator[Document | Skipped]:
        for shard, some in self.pool.rows_by_shard(self.rows):
            table = self.pool.shard(shard).take(some - self.pool.bounds[shard])
            for row in table.drop_columns("key").to_pylist():
                yield Document(**row | {"metadata": json.loads(row["metadata"])})

    def request(self) -> dict[str, Any]:
        return {"pool": self.pool.digest, "rows": self.rows.tolist()}


def probe(plan: Plan, store: Store, *, workers: int | None, sample: int, jobs: int | None, say: Say) -> Probe:
    """Measure what a plan's runs will cost here.

    Reads the study's pool into the store, as the sweep would; everything else happens in a temporary
    folder there. Takes about a minute for `sample=200`, most of it loading.

    Args:
        plan: arms and their configurations.
        store: where the pool is kept.
        workers: processes for curation.
        sample: documents from all over the pool that are curated in every arm.
        jobs: processes of the launcher that the command names; None where the sweep chooses by measuring.
        say: told what is measured.
    """
    pool = CorpusBuilder(plan.reference_arm, store, workers).pool
    for arm in plan.arms.values():
        for stage in undrawn(arm).stages():
            with under(f"stages.{stage.name}"):
                stage.check_fields(pool.fields())
    # From all over the pool, whose parts may differ; the smaller samples are among the larger.
    rows = np.unique(np.linspace(0, len(pool) - 1, min(max(sample, FEW), len(pool))).astype(np.int64))
    few, some = (rows[:: -(-rows.size // FEW)], rows[::4]) if rows.size > FEW else (rows, rows)
    at_once = min(workers or os.cpu_count() or 1, len(pool.bounds) - 1)
    # Loading; starting workers as the sweep will; a document, by two samples in this process.
    tries = [(few, 1), (some, at_once), (some, 1), (rows, 1)]
    times, builder = [], None
    place = store.root / "probe"  # cleared of what a killed probe left; two at once would measure each other
    with making(place, "probing this machine"), tempfile.TemporaryDirectory(dir=place, prefix=MAKING) as name:
        for number, (those, processes) in enumerate(track(tries, "probing curation", unit="sample")):
            started = time.monotonic()
            builder = CorpusBuilder(plan.reference_arm, Store(Path(name) / str(number)), processes)
            shard = -(-those.size // processes)
            builder.__dict__["pool"] = build_pool(_Sample(pool, those), builder.store, shard)
            with builder:
                _prepare_all(plan, builder)
            times.append(time.monotonic() - started)
        assert builder is not None
        load_s, started_s, some_s, all_s = times
        more = rows.size - some.size
        slope = max(0.0, (all_s - some_s) / more if more else all_s / rows.size)
        setup = load_s + max(0.0, started_s - some_s)
        left = _tokens_left(plan, builder) / rows.size
        return Probe(len(pool), setup, slope / at_once, *_speeds(plan, builder, jobs, say), left)


def _prepare_all(plan: Plan, builder: CorpusBuilder) -> None:
    for arm in plan.arms.values():
        try:
            builder.prepare(undrawn(arm), plan.seeds[0])
        except AblateError:
            # A stage may drop all of a small sample; what it measured was measured.
            continue


def _tokens_left(plan: Plan, builder: CorpusBuilder) -> int:
    try:
        prepared = builder.prepare(undrawn(plan.reference_arm), plan.seeds[0])
        return int(prepared.info["unique_tokens"])
    except AblateError:
        return 0


def _speeds(
    plan: Plan, builder: CorpusBuilder, jobs: int | None, say: Say
) -> tuple[float, int, float, float]:
    """start_s, processes, tokens_per_s, evaluate_s."""
    from ablate.study.layout import Layout, choose_layout
    from ablate.study.run_key import evaluator_of
    from ablate.train.config import pick_device
    from ablate.train.loop import measure_speed
    from ablate.train.proxy import build_model

    config = plan.reference_arm.config
    started = time.monotonic()
    evaluator = evaluator_of(plan.reference_arm, builder.tokenizer, builder.store)
    start_s = time.monotonic() - started
    vocab_size = len(load_tokenizer(builder.tokenizer.folder))
    proxy, train = plan.reference_arm.proxy, plan.reference_arm.train
    layout = Layout(jobs or 1, train.threads, train.stacked_runs or 1)
    if jobs is None:
        layout = choose_layout(builder.store.root / "layout.json", config, vocab_size, len(plan.runs), say)
    speed = layout.tokens_per_s
    if speed is None:
        recipe = replace(train, threads=layout.threads)
        speed = layout.processes * measure_speed(proxy, recipe, vocab_size, stacked_runs=layout.stacked_runs)
    model: Any = build_model(proxy, vocab_size, 0)
    model = model.to(pick_device(train.device)).eval()
    took, threads = [], torch.get_num_threads()
    torch.set_num_threads(layout.threads or threads)
    with torch.inference_mode():
        for _ in track(range(2), "probing evaluation", unit="try"):
            begin = time.monotonic()
            evaluator.evaluate(model)
            took.append(time.monotonic() - begin)
    torch.set_num_threads(threads)
    return start_s, layout.processes, speed, min(took)
