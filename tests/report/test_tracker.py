"""The wandb tracker, offline: no account, no network."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ablate.compose import compose
from ablate.config import CONF, make
from ablate.errors import ConfigError
from ablate.report.effects_table import effects_table
from ablate.report.row import COLUMNS, as_mappings
from ablate.study.results import Study
from ablate.testing import ContractError, check_tracker
from ablate.tracking.tracker import NoTracker, RunTracker, Wandb


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wandb:
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return Wandb(mode="offline", dir=str(tmp_path / "wandb-runs"))


def test_a_plan_that_names_a_tracker_by_its_former_place_is_still_read() -> None:
    node = {"_target_": "ablate.report.tracker.Wandb", "project": "old"}
    assert make(node, "tracker") == Wandb(project="old")


def datastore(path: Path) -> str:
    """Everything a run wrote, as text: LevelDB's log format (blocks of 32 KiB) around protocol buffers."""
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
            found.append(str(record))
            part = b""
    return "\n".join(found)


def settled(path: Path) -> str:
    """What a run wrote, once wandb's own process has written that it ended."""
    for _ in range(600):
        if "exit {" in (written := datastore(path)):
            return written
        time.sleep(0.1)
    raise AssertionError(f"{path} holds no end of the run after a minute")


@pytest.mark.filterwarnings("ignore")
def test_runs_are_grouped_by_study_and_named_by_arm_and_seed(offline: Wandb, tmp_path: Path) -> None:
    with offline.run("demo", "without_language", 3, {"train": {"tokens": 10}}) as run:
        run.log(5, {"facts": {"acc": 0.25}})
        run.log(10, {"facts": {"acc": 0.75}})
    (path,) = tmp_path.glob("wandb-runs/**/*.wandb")
    written = settled(path)
    assert 'run_group: "demo"' in written and 'display_name: "without_language-seed3"' in written
    assert "facts/acc" in written and "0.75" in written and 'project: "ablate"' in written

    offline.summary(
        "demo", ["factor", "estimate"], [{"factor": "language", "estimate": 0.125, "weights": {}}]
    )
    (table,) = tmp_path.glob("**/effects*.table.json")
    assert json.loads(table.read_text())["data"] == [["language", 0.125]]


@pytest.mark.filterwarnings("ignore")
def test_a_failed_run_is_marked_so(offline: Wandb, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), offline.run("demo", "full", 0, {}):
        raise RuntimeError
    (path,) = tmp_path.glob("wandb-runs/**/*.wandb")
    assert "exit_code: 1" in settled(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "tracker").glob("*.yaml")))
def test_every_tracker_keeps_the_contract(
    name: str, offline: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    node = compose(
        ["study=demo", f"tracker={name}", *(["tracker.mode=offline"] if name == "wandb" else [])]
    ).tracker
    check_tracker(make(node, "tracker"))


@dataclass(frozen=True)
class Broken(NoTracker):
    """Does one of the things that a tracker must not do."""

    fault: str

    @contextmanager
    def run(self, study: str, arm: str, seed: int, config: Mapping[str, Any]) -> Iterator[RunTracker]:
        if self.fault == "configuration":
            config["train"]["tokens"] = 0
        try:
            with super().run(study, arm, seed, config) as run:
                yield run
        except Exception as error:
            if self.fault == "other":
                raise ValueError("lost the connection") from error
            if self.fault != "silent":
                raise


@pytest.mark.parametrize(
    ("fault", "said"),
    [("configuration", "changes the configuration"), ("silent", "keeps the error of a run to itself")],
)
def test_a_tracker_that_breaks_it_fails(fault: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_tracker(Broken(fault=fault))


def test_a_tracker_that_puts_an_error_of_its_own_in_a_runs_place_fails() -> None:
    with pytest.raises(ContractError, match="another error in the place"):
        check_tracker(Broken(fault="other"))


def test_trackers_come_from_the_configuration() -> None:
    config = compose(["study=demo", "tracker=wandb", "tracker.mode=offline", "tracker.project=mine"])
    assert make(config.tracker, "tracker") == Wandb(project="mine", mode="offline", dir="studies/demo")
    assert make(compose(["study=demo"]).tracker, "tracker") == NoTracker()
    with pytest.raises(ConfigError, match="online, offline, disabled"):
        make(compose(["study=demo", "tracker=wandb", "tracker.mode=of"]).tracker, "tracker")


@pytest.mark.filterwarnings("ignore")
def test_effects_are_sent_with_their_verdicts_in_words(
    offline: Wandb, make_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = make_study({"full": [0.70, 0.74, 0.72], "without_a": [0.50, 0.53, 0.53]})
    offline.summary("demo", tuple(COLUMNS), as_mappings(effects_table(study)))
    (table,) = tmp_path.glob("wandb-runs/**/effects*.table.json")
    sent = json.loads(table.read_text())
    place = sent["columns"].index("verdict")
    assert "helps" in {row[place] for row in sent["data"]}
