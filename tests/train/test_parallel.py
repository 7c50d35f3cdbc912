"""Two processes on the CPU, started by torchrun."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("two_processes.py")


def torchrun(folder: Path, settings: dict) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, str(SCRIPT), str(folder), json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch", [None, 1])
def test_two_processes_train_as_one(runner, tmp_path, micro_batch):
    settings = {"steps": 12, "evaluations": (0.5, 1.0), "micro_batch": micro_batch}
    expected = runner(**settings, folder="alone")
    done = torchrun(tmp_path, settings)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert [loss for _, loss in first["losses"]] == pytest.approx(
        [loss for _, loss in expected.losses], abs=1e-4
    )
    assert second["losses"] == first["losses"]
    assert first["evaluated"] == runner.evaluated and second["evaluated"] == []
    assert first["logged"] == len(runner.logged) and second["logged"] == 0


@pytest.mark.slow
def test_three_sequences_are_shared_by_two_processes(runner, tmp_path):
    settings = {"steps": 8, "batch_tokens": 3 * 16}
    expected = runner(**settings, folder="alone")
    done = torchrun(tmp_path, settings)
    assert done.returncode == 0, done.stderr
    losses = json.loads((tmp_path / "rank-0.json").read_text())["losses"]
    assert [loss for _, loss in losses] == pytest.approx([loss for _, loss in expected.losses], abs=1e-4)


@pytest.mark.slow
def test_a_run_begun_by_two_processes_is_ended_by_one(runner, tmp_path):
    """Stopped by an evaluation that raises at half, gone on with alone: the curve of one process."""
    settings = {"steps": 12, "evaluations": (0.5, 1.0)}
    expected = runner(**settings, folder="alone")
    stopped = torchrun(tmp_path, settings | {"stop_at": 6 * 8 * 16})
    assert stopped.returncode != 0 and "told to stop" in stopped.stderr
    logged = len(runner.logged)
    resumed = runner(**settings, folder="../" + tmp_path.name + "/run")
    assert runner.logged[logged]["step"] > 6, "it did not begin anew"
    assert [loss for _, loss in resumed.losses] == pytest.approx(
        [loss for _, loss in expected.losses], abs=1e-4
    )


@pytest.mark.slow
def test_a_batch_that_two_processes_cannot_share_is_refused(tmp_path):
    done = torchrun(tmp_path, {"steps": 2, "batch_tokens": 16})
    assert done.returncode != 0 and "1 sequences cannot be shared by 2 processes" in done.stderr
