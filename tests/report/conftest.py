"""Study folders made by hand: plans and records with scores that a person can add up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablate.design.base import ContrastSpec
from ablate.render.funnel import FunnelRow
from ablate.study.plan import run_folder, write_plan
from ablate.study.record import (
    Copies,
    Model,
    Point,
    Record,
    TaskInfo,
    TrainedCorpus,
    Training,
    write_record,
)
from ablate.study.results import Study, load_study
from ablate.study.schema import Arm, Headline, Plan

Scores = Mapping[str, Sequence[float | None]]
"""Arm -> accuracy under each seed; None where the run failed."""
MakeStudy = Callable[..., Study]


def record(seed: int, value: float, tasks: Mapping[str, float], content: str) -> Record:
    scores = {task: {"acc": value + shift, "bpb": 2 - value} for task, shift in tasks.items()}
    scores["heldout"] = {"bpb": 3 - value}
    info = {
        task: TaskInfo(
            chance={"acc": 0.25, "bpb": None},
            n_items=100,
            digest="d1",
            higher_is_better={"acc": True, "bpb": False},
        )
        for task in tasks
    }
    info["heldout"] = TaskInfo(chance={"bpb": None}, n_items=10, digest="d2", higher_is_better={"bpb": False})
    line: FunnelRow = {
        "stage": "input",
        "documents": 100,
        "bytes": 9000,
        "tokens": None,
        "dropped": {},
        "changed": 0,
        "found": {},
    }
    kept: FunnelRow = {
        "stage": "a_stage",
        "documents": 60,
        "bytes": 5000,
        "tokens": 1200,
        "dropped": {"bad": 40},
        "changed": 3,
        "found": {},
    }
    half = {task: {name: v / 2 for name, v in values.items()} for task, values in scores.items()}
    return Record(
        run=f"key-{content}-{seed}",
        seed=seed,
        corpus=TrainedCorpus(
            key=content,
            documents=60,
            bytes=5000,
            unique_tokens=1200,
            epochs=5.0,
            effective_tokens=4100.0,
            copies=Copies(documents_seen=60, clusters_seen=40, mean=1.5, max=4),
            funnel=(line, kept),
        ),
        model=Model(parameters=1000, flops=6.0e9),
        train=Training(tokens=6000, steps=6, final_loss=2.5, losses=((3000, 3.0), (6000, 2.5))),
        tasks=info,
        scores=scores,
        curve=(Point(tokens=3000, scores=half), Point(tokens=6000, scores=scores)),
        cost={"train_s": 1.5, "evaluate_s": 0.5},
        provenance={"commit": None},
    )


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Write a leave-one-out study and read it; the first arm is the full recipe."""

    def make(
        scores: Scores,
        *,
        primary: str = "acc",
        tasks: Mapping[str, float] | None = None,
        title: str = "A study",
        contents: Mapping[str, str] | None = None,
        name: str = "study",
    ) -> Study:
        tasks = {"quiz": 0.0} if tasks is None else tasks
        folder = tmp_path / name
        arms = list(scores)
        seeds = list(range(len(next(iter(scores.values())))))
        contrasts = [
            ContrastSpec(
                arm.removeprefix("without_"), "on", "off", "leave_one_out", {arms[0]: 1.0, arm: -1.0}
            )
            for arm in arms[1:]
        ]
        plan = Plan(
            study=name,
            title=title,
            question="Which?",
            prediction="All.",
            design="leave_one_out",
            arms={arm: Arm(name=arm, levels={}, config={}) for arm in arms},
            reference=arms[0],
            factors=(),
            seeds=tuple(seeds),
            contrasts=tuple(contrasts),
            metrics=Headline(primary=primary, aggregate=None),
            stages=("a_stage",),
            tracker={},
        )
        folder.mkdir(parents=True)
        write_plan(plan, folder)
        for arm, values in scores.items():
            for seed, value in zip(seeds, values, strict=True):
                run = run_folder(folder, arm, seed)
                run.mkdir(parents=True)
                if value is None:
                    (run / "failed.json").write_text(json.dumps({"error": "out of memory", "log": "log.txt"}))
                    continue
                content = (contents or {}).get(arm, arm)
                _items(run / "items.parquet", tasks, value, (len(arm), seed))
                write_record(run, record(seed, value, tasks, content))
        return load_study(folder)

    return make


def _items(path: Path, tasks: Mapping[str, float], value: float, seed: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {"task": [], "metric": [], "item": [], "value": []}
    for task in tasks:
        for metric in ("acc", "bpb"):
            columns["task"] += [task] * 100
            columns["metric"] += [metric] * 100
            columns["item"] += list(range(100))
            columns["value"] += (value + rng.normal(0, 0.1, 100)).tolist()
    for metric in ("bpb", "bytes"):
        columns["task"] += ["heldout"] * 10
        columns["metric"] += [metric] * 10
        columns["item"] += list(range(10))
        columns["value"] += (1 + rng.random(10)).tolist()
    pq.write_table(pa.table(columns), path)
