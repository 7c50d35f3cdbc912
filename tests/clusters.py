"""Clusters of two nodes, both on this machine, for tests: a real Slurm, and Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDED = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
NO_SLURM = "NOTHING IS TESTED ON SLURM: {}. `apt-get install slurm-wlm munge`, as root"
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


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Two nodes on this machine; the test is skipped, loudly, where Slurm is not installed or may not be started."""
    if missing := [name for name in NEEDED if not (shutil.which(name) or Path("/usr/sbin", name).exists())]:
        pytest.skip(NO_SLURM.format(f"no {', '.join(missing)}"))
    if os.geteuid() != 0:
        pytest.skip(NO_SLURM.format("not root"))
    start_munge()
    host = socket.gethostname().split(".")[0]
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
    try:
        yield made
    finally:
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


NO_RAY = "NOTHING IS TESTED ON RAY: it is not installed. `pip install -e '.[ray]'`"
NODES = """
import json, sys
from ray.cluster_utils import Cluster
from tests.clusters import free_ports
cluster = Cluster()
def add():  # with ports told, a node does not wait for its agents, which a busy machine starts late
    ports = dict(zip(("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port"), free_ports(4)))
    return cluster.add_node(num_cpus=1, include_dashboard=False, **ports)
nodes = [add() for _ in range(int(sys.argv[1]) + 1)]
print(json.dumps({"address": cluster.address}), flush=True)
for line in sys.stdin:
    if line == "kill\\n":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    else:
        nodes.append(add())
    print(json.dumps(len(nodes)), flush=True)
cluster.shutdown()
"""
"""Starts Ray's head and so many nodes beside it, one core each; kills the last one, or adds one, at each line that it reads."""


@dataclass(frozen=True)
class RayCluster:
    """A Ray of a head and nodes beside it.

    Attributes:
        address: for `executor.address`.
        process: that holds it.
    """

    address: str
    process: subprocess.Popen[str]

    def kill(self) -> int:
        """Kill the last node, its processes with it; returns how many there are."""
        return self._tell("kill")

    def add(self) -> int:
        """Add a node; returns how many there are."""
        return self._tell("add")

    def _tell(self, line: str) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline()))


@contextmanager
def ray_cluster(beside: int = 1) -> Iterator[RayCluster]:
    """A head and nodes beside it on this machine; the test is skipped, loudly, where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip(NO_RAY)
    command = [sys.executable, "-c", NODES, str(beside)]
    slow = {
        "RAY_raylet_start_wait_time_s": "300",
        "RAY_worker_register_timeout_seconds": "300",
        "RAY_agent_register_timeout_ms": "300000",
    }
    with subprocess.Popen(
        command, env={**os.environ, **slow}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield RayCluster(json.loads(process.stdout.readline())["address"], process)
        finally:
            process.stdin.close()
            process.wait(60)
