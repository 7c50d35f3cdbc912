"""`study.json`: read back as it was written, refused where it is another one's, and the same numbers as the report's."""

from __future__ import annotations

import csv
import io
import json

import pytest

from ablate.errors import DataError
from ablate.report.page import write_report
from ablate.study.plan import run_folder
from ablate.study.results import load_study
from ablate.summary import frames
from ablate.summary.model import FILE, TABLES, read_summary, to_json
from ablate.tables.kinds import make_table

SCORES = {"full": [0.50, 0.52, 0.51], "without_a": [0.40, 0.43, 0.40], "without_b": [0.50, None, 0.52]}


def test_what_was_written_is_read_and_written_again_to_the_byte(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES)
    write_report(study)
    text = (study.folder / FILE).read_text(encoding="utf-8")
    assert to_json(read_summary(study.folder)) == text
    write_report(load_study(study.folder))
    assert (study.folder / FILE).read_text(encoding="utf-8") == text


def test_a_hand_count(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES, tasks={"quiz": 0.0, "exam": 0.1})
    write_report(study)
    found = read_summary(study.folder)
    assert found.runs["status"] == ["done"] * 7 + ["failed", "done"]
    assert found.runs["why"][7] == "out of memory"
    assert found.points == [[3000, 6000]]
    (quiz,) = [
        n
        for n, pair in enumerate(zip(found.scores["task"], found.scores["metric"], strict=True))
        if pair == ("quiz", "acc")
    ]
    assert found.scores["end"][quiz] == [0.5, 0.52, 0.51, 0.4, 0.43, 0.4, 0.5, None, 0.52]
    assert found.scores["curve"][quiz][0] == [0.25, 0.5]
    assert found.scores["curve"][quiz][7] is None
    # The aggregate of quiz and exam, chance 0.25: ((0.5 - 0.25) + (0.6 - 0.25)) / 2 / 0.75.
    (both,) = [
        n
        for n, pair in enumerate(zip(found.scores["task"], found.scores["metric"], strict=True))
        if pair == ("aggregate", "acc")
    ]
    assert found.scores["end"][both][0] == 0.4
    assert found.contrasts["stage"] == ["a", "b"]
    (row,) = [
        n
        for n, names in enumerate(zip(*(found.effects[k] for k in ("factor", "task", "metric")), strict=True))
        if names == ("b", "quiz", "acc")
    ]
    assert found.effects["by_seed"][row] == [0.0, None, -0.01]
    assert found.funnel["documents"][:2] == [100, 60]
    assert found.dropped["reason"][0] == "bad"
    assert found.dropped["count"][0] == 40


def test_the_csv_files_are_the_frames(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES)
    write_report(study)
    found = read_summary(study.folder)
    for name, text in frames.csv_files(found).items():
        assert (study.folder / name).read_text(encoding="utf-8") == text, name
    rows = list(csv.DictReader(io.StringIO((study.folder / "scores.csv").read_text())))
    assert rows[0] == {
        "arm": "full",
        "seed": "0",
        "tokens": "3000",
        "task": "quiz",
        "metric": "acc",
        "score": "0.25",
    }
    assert len(rows) == 8 * 2 * 3  # runs, points, scores of a point


def test_every_column_of_every_frame_is_documented(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES)
    write_report(study)
    found = read_summary(study.folder)
    for name in set(frames.COLUMNS) - {"items"}:
        frame = getattr(frames, name)(found)
        assert set(frame.columns) <= set(frames.COLUMNS[name]), name
        assert len(frame.columns) >= 4, name


@pytest.mark.parametrize("harm", ["schema", "field", "length"])
def test_a_file_that_is_not_of_this_schema_is_refused_by_name(make_study, harm: str) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES)
    write_report(study)
    path = study.folder / FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    if harm == "schema":
        content["schema"] = 99
    elif harm == "field":
        del content["noise"]
    else:
        content["funnel"]["arm"].pop()
    path.write_text(json.dumps(content), encoding="utf-8")
    word = {"schema": "99", "field": "noise", "length": "funnel"}[harm]
    with pytest.raises(DataError, match=word):
        read_summary(study.folder)


def test_newer_fields_are_passed_over(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study(SCORES)
    write_report(study)
    path = study.folder / FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["later"] = {"a": [1]}
    content["head"]["later"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_summary(study.folder).head.name == "study"


def test_hostile_names_come_back_as_they_were(make_study) -> None:  # type: ignore[no-untyped-def]
    names = ["full", "</script><img onerror=alert(1)>", "a|b$c_{d}", '\u202eright to left, "quoted"\n']
    study = make_study({name: [0.5, 0.6] for name in names})
    write_report(study)
    found = read_summary(study.folder)
    assert found.arms["arm"] == names
    again = frames.curves(found)
    read = csv.DictReader(io.StringIO((study.folder / "scores.csv").read_text(encoding="utf-8"), newline=""))
    assert [row["arm"] for row in read] == again["arm"].tolist()


def test_tables_are_named() -> None:
    assert {"arms", "runs", "scores", "effects", "cost"} <= set(TABLES)
    assert "head" not in TABLES


def test_while_planned_runs_wait_nothing_is_inferred(make_study) -> None:  # type: ignore[no-untyped-def]
    """Of nine runs one has no record and no failure: differences are there, intervals, p-values and verdicts are not."""
    study = make_study({**SCORES, "without_b": [0.50, 0.51, 0.52]})
    (run_folder(study.folder, "without_b", 2) / "record.json").unlink()
    write_report(load_study(study.folder))
    found = read_summary(study.folder)
    assert not found.head.complete
    assert found.runs["status"] == ["done"] * 8 + ["waiting"]
    for name in ("ci_low", "ci_high", "seed_error", "p_value", "p_adjusted", "mde", "mde_upper"):
        assert set(found.effects[name]) == {None}, name
    assert set(found.effects["kind"]) == {"incomplete"}
    assert set(found.effects["verdict"]) == {"no verdict before the plan is complete: 8 of 9 runs"}
    assert found.effects["by_seed"][0] != [None] * 3 and found.effects["estimate"][0] is not None
    listed = list(csv.DictReader(io.StringIO((study.folder / "effects.csv").read_text(encoding="utf-8"))))
    assert {row["p_value"] + row["ci_low"] for row in listed} == {""}
    make_table("gains", found), make_table("tasks", found), make_table("noise", found)


def test_a_study_without_any_run_has_a_summary(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study({"full": [None, None], "without_a": [None, None]})
    write_report(study)
    found = read_summary(study.folder)
    assert found.runs["status"] == ["failed"] * 4 and found.scores["end"] == []
    assert (
        frames.scores(found).empty
        and frames.curves(found).empty
        and frames.effects(found).empty
        and frames.pairs(found).empty
    )
