"""Jobs of launchers that work elsewhere: they may outlive the sweep that started them, and die without a word to it.

What a launcher says of its jobs is not relied on. Each call of a launcher is a batch, noted in the store before it is
made; a job holds a lease, a file that it touches while it lives, and a scheduler is asked for jobs by the batch's name.
A sweep waits until its runs have ended or nothing is left that could end them. Leases and notes save work, no more: two
jobs that do the same run wait for one another at its lock, and write the same.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ablate.errors import AblateError
from ablate.executor.slurm_queue import Standing
from ablate.fingerprint import digest
from ablate.store import read_json, write_json
from ablate.study.run_state import RunName

BEAT_S, STALE_S = 5.0, 60.0
"""How often a job touches its lease, and how old a lease is when its job has died."""
LOOK_S = 1.0
"""How often a sweep looks whether its runs have ended."""
SETTLE_S = 60.0
"""How long jobs whose runs have ended are given to leave the queue by themselves."""


class Step(StrEnum):
    """What jobs are for."""

    CORPORA = "corpora"
    TRUNKS = "trunks"
    RUNS = "runs"


class Queue(Protocol):
    """A scheduler that can be asked for jobs by their name."""

    @property
    def most(self) -> int:
        """Jobs in one array."""
        ...

    def standing(self, name: str) -> Standing | None:
        """Return what stands in the queue under this name; None when it does not answer."""
        ...

    def cancel(self, name: str) -> None:
        """End every job of this name."""
        ...


@dataclass(frozen=True)
class Batch:
    """Groups of runs that one call of a launcher is given, one group for each job.

    Attributes:
        folder: holds the note of it, `batch.json`, and the leases; its name is that of the jobs.
        step: what the jobs do.
        groups: the runs of each job.
    """

    folder: Path
    step: Step
    groups: tuple[tuple[RunName, ...], ...]

    @property
    def name(self) -> str:
        """The name of its jobs."""
        return self.folder.name

    def lease(self, place: int) -> Path:
        """Return the file that job `place` touches."""
        return self.folder / f"{place}.lease"

    def save(self) -> None:
        """Write the note."""
        write_json(self.folder / "batch.json", {"step": self.step, "groups": self.groups})


def open_batch(folder: Path) -> Batch:
    """Read a batch's note."""
    note = read_json(folder / "batch.json")
    groups = tuple(tuple((str(arm), int(seed)) for arm, seed in group) for group in note["groups"])
    return Batch(folder, Step(note["step"]), groups)


@contextmanager
def leased(path: Path) -> Iterator[None]:
    """Hold a lease for the block: its file says who works here and is touched until the block ends."""
    over = threading.Event()
    job = os.environ.get("SLURM_JOB_ID", "")

    def beat() -> None:
        while not over.wait(BEAT_S):
            with suppress(OSError):
                os.utime(path)

    with suppress(OSError):  # a batch that was cleared away: the run is done all the same
        path.write_text(
            json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "job": job}), encoding="utf-8"
        )
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(OSError):  # 1970: it began, and lives no more
            os.utime(path, (0, 0))


@dataclass
class _Call:
    """A call of a launcher under way in a thread of this process.

    Attributes:
        problem: what it raised.
        seen: whether its jobs have stood in the queue.
    """

    thread: threading.Thread
    problem: Exception | None = None
    seen: bool = False


