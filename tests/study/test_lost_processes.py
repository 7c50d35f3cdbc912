"""Processes that die, or whose parent does: what they did not finish is done, and nobody else's work is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.store import abandoned, lock
from ablate.study.rescue import Rescue

HERE = Path(__file__).parent
WORK = """
import os, signal, sys, time
from pathlib import Path
from ablate.store import lock
folder, name = Path(sys.argv[1]), sys.argv[2]
with lock(folder / f"{name}.lock", name, wait=True):
    with (folder / "begun").open("a") as file:
        file.write(name + "\\n")
    deaths = folder / f"{name}.deaths"
    if deaths.exists() and (left := int(deaths.read_text())):
        deaths.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{name}.done").touch()
"""


def in_processes(folder: Path, at_once: int) -> Callable[[list[str]], None]:
    """A launcher as they are: `at_once` side by side, and everything is given up when one dies."""

    def start(names: list[str]) -> None:
        for first in range(0, len(names), at_once):
            some = names[first : first + at_once]
            running = [subprocess.Popen([sys.executable, "-c", WORK, str(folder), name]) for name in some]
            if any([process.wait(120) for process in running]):
                raise RuntimeError("a process was lost")

    return start


def rescued(
    folder: Path, names: list[str], deaths: dict[str, int], at_once: int = 2
) -> tuple[list[str], list[str]]:
    """Do pieces of work whose processes die so many times; returns which were lost, and which began, in order."""
    for name, count in deaths.items():
        (folder / f"{name}.deaths").write_text(str(count))
    lost: list[str] = []
    Rescue[str](
        start=in_processes(folder, at_once),
        ended=lambda name: (folder / f"{name}.done").exists() or name in lost,
        suspected=lambda name: abandoned(folder / f"{name}.lock"),
        lost=lambda name, _: lost.append(name),
        say=lambda _: None,
    ).run(names)
    return lost, (folder / "begun").read_text().split() if (folder / "begun").exists() else []


def test_only_what_kills_its_process_is_lost(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    lost, begun = rescued(tmp_path, names, {"b": 9, "d": 1})
    assert lost == ["b"]
    assert sorted(path.stem for path in tmp_path.glob("*.done")) == ["a", "c", "d", "e"]
    assert begun.count("b") == begun.count("d") == 2, "whatever may be to blame has one more chance"
    assert begun.count("c") == begun.count("e") == 1


def test_every_process_dies(tmp_path: Path) -> None:
    lost, begun = rescued(tmp_path, ["a", "b", "c"], {"a": 9, "b": 9, "c": 9})
    assert sorted(lost) == ["a", "b", "c"] and len(begun) == 6


def test_work_that_cannot_begin_is_not_tried_for_ever(tmp_path: Path) -> None:
    lost: list[str] = []
    tries: list[list[str]] = []

    def start(names: list[str]) -> None:
        tries.append(names)
        raise OSError("no process can be started")

    Rescue[str](
        start=start,
        ended=lambda _: False,
        suspected=lambda name: abandoned(tmp_path / name),
        lost=lambda name, _: lost.append(name),
        say=lambda _: None,
    ).run(["a", "b"])
    assert lost == ["a", "b"] and tries == [["a", "b"]]


def test_nothing_is_tried_again_where_nothing_died(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("123 on elsewhere")  # of a process that was killed before
    lost, begun = rescued(tmp_path, ["a", "b", "c"], {})
    assert lost == [] and sorted(begun) == ["a", "b", "c"]


def test_a_lock_says_whether_its_holder_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not abandoned(path), "there never was one"
    with lock(path, "this"):
        assert path.read_text().split(" on ")[0] == str(os.getpid())
        assert not abandoned(path), "it is held"
    assert not abandoned(path), "it was given back"
    killed = f"import os; from pathlib import Path; from ablate.store import lock\nwith lock(Path({str(path)!r}), 'x'): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -signal.SIGKILL
    assert abandoned(path)
    assert not abandoned(path), "it is said once"


def test_a_worker_ends_with_the_process_it_works_for(tmp_path: Path) -> None:
    worker = "import os, sys, time; from ablate.lifeline import end_with; end_with(int(sys.argv[1])); print(flush=True); time.sleep(3600)"
    parent = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {worker!r}, str(os.getpid())], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    gone(child)


def gone(number: int) -> None:
    """Wait until a process has ended."""
    while True:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.05)


# Whole sweeps -------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(tmp_path: Path, tiny: tuple[str, ...]) -> Callable[..., subprocess.Popen[str]]:
    """Starts a small sweep by joblib, two processes, whose tracker is `watching.Watching`."""
    conf = tmp_path / "conf" / "tracker"
    conf.mkdir(parents=True)
    (conf / "watching.yaml").write_text("_target_: watching.Watching\n")
    python_path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "WATCHED": str(tmp_path), "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1"}
    few = [*tiny, "design.factors=[language,minhash_dedup,fineweb_quality]", "seeds=[0]", "train.threads=1"]
    command = [
        sys.executable,
        "-m",
        "ablate",
        "sweep",
        "--config-dir",
        str(tmp_path / "conf"),
        *few,
        "tracker=watching",
    ]

    def start(*more: str, launcher: str = "joblib") -> subprocess.Popen[str]:
        how = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
        return subprocess.Popen(
            [*command, *how, *more],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


def arms(folder: Path, name: str) -> dict[str, dict[str, object]]:
    """What runs of a study left under a name, by arm."""
    return {
        path.parent.parent.name: json.loads(path.read_text())
        for path in folder.glob(f"studies/demo/runs/*/*/{name}")
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_worker_that_dies_costs_its_run_at_most(
    tmp_path: Path, watched: Callable[..., subprocess.Popen[str]]
) -> None:
    (tmp_path / "without_language.dies").touch()
    process = watched()
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert "Traceback" not in out + err and "report: " in out
    assert set(arms(tmp_path, "record.json")) == {"full", "without_minhash_dedup", "without_fineweb_quality"}
    (failed,) = arms(tmp_path, "failed.json").values()
    assert (
        "its process died" in str(failed["error"])
        and "FAILED without_language, seed 0: its process died" in err
    )
    (tmp_path / "without_language.dies").unlink()
    process = watched()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert len(arms(tmp_path, "record.json")) == 4 and not arms(tmp_path, "failed.json")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_sweep(
    tmp_path: Path, watched: Callable[..., subprocess.Popen[str]], end: signal.Signals
) -> None:
    waits = [tmp_path / f"{arm}.waits" for arm in ("full", "without_language")]
    for path in waits:
        path.touch()
    process = watched()
    began = [path.with_suffix(".began") for path in waits]
    while not all(path.exists() and path.read_text() for path in began):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(process.pid, end)
    if end == signal.SIGTERM:  # it waits for them to save; asked again, it goes
        assert process.stderr is not None
        while "saving, then stopping" not in process.stderr.readline():
            assert process.poll() is None
        os.kill(process.pid, end)
    process.communicate()
    for path in began:
        gone(int(path.read_text()))
    for path in waits:
        path.unlink()
    process = watched()
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert len(arms(tmp_path, "record.json")) == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1], ids=lambda one: one.name)
def test_a_signal_is_answered_by_a_checkpoint(
    tmp_path: Path, watched: Callable[..., subprocess.Popen[str]], number: signal.Signals, launcher: str
) -> None:
    """Training that would save once an hour saves when it is asked to stop, and goes on from there."""
    long = [
        "train.tokens=20000000",
        "train.checkpoint_s=3600",
        "design.factors=[language]",
        "train.evaluations=[1.0]",
    ]
    process = watched(*long, launcher=launcher)
    logs = tmp_path / "studies/demo/runs"
    while not [path for path in logs.glob("*/*/log.txt") if path.stat().st_size]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else 130), out + err
    assert f"{number.name}: saving, then stopping" in err and "Traceback" not in err
    assert list(tmp_path.glob("store/runs/*/checkpoint.pt"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_sweeps_with_runs_in_common_share_them(
    tmp_path: Path, watched: Callable[..., subprocess.Popen[str]]
) -> None:
    """The second one waits for what the first one trains, and takes it."""
    waits = tmp_path / "full.waits"
    waits.touch()
    first = watched(launcher="basic")
    while not (tmp_path / "full.began").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    second = watched("study.name=other", launcher="basic")
    assert second.stderr is not None
    for line in second.stderr:
        if "waiting for process" in line and "full, seed 0" in line:
            break
    waits.unlink()
    for process in (second, first):
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    began = [len(path.read_text().split()) for path in tmp_path.glob("*.began")]
    assert began and set(began) == {1}, "no run is trained twice"
    reports = [(tmp_path / "studies" / name / "effects.csv").read_bytes() for name in ("demo", "other")]
    assert reports[0] == reports[1]
