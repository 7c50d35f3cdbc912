"""What is asked of Slurm: which jobs of a name are in the queue, how many an array may have, to end them."""

from __future__ import annotations

import math
import re
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property

ASK_S = 5.0
"""An answer of the queue is good for so long; its controller serves a whole cluster."""
USUAL_MOST = 1001
"""Jobs in an array where the configuration does not say: Slurm's own default."""

OVER = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
"""States of jobs that the queue has for a while yet, and that will not run any more."""


@dataclass(frozen=True)
class Standing:
    """Jobs of one name as a scheduler knows them.

    Attributes:
        live: places in their batch of those that are to run or run.
        known: whether it knows any, over or not.
    """

    live: frozenset[int] = frozenset()
    known: bool = False


class SlurmQueue:
    """Slurm's queue, asked by its commands."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[float, Standing | None]] = {}

    @cached_property
    def most(self) -> int:
        """Jobs in one array (`MaxArraySize`)."""
        said = _ask("scontrol", "show", "config")
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", said or "", re.MULTILINE)
        return max(1, int(found[1])) if found else USUAL_MOST

    def standing(self, name: str) -> Standing | None:
        """Return what stands in the queue under this name; None when Slurm does not answer."""
        asked, found = self._answers.get(name, (-math.inf, None))
        if time.monotonic() - asked < ASK_S:
            return found
        said = _ask("squeue", "--noheader", "--array", "--states=all", f"--name={name}", "--format=%K %T")
        found = None if said is None else _standing(said)
        self._answers[name] = time.monotonic(), found
        return found

    def cancel(self, name: str) -> None:
        """End every job of this name."""
        _ask("scancel", f"--name={name}")
        self._answers.pop(name, None)


def _standing(said: str) -> Standing:
    """Read lines of places in an array and states; a job that is alone in its batch is no array, and has no place."""
    jobs = [line.split() for line in said.splitlines() if line.strip()]
    places = [int(place) if place.isdigit() else 0 for place, state in jobs if state not in OVER]
    return Standing(live=frozenset(places), known=bool(jobs))


def _ask(*command: str) -> str | None:
    """Return what a command prints; None when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def spare_accounting() -> None:
    """Keep submitit from asking Slurm's accounting about jobs: many clusters have none, and the queue is asked here."""
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class Unasked(SlurmInfoWatcher):
        def _make_command(self) -> None:
            return None

    SlurmJob.watcher = Unasked()
