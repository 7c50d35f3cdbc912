"""A sweep: every run of a plan, through one of Hydra's launchers; safe to repeat."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from ablate.progress import CHILD, watch
from ablate.store import Store, lock
from ablate.study.plan import load_plan, run_folder
from ablate.study.prepare import Workshop
from ablate.study.run import clear_failure, execute, explain, mark_failed, run_job, run_key

Say = Callable[[str], None]
SWEEPS = "sweeps.jsonl"
"""One line per sweep of a study: seconds of curation and of the runs, and how many were trained."""


def job(config: DictConfig) -> bool:
    """What a launcher calls in each of its processes."""
    return run_job(Path(config.plan).parent, Store(Path(config.store)), config.arm, int(config.seed))


def sweep(
    study: Path, store: Store, composed: DictConfig, hydra: Hydra, say: Say,
    wanted: Sequence[tuple[str, int]] | None = None,
) -> dict[tuple[str, int], str]:  # fmt: skip
    """Do every run of the frozen plan that has no record yet, or every one of those `wanted`.

    Corpora are built first, here, with all the workers; then the runs go through the launcher that
    the configuration names (`hydra/launcher=joblib`, `submitit_slurm`, `ray`, ...). One failed arm
    does not stop the others.

    Returns:
        (arm, seed) -> error of every run without a record; empty when all is done.
    Raises:
        Busy: when another process sweeps the same study.
    """
    with lock(study / ".lock", f"a sweep of {study}"):
        plan = load_plan(study)
        if wanted is None:
            wanted = [(arm, seed) for arm in plan["arms"] for seed in plan["seeds"]]
        pending = [run for run in wanted if not _done(study, *run)]
        say(f"{len(wanted)} runs planned, {len(wanted) - len(pending)} already done")
        failures: dict[tuple[str, int], str] = {}
        if pending:
            for run in pending:
                clear_failure(study, *run)
            workshop = Workshop(plan["arms"][plan["reference"]]["config"], store, composed.workers)
            try:
                started = time.monotonic()
                distinct = _prepare(plan, workshop, study, pending, say, failures)
                workshop.annotations.close()  # the runs need the memory
                prepared, found = time.monotonic(), len(list(store.root.glob("runs/*/result.json")))
                _launch(distinct, study, store, composed, hydra)
                trained = len(list(store.root.glob("runs/*/result.json"))) - found
                _note_time(study, prepared - started, time.monotonic() - prepared, trained)
                # Runs with the same texts, seed and settings as another are that run: no training.
                for arm, seed in pending:
                    if (arm, seed) not in distinct and (arm, seed) not in failures:
                        run_job(study, store, arm, seed)
            finally:
                workshop.annotations.close()
        for run in wanted:
            if not _done(study, *run) and run not in failures:
                failures[run] = _reason(study, *run)
        return failures


def _note_time(study: Path, curate_s: float, runs_s: float, trained: int) -> None:
    """Add a line to what the report compares with the plan; never part of the report's own bytes."""
    line = {"curate_s": round(curate_s, 2), "runs_s": round(runs_s, 2), "trained": trained}
    with (study / SWEEPS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _done(study: Path, arm: str, seed: int) -> bool:
    return (run_folder(study, arm, seed) / "record.json").exists()


def _reason(study: Path, arm: str, seed: int) -> str:
    from ablate.store import read_json

    path = run_folder(study, arm, seed) / "failed.json"
    return (
        str(read_json(path)["error"]) if path.exists() else "ended without a word (killed, or no disk space)"
    )


def _prepare(
    plan: Mapping[str, Any], workshop: Workshop, study: Path, pending: list[tuple[str, int]], say: Say,
    failures: dict[tuple[str, int], str],
) -> list[tuple[str, int]]:  # fmt: skip
    """Build each pending arm's corpus; the runs that differ from one another."""
    distinct: dict[str, tuple[str, int]] = {}
    for arm in dict.fromkeys(arm for arm, _ in pending):
        config = plan["arms"][arm]["config"]
        seeds = [seed for other, seed in pending if other == arm]
        try:
            prepared = workshop.prepare(config)
            for seed in seeds:
                distinct.setdefault(run_key(config, prepared, workshop, seed), (arm, seed))
        except Exception as error:
            if arm == plan["reference"] and not workshop.__dict__.get("tokenizer"):
                raise
            for seed in seeds:
                mark_failed(study, arm, seed, error)
                failures[arm, seed] = explain(error)
            say(f"{arm}: no corpus: {explain(error)}")
            continue
        info = prepared.info
        say(f"{arm}: {info['documents']:,} documents, {info['unique_tokens']:,} tokens")
    return list(distinct.values())


def _launch(
    runs: list[tuple[str, int]], study: Path, store: Store, composed: DictConfig, hydra: Hydra
) -> None:
    if not runs:
        return
    master = composed.copy()
    with open_dict(master):
        master.hydra.job.config_name = "job"
        master.hydra.overrides.task = []
        master.hydra.sweep.dir = str(store.root / "jobs")
    OmegaConf.set_readonly(master.hydra, False)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=job, config=master
    )
    jobs = [
        [
            f"plan='{study.resolve() / 'plan.json'}'",
            f"store='{store.root.resolve()}'",
            f"arm='{arm}'",
            f"seed={seed}",
        ]
        for arm, seed in runs
    ]
    in_processes = "basic_launcher" not in master.hydra.launcher._target_
    with watch(lambda: sum(_done(study, *run) for run in runs), len(runs), "runs", "run"):
        if in_processes:
            os.environ[CHILD] = "1"
        try:
            launcher.launch(jobs, initial_job_idx=0)
        finally:
            os.environ.pop(CHILD, None)


def sweep_together(study: Path, store: Store, workers: int | None) -> None:
    """Every run of a plan, one after another, each trained by all processes of a `torchrun`."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    plan = load_plan(study)
    workshop = Workshop(plan["arms"][plan["reference"]]["config"], store, workers)
    try:
        for arm, entry in plan["arms"].items():
            for seed in plan["seeds"]:
                done = [_done(study, arm, seed)]
                dist.broadcast_object_list(done)
                if not done[0]:
                    if dist.get_rank() == 0:
                        workshop.prepare(entry["config"])
                    dist.barrier()
                    execute(plan, workshop, study, arm, seed)
                    dist.barrier()
    finally:
        workshop.annotations.close()
        dist.destroy_process_group()
