"""`record.json`: what a run found, with a digest over it, so that a record that was changed is noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablate.corpus.mixture import ReadPart
from ablate.errors import DataError
from ablate.fingerprint import LATER, digest, file_digest
from ablate.render.funnel import FunnelRow
from ablate.shape import from_json, to_json
from ablate.store import read_json, write_json

ITEMS = "items.parquet"
Scores = Mapping[str, Mapping[str, float]]
"""Task -> metric -> value."""
Costs = Mapping[str, float | str | None]
"""What depends on the machine: seconds, bytes of memory, device, precision, ...; None where unknown."""


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """What is known of a task, whatever the model.

    Attributes:
        chance: metric -> score of a guess; a metric that has none is left out, or None.
        n_items: test items; None when unknown.
        examples: in each prompt; None when unknown, or where texts are scored as they are.
        digest: of the items; empty when unknown.
        higher_is_better: metric -> direction.
        cut: items whose prompt lost its beginning, as it is longer than the model's context; None where none can.
        no_answer: items that name no right answer among their choices; None where there are no choices.
    """

    chance: Mapping[str, float | None]
    n_items: int | None
    examples: int | None = field(default=None, metadata=LATER)
    digest: str
    higher_is_better: Mapping[str, bool]
    cut: int | None = field(default=None, metadata=LATER)
    no_answer: int | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Copies of duplicate clusters in what a run trained on, see `ablate.corpus.budget.copies_seen`.

    Attributes:
        documents_seen, clusters_seen: how many there are.
        mean, max: documents of a cluster.
    """

    documents_seen: int
    clusters_seen: int
    mean: float
    max: int


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Items of the scored tasks that a corpus gives away.

    Attributes:
        method, match: how they are found, see `ablate.stages.decontamination`.
        documents: that give any away.
        tasks: name -> items.
    """

    method: str
    match: str
    documents: int
    tasks: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class TrainedCorpus:
    """What a run trained on.

    Attributes:
        key: names its texts in their order.
        documents, bytes, unique_tokens: its size.
        epochs: how often the run's own budget goes over it.
        effective_tokens: what that budget is worth in fresh tokens.
        copies: of duplicates that were met; None for a recipe without deduplication.
        funnel: what was left after each stage, see `ablate.corpus.funnel`.
        leaks: items that it gives away; None where the tasks are not there as files.
        mixture: what is read of each source; None for an arm that reads its corpus as it is.
    """

    key: str
    documents: int
    bytes: int
    unique_tokens: int
    epochs: float
    effective_tokens: float
    copies: Copies | None
    funnel: tuple[FunnelRow, ...]
    leaks: Leaks | None = None
    mixture: tuple[ReadPart, ...] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True)
class Model:
    """Parameters of a run's model, and the FLOPs that the run itself trained."""

    parameters: int
    flops: float


@dataclass(frozen=True, kw_only=True)
class Training:
    """How training went.

    Attributes:
        tokens: trained, a trunk's among them; None for imported scores of an unknown point.
        steps: of the optimiser; None for imported results.
        final_loss: mean over the last tenth of the steps, nats per token; None for imported results.
        losses: (tokens, loss) about 200 times over the run; None for imported results.
    """

    tokens: int | None
    steps: int | None = field(default=None, metadata=LATER)
    final_loss: float | None = field(default=None, metadata=LATER)
    losses: tuple[tuple[float, float], ...] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluation on the way.

    Attributes:
        tokens: trained so far.
        scores: of every task.
        missing: task -> metric -> why it has no value.
    """

    tokens: int
    scores: Scores
    missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class TrunkRecord:
    """What a run branched off: a trunk that was trained here, or a checkpoint, of which nothing was.

    Attributes:
        run: names it.
        seed: of the trunk; None for a checkpoint.
        tokens, epochs, flops, cost: that it took; none for a checkpoint.
    """

    run: str
    seed: int | None = field(default=None, metadata=LATER)
    tokens: int
    epochs: float | None = field(default=None, metadata=LATER)
    flops: float
    cost: Costs


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run found.

    Attributes:
        run: names what it computed; runs with the same name are the same run.
        seed: of the run.
        corpus: what it trained on; None for imported results.
        model: what it trained; None for imported results.
        train: how training went.
        tasks: what is known of each task.
        scores: at its end.
        missing: task -> metric -> why it has no value; None for imported results.
        curve: every evaluation, the last at its end; empty for imported scores of an unknown point.
        cost: what depends on the machine.
        provenance: commit, versions and platform.
        trunk: what it branched off; None from scratch.
        curation_cpu_s: stage -> CPU-seconds on the texts of its arm; None for imported results.
    """

    run: str
    seed: int
    corpus: TrainedCorpus | None
    model: Model | None
    train: Training
    tasks: Mapping[str, TaskInfo]
    scores: Scores
    missing: Mapping[str, Mapping[str, str]] | None = field(default=None, metadata=LATER)
    curve: tuple[Point, ...]
    cost: Costs
    provenance: Mapping[str, Any]
    trunk: TrunkRecord | None = field(default=None, metadata=LATER)
    curation_cpu_s: Mapping[str, float] | None = field(default=None, metadata=LATER)

    @property
    def own_tokens(self) -> int | None:
        """Tokens that the run trained itself, behind its trunk; None where that is not known."""
        if self.train.tokens is None:
            return None
        return self.train.tokens - (self.trunk.tokens if self.trunk else 0)


def write_record(folder: Path, record: Record) -> None:
    """Write a run's record, after its `items.parquet`, which it vouches for too."""
    items = folder / ITEMS
    whole = {**to_json(record), "items": file_digest(items) if items.exists() else None}
    write_json(folder / "record.json", {**whole, "digest": _digest(whole)})


def read_record(folder: Path) -> Record:
    """Read a run's record.

    Raises:
        DataError: when there is none, or it or its items are not what the run wrote, or not what this version writes.
    """
    path = folder / "record.json"
    data = read_json(path)
    again = f"delete {path} and sweep again, which takes the run's result from the store"
    if not isinstance(data, dict) or not isinstance(data.get("digest"), str):
        raise DataError(f"{path} has no digest: another version of ablate wrote it. To have one, {again}")
    if data["digest"] != _digest({name: value for name, value in data.items() if name != "digest"}):
        raise DataError(
            f"{path} is not what the run wrote: it was changed by hand or damaged. {again.capitalize()}"
        )
    items = folder / ITEMS
    if data.get("items") is not None and (not items.exists() or file_digest(items) != data["items"]):
        raise DataError(
            f"{items} is not what the run wrote: it was changed, damaged or taken away. {again.capitalize()}"
        )
    kept = {name: value for name, value in data.items() if name not in ("digest", "items")}
    try:
        return from_json(Record, kept, str(path))
    except DataError as error:
        raise DataError(
            f"{error}: another version of ablate wrote it. To have one of this, {again}"
        ) from None


def _digest(record: Mapping[str, Any]) -> str:
    return digest(json.loads(json.dumps(record)))
