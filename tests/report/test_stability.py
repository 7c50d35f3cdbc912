"""Does the ranking hold at another setting? What the report says of arms crossed with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ablate.design.base import Factor
from ablate.report.page import write_report
from ablate.report.stability import ranked
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study

MakeStudy = Callable[..., Study]
USUAL = {"full": [0.70, 0.715], "a": [0.50, 0.508], "b": [0.60, 0.613], "c": [0.30, 0.309]}


def crossed(make_study: MakeStudy, tiny: dict[str, list[float | None]]) -> Study:
    study = make_study(USUAL | {f"{name} tiny": scores for name, scores in tiny.items()})
    levels = {
        name: {
            "stage": name.removesuffix(" tiny"),
            "lr": "0.0001" if name.endswith("tiny") else "0.01",
        }
        for name in study.arms
    }
    arms = {name: replace(arm, levels=levels[name]) for name, arm in study.plan.arms.items()}
    write_plan(replace(study.plan, arms=arms, factors=(Factor("lr", ("0.01", "0.0001")),)), study.folder)
    return load_study(study.folder)


def test_a_ranking_that_turns_is_called_unstable(make_study: MakeStudy) -> None:
    # Of six pairs, all told apart, only (a, b) is the other way round.
    study = crossed(make_study, {"full": [0.3, 0.31], "a": [0.27, 0.28], "b": [0.21, 0.22], "c": [0.1, 0.11]})
    rows = {(row.task, row.metric): row for row in ranked(study, "lr")}
    row = rows["quiz", "acc"]
    assert (row.cheap, row.n_pairs, row.clear_pairs) == ("lr=0.0001", 6, 6)
    assert row.accuracy == row.clear_accuracy == 5 / 6
    write_report(study)
    report = (study.folder / "REPORT.md").read_text()
    assert "## Does the ranking hold at another lr?" in report
    assert "the ranking is **not stable**: 83 % of the 6 clear pairs keep their order" in report


def test_a_ranking_that_holds_is_called_stable_whatever_is_missing(make_study: MakeStudy) -> None:
    study = crossed(make_study, {"full": [0.3, 0.31], "a": [0.2, 0.21], "b": [0.26, 0.27], "c": [None, None]})
    (row,) = [row for row in ranked(study, "lr") if (row.task, row.metric) == ("quiz", "acc")]
    assert (row.n_arms, row.accuracy) == (3, 1.0)
    write_report(study)
    assert "the ranking is **stable**" in (study.folder / "REPORT.md").read_text()


def test_two_arms_make_no_ranking_and_stages_are_no_settings(make_study: MakeStudy) -> None:
    assert ranked(crossed(make_study, {"full": [0.3, 0.31], "a": [0.2, 0.21]}), "lr") == []
    study = make_study(USUAL, name="plain")
    write_report(study)
    assert "Does the ranking hold" not in (study.folder / "REPORT.md").read_text()
