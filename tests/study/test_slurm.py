"""Sweeps on a real Slurm of two nodes, both on this machine: a node, the submitter and a time limit end jobs in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
NO_SLURM = "SWEEPS ARE NOT TESTED ON SLURM: {}. `apt-get install slurm-wlm munge`, as root"
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=20
KillWait=10
MaxArraySize=5
SchedulerParameters=batch_sched_delay=1,sched_interval=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=main Nodes=n1,n2 Default=YES State=UP MaxTime=INFINITE
"""


@dataclass(frozen=True)
class Cluster:
    """A Slurm of the nodes n1 and n2.

    Attributes:
        folder: what it needs and writes.
        environment: in which its commands find it.
    """

    folder: Path
    environment: dict[str, str]

    def ask(self, *command: str) -> list[str]:
        """Run one of Slurm's commands; returns the lines it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout.split("\n")[:-1]

    def start(self, node: str) -> None:
        """Start the daemon of a node."""
        subprocess.run(["slurmd", "-f", str(self.folder / "slurm.conf"), "-N", node], check=True)

    def kill(self, node: str) -> None:
        """End a node as a power cut does: its daemon, the steps of its jobs, all their processes."""
        jobs = self.ask("squeue", "-h", "-r", "-w", node, "-t", "R", "-o", "%A")
        os.kill(int((self.folder / f"{node}.pid").read_text()), signal.SIGKILL)
        parents, commands = processes()
        steps = [
            number for number, line in commands.items() if any(f"slurmstepd: [{job}." in line for job in jobs)
        ]
        for step in steps:
            for number in below(step, parents):
                end(number)


def end(number: int) -> None:
    """Kill a process unless it is gone."""
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def processes() -> tuple[dict[int, int], dict[int, str]]:
    """Return the parent and the command line of each process."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[number] = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents, commands


def below(number: int, parents: dict[int, int]) -> list[int]:
    """Return a process and all that descend from it."""
    return [number, *(one for child, up in parents.items() if up == number for one in below(child, parents))]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes on this machine; skipped, loudly, where Slurm is not installed or may not be started."""
    if missing := [name for name in NEEDED if not (shutil.which(name) or Path("/usr/sbin", name).exists())]:
        pytest.skip(NO_SLURM.format(f"no {', '.join(missing)}"))
    if os.geteuid() != 0:
        pytest.skip(NO_SLURM.format("not root"))
    start_munge()
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, ports=free_ports(3))
    (folder / "slurm.conf").write_text(text)
    for name in ("state", "spool-n1", "spool-n2"):
        (folder / name).mkdir()
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    environment = {
        **os.environ,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": path,
        "OMP_NUM_THREADS": "1",
    }
    made = Cluster(folder, environment)
    subprocess.run(["slurmctld", "-f", str(folder / "slurm.conf")], env=environment, check=True)
    for node in ("n1", "n2"):
        made.start(node)
    while made.ask("sinfo", "-h", "-t", "idle", "-o", "%D") != ["2"]:
        time.sleep(0.5)
    yield made
    for number in ("n1.pid", "n2.pid", "controller.pid"):
        end(int((folder / number).read_text()))


def start_munge() -> None:
    """Start the daemon that signs Slurm's messages, unless one runs."""
    if Path("/run/munge/munge.socket.2").exists():
        return
    key = Path("/etc/munge/munge.key")
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
    for place in ("/etc/munge", "/run/munge", "/var/log/munge", "/var/lib/munge"):
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "-R", "munge:", place], check=True)
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


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
