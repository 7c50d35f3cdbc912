"""Tasks done by jobs of a Slurm cluster: an array of a few jobs, each with its share of the tasks.

Outputs are waited for, whatever is said of jobs. A node that dies has its jobs begun again by Slurm, and a time limit by
submitit; they go on behind what is there. Jobs of a command that was killed are ended by the next one, which begins what
they were at anew.
"""

from __future__ import annotations

import os
import pickle
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablate.errors import AblateError
from ablate.executor.here import Here
from ablate.executor.slurm_queue import SlurmQueue
from ablate.executor.task import Lost, Task, done
from ablate.progress import track
from ablate.store import LONG_AGO_S, atomic, read_json, write_json

LOOK_S = 2.0
"""How often outputs are looked for."""
PREFIX, NOTE = "ablate-tasks-", "batch.json"
"""How an array and its folder are called, and what stands in it: the folders that its tasks write to."""


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Arrays through submitit.

    Attributes:
        folder: where arrays are noted and their logs are; all nodes see it.
        jobs: of an array, at most.
        cpus_per_job: processes of a job.
        memory_gb: of a job; null: what the cluster gives.
        timeout_min: of a job, which goes on in the next one.
        partition: null: the cluster's default.
        sbatch: further options, by the names that sbatch has for them, e.g. {account: mine}.
    """

    folder: str
    jobs: int = 16
    cpus_per_job: int = 1
    memory_gb: float | None = None
    timeout_min: int = 240
    partition: str | None = None
    sbatch: dict[str, Any] = field(default_factory=dict)

    def run(self, tasks: Sequence[Task], what: str, *, apart: bool = False) -> None:
        """As `Executor.run`; always apart.

        Raises:
            AblateError: when jobs end without a word and without an output; names their logs.
        """
        queue, lost = SlurmQueue(), list[Task]()
        self._end_earlier(queue, tasks)
        left = [task for task in tasks if not done(task)]
        while left:
            before = len(left)
            batch = self._hand_in(left, queue)
            try:
                for _ in track(_finished(batch, queue, left), what, total=before, unit="task"):
                    pass
                said = _said(batch)
            finally:
                queue.cancel(batch.name)
            if problem := next((one for one in said if not isinstance(one, Lost)), None):
                shutil.rmtree(batch, ignore_errors=True)
                raise problem
            outputs = {
                path for one in said if isinstance(one, Lost) for task in one.tasks for path in task.outputs
            }
            lost += [task for task in left if outputs & set(task.outputs)]
            left = [task for task in left if not done(task) and task not in lost]
            if left and len(left) == before:
                raise AblateError(
                    f"{what}: Slurm's jobs end without a word, {len(left)} tasks are not done; their logs are in {batch}"
                )
            shutil.rmtree(batch, ignore_errors=True)
        if lost:
            raise Lost(lost)

    def close(self) -> None:
        """Jobs end with their share."""

    def _end_earlier(self, queue: SlurmQueue, tasks: Sequence[Task]) -> None:
        """End the jobs of commands that were killed, where they write what is to be made now; forget arrays long over."""
        folders = {str(path.parent) for task in tasks for path in task.outputs}
        for note in Path(self.folder).glob(f"*/{NOTE}"):
            name = note.parent.name
            if not name.startswith(PREFIX):
                continue
            if folders & set(read_json(note)["folders"]):
                queue.cancel(name)
                while _lives(queue, name):
                    time.sleep(LOOK_S)
            elif time.time() - note.stat().st_mtime < LONG_AGO_S or _lives(queue, name):
                continue
            shutil.rmtree(note.parent, ignore_errors=True)

    def _hand_in(self, tasks: Sequence[Task], queue: SlurmQueue) -> Path:
        """Start an array; returns its folder, whose name is that of its jobs."""
        import submitit

        batch = Path(self.folder).absolute() / f"{PREFIX}{uuid.uuid4().hex[:8]}"
        folders = sorted({str(path.parent) for task in tasks for path in task.outputs})
        write_json(batch / NOTE, {"folders": folders})
        count = min(self.jobs, queue.most, len(tasks))
        executor = submitit.SlurmExecutor(folder=batch)
        given: dict[str, Any] = {"mem": None if self.memory_gb is None else f"{self.memory_gb * 1024:.0f}M"}
        given |= {"partition": self.partition, "additional_parameters": self.sbatch}
        executor.update_parameters(
            job_name=batch.name,
            array_parallelism=count,
            cpus_per_task=self.cpus_per_job,
            time=self.timeout_min,
            **{name: value for name, value in given.items() if value},
        )
        with executor.batch():
            for place in range(count):
                share = tuple(tasks[place::count])
                executor.submit(_Share(Path.cwd(), batch, place, share, self.cpus_per_job))
        return batch


@dataclass(frozen=True)
class _Share:
    """What one job does.

    Attributes:
        folder: in which the command runs.
        batch: folder of its array.
        place: in it.
        tasks: in order.
        workers: processes.
    """

    folder: Path
    batch: Path
    place: int
    tasks: tuple[Task, ...]
    workers: int

    def __call__(self) -> None:
        """Do the share; what goes wrong is left as a note, since Slurm knows nothing of it."""
        os.chdir(self.folder)
        here = Here(workers=self.workers)
        try:
            here.run(self.tasks, "share", apart=True)
        except Exception as error:
            with atomic(self.batch / f"{self.place}.problem") as part:
                part.write_bytes(_pickled(error))
        finally:
            here.close()

    def checkpoint(self) -> Any:
        """Go on in another job, as submitit asks before a time limit."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def _lives(queue: SlurmQueue, name: str) -> bool:
    """Whether an array has jobs that run or will, as far as Slurm says."""
    standing = queue.standing(name)
    return standing is None or bool(standing.live)


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:
        return pickle.dumps(AblateError(f"{type(error).__name__}: {error}"))


def _said(batch: Path) -> list[Exception]:
    return [pickle.loads(path.read_bytes()) for path in sorted(batch.glob("*.problem"))]


def _finished(batch: Path, queue: SlurmQueue, tasks: Sequence[Task]) -> Iterator[Task]:
    """Give each task once it is done, until all are, or no job is left, or one has failed."""
    left, gone = list(tasks), False
    while left:
        standing = queue.standing(batch.name)
        over = standing is not None and not standing.live
        finished = [task for task in left if done(task)]
        yield from finished
        left = [task for task in left if task not in finished]
        if (over and gone) or any(not isinstance(one, Lost) for one in _said(batch)):
            return
        gone = over  # file systems of several nodes show a new file late: one more look
        time.sleep(LOOK_S if left else 0)
