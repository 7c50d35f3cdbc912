"""Sweeps whose jobs run elsewhere: runs are waited for, whatever becomes of jobs, launcher and submitter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from ablate.errors import AblateError
from ablate.executor.slurm_queue import Standing
from ablate.study import detached
from ablate.study.detached import Batch, DetachedJobs, Step, leased

Run = tuple[str, int]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here takes long, so it is looked at often."""
    monkeypatch.setattr(detached, "LOOK_S", 0.01)
    monkeypatch.setattr(detached, "SETTLE_S", 0.05)


class Jobs:
    """A launcher and what becomes of its jobs: each marks its runs as done, unless it is told otherwise.

    Attributes:
        given: the groups of each call.
        done: runs that ended.
        fails: what a call does in place of its work, first come first served; None works.
    """

    def __init__(self, folder: Path, queue: detached.Queue | None = None) -> None:
        self.given: list[list[list[Run]]] = []
        self.done: set[Run] = set()
        self.fails: list[Callable[[Batch], None] | None] = []
        self.said: list[str] = []
        self.jobs = DetachedJobs(folder, folder / "study", self.call, queue, self.said.append)

    def call(self, batch: Batch) -> None:
        self.given.append([list(group) for group in batch.groups])
        instead = self.fails.pop(0) if self.fails else None
        if instead:
            instead(batch)
        else:
            self.work(batch, range(len(batch.groups)))

    def work(self, batch: Batch, places: Sequence[int]) -> None:
        for place in places:
            with leased(batch.lease(place)):
                self.done.update(batch.groups[place])

    def run(self, *runs: Run) -> None:
        self.jobs.run(runs, Step.RUNS, lambda some: [[one] for one in some], self.done.__contains__)


A, B, C = ("a", 0), ("b", 0), ("c", 1)


def test_jobs_that_nobody_disturbs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    jobs.run(A, B)
    assert jobs.given == [[[A], [B]]] and jobs.said == []
    jobs.run(A, B)
    assert len(jobs.given) == 1
    jobs.jobs.clear()
    assert not list(tmp_path.glob("ablate-*")), "nothing of it stays"


