"""A sweep in a tracker: its runs are the plan's, each once, whatever happened on the way."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WANDB = ("tracker=wandb", "tracker.mode=offline")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def shown(study: Path) -> Counter[str]:
    """Id -> how many folders wandb has of it."""
    return Counter(path.name.rpartition("-")[2] for path in study.glob("wandb/offline-run-*"))


def files(study: Path) -> dict[Path, bytes]:
    """All that wandb has of a study, but for its own logs, which its process may still write after a run has ended."""
    found = (path for path in study.glob("wandb/**/*") if path.is_file() and "logs" not in path.parts)
    return {path: path.read_bytes() for path in found}


@pytest.mark.filterwarnings("ignore")
def test_runs_taken_from_the_store_are_shown_and_tracking_again_changes_nothing(
    ablate: Callable[..., int], here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    few = [one for one in tiny if not one.startswith(("seeds=", "design.factors="))]
    few.append("design.factors=[language]")
    assert ablate("sweep", *few, "seeds=[0]", "study.name=first") == 0
    again = [*few, "seeds=[0,1]", "study.name=second"]
    assert ablate("sweep", *again, *WANDB) == 0
    study = here / "studies" / "second"
    assert len(list((here / "studies" / "first").glob("runs/*/*/record.json"))) == 2
    live = shown(study)
    assert len(live) == 2 * 2 + 1 and set(live.values()) == {1}  # two arms under two seeds, and the report
    before = files(study)
    for _ in range(2):
        capsys.readouterr()
        assert ablate("track", *again, *WANDB) == 0
        assert "4 of 4 runs shown, and the report" in capsys.readouterr().out
        assert files(study) == before


class OfWandb:
    """What wandb keeps offline, and how it is asked for."""

    name, killed, settings = "wandb", "watching.KilledWandb", WANDB

    @staticmethod
    def shown(folder: Path) -> Counter[str]:
        return shown(folder / "studies" / "demo")

    @staticmethod
    def content(folder: Path) -> object:
        return files(folder / "studies" / "demo")


class OfTrackio:
    """What Trackio keeps in its database, read by SQLite alone."""

    name, killed, settings = "trackio", "watching.KilledTrackio", ("tracker=trackio",)

    @staticmethod
    def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "trackio" / "ablate.db")) as database:
            return database.execute(query).fetchall()

    @classmethod
    def shown(cls, folder: Path) -> Counter[str]:
        return Counter(
            json.loads(config)["id"] for (config,) in cls._rows(folder, "SELECT config FROM configs")
        )

    @classmethod
    def content(cls, folder: Path) -> object:
        return [
            cls._rows(folder, f"SELECT * FROM {table} ORDER BY id")
            for table in ("configs", "metrics", "artifact_versions")
        ]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "tracker",
    [
        OfWandb,
        pytest.param(
            OfTrackio,
            marks=pytest.mark.skipif(
                find_spec("trackio") is None, reason="TRACKIO IS NOT INSTALLED: pip install 'ablate[trackio]'"
            ),
        ),
    ],
    ids=lambda tracker: tracker.name,
)
def test_a_sweep_that_is_killed_and_goes_on_has_each_run_once(
    tmp_path: Path, tiny: tuple[str, ...], tracker: type[OfWandb | OfTrackio]
) -> None:
    conf = tmp_path / "conf" / "tracker"
    conf.mkdir(parents=True)
    node = [f"_target_: {tracker.killed}", *(["dir: ${study.dir}"] if tracker is OfWandb else [])]
    (conf / "killed.yaml").write_text("\n".join(node) + "\n")
    python_path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    own = {
        name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"
    }  # not this process's wandb
    environment = {
        **own,
        "WATCHED": str(tmp_path),
        "PYTHONPATH": python_path,
        "TRACKIO_DIR": str(tmp_path / "trackio"),
    }

    def ablate(command: str, *more: str) -> tuple[int, str]:
        line = [sys.executable, "-m", "ablate", command, "--config-dir", str(tmp_path / "conf"), *tiny, *more]
        made = subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return made.returncode, made.stderr

    (tmp_path / "killed").touch()
    assert ablate("sweep", "tracker=killed")[0] == -signal.SIGKILL
    assert tracker.shown(tmp_path)
    (tmp_path / "killed").unlink()
    status, said = ablate("sweep", "tracker=killed")
    assert status == 0, said
    found = tracker.shown(tmp_path)
    assert len(found) == 4 * 2 + 1 and set(found.values()) == {1}
    before = tracker.content(tmp_path)
    status, said = ablate("track", *tracker.settings)
    assert status == 0, said
    assert tracker.content(tmp_path) == before
