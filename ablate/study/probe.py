"""A short probe of this machine: some real training steps, one evaluation, the curation of a sample."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ablate.config import make
from ablate.corpus.tokenizer import load_tokenizer
from ablate.errors import AblateError
from ablate.pool.source import Document, Skipped, Source
from ablate.progress import track
from ablate.store import Store
from ablate.study.prepare import Workshop

FEW = 20
"""Documents that only load what the stages need."""
TRAIN_S = 4.0
"""Seconds of training that are timed."""


@dataclass(frozen=True)
class Probe:
    """What was measured.

    Attributes:
        documents: in the pool.
        setup_s: loading what curation needs.
        curate_s: of one document, in every arm of the study.
        start_s: of a process before its first run: tasks read and tokenised.
        tokens_per_s: of training.
        evaluate_s: of one evaluation.
        parameters: of the proxy, with a vocabulary of `vocab_size`.
        vocab_size: of the sample's tokenizer.
    """

    documents: int
    setup_s: float
    curate_s: float
    start_s: float
    tokens_per_s: float
    evaluate_s: float
    parameters: int
    vocab_size: int

    def as_dict(self) -> dict[str, Any]:
        """For `plan.json`."""
        return asdict(self)


@dataclass(frozen=True)
class _First(Source):
    """The first documents of another source."""

    source: Source
    count: int

    def documents(self) -> Iterator[Document | Skipped]:
        return islice(self.source.documents(), self.count)

    def request(self) -> dict[str, Any]:
        return {"first": self.count, **self.source.request()}


@dataclass(frozen=True)
class _Random:
    """A stream of random tokens: the speed of training does not depend on which tokens they are."""

    vocab_size: int
    context: int

    def sequences(self, first: int, count: int) -> np.ndarray:
        rng = np.random.default_rng(first)
        return rng.integers(0, self.vocab_size, size=(count, self.context + 1), dtype=np.int64)


def probe(plan: Mapping[str, Any], store: Store, workers: int | None, sample: int) -> Probe:
    """Measure what a plan's runs will cost here.

    Reads the study's pool into the store, as the sweep would; everything else happens in a temporary
    folder. Takes about a minute for `sample=200`, most of it loading.

    Args:
        plan: arms and their configurations.
        store: where the pool is kept.
        workers: processes for curation.
        sample: documents that are curated in every arm.
    """
    config = plan["arms"][plan["reference"]]["config"]
    source: Source = make(config["pool"], "pool")
    documents = len(Workshop(config, store, workers).pool)
    sizes = [min(FEW, documents), min(max(FEW, sample // 4), documents), min(sample, documents)]
    times, workshop = [], None
    with tempfile.TemporaryDirectory(prefix="ablate-probe-") as name:
        for size in track(sizes, "probing curation", unit="sample"):
            started = time.monotonic()
            workshop = Workshop(config, Store(Path(name) / str(size)), workers)
            workshop.__dict__["pool"] = _pool_of(_First(source, size), workshop.store)
            try:
                _prepare_all(plan, workshop)
            finally:
                workshop.annotations.close()
            times.append(time.monotonic() - started)
        assert workshop is not None
        slope = (times[2] - times[1]) / (sizes[2] - sizes[1]) if sizes[2] > sizes[1] else times[2] / sizes[2]
        return Probe(documents, times[0], max(0.0, slope), *_speeds(config, workshop, Path(name)))


def _pool_of(source: Source, store: Store) -> Any:
    from ablate.pool.pool import build_pool

    return build_pool(source, store)


def _prepare_all(plan: Mapping[str, Any], workshop: Workshop) -> None:
    for arm in plan["arms"].values():
        try:
            workshop.prepare(arm["config"])
        except AblateError:
            # A stage may drop all of a small sample; what it measured was measured.
            continue


def _speeds(
    config: Mapping[str, Any], workshop: Workshop, folder: Path
) -> tuple[float, float, float, int, int]:
    """start_s, tokens_per_s, evaluate_s, parameters, vocab_size."""
    from ablate.study.run import evaluator_of
    from ablate.train.loop import Run, train

    started = time.monotonic()
    evaluator = evaluator_of(config, workshop)
    start_s = time.monotonic() - started
    vocab_size = len(load_tokenizer(workshop.tokenizer.folder))
    proxy = make(config["proxy"], "proxy")
    stream = _Random(vocab_size, proxy.context)
    evaluated: list[float] = []

    def evaluate(model: Any, tokens_seen: int) -> None:
        begin = time.monotonic()
        evaluator.evaluate(model)
        evaluated.append(time.monotonic() - begin)

    def go(steps: int, number: int) -> Any:
        batch = config["train"]["batch_tokens"]
        recipe = make({**config["train"], "tokens": steps * batch, "evaluations": [1.0]}, "train")
        run = Run(stream=stream, seed=0, folder=folder / f"train-{number}", evaluate=evaluate)
        return train(run, proxy=proxy, config=recipe, vocab_size=vocab_size, tokens=steps * batch)

    steps, outcome = 4, None
    for number in track(range(4), "probing training", unit="try"):
        outcome = go(steps, number)
        if outcome.cost["train_s"] >= TRAIN_S / 2:
            break
        # The first try also warms up, so its pace says little.
        pace = outcome.cost["train_s"] / steps
        steps = max(steps * 2, round(TRAIN_S / pace)) if number else steps * 4
    assert outcome is not None
    return start_s, outcome.cost["tokens_per_s"], evaluated[-1], outcome.parameters, vocab_size
