"""kill -9 at random moments of a sweep, then the same command again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 24
NAMES = (
    "REPORT.md",
    "effects.csv",
    "table.tex",
    "figures/gains.svg",
    "figures/curves.png",
    "figures/funnel.svg",
)


def start(folder: Path, overrides: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ablate", "sweep", *overrides]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def sweep(folder: Path, overrides: tuple[str, ...]) -> float:
    """An undisturbed sweep; returns how long it took in seconds."""
    begin = time.monotonic()
    process = start(folder, overrides)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, (out + err).decode()[-3000:]
    return time.monotonic() - begin


def finished(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every record, with the time at which it was written."""
    paths = sorted((folder / "studies").glob("*/runs/*/*/record.json"))
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def results(folder: Path) -> dict[Path, int]:
    """Every trained run of the store, with the time at which its result was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "store" / "runs").glob("*/result.json")}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")])
def test_a_killed_sweep_ends_like_an_undisturbed_one(
    tmp_path: Path, tiny: tuple[str, ...], launcher: tuple[str, ...]
) -> None:
    overrides = (*tiny, "train.tokens=8192", "train.checkpoint_s=0.001", *launcher)
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    calm.mkdir()
    torn.mkdir()
    whole = sweep(calm, overrides)

    rng = random.Random(20261124)
    kills = sweeps = 0
    begun = time.monotonic()
    while kills < KILLS:
        assert time.monotonic() - begun < 3000, f"only {kills} kills"
        before, trained = finished(torn), results(torn)
        process = start(torn, overrides)
        try:
            # Anywhere between the first imports and the report.
            _, errors = process.communicate(timeout=rng.uniform(0.5, whole))
            assert process.returncode == 0, errors.decode()[-3000:]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
        after = finished(torn)
        assert {path: after[path] for path in before} == before, "a finished run was written again"
        later = results(torn)
        assert {path: later[path] for path in trained} == trained, "a finished run was trained again"
        for _, content in after.values():
            json.loads(content)
        if process.returncode == 0:
            # It got through; begin a new one, so that kills also hit early moments.
            compare(calm, torn)
            sweeps += 1
            torn = tmp_path / f"torn-{sweeps}"
            torn.mkdir()
    sweep(torn, overrides)
    compare(calm, torn)


def compare(calm: Path, torn: Path) -> None:
    for name in NAMES:
        assert (torn / "studies/demo" / name).read_bytes() == (calm / "studies/demo" / name).read_bytes(), (
            name
        )
    assert not list(torn.glob("studies/demo/runs/*/*/failed.json"))