@dataclass
class DetachedJobs:
    """The jobs of one study through one launcher, those of earlier commands included.

    Attributes:
        folder: where batches are noted.
        study: whose runs are done; a resolved path.
        call: calls the launcher with a batch and returns when that returns.
        queue: where the launcher has one that can be asked.
        say: told in one line what is waited for.
    """

    folder: Path
    study: Path
    call: Callable[[Batch], None]
    queue: Queue | None
    say: Callable[[str], None]
    _calls: dict[str, _Call] = field(default_factory=dict)

    def run(
        self,
        runs: Sequence[RunName],
        step: Step,
        cut: Callable[[list[RunName]], list[list[RunName]]],
        ended: Callable[[RunName], bool],
    ) -> None:
        """Start jobs for runs that no job has yet, and wait for all.

        Args:
            cut: groups the runs, one group for each job.
            ended: whether a run is done, or left word that it failed.
        Raises:
            AblateError: when runs have not ended and no job is left that could end them.
        """
        self._calls.clear()
        live = self._live(step)
        if waited := [run for run in runs if run in live]:
            self.say(
                f"{len(waited)} of {len(runs)} {step} are in jobs that were started before: {_holders(waited, live)}"
            )
        groups = cut([run for run in runs if run not in live and not ended(run)])
        most = self.queue.most if self.queue else len(groups)
        for at in range(0, len(groups), max(1, most)):
            self._start(step, groups[at : at + most])
        while True:
            # Before the runs are looked at: a job that is over by then has ended them.
            live = self._live(step)
            left = [run for run in runs if not ended(run)]
            if not any(run in live for run in left):
                break
            time.sleep(LOOK_S)
        self._settle(step)
        if left:
            problem = next((call.problem for call in self._calls.values() if call.problem), None)
            raise problem or AblateError("its job ended without a word")

    def began(self, run: RunName, step: Step) -> bool:
        """Tell whether a job has begun with a run and not ended it, since this was asked last."""
        found = False
        for batch in self._batches(step):
            for place, group in enumerate(batch.groups):
                if run in group and batch.lease(place).exists():
                    batch.lease(place).unlink(missing_ok=True)
                    found = True
        return found

    def clear(self) -> None:
        """Forget batches of which nothing lives any more."""
        self._calls.clear()
        for batch in self._batches():
            if not self._places(batch):
                shutil.rmtree(batch.folder, ignore_errors=True)

    def _start(self, step: Step, groups: Sequence[Sequence[RunName]]) -> None:
        folder = self.folder / f"{self._prefix}{uuid.uuid4().hex[:8]}"
        batch = Batch(folder, step, tuple(tuple(group) for group in groups))
        batch.save()

        def work() -> None:
            try:
                self.call(batch)
            except Exception as error:
                call.problem = error

        call = _Call(threading.Thread(target=work, name=batch.name, daemon=True))
        self._calls[batch.name] = call
        call.thread.start()

    @property
    def _prefix(self) -> str:
        return f"ablate-{digest(str(self.study))[:8]}-"

    def _batches(self, step: Step | None = None) -> list[Batch]:
        """Batches of this study that are noted."""
        notes = sorted(self.folder.glob(f"{self._prefix}*/batch.json"))
        batches = [open_batch(note.parent) for note in notes]
        return [batch for batch in batches if step in (None, batch.step)]

    def _live(self, step: Step) -> dict[RunName, str]:
        """Runs that a job may still end, each with where that job is."""
        return {
            run: f"{batch.name}, {place}"
            for batch in self._batches(step)
            for place in self._places(batch)
            for run in batch.groups[place]
        }

    def _places(self, batch: Batch) -> Collection[int]:
        """Return which jobs of a batch live."""
        everywhere = set(range(len(batch.groups)))
        now = _now(batch.folder)
        leased = {place for place in everywhere if now - _touched(batch.lease(place)) < STALE_S}
        call = self._calls.get(batch.name)
        calling = call is not None and call.thread.is_alive()
        if self.queue is None:
            return everywhere if calling else leased
        standing = self.queue.standing(batch.name)
        if standing is None:
            return everywhere
        if call is not None:
            call.seen = call.seen or standing.known
            if calling and not call.seen:  # being handed in
                return everywhere
        return (standing.live | leased) & everywhere

    def _settle(self, step: Step) -> None:
        """Give jobs whose runs have ended the time to end, too, and see to it that none stays in the queue."""
        until = time.monotonic() + SETTLE_S
        while (
            left := [one for one in self._batches(step) if self._places(one)]
        ) and time.monotonic() < until:
            time.sleep(LOOK_S)
        if self.queue:
            for batch in left:
                self.queue.cancel(batch.name)


def _holders(runs: Sequence[RunName], live: dict[RunName, str]) -> str:
    names = sorted({live[run] for run in runs})
    return "; ".join(names[:3]) + ("; ..." if len(names) > 3 else "")


def _now(folder: Path) -> float:
    """Return the time by the clock that the file system stamps files with; nodes' own clocks may differ."""
    stamp = folder / f".now-{socket.gethostname()}-{os.getpid()}"
    try:
        stamp.touch()
        return stamp.stat().st_mtime
    except OSError:
        return time.time()


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
