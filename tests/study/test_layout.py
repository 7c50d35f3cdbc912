"""How runs share a machine, and that it does not change what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ablate.compose import compose
from ablate.store import write_json
from ablate.study import layout
from ablate.study.layout import Layout, choose_layout
from ablate.study.plan import make_plan
from ablate.train.stack import StackedLoss


@pytest.fixture
def config(tiny: tuple[str, ...]) -> dict:
    plan = make_plan(compose(list(tiny)))
    return plan.reference_arm.config


def with_train(config: dict, **changes: object) -> dict:
    return {**config, "train": {**config["train"], **changes}}


def test_a_sweep_of_seconds_is_not_measured(tmp_path: Path, config: dict) -> None:
    said: list[str] = []
    found = choose_layout(tmp_path / "layout.json", config, 300, runs=4, say=said.append)
    assert (found.processes, found.stacked_runs, said) == (1, 1, [])


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({(4, 1, 1): 100, (2, 2, 1): 60}, (4, 1, 1)),
        ({(4, 1, 1): 20, (2, 2, 1): 60}, (2, 2, 1)),
        ({(4, 1, 1): 1, (2, 2, 1): 2}, (1, 4, 1)),
        ({(4, 1, 1): 100, (2, 2, 1): 60, (4, 1, 2): 150, (4, 1, 4): 160}, (4, 1, 2)),
        ({(4, 1, 1): 100, (2, 2, 1): 60, (4, 1, 2): 105}, (4, 1, 1)),
    ],
)
def test_the_fastest_way_is_taken_and_kept(
    tmp_path: Path, config: dict, monkeypatch: pytest.MonkeyPatch, speeds: dict, chosen: tuple[int, ...]
) -> None:
    """Tokens per second are given; four cores, one process alone makes 10."""
    import ablate.train.loop as loop

    def measured(proxy: object, train: object, vocab_size: int, way: Layout) -> Layout:
        speed = speeds.get((way.processes, way.threads, way.stacked_runs), 0)
        return Layout(way.processes, way.threads, way.stacked_runs, float(speed))

    monkeypatch.setattr(layout.os, "sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setattr(layout, "_concurrent", measured)
    monkeypatch.setattr(loop, "measure_speed", lambda *_, **__: 10.0)
    path, free = tmp_path / "layout.json", with_train(config, threads=None, tokens=10_000)
    found = choose_layout(path, free, 300, runs=24, say=lambda _: None)
    assert (found.processes, found.threads, found.stacked_runs) == chosen
    monkeypatch.setattr(layout, "_measure", lambda *_: pytest.fail("measured again"))
    assert choose_layout(path, free, 300, runs=3, say=lambda _: None) == found


def test_a_layout_that_another_version_kept_is_found_anew(tmp_path: Path, config: dict) -> None:
    path = tmp_path / "layout.json"
    write_json(path, {"processes": 3, "threads": 1, "together": 1, "tokens_per_s": None}, seal=True)
    found = choose_layout(path, config, 300, runs=4, say=print)
    assert (found.processes, found.stacked_runs) == (1, 1)
    assert choose_layout(path, config, 300, runs=4, say=print) == found


def test_what_the_user_fixed_stays(tmp_path: Path, config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Layout] = []

    def measured(proxy: object, train: object, vocab_size: int, way: Layout) -> Layout:
        asked.append(way)
        return Layout(way.processes, way.threads, way.stacked_runs, 1e9)

    monkeypatch.setattr(layout.os, "sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setattr(layout, "_concurrent", measured)
    fixed = with_train(config, threads=2, stacked_runs=3, tokens=10**9)
    found = choose_layout(tmp_path / "layout.json", fixed, 300, runs=24, say=lambda _: None)
    assert (found.processes, found.threads, found.stacked_runs) == (2, 2, 3)
    assert all(way.threads == 2 and way.stacked_runs == 3 for way in asked)


def records(study: Path) -> dict[str, dict]:
    return {str(path.parent): json.loads(path.read_text()) for path in study.glob("runs/*/*/record.json")}


def test_a_sweep_in_lockstep_gives_the_same_records_and_one_failure_stays_one(
    ablate: Callable[..., int],
    here: Path,
    tiny: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = [*tiny, "design.factors=[language]", "train.precision=fp32"]
    assert ablate("sweep", *few) == 0
    alone = records(Path("studies/demo"))
    honest = StackedLoss.gradients
    broken = torch.tensor([1, 1, 1, float("nan")])
    monkeypatch.setattr(
        StackedLoss,
        "gradients",
        lambda self, *given: [torch.einsum("r...,r->r...", part, broken) for part in honest(self, *given)],
    )
    Path("store/runs").rename("store/runs-before")
    together = [*few, "train.stacked_runs=4", "study.replan=true"]
    for path in Path("studies/demo/runs").glob("*/*/record.json"):
        path.unlink()
    assert ablate("sweep", *together) == 1
    assert "seed 1: step 1 of 8: the loss is nan" in capsys.readouterr().err
    (path,) = Path("studies/demo/runs").glob("*/*/failed.json")
    failed = json.loads(path.read_text())
    assert (failed["status"], failed["reason"], failed["step"]) == ("failed", "not_finite", 1)
    assert failed["checkpoint"] is None
    monkeypatch.setattr(StackedLoss, "gradients", honest)
    assert ablate("sweep", *together) == 0
    found = records(Path("studies/demo"))
    assert found.keys() == alone.keys()
    assert {record["cost"]["together"] for record in found.values()} == {4, 1}
    for name, record in found.items():
        assert record["run"] == alone[name]["run"], "how it is trained is not part of what it is"
        assert record["train"]["final_loss"] == pytest.approx(alone[name]["train"]["final_loss"], abs=1e-4)
        cost = record["cost"]
        assert cost["curation_cpu_s"] == pytest.approx(sum(record["curation_cpu_s"].values()))
        assert record["curation_cpu_s"]["gopher_quality"] > 0 and record["curation_cpu_s"]["tokenize"] > 0
        assert 0 < cost["share_of_peak"] < 1 and cost["peak_memory_bytes"] > 2**20
    page = Path("studies/demo/COST.md").read_text()
    assert "| language |" in page and "of peak" in page