def test_runs_that_no_job_can_end_any_more_are_said(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    jobs.fails = [lambda batch: jobs.work(batch, [0])]
    with pytest.raises(AblateError, match="ended without a word"):
        jobs.run(A, B)
    assert jobs.done == {A} and not jobs.jobs.began(B, Step.RUNS)
    jobs.run(A, B)
    assert jobs.done == {A, B} and jobs.given == [[[A], [B]], [[B]]], "what has ended is not begun again"


def test_what_a_launcher_raises_is_passed_on_only_where_runs_are_missing(tmp_path: Path) -> None:
    def ends_badly(batch: Batch) -> None:
        jobs.work(batch, range(len(batch.groups)))
        raise RuntimeError("the first result says NODE_FAIL")

    jobs = Jobs(tmp_path)
    jobs.fails = [ends_badly]
    jobs.run(A, B)
    jobs.fails = [lambda batch: (_ for _ in ()).throw(OSError("no sbatch"))]
    with pytest.raises(OSError, match="no sbatch"):
        jobs.run(C)


def test_a_job_that_died_is_told_from_one_that_never_began(tmp_path: Path) -> None:
    def dies(batch: Batch) -> None:
        batch.lease(0).touch()
        os.utime(batch.lease(0), (1, 1))

    jobs = Jobs(tmp_path)
    jobs.fails = [dies]
    with pytest.raises(AblateError):
        jobs.run(A, B)
    assert jobs.jobs.began(A, Step.RUNS) and not jobs.jobs.began(B, Step.RUNS)


def test_jobs_of_an_earlier_command_are_waited_for(tmp_path: Path) -> None:
    """The submitter was killed, its job works on: the next one starts only what no job has."""
    before = Jobs(tmp_path)
    folder = tmp_path / f"{before.jobs._prefix}earlier"
    batch = Batch(folder, Step.RUNS, ((A,), (B,)))
    batch.save()
    after = Jobs(tmp_path)
    with ExitStack() as job:
        job.enter_context(leased(batch.lease(0)))

        def ends(other: Batch) -> None:
            after.work(other, [0, 1])
            after.done.add(A)
            job.close()

        after.fails = [ends]
        after.run(A, B, C)
    assert after.given == [[[B], [C]]]
    assert "1 of 3 runs are in jobs that were started before" in after.said[0]


def test_a_lease_that_nobody_touches_holds_nothing_up(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    batch = Batch(tmp_path / f"{jobs.jobs._prefix}earlier", Step.RUNS, ((A,),))
    batch.save()
    batch.lease(0).touch()
    os.utime(batch.lease(0), (1, 1))
    jobs.run(A)
    assert jobs.given == [[[A]]]


def test_steps_have_jobs_of_their_own(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    batch = Batch(tmp_path / f"{jobs.jobs._prefix}earlier", Step.TRUNKS, ((A,),))
    batch.save()
    with leased(batch.lease(0)):
        jobs.run(A)
    assert jobs.given == [[[A]]]


class Listed:
    """A queue: names and places of jobs that stand in it."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.jobs: dict[str, set[int]] = {}
        self.silent = 0
        self.cancelled: list[str] = []

    def standing(self, name: str) -> Standing | None:
        if self.silent:
            self.silent -= 1
            return None
        return Standing(live=frozenset(self.jobs.get(name, ())), known=name in self.jobs)

    def cancel(self, name: str) -> None:
        self.cancelled.append(name)
        self.jobs.pop(name, None)


def test_arrays_are_no_longer_than_the_scheduler_takes(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, Listed(most=1001))
    runs = [("arm", seed) for seed in range(1500)]
    jobs.run(*runs)
    assert sorted(len(groups) for groups in jobs.given) == [499, 1001]
    assert sorted(run for groups in jobs.given for (run,) in groups) == runs


def test_a_job_that_the_scheduler_starts_again_is_waited_for(tmp_path: Path) -> None:
    """Its node died: the launcher says so and raises, the queue has the job."""
    queue = Listed()
    jobs = Jobs(tmp_path, queue)

    def node_fails(batch: Batch) -> None:
        queue.jobs[batch.name] = {0}

        def later() -> None:
            jobs.work(batch, [0])
            queue.jobs[batch.name] = set()

        threading.Thread(target=later).start()
        raise RuntimeError("NODE_FAIL")

    jobs.fails = [node_fails]
    jobs.run(A)
    assert jobs.given == [[[A]]], "and not handed in once more"


def test_a_scheduler_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    queue = Listed()
    jobs = Jobs(tmp_path, queue)
    batch = Batch(tmp_path / f"{jobs.jobs._prefix}earlier", Step.RUNS, ((A,),))
    batch.save()
    queue.silent = 3
    with pytest.raises(AblateError):  # in the end the queue says that it has no such job
        jobs.run(A)
    assert jobs.given == [] and queue.silent == 0


def test_no_job_stays_in_the_queue(tmp_path: Path) -> None:
    """Slurm starts a job again whose run was done when its node died."""
    queue = Listed()
    jobs = Jobs(tmp_path, queue)

    def requeued(batch: Batch) -> None:
        jobs.work(batch, [0])
        queue.jobs[batch.name] = {0}

    jobs.fails = [requeued]
    jobs.run(A)
    assert len(queue.cancelled) == 1 and not queue.jobs


# Whole sweeps -------------------------------------------------------------------------------------------------


class Faulty(Launcher):
    """A launcher of Hydra's that does its jobs in this process and is as bad as it is told.

    Attributes:
        faults: what goes wrong in each call, first come first served.
        jobs: how many jobs each call was given.
    """

    faults: ClassVar[list[str]] = []
    jobs: ClassVar[list[int]] = []

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        self.jobs.append(len(job_overrides))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "raises":
            raise ConnectionError("the cluster is not there")
        for place, overrides in enumerate(job_overrides):
            if fault in ("loses the first", "fails the first") and place == 0:
                continue
            self.task(self.context.config_loader.load_sweep_config(self.config, list(overrides)))
            if fault == "raises after the first":
                raise ConnectionError("the cluster is gone")
        if fault == "fails the first":
            bad = JobReturn(status=JobStatus.FAILED)
            bad.return_value = MemoryError("killed")
            return [bad, *[JobReturn(status=JobStatus.COMPLETED)] * (len(job_overrides) - 1)]
        return [JobReturn(status=JobStatus.COMPLETED)] * len(job_overrides)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> type[Faulty]:
    """The launcher `faulty`, in good health."""
    monkeypatch.setattr(Faulty, "__module__", "hydra_plugins.faulty")  # where Hydra's plugins have to stand
    module = ModuleType("hydra_plugins.faulty")
    module.Faulty = Faulty  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hydra_plugins.faulty", module)
    Plugins.instance().register(Faulty)
    ConfigStore.instance().store(
        group="hydra/launcher", name="faulty", node={"_target_": "hydra_plugins.faulty.Faulty"}
    )
    monkeypatch.setattr(Faulty, "faults", [])
    monkeypatch.setattr(Faulty, "jobs", [])
    return Faulty


FEW = ("design.factors=[language]", "seeds=[0]", "train.threads=1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> bytes:
    """The report of the same sweep in one process."""
    from ablate.cli import main

    before, folder = os.getcwd(), tmp_path_factory.mktemp("undisturbed")
    os.chdir(folder)
    try:
        assert main(["sweep", *tiny, *FEW, "hydra/launcher=basic"]) == 0
    finally:
        os.chdir(before)
    return (folder / "studies/demo/REPORT.md").read_bytes()


@pytest.mark.parametrize(
    "fault, calls",
    [
        ("", [1, 2]),
        ("raises after the first", [1, 2, 1]),
        ("loses the first", [1, 2, 1]),
        ("fails the first", [1, 2, 1]),
    ],
)
def test_a_sweep_ends_in_the_same_report(
    here: Path,
    ablate: Callable[..., int],
    tiny: tuple[str, ...],
    undisturbed: bytes,
    faulty: type[Faulty],
    fault: str,
    calls: list[int],
) -> None:
    faulty.faults = ["", fault]  # the first call builds the corpora
    assert ablate("sweep", *tiny, *FEW, "hydra/launcher=faulty") == 0
    assert faulty.jobs == calls
    assert (here / "studies/demo/REPORT.md").read_bytes() == undisturbed
    assert [path.suffix for path in (here / "store/jobs").iterdir()] == [".done"]


def test_a_launcher_that_never_works_is_quoted(
    here: Path,
    ablate: Callable[..., int],
    tiny: tuple[str, ...],
    undisturbed: bytes,
    faulty: type[Faulty],
    capsys: pytest.CaptureFixture[str],
) -> None:
    faulty.faults = ["", "raises", "raises"]
    assert ablate("sweep", *tiny, *FEW, "hydra/launcher=faulty") == 1
    said = capsys.readouterr().err
    assert "FAILED full, seed 0" in said and "the cluster is not there" in said and "Traceback" not in said
    assert faulty.jobs == [1, 2]
    assert ablate("sweep", *tiny, *FEW, "hydra/launcher=faulty") == 1  # it is as bad as before
    faulty.faults = []
    assert ablate("sweep", *tiny, *FEW, "hydra/launcher=faulty") == 0
    assert (here / "studies/demo/REPORT.md").read_bytes() == undisturbed


def test_corpora_that_no_job_can_build_are_not_built_by_the_submitter(
    here: Path,
    ablate: Callable[..., int],
    tiny: tuple[str, ...],
    faulty: type[Faulty],
    capsys: pytest.CaptureFixture[str],
) -> None:
    faulty.faults = ["raises"]
    assert ablate("sweep", *tiny, *FEW, "hydra/launcher=faulty") == 2
    assert "the cluster is not there" in capsys.readouterr().err
    assert not list(here.glob("store/corpora/*"))


def test_a_time_limit_is_handed_on_once_the_work_is_saved() -> None:
    """A scheduler's library has an answer to SIGUSR2 (requeue); training saves before it is given."""
    code = """
import os, signal, sys
from ablate.stopping import handing_on, held
def requeue(number, frame):
    print("requeued", flush=True)
    sys.exit(7)
signal.signal(signal.SIGUSR2, requeue)
with handing_on():
    with held() as work:
        os.kill(os.getpid(), signal.SIGUSR2)
        while work.asked is None:
            pass
        print("saved", flush=True)
    print("not stopped", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout.split(), done.returncode) == (["saved", "requeued"], 7), done.stderr
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["hydra.launcher.x=1"], "hydra.launcher.x: BasicLauncher has no setting 'x'"),
        (["hydra/launcher=joblib", "hydra.launcher.n_job=2"], "did you mean 'n_jobs'?"),
        (["hydra.launcher.partiton=gpu", "hydra/launcher=submitit_slurm"], "did you mean 'partition'?"),
        (["hydra/lancher=joblib"], "hydra/lancher: no such group: did you mean 'hydra/launcher'?"),
    ],
)
def test_a_slip_in_a_launchers_settings_is_named(
    ablate: Callable[..., int], capsys: pytest.CaptureFixture[str], overrides: list[str], said: str
) -> None:
    assert ablate("sweep", "study=demo", *overrides) == 2
    assert said in capsys.readouterr().err
