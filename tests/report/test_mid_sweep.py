"""A study whose runs are not all made: nothing that tests is said, until they are made or given up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ablate.report.effects_table import effects_table
from ablate.report.page import write_report
from ablate.study.give_up import give_up
from ablate.study.plan import run_folder
from ablate.study.results import load_study
from ablate.summary.model import read_summary
from ablate.tables.asked import Asked
from ablate.tables.kinds import make_table

SCORES = {"full": [0.6, 0.61, 0.62, 0.6], "without_a": [0.3, 0.32, 0.31, 0.33]}


def _unfinished(make_study: Any) -> Path:
    folder: Path = make_study(SCORES).folder
    (run_folder(folder, "without_a", 3) / "record.json").unlink()
    return folder


def test_nothing_is_tested_in_mid_sweep(make_study: Any) -> None:
    folder = _unfinished(make_study)
    rows = write_report(load_study(folder))
    assert rows and all(
        math.isnan(value)
        for row in rows
        for value in (
            row.ci_low,
            row.ci_high,
            row.seed_error,
            row.item_error,
            row.p_value,
            row.p_adjusted,
            row.detectable.effect,
        )
    )
    assert {str(row.verdict) for row in rows} == {"no verdict before the plan is complete: 7 of 8 runs"}
    text = (folder / "REPORT.md").read_text(encoding="utf-8")
    assert "1 of 8 planned runs are missing" in text and "preliminary" in text
    assert "95 %" not in text and "helps" not in text and "| p |" not in text


@pytest.mark.parametrize("kind", ["arms", "design", "gains", "stages", "tasks"])
def test_no_table_has_an_error_in_mid_sweep(make_study: Any, kind: str) -> None:
    folder = _unfinished(make_study)
    write_report(load_study(folder))
    made = make_table(kind, read_summary(folder), Asked())
    assert any(cell.value is not None for row in made.rows for cell in row)
    assert all(cell.error is None and cell.low is None for row in made.rows for cell in row)
    assert not any("±" in note for note in made.notes)


def test_a_study_that_is_given_up_is_exploration(make_study: Any) -> None:
    folder = _unfinished(make_study)
    assert give_up(folder) == [("without_a", 3)]
    study = load_study(folder)
    assert study.waiting == [] and "cut short" in study.history.changed
    rows = effects_table(study)
    assert any(not math.isnan(row.p_value) for row in rows) and not any(row.claim for row in rows)
    write_report(study)
    assert "**The study was cut short.**" in (folder / "REPORT.md").read_text(encoding="utf-8")
