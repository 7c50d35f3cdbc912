"""Trackers, offline: no account, no network. What is shown is read back from their own files, by their own readers."""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ablate.compose import compose
from ablate.config import make
from ablate.errors import ConfigError
from ablate.report.mirror import mirror_study
from ablate.report.page import write_report
from ablate.study.results import Study
from ablate.testing import ContractError, check_tracker
from ablate.testing.tracker import example
from ablate.tracking.guard import Guard
from ablate.tracking.shown import FAILED, RUNNING, TrackedRun
from ablate.tracking.tracker import NoTracker, Wandb

pytestmark = pytest.mark.filterwarnings("ignore")
needs_trackio = pytest.mark.skipif(
    find_spec("trackio") is None,
    reason="TRACKIO IS NOT INSTALLED, ITS TRACKER IS NOT TESTED: pip install 'ablate[trackio]'",
)


def datastore(path: Path) -> list[Any]:
    """The records that a run wrote: LevelDB's log format (blocks of 32 KiB) around protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    data, at, part, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def wandb_runs(folder: Path) -> dict[str, list[Any]]:
    """Id -> the records of each of its folders."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("wandb/*run-*/*.wandb")):
        for _ in range(
            100
        ):  # its own process writes the end of the file, on a busy machine after `finish` has returned
            records = datastore(path)
            if any(one.HasField("exit") for one in records):
                break
            time.sleep(0.1)
        (run,) = {one.run.run_id for one in records if one.HasField("run")}
        found.setdefault(run, []).append(records)
    return found


def kept(run: Sequence[Any], name: str) -> list[str]:
    """What a run of wandb logged under a name, as JSON, in order."""
    return [
        item.value_json
        for record in run
        if record.HasField("history")
        for item in record.history.item
        if name in (item.key, *item.nested_key)
    ]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Wandb]:
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return functools.partial(Wandb, mode="offline", dir=str(tmp_path / "shown"))


@pytest.fixture
def trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Builds Trackio's tracker; its store lies where the environment said when it was imported first."""
    import trackio.sqlite_storage as storage
    import trackio.utils as utils

    from ablate.tracking.local_trackio import Trackio

    for module in (storage, utils):
        if hasattr(module, "TRACKIO_DIR"):
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    return functools.partial(Trackio, project="shown-by-a-test")


def trackio_runs(project: str) -> list[Any]:
    import trackio

    return list(trackio.Api().runs(project))


def test_a_plan_that_names_a_tracker_by_its_former_place_is_still_read() -> None:
    node = {"_target_": "ablate.report.tracker.Wandb", "project": "old"}
    assert make(node, "tracker") == Wandb(project="old")


def test_trackers_come_from_the_configuration() -> None:
    config = compose(["study=demo", "tracker=wandb", "tracker.mode=offline", "tracker.project=mine"])
    assert make(config.tracker, "tracker") == Wandb(project="mine", mode="offline", dir="studies/demo")
    assert make(compose(["study=demo"]).tracker, "tracker") == NoTracker()
    with pytest.raises(ConfigError, match="online, offline, disabled"):
        make(compose(["study=demo", "tracker=wandb", "tracker.mode=of"]).tracker, "tracker")


def test_wandb_keeps_the_contract(offline: Callable[[], Wandb], tmp_path: Path) -> None:
    def shown() -> list[str]:
        return [run for run, folders in wandb_runs(tmp_path / "shown").items() for _ in folders]

    check_tracker(offline, shown)


@needs_trackio
def test_trackio_keeps_the_contract(trackio: Callable[[], Any]) -> None:
    check_tracker(trackio, lambda: [run.config["id"] for run in trackio_runs(trackio().project)])


