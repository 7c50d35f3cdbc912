"""Seeds in rounds as a user meets them: contrasts close, their arms stop, and the sweep can be repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ablate.study.run as running
from ablate.design.base import ContrastSpec
from ablate.study.interim_looks import DECIDED, NEGLIGIBLE, OPEN, SAME, states
from ablate.study.results import load_study
from ablate.study.schema import Arm, Headline, Plan, Sequential

Run = Callable[..., int]
RULE = Sequential(looks=(3, 5, 8), spending="pocock", alpha=0.05, negligible=None)
ARMS = ("full", "without_a", "without_b", "without_c")
PLAN = Plan(
    study="study",
    title="",
    question="",
    prediction="",
    design="leave_one_out",
    arms={name: Arm(name=name, levels={}, config={}) for name in ARMS},
    reference="full",
    factors=(),
    seeds=tuple(range(8)),
    metrics=Headline(primary="acc", aggregate=None),
    stages=(),
    tracker={},
    sequential=RULE,
    contrasts=tuple(
        ContrastSpec(name, "on", "off", "leave_one_out", {"full": 1.0, f"without_{name}": -1.0})
        for name in "abc"
    ),
)


def test_large_effects_close_first_and_small_ones_later() -> None:
    noise = np.array([0.02, -0.02, 0.01, -0.01, 0.02, -0.02, 0.01, -0.01])
    scores = np.stack([0.8 + noise, np.full(8, 0.2), np.full(8, 0.775), 0.8 + noise])
    found = states(PLAN, RULE, scores, [False, False, True], 3)
    assert [(state.status, state.round, state.seeds) for state in found] == [
        (DECIDED, 1, 3),
        (DECIDED, 3, 8),
        (SAME, 1, 3),
    ]
    # A round more does not change what was decided before.
    early = states(PLAN, RULE, scores, [False, False, True], 2)
    assert [state.status for state in early] == [DECIDED, OPEN, SAME] and early[0] == found[0]


def test_a_contrast_inside_the_negligible_range_is_closed() -> None:
    rng = np.random.default_rng(1)
    scores = 0.5 + rng.normal(0, 0.001, size=(4, 8))
    rule = replace(RULE, negligible=0.05)
    assert {state.status for state in states(PLAN, rule, scores, [False] * 3, 1)} == {NEGLIGIBLE}
    assert {state.status for state in states(PLAN, RULE, scores, [False] * 3, 1)} == {OPEN}


def test_a_sweep_in_rounds_runs_what_is_open_and_can_be_repeated(
    ablate: Run,
    here: Path,
    tiny: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = [*tiny, "seeds=[0,1,2,3]", "sequential.looks=[2,4]", "sequential.negligible=0.5"]
    assert ablate("plan", *asked) == 0
    assert "in rounds of [2, 4] seeds, to open contrasts only: 8 to 16 runs" in capsys.readouterr().out
    assert ablate("sweep", *asked) == 0
    shown = capsys.readouterr().out
    study = load_study(here / "studies" / "demo")
    assert "round 1 of 2: 4 arms, 2 seeds each" in shown and "the same runs after 2 seeds" in shown
    assert not study.failed
    # The stage that changes nothing is closed after the first round: its arm gets no further seeds.
    assert {seed for arm, seed in study.records if arm == "without_fineweb_quality"} == {0, 1}
    report = (study.folder / "REPORT.md").read_bytes()
    assert b"Which contrast was closed when" in report and b"sequential p-value" in report
    monkeypatch.setattr(running, "train_runs", lambda *_: pytest.fail("a finished run was trained again"))
    assert ablate("sweep", *asked) == 0
    assert (study.folder / "REPORT.md").read_bytes() == report


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sequential.looks=[1,2]"], "rising from 2 or more to all 2 seeds"),
        (["sequential.looks=[2,4]"], "rising from 2 or more to all 2 seeds"),
        (["sequential.looks=[2]", "sequential.spending=poccok"], "sequential.spending must be one of"),
        (["sequential.looks=[2]", "sequential.alpha=2"], "sequential.alpha must be in (0, 1)"),
    ],
)
def test_bad_rounds_are_named(
    ablate: Run, tiny: tuple[str, ...], overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *tiny, *overrides) == 2
    assert said in capsys.readouterr().err
