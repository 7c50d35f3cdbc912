"""Sweeps on a real Slurm of two nodes, both on this machine: a node, the submitter and a time limit end jobs in the middle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clusters import Cluster, slurm_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, cluster: Cluster, tiny: tuple[str, ...]) -> Start:
    """Starts the sweep of twelve runs, nine of them distinct, on the cluster."""
    command = [sys.executable, "-m", "ablate", "sweep", *tiny, "seeds=[0,1,2]", "train.threads=1"]
    slurm = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1")

    def begin(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *slurm, *more],
            cwd=tmp_path,
            env=cluster.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return begin


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, ...]) -> dict[str, bytes]:
    """What the same sweep leaves in one process on this machine."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "ablate", "sweep", *tiny, "seeds=[0,1,2]", "train.threads=1"]
    subprocess.run([*command, "hydra/launcher=basic"], cwd=folder, check=True, capture_output=True)
    return report(folder)


def report(folder: Path) -> dict[str, bytes]:
    """Return the files of the demo's report."""
    return {
        name: (folder / "studies/demo" / name).read_bytes()
        for name in ("REPORT.md", "effects.csv", "scores.csv")
    }


def await_records(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many runs are done."""
    while len(list(folder.glob("studies/demo/runs/*/*/record.json"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)


def ended(process: subprocess.Popen[str], cluster: Cluster) -> str:
    """Wait for a sweep that ends well and leaves no job; returns what it said."""
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert "Traceback" not in out + err
    assert cluster.ask("squeue", "-h", "-r", "-o", "%i") == []
    return out


def test_a_node_dies(tmp_path: Path, cluster: Cluster, start: Start, undisturbed: dict[str, bytes]) -> None:
    process = start()
    await_records(tmp_path, 2, process)
    cluster.kill("n1")
    try:
        ended(process, cluster)
    finally:
        cluster.start("n1")
    assert report(tmp_path) == undisturbed


def test_the_submitter_is_killed(
    tmp_path: Path, cluster: Cluster, start: Start, undisturbed: dict[str, bytes]
) -> None:
    """The same command, while jobs still wait, waits for them and hands nothing in again."""
    process = start()
    await_records(tmp_path, 1, process)
    cluster.ask("scontrol", "update", "partition=main", "state=down")  # what is in the queue stays there
    process.kill()
    process.communicate()
    before = set(cluster.ask("squeue", "-h", "--states=all", "-o", "%F"))
    process = start()
    assert process.stdout is not None
    for line in process.stdout:
        if "in jobs that were started before" in line:
            break
    cluster.ask("scontrol", "update", "partition=main", "state=up")
    ended(process, cluster)
    assert set(cluster.ask("squeue", "-h", "--states=all", "-o", "%F")) <= before
    assert report(tmp_path) == undisturbed


def test_a_time_limit_is_near(
    tmp_path: Path, cluster: Cluster, start: Start, undisturbed: dict[str, bytes]
) -> None:
    """Slurm tells the jobs that run, as it does `signal_delay_s` before their time is up: they go on later, where they were."""
    process = start()
    await_records(tmp_path, 1, process)
    told = cluster.ask("squeue", "-h", "-r", "-t", "R", "-o", "%i")
    for job in told:
        subprocess.run(["scancel", "--signal=USR2", job], env=cluster.environment, capture_output=True)
    ended(process, cluster)
    assert report(tmp_path) == undisturbed
    logs = "".join(path.read_text() for path in tmp_path.glob("store/jobs/.submitit/*/*.err"))
    logs += "".join(path.read_text() for path in tmp_path.glob("store/jobs/.submitit/*/*.out"))
    assert "Requeued job" in logs or not told
