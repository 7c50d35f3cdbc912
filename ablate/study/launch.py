"""Handing runs to one of Hydra's launchers: processes of this machine, a Slurm cluster, Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from omegaconf import DictConfig, OmegaConf, open_dict

from ablate.lifeline import end_with
from ablate.progress import CHILD
from ablate.stopping import Stopped, held, listening_worker
from ablate.store import Store
from ablate.study.run import RunName, run_jobs, trunk_jobs

STOP = ".stop"
"""In a study's folder: tells the workers of its sweep to save what they have and end."""


def is_chosen(composed: DictConfig) -> bool:
    """Tell whether the command line names a launcher."""
    return any(override.startswith("hydra/launcher=") for override in composed.hydra.overrides.hydra)


def open_launcher(
    composed: DictConfig, study: Path, store: Store, *, processes: int, threads: int | None
) -> Callable[[Sequence[Sequence[RunName]], bool], None]:
    """Return what launches groups of runs of a frozen plan, or their trunks, and waits for them.

    Args:
        composed: of the command, by the Hydra that is open in this process.
        processes: at once, where the command line names no launcher.
        threads: of each run, where the plan leaves them open.
    """
    master = composed.copy()
    with open_dict(master):
        master.hydra.job.config_name = "job"
        master.hydra.overrides.task = []
        master.hydra.sweep.dir = str(store.root / "jobs")
        if processes > 1 and not is_chosen(composed):
            master.hydra.launcher = OmegaConf.structured(JobLibLauncherConf(n_jobs=processes))
    OmegaConf.set_readonly(master.hydra, False)
    context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
    launcher: Any = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=job, config=master
    )
    in_processes = "basic_launcher" not in master.hydra.launcher._target_
    local = "joblib_launcher" in master.hydra.launcher._target_  # whose processes would outlive this one
    stop = study / STOP

    def launch(groups: Sequence[Sequence[RunName]], trunks: bool) -> None:
        jobs = [
            [
                f"plan={packed(str(study.resolve() / 'plan.json'))}",
                f"store={packed(str(store.root.resolve()))}",
                f"runs={packed(json.dumps(group))}",
                f"trunks={str(trunks).lower()}",
                f"threads={'null' if threads is None else threads}",
                f"parent={os.getpid() if local else 'null'}",
            ]
            for group in groups
        ]
        if in_processes:
            os.environ[CHILD] = "1"
        stop.unlink(missing_ok=True)
        try:
            with held(stop.touch) if local else nullcontext():
                launcher.launch(jobs, initial_job_idx=0)
        finally:
            os.environ.pop(CHILD, None)
            stop.unlink(missing_ok=True)

    return launch


def job(config: DictConfig) -> bool:
    """Do what one job of a launcher is told, in its own process."""
    runs = [(str(arm), int(seed)) for arm, seed in json.loads(unpacked(config.runs))]
    store = Store(Path(unpacked(config.store)))
    study = Path(unpacked(config.plan)).parent
    do = trunk_jobs if config.trunks else run_jobs
    if config.parent is None:
        return do(study, store, runs, threads=config.threads)
    stop = study / STOP
    end_with(config.parent, stop)
    try:
        with listening_worker():
            return not stop.exists() and do(study, store, runs, threads=config.threads)
    except Stopped:
        return False


def packed(text: str) -> str:
    """Return a text as an override can carry it: quotes, `$`, backslashes and bytes that are no UTF-8 stand for themselves."""
    return f"'{quote(os.fsencode(text))}'"


def unpacked(text: str) -> str:
    """Return the text that `packed` packed."""
    return os.fsdecode(unquote_to_bytes(text))
