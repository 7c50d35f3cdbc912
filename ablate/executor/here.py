"""Tasks done by processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

from ablate.executor.task import Lost, Task, do
from ablate.lifeline import end_with
from ablate.progress import track


@dataclass(kw_only=True)
class Here:
    """A pool of processes.

    With one there is no other process, and nothing is watched, unless a task is to be done apart. When a process dies the
    pool is gone, and what its processes were at: as many tasks as there are processes.

    Attributes:
        workers: processes; null for one per core.
    """

    workers: int | None = None
    _pool: ProcessPoolExecutor | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def processes(self) -> int:
        """How many work at once."""
        return self.workers or os.cpu_count() or 1

    def run(self, tasks: Sequence[Task], what: str, *, apart: bool = False) -> None:
        """As `Executor.run`."""
        if not apart and (self.processes == 1 or len(tasks) <= 1):
            for task in track(tasks, what, unit="task"):
                do(task, expendable=False)
            return
        left, lost = list(tasks), list[Task]()
        while left := self._in_pool(left, what):
            # A process died. Work begins in its order, so what it was at is among the first.
            lost += left[: self.processes]
            left = left[self.processes :]
        if lost:
            raise Lost(lost)

    def close(self) -> None:
        """Stop the processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _in_pool(self, tasks: Sequence[Task], what: str) -> list[Task]:
        """Do tasks by all processes; when one of them dies, what is left, in order."""
        if self._pool is None:
            # A fresh server process forks the workers: safe beside the threads of torch and Arrow.
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=get_context("forkserver"),
                initializer=end_with,
                initargs=(os.getpid(),),
            )
        running: list[Future[None]] = []
        try:
            for task in tasks:
                running.append(self._pool.submit(do, task))
            for one in track(as_completed(running), what, total=len(running), unit="task"):
                one.result()
        except BrokenProcessPool:
            self.close()
        finally:
            for future in running:
                future.cancel()
        finished = {n for n, one in enumerate(running) if not one.cancelled() and not one.exception()}
        return [task for n, task in enumerate(tasks) if n not in finished]
