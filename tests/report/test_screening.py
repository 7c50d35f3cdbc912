"""Screening in the report: what is listed, what the aggregate takes, and the mean over checkpoints."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.report.effects_table import effects_table, headline
from ablate.report.page import write_report
from ablate.study.plan import run_folder, write_plan
from ablate.study.record import Point, write_record
from ablate.study.results import Study, load_study

MakeStudy = Callable[..., Study]
FULL = {"full": [0.70, 0.72, 0.71], "without_a": [0.50, 0.52, 0.53]}
POINTS = 8


@pytest.fixture
def with_curves(make_study: MakeStudy) -> Callable[..., Study]:
    """A study whose `quiz` is learned and whose `coin` is noise, over eight points."""

    def make(**metrics: Any) -> Study:
        study = make_study(FULL, tasks={"quiz": 0.0, "coin": 0.0})
        rng = np.random.default_rng(0)
        for (arm, seed), record in study.records.items():
            curve = []
            for number in range(1, POINTS + 1):
                scores = {task: dict(values) for task, values in record.scores.items()}
                scores["quiz"]["acc"] = 0.25 + (FULL[arm][seed] - 0.25) * number / POINTS
                scores["coin"]["acc"] = float(rng.binomial(100, 0.25)) / 100
                curve.append(Point(tokens=1000 * number, scores=scores))
            changed = replace(record, curve=tuple(curve), scores=curve[-1].scores)
            write_record(run_folder(study.folder, arm, seed), changed)
        write_plan(replace(study.plan, metrics=replace(study.plan.metrics, **metrics)), study.folder)
        return load_study(study.folder)

    return make


def table(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "screening.csv").open() as file:
        return {(row["task"], row["metric"]): row for row in csv.DictReader(file)}


def test_every_task_and_metric_is_listed_with_its_answer(with_curves: Callable[..., Study]) -> None:
    study = with_curves()
    write_report(study)
    rows = table(study.folder)
    assert set(rows) == {
        ("quiz", "acc"),
        ("quiz", "bpb"),
        ("coin", "acc"),
        ("coin", "bpb"),
        ("heldout", "bpb"),
    }
    assert rows["quiz", "acc"]["believed"] == "yes"
    assert rows["coin", "acc"]["believed"] == "no"
    assert set(rows["coin", "acc"]["failed"].split("; ")) == {"monotonicity", "signal to noise", "non-random"}
    assert rows["quiz", "acc"]["monotonicity"] == "1" and rows["quiz", "acc"]["points"] == str(POINTS)
    page = (study.folder / "REPORT.md").read_text()
    assert "## Which tasks can be believed at this scale" in page and "quiz (acc)" in page
    assert "the aggregate takes every task: quiz, coin" in page


def test_a_screened_aggregate_leaves_out_what_fails_and_says_so(with_curves: Callable[..., Study]) -> None:
    study = with_curves(aggregate="screened")
    assert study.aggregated("acc") == ["quiz"]
    (lead,) = headline(effects_table(study), study)
    assert lead.task == "aggregate"
    assert lead.estimate == pytest.approx(np.mean([0.2, 0.2, 0.18]) / 0.75)
    write_report(study)
    page = (study.folder / "REPORT.md").read_text()
    assert "the tasks that passed screening: quiz; left out: coin (no: monotonicity" in page


def test_where_nothing_passes_the_report_says_so(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    write_plan(replace(study.plan, metrics=replace(study.plan.metrics, aggregate="screened")), study.folder)
    study = load_study(study.folder)
    write_report(study)
    page = (study.folder / "REPORT.md").read_text()
    assert study.aggregated("acc") == []  # two points: no monotonicity
    assert "the tasks that passed screening: none did; left out: quiz (not measured: monotonicity" in page


def test_a_score_can_be_the_mean_over_the_last_checkpoints(with_curves: Callable[..., Study]) -> None:
    study = with_curves(average_last=3)
    # Points 6, 7 and 8 of 8 have mean 7/8 of the way.
    assert study.scores("quiz", "acc")[0, 0] == pytest.approx(0.25 + 0.45 * 7 / 8)
    assert study.scores("quiz", "acc", point=8000)[0, 0] == pytest.approx(0.70)
    # The last four points lie 1/8 of the way apart: standard deviation sqrt(5/3) steps, mean over the runs.
    ways = np.array([value - 0.25 for values in FULL.values() for value in values]) / 8
    assert study.checkpoint_sd("quiz", "acc") == pytest.approx(ways.mean() * np.sqrt(5 / 3))
    write_report(study)
    assert "mean over its last 3 checkpoints" in (study.folder / "REPORT.md").read_text()
