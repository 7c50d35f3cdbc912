"""Gains on single tasks that the plan claims by name: which family they are in, what is said, what a late one is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from ablate.effects.verdict import CLAIMS, Kind
from ablate.errors import ConfigError
from ablate.evaluate.evaluator import EvaluateConfig, check_claims
from ablate.report.effects_table import effects_table
from ablate.report.page import write_report
from ablate.report.row import Row
from ablate.report.tables import terminal_table
from ablate.study.journal import note_plan
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study
from ablate.study.schema import Plan

MakeStudy = Callable[..., Study]
SCORES = {
    "full": [0.70, 0.74, 0.72, 0.71],
    "without_a": [0.50, 0.53, 0.53, 0.50],
    "without_b": [0.71, 0.72, 0.74, 0.70],
}


def claiming(study: Study, claims: Mapping[str, Sequence[str]]) -> Plan:
    """The study's plan with the aggregate on `quiz` alone, and claims on `riddle`."""
    given = {task: tuple(stages) for task, stages in claims.items()}
    return replace(study.plan, metrics=replace(study.plan.metrics, aggregate=("quiz",), claims=given))


def again(study: Study, plan: Plan) -> Study:
    write_plan(plan, study.folder)
    return load_study(study.folder)


@pytest.fixture
def claimed(make_study: MakeStudy) -> Callable[..., Study]:
    def make(claims: Mapping[str, Sequence[str]], name: str = "study") -> Study:
        study = make_study(SCORES, tasks={"quiz": 0.0, "riddle": 0.1}, name=name)
        return again(study, claiming(study, claims))

    return make


def row(study: Study, task: str, factor: str) -> Row:
    (found,) = [
        row for row in effects_table(study) if (row.task, row.metric, row.factor) == (task, "acc", factor)
    ]
    return found


def test_a_named_gain_is_a_claim_in_one_family_with_the_aggregates(claimed: Callable[..., Study]) -> None:
    before = claimed({}, "before")
    assert row(before, "riddle", "a").verdict.kind is Kind.MAY_HELP
    assert row(before, "aggregate", "a").tests == 2
    study = claimed({"riddle": ["a"]})
    found = row(study, "riddle", "a")
    assert found.verdict.kind is Kind.HELPS and found.claim
    # One family of three: two gains on the aggregate, one on riddle.
    assert found.tests == row(study, "aggregate", "a").tests == row(study, "aggregate", "b").tests == 3
    family = sorted(
        [found, row(study, "aggregate", "a"), row(study, "aggregate", "b")], key=lambda r: r.p_value
    )
    adjusted = 0.0
    for number, one in enumerate(family):
        adjusted = max(adjusted, min(1.0, one.p_value * (3 - number)))
        assert one.p_adjusted == pytest.approx(adjusted)
    assert row(study, "riddle", "b").verdict.kind not in CLAIMS
    assert not row(study, "riddle", "b").claim


def test_the_page_and_the_terminal_show_it(claimed: Callable[..., Study]) -> None:
    study = claimed({"riddle": ["a"]})
    rows = write_report(study)
    page = (study.folder / "REPORT.md").read_text()
    assert "On riddle alone: *helps* a." in page.split("##")[0]
    assert any(line.startswith("| riddle | a | +0.2") for line in page.split("## Every task")[0].splitlines())
    assert "riddle  a" in terminal_table(study, rows)


def test_a_claim_on_a_task_without_the_metric_is_said_to_be_untested(claimed: Callable[..., Study]) -> None:
    study = claimed({"heldout": ["a"]})
    assert row(study, "aggregate", "a").tests == 2
    write_report(study)
    assert (
        "`heldout`, on which alone gains were claimed, has no acc" in (study.folder / "REPORT.md").read_text()
    )


def test_a_claim_on_the_only_task_of_the_aggregate_adds_no_test(claimed: Callable[..., Study]) -> None:
    study = claimed({"quiz": ["a"]})
    assert row(study, "aggregate", "a").tests == 2
    assert row(study, "quiz", "a").p_adjusted >= row(study, "aggregate", "a").p_adjusted


def test_a_named_gain_on_a_task_of_the_aggregate_leaves_the_gated_family(make_study: MakeStudy) -> None:
    study = make_study(SCORES, tasks={"quiz": 0.0, "riddle": 0.1})
    metrics = replace(study.plan.metrics, claims={"riddle": ("a",)})
    study = again(study, replace(study.plan, metrics=metrics))
    assert row(study, "riddle", "a").tests == row(study, "aggregate", "a").tests == 3
    # Three gated rows are left: a on quiz, b on quiz and on riddle.
    assert {row(study, *where).tests for where in (("quiz", "a"), ("quiz", "b"), ("riddle", "b"))} == {3}
    gated = row(study, "quiz", "a")
    assert gated.p_adjusted == pytest.approx(max(3 * gated.p_value, row(study, "aggregate", "a").p_adjusted))


def test_a_claim_that_came_after_the_runs_is_exploration_and_spoils_no_other(make_study: MakeStudy) -> None:
    study = make_study(SCORES, tasks={"quiz": 0.0, "riddle": 0.1})
    first, late = claiming(study, {"riddle": ["b"]}), claiming(study, {"riddle": ["a"]})
    note_plan(first, study.folder, ())
    note_plan(late, study.folder, (0, 1, 2, 3))
    study = again(study, late)
    assert study.history.changed == ""
    assert row(study, "riddle", "a").verdict.kind is Kind.MAY_HELP
    assert row(study, "aggregate", "a").verdict.kind is Kind.HELPS
    # The one that was planned is still in the family: dropping it would make the others surer.
    assert row(study, "riddle", "b").correction == "Holm"
    assert row(study, "aggregate", "a").tests == 3


def test_claims_about_tasks_that_are_not_evaluated_are_refused() -> None:
    config = EvaluateConfig(tasks=("facts",), snapshot="tasks", heldout="text.txt", claims={"fact": ("a",)})
    with pytest.raises(ConfigError, match="no task 'fact' is evaluated: did you mean 'facts'"):
        check_claims(config, [])
    config = EvaluateConfig(
        tasks=("facts",), snapshot="tasks", heldout="text.txt", claims={"heldout": ("a",)}
    )
    with pytest.raises(ConfigError, match="bits per byte alone"):
        check_claims(config, [])
    check_claims(EvaluateConfig(tasks=("facts",), snapshot="tasks", claims={"facts": ("a",)}), [])
