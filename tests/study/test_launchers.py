"""The same sweep through other ways to start its runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run(folder: Path, *command: str) -> str:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_submitit_gives_the_same_bytes(tmp_path: Path, tiny: tuple[str, ...]) -> None:
    """submitit's local executor: the Slurm launcher's code, with processes in place of a queue."""
    few = [*tiny, "design.factors=[language]", "train.threads=1"]
    run(tmp_path / "plain", "ablate", "sweep", *few)
    run(tmp_path / "submitit", "ablate", "sweep", *few, "hydra/launcher=submitit_local")
    for name in ("REPORT.md", "effects.csv"):
        plain, submitted = (tmp_path / way / "studies/demo" / name for way in ("plain", "submitit"))
        assert plain.read_bytes() == submitted.read_bytes()


def test_torchrun_trains_each_run_with_all_processes(tmp_path: Path, tiny: tuple[str, ...]) -> None:
    few = [*tiny, "design.factors=[language]", "seeds=[0]", "train.threads=1"]
    shown = run(
        tmp_path / "together",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
        "-m",
        "ablate",
        "sweep",
        *few,
    )
    records = sorted((tmp_path / "together").glob("studies/demo/runs/*/*/record.json"))
    assert [path.parent.parent.name for path in records] == ["full", "without_language"]
    assert shown.count("report: ") == 1, "one process keeps the books"
