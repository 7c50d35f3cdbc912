"""What a task that fails, dies or is done already does to the others, here, on Ray and on Slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ablate.errors import DataError
from ablate.executor.here import Here
from ablate.executor.task import Executor, Lost, Task
from ablate.store import discard, write_text
from tests.clusters import ray_cluster, slurm_cluster


@dataclass(frozen=True)
class Write:
    """Writes its number to a file of its own, or does what else it is told.

    Attributes:
        number: of the task.
        folder: of its file.
        instead: "" writes; "die" and "fail" do that.
    """

    number: int
    folder: Path
    instead: str = ""

    @property
    def outputs(self) -> tuple[Path, ...]:
        return (self.folder / str(self.number),)

    def do(self, *, expendable: bool) -> None:
        if self.instead == "die" and expendable:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.instead == "fail":
            raise DataError(f"task {self.number} cannot be done")
        write_text(self.outputs[0], f"{self.number} {expendable}", seal=True)


def tasks(folder: Path, instead: dict[int, str] | None = None, count: int = 9) -> list[Task]:
    return [Write(number, folder, (instead or {}).get(number, "")) for number in range(count)]


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("[!.]*")}


ALL = {str(number): f"{number} True" for number in range(9)}


def test_tasks_are_done_once(tmp_path: Path) -> None:
    here = Here(workers=2)
    try:
        here.run(tasks(tmp_path), "writing")
        before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*")}
        assert written(tmp_path) == ALL
        discard(tmp_path / "3")
        (tmp_path / "4").write_text("damaged")
        here.run(tasks(tmp_path), "writing")
    finally:
        here.close()
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*")}
    assert {path.name for path in before if before[path] != after[path]} == {"3", "4"}
    assert written(tmp_path) == ALL


def test_one_process_is_this_one_unless_tasks_are_to_be_apart(tmp_path: Path) -> None:
    here = Here(workers=1)
    try:
        here.run(tasks(tmp_path), "writing")
        assert set(written(tmp_path).values()) == {f"{number} False" for number in range(9)}
        with pytest.raises(Lost):
            here.run(tasks(tmp_path / "apart", {0: "die"}, count=1), "writing", apart=True)
    finally:
        here.close()


def check(asked: Executor, folder: Path, at_once: int) -> None:
    """Those that die are lost at the end and the others done; one that fails is raised as it is.

    Args:
        at_once: tasks that may be lost with one that dies.
    """
    try:
        with pytest.raises(Lost) as lost:
            asked.run(tasks(folder / "dying", {2: "die"}), "writing")
        numbers = {path.name for task in lost.value.tasks for path in task.outputs}
        assert "2" in numbers and len(numbers) <= at_once
        assert written(folder / "dying").keys() >= ALL.keys() - numbers
        with pytest.raises(DataError, match="task 5 cannot be done"):
            asked.run(tasks(folder / "failing", {5: "fail"}), "writing")
        asked.run(tasks(folder / "after"), "writing")
        assert written(folder / "after") == ALL
    finally:
        asked.close()


def test_one_that_dies_here(tmp_path: Path) -> None:
    check(Here(workers=2), tmp_path, 2)


WAITS = """
import os, sys, time
from pathlib import Path
from ablate.executor.here import Here
class Wait:
    outputs = (Path("never"),)
    def do(self, *, expendable):
        print(os.getpid(), flush=True)
        time.sleep(600)
if __name__ == "__main__":
    Here(workers=2).run([Wait(), Wait()], "waiting")
"""


def test_workers_end_with_a_command_that_nobody_has_waited_for(tmp_path: Path) -> None:
    """Who reads its output to the end, and waits for it then, would wait for ever."""
    (tmp_path / "waits.py").write_text(WAITS)
    with subprocess.Popen([sys.executable, "waits.py"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert len({int(process.stdout.readline()) for _ in range(2)}) == 2
        process.kill()
        assert process.stdout.read() == b""  # its end comes when the last one that could write is gone


@pytest.mark.slow
def test_one_that_dies_on_ray(tmp_path: Path) -> None:
    """In a process of its own, as Ray's threads and warnings stay with one that has asked it."""
    with ray_cluster() as cluster:
        in_a_process(tmp_path, f"Ray(address={cluster.address!r}, retries=1)", dict(os.environ), 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_that_dies_on_slurm(tmp_path: Path) -> None:
    (tmp_path / "slurm").mkdir()
    with slurm_cluster(tmp_path / "slurm") as cluster:
        jobs = tmp_path / "jobs"
        in_a_process(tmp_path, f"Slurm(folder={str(jobs)!r}, jobs=2)", cluster.environment, 1)
        assert list(jobs.iterdir()) == [], "only logs of what failed stay"
        assert cluster.ask("squeue", "-h", "-r", "-o", "%i") == []


def in_a_process(folder: Path, executor: str, environment: dict[str, str], at_once: int) -> None:
    code = (
        "from pathlib import Path\nfrom ablate.executor.ray import Ray\nfrom ablate.executor.slurm import Slurm\n"
        f"from tests.executor.test_executors import check\ncheck({executor}, Path({str(folder)!r}), {at_once})"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
