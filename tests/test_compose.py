"""Composing: what groups alone give is merged once, and nobody can tell from the result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from ablate.compose import compose, open_hydra
from ablate.config import CONF


@pytest.mark.parametrize(
    "overrides",
    [
        ["study=demo"],
        ["train.tokens=1000000", "study=demo", "seeds=[0,1]", "train.tokens=2000000"],
        ["study=demo", "~stages.pii", "+stages@stages.again=pii", "stages.again.enabled=false"],
        ["study=demo", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "+stages.pii.only=real"],
        ["study=demo", "store=${study.name}"],
    ],
)
def test_values_on_groups_give_what_hydra_gives(overrides: list[str]) -> None:
    hydra = open_hydra()
    whole = hydra.compose_config(
        "config", overrides, RunMode.MULTIRUN, with_log_configuration=False, validate_sweep_overrides=False
    )
    for _ in range(2):  # the second time from what the first has kept
        assert OmegaConf.to_yaml(compose(overrides, hydra)) == OmegaConf.to_yaml(whole)


def test_what_is_done_to_one_configuration_is_not_seen_in_the_next() -> None:
    compose(["study=demo"]).study.name = "mine"
    assert compose(["study=demo"]).study.name == "demo"


def test_a_changed_and_a_new_file_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Path(shutil.copytree(CONF, tmp_path / "conf"))
    monkeypatch.setattr("ablate.compose.CONF", conf)
    before = compose(["study=demo"]).study.name
    study = conf / "study" / "demo.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("name: demo", "name: omed"), encoding="utf-8")
    assert (before, compose(["study=demo"]).study.name) == ("demo", "omed")
    shutil.copy(study, study.with_name("newer.yaml"))
    assert compose(["study=newer"]).study.name == "omed"