def test_a_wandb_run_says_what_differs_and_has_its_curve_once(
    offline: Callable[[], Wandb], tmp_path: Path
) -> None:
    whole = example("without_a", 3)
    first = offline()
    first.show(example("without_a", 3, status=RUNNING, points=2))  # and then the process is killed
    offline().show(whole)
    ((run,),) = wandb_runs(tmp_path / "shown").values()
    assert kept(run, "tokens") == ["5", "10", "15"] and kept(run, "facts/acc") == ["0.25", "0.5", "0.75"]
    (head,) = {
        (one.run.run_group, one.run.display_name, one.run.job_type) for one in run if one.HasField("run")
    }
    assert head == ("check/without_a", "without_a-seed3", "train")
    assert {item.key for one in run if one.HasField("run") for item in one.run.config.update} >= {
        "stages.language.enabled",
        "arm",
    }
    assert [one.exit.exit_code for one in run if one.HasField("exit")] == [0]


def test_a_failed_run_is_marked_so(offline: Callable[[], Wandb], tmp_path: Path) -> None:
    offline().show(example("full", 0, status=FAILED))
    ((run,),) = wandb_runs(tmp_path / "shown").values()
    assert [one.exit.exit_code for one in run if one.HasField("exit")] == [1]


@dataclass(frozen=True)
class Faulty(NoTracker):
    """Does one of the things that a tracker must not do."""

    fault: str
    limit_s: float = 0.2

    def show(self, run: TrackedRun) -> None:
        if self.fault == "hangs":
            time.sleep(3600)
        if self.fault == "exits":
            raise SystemExit(3)
        if self.fault == "changes":
            assert isinstance(run.config, dict)
            run.config["arm"] = "mine"
        if self.fault == "raises":
            raise ConnectionError("lost")


@pytest.mark.parametrize("fault", ["hangs", "exits", "raises"])
def test_what_a_tracker_does_wrong_is_a_warning(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    guard = Guard(lambda: Faulty(fault=fault))
    assert not guard.show(example("full", 0)) and not guard.show(example("full", 1))
    said = capsys.readouterr().err
    assert said.count("the tracker failed") == 1 and "the study folder has everything" in said


def test_a_tracker_that_cannot_be_built_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    def missing() -> NoTracker:
        raise ModuleNotFoundError("No module named 'nosuch'")

    assert not Guard(missing).show(example("full", 0))
    assert "No module named 'nosuch'" in capsys.readouterr().err


def test_the_contract_is_not_kept_by_one_that_changes_runs_or_shows_them_twice() -> None:
    with pytest.raises(ContractError, match="changes the runs"):
        check_tracker(lambda: Faulty(fault="changes"))
    seen: list[str] = []

    @dataclass(frozen=True)
    class Doubling(NoTracker):
        def show(self, run: TrackedRun) -> None:
            seen.append(run.id)

    with pytest.raises(ContractError, match="shown once"):
        check_tracker(Doubling, lambda: seen)
    with pytest.raises(ConnectionError):
        check_tracker(lambda: Faulty(fault="raises"))


def _kept(folder: Path) -> dict[str, bytes]:
    """All files of runs with their bytes, but for wandb's own logs, which its process may still write after a run has ended."""
    files = (path for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_study_is_rebuilt_with_its_report_and_a_second_time_changes_nothing(
    offline: Callable[[], Wandb], make_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = make_study({"full": [0.70, 0.74, 0.72], "without_a": [0.50, 0.53, 0.53]})
    write_report(study)
    assert mirror_study(study, Guard(offline)).runs == 6
    shown = tmp_path / "shown"
    runs = wandb_runs(shown)
    kinds = [
        one.run.job_type for folders in runs.values() for run in folders for one in run if one.HasField("run")
    ]
    assert (
        set(kinds) == {"train", "report"}
        and len(runs) == 7
        and {len(folders) for folders in runs.values()} == {1}
    )
    before = _kept(shown)
    assert mirror_study(study, Guard(offline)).runs == 6
    assert _kept(shown) == before
    (table,) = shown.rglob("effects*.table.json")
    assert "helps" in table.read_text()
