"""Handing runs to one of Hydra's launchers: processes of this machine, a Slurm cluster, Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import DictConfig, OmegaConf, open_dict

from ablate.config import make, plain
from ablate.executor.here import Here
from ablate.executor.slurm_queue import SlurmQueue, spare_accounting
from ablate.executor.task import Executor
from ablate.lifeline import end_with
from ablate.progress import CHILD
from ablate.stopping import Stopped, handing_on, held, listening_worker
from ablate.store import Store
from ablate.study.detached import Batch, DetachedJobs, Step, leased
from ablate.study.jobs import corpora_job, run_jobs, trunk_jobs
from ablate.study.run_state import RunName

STOP = ".stop"
"""In a study's folder: tells the workers of its sweep to save what they have and end."""
TIMEOUTS, MANY = "max_num_timeout", 1000
"""How often submitit's launchers hand in a job again that met its time limit."""
DOES: dict[Step, Callable[..., bool]] = {
    Step.CORPORA: corpora_job,
    Step.TRUNKS: trunk_jobs,
    Step.RUNS: run_jobs,
}
"""What jobs of each step do; given study, store, runs, `threads` and `workers`."""


def is_chosen(composed: DictConfig) -> bool:
    """Tell whether the command line names a launcher."""
    return any(override.startswith("hydra/launcher=") for override in composed.hydra.overrides.hydra)


@dataclass(frozen=True)
class Launcher:
    """One of Hydra's launchers, ready to be given runs of a frozen plan.

    Attributes:
        launch: does groups of runs, or a step before them, one job for each group, and returns when the jobs are over.
        detached: what there is of its jobs beyond this process; None where they end with it.
    """

    launch: Callable[[Sequence[Sequence[RunName]], Step], None]
    detached: DetachedJobs | None


def open_launcher(
    composed: DictConfig,
    study: Path,
    store: Store,
    *,
    processes: int = 1,
    threads: int | None = None,
    say: Callable[[str], None],
) -> Launcher:
    """Return what launches groups of runs of a frozen plan, or what they stand on, and waits for them.

    Args:
        composed: of the command, by the Hydra that is open in this process.
        processes: at once, where the command line names no launcher.
        threads: of each run, where the plan leaves them open.
        say: told in one line what is waited for.
    """
    study, jobs = study.resolve(), store.root.resolve() / "jobs"
    master = composed.copy()
    with open_dict(master):
        master.hydra.job.config_name = "job"
        master.hydra.overrides.task = []
        master.hydra.sweep.dir = str(jobs)
        if processes > 1 and not is_chosen(composed):
            master.hydra.launcher = OmegaConf.structured(JobLibLauncherConf(n_jobs=processes))
        if TIMEOUTS in master.hydra.launcher and not _is_given(composed, TIMEOUTS):
            master.hydra.launcher[TIMEOUTS] = (
                MANY  # a run goes on where it was: a time limit is no reason to end it
            )
    OmegaConf.set_readonly(master.hydra, False)
    context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
    target = master.hydra.launcher._target_
    ends_with_us = "joblib_launcher" in target  # processes of it would outlive this one
    stop = study / STOP

    def call(groups: Sequence[Sequence[RunName]], step: Step, batch: Batch | None = None) -> None:
        config = master
        if batch and "submitit_folder" in master.hydra.launcher:
            config = master.copy()
            config.hydra.launcher.name = batch.name
        launcher: Any = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=job, config=config
        )
        lines = [
            [
                f"plan={packed(str(study / 'plan.json'))}",
                f"store={packed(str(store.root.resolve()))}",
                f"runs={packed(json.dumps(group))}",
                f"step={step}",
                f"threads={'null' if threads is None else threads}",
                f"workers={'null' if composed.workers is None else composed.workers}",
                f"curator={packed(json.dumps(plain(composed.executor)))}",
                f"parent={os.getpid() if ends_with_us else 'null'}",
                f"lease={packed(str(batch.lease(place))) if batch else 'null'}",
            ]
            for place, group in enumerate(groups)
        ]
        launcher.launch(lines, initial_job_idx=0)

    def launch_here(groups: Sequence[Sequence[RunName]], step: Step) -> None:
        if ends_with_us:
            os.environ[CHILD] = "1"
        stop.unlink(missing_ok=True)
        try:
            with held(stop.touch) if ends_with_us else nullcontext():
                call(groups, step)
        finally:
            os.environ.pop(CHILD, None)
            stop.unlink(missing_ok=True)

    if ends_with_us or "basic_launcher" in target:
        return Launcher(launch_here, None)
    queue = SlurmQueue() if target.endswith(".SlurmLauncher") else None
    if queue:
        spare_accounting()
    detached = DetachedJobs(
        folder=jobs,
        study=study,
        call=lambda batch: call(batch.groups, batch.step, batch),
        queue=queue,
        say=say,
    )
    return Launcher(launch_here, detached)


def _is_given(composed: DictConfig, key: str) -> bool:
    return any(f"hydra.launcher.{key}=" in override for override in composed.hydra.overrides.hydra)


def job(config: DictConfig) -> bool:
    """Do what one job of a launcher is told, in its own process."""
    runs = [(str(arm), int(seed)) for arm, seed in json.loads(unpacked(config.runs))]
    store = Store(Path(unpacked(config.store)))
    study = Path(unpacked(config.plan)).parent
    do = partial(DOES[Step(config.step)], study, store, runs, threads=config.threads)
    if config.lease is not None:
        workers = config.workers or int(os.environ.get("SLURM_CPUS_PER_TASK", 0)) or None
        with leased(Path(unpacked(config.lease))), handing_on():
            if config.step == Step.CORPORA:
                executor: Executor = make(json.loads(unpacked(config.curator)), "executor")
                # Of its own machine it takes what the job was given.
                return do(workers=workers, executor=None if isinstance(executor, Here) else executor)
            return do(workers=1)
    if config.parent is None:
        return do()
    stop = study / STOP
    end_with(config.parent, stop)
    try:
        with listening_worker():
            return not stop.exists() and do()
    except Stopped:
        return False


def packed(text: str) -> str:
    """Return a text as an override can carry it: quotes, `$`, backslashes and bytes that are no UTF-8 stand for themselves."""
    return f"'{quote(os.fsencode(text))}'"


def unpacked(text: str) -> str:
    """Return the text that `packed` packed."""
    return os.fsdecode(unquote_to_bytes(text))
