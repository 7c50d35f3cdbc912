"""The tasks that `evaluate` would score: kind, items, chance level, which way each metric is better, digest.

Nothing is trained and nothing is fetched: what lies in the snapshot is read, and a task that comes from
lm-eval by name is listed as such.

Example: ablate inspect tasks pool=warc 'pool.paths=[crawl/*.warc.gz]' evaluate=smooth evaluate.snapshot=data/tasks
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from ablate.benchmarks.snapshot import HUB_PREFIX, SnapshotTask, read_snapshot
from ablate.config import make
from ablate.evaluate.evaluator import HELDOUT, EvaluateConfig, read_heldout
from ablate.evaluate.requests import heldout_digest
from ablate.evaluate.tasks import parse
from ablate.inspect.arm import open_arm
from ablate.render.tables import aligned

HEADER = ("task", "from", "kind", "items", "chance", "digest", "metrics (+ higher, - lower is better)")
KINDS = {
    "choice": ("multiple choice", "acc+ acc_norm+ prob+ bpb-"),
    "partial": ("partial context", "acc+ prob+ bpb-"),
    "last_word": ("last word", "acc+ bpb-"),
}


def main(config: DictConfig) -> int:
    """List; returns the exit status."""
    asked: EvaluateConfig = make(config.evaluate, "evaluate")
    if asked.snapshot and not Path(asked.snapshot).is_dir():
        with open_arm(config) as (_, builder):
            _ = builder.pool  # a generated pool brings its tasks along
    ours: dict[str, SnapshotTask] = {}
    if asked.snapshot:
        ours = {task.name: task for task in read_snapshot(asked.snapshot, asked.tasks, asked.limit)}
    rows = [
        _snapshot_row(ours[name], asked) if name in ours else _named_row(name, asked) for name in asked.tasks
    ]
    if asked.heldout:
        texts = read_heldout(Path(asked.heldout))[: asked.heldout_limit]
        rows.append(
            [HELDOUT, "file", "whole texts", f"{len(texts):,}", "–", heldout_digest(texts)[:12], "bpb-"]
        )
    aggregate = asked.aggregate if isinstance(asked.aggregate, str) else ", ".join(asked.aggregate or ["all"])
    print(aligned(HEADER, rows, left=3))
    print(f"\nprimary metric: {asked.primary}; aggregate: {aggregate}")
    return 0


def _snapshot_row(task: SnapshotTask, asked: EvaluateConfig) -> list[str]:
    kind, metrics = KINDS[task.kind]
    return [
        task.name,
        "snapshot",
        kind,
        f"{len(task.items):,}",
        _chance(task, asked),
        task.digest[:12],
        metrics,
    ]


def _chance(task: SnapshotTask, asked: EvaluateConfig) -> str:
    if task.name in (asked.chance or {}):
        return f"{(asked.chance or {})[task.name]:.3f}"
    sizes = [len(item.get("choices") or item.get("contexts") or ()) for item in task.items]
    level = 0.0 if task.kind == "last_word" else float(np.mean([1 / size for size in sizes]))
    return f"{level:.3f}"


def _named_row(name: str, asked: EvaluateConfig) -> list[str]:
    plain, shots = parse(name)
    label = name.removeprefix(HUB_PREFIX)
    prompt = "lm-eval's own prompt" if shots is None else f"{shots} examples"
    chance = (asked.chance or {}).get(label)
    return [
        label,
        f"lm-eval: {plain}",
        prompt,
        "when fetched",
        "by its choices" if chance is None else f"{chance:.3f}",
        "–",
        "lm-eval's",
    ]
