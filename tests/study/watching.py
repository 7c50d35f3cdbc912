"""A tracker that does to the process of its run what the environment says, from the moment that training begins."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from ablate.tracking.local_trackio import Trackio
from ablate.tracking.shown import TrackedRun
from ablate.tracking.tracker import NoTracker, Wandb


@dataclass(frozen=True, kw_only=True)
class Watching(NoTracker):
    """Files in the folder that `WATCHED` names say what happens to an arm's process.

    `ARM.dies`: it is killed; `ARM.waits`: it waits while the file is
    there. A run that began leaves `ARM.began` with its process's number.
    """

    limit_s: float = 3600.0
    _began: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def show(self, run: TrackedRun) -> None:
        if run.ended or run.id in self._began:
            return
        self._began.add(run.id)
        arm, folder = str(run.config["arm"]), Path(os.environ["WATCHED"])
        with (folder / f"{arm}.began").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if (folder / f"{arm}.dies").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        while (folder / f"{arm}.waits").exists():
            time.sleep(0.05)


class _Killed:
    """A tracker of a process that is killed once it has shown two stages of a run, where `WATCHED/killed` is there."""

    _shown: list[str]

    def show(self, run: TrackedRun) -> None:
        super().show(run)  # type: ignore[misc]
        if not run.ended:
            self._shown.append(run.id)
        if self._shown.count(run.id) == 2 and (Path(os.environ["WATCHED"]) / "killed").exists():
            while not self._kept(run):
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)

    def _kept(self, run: TrackedRun) -> bool:
        """Whether the tracker, which may write in a thread of its own, has begun to keep the run."""
        return True


@dataclass(frozen=True, kw_only=True)
class KilledWandb(_Killed, Wandb):
    mode: str = "offline"
    _shown: list[str] = field(default_factory=list, init=False, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class KilledTrackio(_Killed, Trackio):
    _shown: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def _kept(self, run: TrackedRun) -> bool:
        return bool(self._found(run))
