"""Cheaper budgets and smaller models: what the report and `ablate compare` say of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace

import pytest

from ablate.cli import main
from ablate.errors import DataError
from ablate.report.decision import between, by_budget
from ablate.report.page import write_report
from ablate.study.plan import run_folder
from ablate.study.record import read_record, write_record
from ablate.study.results import Study, load_study

MakeStudy = Callable[..., Study]
FULL = {"full": [0.70, 0.74], "a": [0.50, 0.53], "b": [0.60, 0.62], "c": [0.30, 0.31]}


def test_half_the_budget_ranks_like_all_of_it_when_scores_double(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    rows = {(row.task, row.metric): row for row in by_budget(study)}
    assert {row.cheap for row in rows.values()} == {"50 % of the budget"}
    assert rows["quiz", "acc"].accuracy == 1 and rows["quiz", "acc"].n_pairs == 6
    assert rows["quiz", "acc"].ci_low < 1
    assert rows["quiz", "acc"].seed_ceiling == 1


def test_the_report_has_the_table(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    # Half-way, `a` and `b` stood the other way round under every seed, so whichever half is asked says so.
    for seed in study.seeds:
        one, other = (study.folder / "runs" / arm / f"seed-{seed}" for arm in ("a", "b"))
        first, second = read_record(one), read_record(other)
        write_record(one, replace(first, curve=(second.curve[0], *first.curve[1:])))
        write_record(other, replace(second, curve=(first.curve[0], *second.curve[1:])))
    study = load_study(study.folder)
    write_report(study)
    report = (study.folder / "REPORT.md").read_text()
    assert "| 50 % of the budget | quiz | 6 | 83 % |" in report
    with (study.folder / "decisions.csv").open() as file:
        rows = {(row["task"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["quiz", "acc"]["accuracy"]) == pytest.approx(5 / 6)
    assert float(rows["quiz", "acc"]["spearman"]) == pytest.approx(0.8)


def test_two_studies_are_compared_by_the_names_of_their_arms(
    make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    large = make_study(FULL, name="large")
    small = make_study(
        {"b": [0.41, 0.42], "full": [0.40, 0.41], "other": [0.9, 0.9], "c": [0.1, 0.1]}, name="small"
    )
    (row,) = [row for row in between(small, large) if (row.task, row.metric) == ("quiz", "acc")]
    # Of (full, b), (full, c), (b, c) the first is the wrong way round.
    assert (row.n_arms, row.n_pairs, row.accuracy) == (3, 3, pytest.approx(2 / 3))
    assert main(["compare", f"study.dir={small.folder}", f"compare.to={large.folder}"]) == 0
    assert "67 %" in capsys.readouterr().out
    assert (small.folder / "comparison.csv").exists()


def test_gains_of_half_the_size_carry_over_at_two(
    make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    """The large study's arms lie 2 x as far apart as the small one's, each seed a hundredth off."""
    arms = {"full": 0.4, "a": 0.3, "b": 0.25, "c": 0.2, "d": 0.1}
    off = [(-1) ** number * 0.001 for number in range(5)]
    small = make_study(
        {arm: [x + e, x - e] for (arm, x), e in zip(arms.items(), off, strict=True)}, name="small"
    )
    large = make_study(
        {arm: [0.1 + 2 * x - e, 0.1 + 2 * x + e] for (arm, x), e in zip(arms.items(), off, strict=True)},
        name="large",
    )
    (row,) = [row for row in between(small, large) if (row.task, row.metric) == ("quiz", "acc")]
    assert row.slope == pytest.approx(2.0, rel=1e-6)
    assert row.slope_low <= row.slope <= row.slope_high and row.accuracy == 1
    assert main(["compare", f"study.dir={small.folder}", f"compare.to={large.folder}"]) == 0
    said = capsys.readouterr().out
    assert "gain per gain" in said and "2.00" in said
    with (small.folder / "comparison.csv").open(encoding="utf-8", newline="") as lines:
        kept = next(
            line for line in csv.DictReader(lines) if (line["task"], line["metric"]) == ("quiz", "acc")
        )
    assert float(kept["slope"]) == pytest.approx(2.0, rel=1e-6)


def test_studies_that_share_no_arms_are_refused(make_study: MakeStudy) -> None:
    with pytest.raises(DataError, match="share 0 arms by name"):
        between(make_study({"x": [0.1], "y": [0.2]}, name="one"), make_study(FULL, name="two"))


def test_in_mid_sweep_two_studies_are_compared_without_intervals(
    make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    large = make_study(FULL, name="large")
    small = make_study({"b": [0.41, 0.42], "full": [0.40, 0.41], "c": [0.1, 0.1]}, name="small")
    command = ["compare", f"study.dir={small.folder}", f"compare.to={large.folder}"]
    (run_folder(small.folder, "c", 1) / "record.json").unlink()
    assert main(command) == 0
    assert "withheld until both plans are complete" in capsys.readouterr().out
    with (small.folder / "comparison.csv").open(encoding="utf-8", newline="") as lines:
        row = next(
            line for line in csv.DictReader(lines) if (line["task"], line["metric"]) == ("quiz", "acc")
        )
    assert float(row["accuracy"]) == pytest.approx(2 / 3)
    for name in ("ci_low", "ci_high", "clear_pairs", "clear_accuracy", "spearman_low", "spearman_high"):
        assert row[name] == ""
    assert row["slope_low"] == row["slope_high"] == ""
