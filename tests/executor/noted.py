"""Executors whose tasks note when they begin, and are done in another order."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.executor.task import Executor, Lost, Task


@dataclass(frozen=True, eq=False)
class Noted:
    """A task that adds a line to a file when it begins, and then waits.

    Attributes:
        task: what it does.
        notes: the file.
        wait_s: seconds.
    """

    task: Task
    notes: Path
    wait_s: float = 0.0

    @property
    def outputs(self) -> Sequence[Path]:
        return self.task.outputs

    def do(self, *, expendable: bool) -> None:
        with self.notes.open("a") as file:
            file.write(f"{self.outputs[0]} {os.getpid()}\n")
        time.sleep(self.wait_s)
        self.task.do(expendable=expendable)


@dataclass(frozen=True)
class NotedExecutor:
    """An executor that notes each task that it begins.

    Attributes:
        of: does them.
        notes: file with a line for each task that began.
        seed: None: in their order; else in an order that is drawn, after waits that are drawn.
        wait_s: the longest wait.
    """

    of: Executor
    notes: Path
    seed: int | None = None
    wait_s: float = 0.02

    def run(self, tasks: Sequence[Task], what: str, *, apart: bool = False) -> None:
        rng = random.Random(self.seed)
        order = list(tasks) if self.seed is None else rng.sample(list(tasks), len(tasks))
        waits = [0.0 if self.seed is None else rng.uniform(0, self.wait_s) for _ in order]
        noted = [Noted(task, self.notes.absolute(), wait) for task, wait in zip(order, waits, strict=True)]
        try:
            self.of.run(noted, what, apart=apart)
        except Lost as lost:
            raise Lost([one.task for one in lost.tasks if isinstance(one, Noted)]) from None

    def close(self) -> None:
        self.of.close()


def begun(notes: Path) -> Counter[str]:
    """How often each task began, by the first file that it makes."""
    return Counter(line.split(" ")[0] for line in notes.read_text().splitlines())
