"""A tracker that does to the process of its run what the environment says, from the moment that training begins."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.tracking.tracker import NoTracker, RunTracker


@dataclass(frozen=True, kw_only=True)
class Watching(NoTracker):
    """Files in the folder that `WATCHED` names say what happens to an arm's process.

    `ARM.dies`: it is killed; `ARM.waits`: it waits while the file is
    there. A run that began leaves `ARM.began` with its process's number.
    """

    @contextmanager
    def run(self, study: str, arm: str, seed: int, config: Mapping[str, Any]) -> Iterator[RunTracker]:
        folder = Path(os.environ["WATCHED"])
        with (folder / f"{arm}.began").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if (folder / f"{arm}.dies").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        while (folder / f"{arm}.waits").exists():
            time.sleep(0.05)
        with super().run(study, arm, seed, config) as tracked:
            yield tracked
