"""The headline beside bits per byte: same contrasts, words of exploration, nothing where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ablate.effects.verdict import Kind
from ablate.report.effects_table import effects_table, headline, in_bits
from ablate.report.page import write_report
from ablate.report.tables import terminal_table
from ablate.shape import from_json, to_json
from ablate.study.plan import run_folder, write_plan
from ablate.study.record import Point, Record, write_record
from ablate.study.results import Study, load_study

MakeStudy = Callable[..., Study]
SCORES = {"full": [0.70, 0.74, 0.72], "without_a": [0.50, 0.53, 0.53], "without_b": [0.71, 0.72, 0.74]}


def table(study: Study) -> list[list[str]]:
    page = (study.folder / "REPORT.md").read_text().split("## What each stage is worth")[1]
    lines = [line for line in page.splitlines() if line.startswith("|")]
    end = next(number for number, line in enumerate(lines) if number == 4)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


def test_bits_per_byte_stand_beside_the_headline_and_in_the_first_lines(make_study: MakeStudy) -> None:
    study = make_study(SCORES)
    write_report(study)
    header, _, first, second = table(study)
    assert header[-3:] == ["bits per byte", "95 % interval", "in bits per byte"]
    assert first[0] == "a" and first[-3] == "-0.2000"  # 2 - accuracy, by construction
    assert first[-1] == "may help (exploration)" and second[-1].startswith("no effect seen")
    lead = (study.folder / "REPORT.md").read_text().split("##")[0]
    assert "In acc on quiz, higher is better: *helps* a; nothing of 1 more." in lead
    assert (
        "In bits per byte of the right answers on quiz, lower is better: *may help (exploration)* a" in lead
    )
    assert "in bits per byte" in terminal_table(study, effects_table(study))
    assert "{c}{bpb}" in (study.folder / "table.tex").read_text()


def test_bits_per_byte_are_in_no_family_of_claims(make_study: MakeStudy) -> None:
    study = make_study(SCORES)
    rows = effects_table(study)
    assert not any(row.claim for row in in_bits(rows, study).values())
    assert {row.tests for row in headline(rows, study)} == {2}


def test_nothing_stands_beside_bits_per_byte_themselves(make_study: MakeStudy) -> None:
    study = make_study(SCORES, primary="bpb")
    write_report(study)
    assert "bits per byte" not in table(study)[0]
    assert "exploration" not in (study.folder / "REPORT.md").read_text().split("##")[0]


def test_a_task_without_them_is_left_out_and_named(make_study: MakeStudy) -> None:
    """Two tasks, of which `riddle` was generated and has no right answer's bits."""
    study = make_study(SCORES, tasks={"quiz": 0.0, "riddle": 0.1})
    for (arm, seed), record in study.records.items():
        data = to_json(record)
        del data["tasks"]["riddle"]["higher_is_better"]["bpb"]
        for scores in (data["scores"], *(point["scores"] for point in data["curve"])):
            scores["riddle"].pop("bpb", None)
        write_record(run_folder(study.folder, arm, seed), from_json(Record, data, "changed"))
    study = load_study(study.folder)
    write_report(study)
    page = (study.folder / "REPORT.md").read_text()
    assert "bits per byte of the right answers of quiz (lower is better)" in page
    assert table(study)[2][-3] == "-0.2000"
    for (arm, seed), record in study.records.items():
        data = to_json(record)
        data["tasks"].pop("heldout"), data["tasks"]["quiz"]["higher_is_better"].pop("bpb")
        write_record(run_folder(study.folder, arm, seed), from_json(Record, data, "changed"))
    bare = load_study(study.folder)
    write_report(bare)
    assert "bits per byte" not in (bare.folder / "REPORT.md").read_text().split("## How much noise")[0]


def test_tasks_that_were_chosen_by_their_arms_differences_give_no_claim(make_study: MakeStudy) -> None:
    study = make_study(SCORES, primary="bpb")
    write_plan(replace(study.plan, metrics=replace(study.plan.metrics, aggregate="screened")), study.folder)
    for (
        arm,
        seed,
    ), record in study.records.items():  # a curve of four points that falls, as bits per byte do
        end = record.curve[-1].scores
        more = [
            {t: {m: v + gap for m, v in scores.items()} for t, scores in end.items()}
            for gap in (0.9, 0.6, 0.3)
        ]
        curve = tuple(Point(tokens=n, scores=s) for n, s in enumerate([*more, end], start=1))
        write_record(run_folder(study.folder, arm, seed), replace(record, curve=curve))
    study = load_study(study.folder)
    assert study.aggregated("bpb") == ["quiz"], "its arms differ by ten deviations"
    rows = {row.factor: row for row in effects_table(study) if row.task == "aggregate"}
    assert rows["a"].verdict.kind is Kind.MAY_HELP
    write_report(study)
    assert "chosen by whether arms differ" in (study.folder / "REPORT.md").read_text()


@pytest.mark.parametrize("aggregate", ["screened", ("quiz",)])
def test_where_no_task_passes_its_screening_nothing_is_a_claim(
    make_study: MakeStudy, aggregate: str | tuple[str, ...]
) -> None:
    study = make_study(SCORES)
    write_plan(replace(study.plan, metrics=replace(study.plan.metrics, aggregate=aggregate)), study.folder)
    study = load_study(study.folder)
    write_report(study)
    kinds = {row.verdict.kind for row in effects_table(study) if row.factor == "a" and row.metric == "acc"}
    assert kinds == {Kind.MAY_HELP if aggregate == "screened" else Kind.HELPS}
