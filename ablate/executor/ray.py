"""Tasks done by a Ray cluster, which places them, and begins those of a node that died again on another one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.executor.task import Lost, Task, do, done
from ablate.progress import track

AT_ONCE, LOOK_S = 64, 1.0
"""How many tasks are taken note of together, and after how many seconds fewer."""


@dataclass(kw_only=True)
class Ray:
    """Ray Core tasks; nothing travels but the tasks, as what they make is files that all nodes see.

    They end with the command that started them.

    Attributes:
        address: of the cluster; null: RAY_ADDRESS, else a cluster of this machine that ends with the command.
        cpus_per_task: that Ray sets aside.
        memory_gb: that Ray sets aside for a task; null: none.
        retries: how often a task is begun again whose process or node died.
    """

    address: str | None = None
    cpus_per_task: float = 1.0
    memory_gb: float | None = None
    retries: int = 3
    _joined: bool = field(default=False, init=False, repr=False, compare=False)

    def run(self, tasks: Sequence[Task], what: str, *, apart: bool = False) -> None:
        """As `Executor.run`; always apart."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        if not ray.is_initialized():
            ray.init(address=self.address)
            self._joined = True
        options: dict[str, Any] = {"num_cpus": self.cpus_per_task, "max_retries": self.retries}
        if self.memory_gb is not None:
            options["memory"] = int(self.memory_gb * 1e9)
        remote = ray.remote(_do).options(**options)
        running = {remote.remote(os.getcwd(), task): task for task in tasks}
        lost: list[Task] = []

        def ended() -> Iterator[tuple[Any, Task]]:
            while running:
                some, _ = ray.wait(list(running), num_returns=min(len(running), AT_ONCE), timeout=LOOK_S)
                yield from [(one, running.pop(one)) for one in some]

        try:
            for one, task in track(ended(), what, total=len(tasks), unit="task"):
                try:
                    ray.get(one)
                except RayTaskError as error:
                    raise (error.cause or error) from None
                except RayError:  # its process or node died, whatever Ray calls that
                    lost.append(task)
                else:
                    lost += [] if done(task) else [task]
        finally:
            for one in running:
                ray.cancel(one, force=True)
        if lost:
            raise Lost(lost)

    def close(self) -> None:
        """Leave the cluster, if it was joined here."""
        if self._joined:
            import ray

            ray.shutdown()
            self._joined = False


def _do(folder: str, task: Task) -> None:
    """Do a task where its names are those of the command."""
    os.chdir(folder)
    do(task)
