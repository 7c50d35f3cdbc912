"""Tasks, and who does them: pieces of work that exchange whole files under names fixed beforehand.

An engine schedules, retries and survives nodes; what is ours is the names. A task is the same whoever does it and however
often, so a process that is killed costs the task it was at, and the next command finds what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ablate.errors import AblateError
from ablate.store import whole


class Task(Protocol):
    """A piece of work that reads files and makes others; pickled, it holds names and small values.

    Files are named as seen from the folder in which the command runs.
    """

    @property
    def outputs(self) -> Sequence[Path]:
        """The sealed files that it makes; the same for every task that is equal."""
        ...

    def do(self, *, expendable: bool) -> None:
        """Make the outputs.

        Args:
            expendable: whether the process may end in it, as another one watches.
        """
        ...


Some = TypeVar("Some", bound=Task)


def done(task: Task) -> bool:
    """Whether what a task makes is there, whole."""
    return all(path.exists() and whole(path) for path in task.outputs)


def do(task: Task, *, expendable: bool = True) -> None:
    """Do a task unless its outputs are there."""
    if not done(task):
        task.do(expendable=expendable)


class Lost(AblateError):
    """Processes ended in some tasks; all others are done.

    Attributes:
        tasks: that were under way, and are not done.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        names = ", ".join(str(path) for task in tasks[:3] for path in task.outputs[:1])
        super().__init__(f"processes ended in {len(tasks)} tasks, which are not done ({names}, ...)")
        self.tasks = tuple(tasks)

    def __reduce__(self) -> tuple[type[Lost], tuple[Sequence[Task]]]:
        return Lost, (self.tasks,)


class Executor(Protocol):
    """Does tasks, wherever; keeps no state of them but their outputs."""

    def run(self, tasks: Sequence[Task], what: str, *, apart: bool = False) -> None:
        """Return once every task's outputs are there.

        Args:
            tasks: none of which reads what another one makes.
            what: named while they are done.
            apart: never in this process, since they may end it.
        Raises:
            Lost: at the end, when processes ended in tasks.
            Exception: the first that a task raises; tasks that are not begun are then left.
        """
        ...

    def close(self) -> None:
        """Stop what waits for more tasks; the next call starts it again."""
        ...
