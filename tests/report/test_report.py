"""The report, from records made by hand: what it says, what it never says, and that its bytes are fixed."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.render.tables import escape_latex
from ablate.report.effects_table import effects_table, headline
from ablate.report.page import write_report
from ablate.report.summary import summarise
from ablate.report.tables import terminal_table
from ablate.study.results import Study, load_study
from ablate.summary.frames import csv_files

FULL = {"full": [0.70, 0.74, 0.72], "without_a": [0.50, 0.53, 0.53], "without_b": [0.71, 0.72, 0.74]}
MakeStudy = Callable[..., Study]
NAMES = ("REPORT.md", "effects.csv", "scores.csv", "table.tex", "cost.csv", "figures/gains.svg", "figures/gains.png",
         "figures/curves.svg", "figures/curves.png", "figures/funnel.svg", "figures/funnel.png")  # fmt: skip


def files(study: Study) -> dict[str, bytes]:
    return {name: (study.folder / name).read_bytes() for name in NAMES}


def rows_of(study: Study) -> dict[tuple[str, str, str], dict[str, str]]:
    rows = csv.DictReader(io.StringIO(csv_files(summarise(study, effects_table(study)))["effects.csv"]))
    return {(row["factor"], row["task"], row["metric"]): row for row in rows}


def test_estimates_are_differences_of_means(make_study: MakeStudy) -> None:
    rows = rows_of(make_study(FULL))
    assert float(rows["a", "quiz", "acc"]["estimate"]) == pytest.approx(0.72 - 0.52)
    # The aggregate is rescaled for chance: (score - 1/4) / (3/4).
    assert float(rows["a", "aggregate", "acc"]["estimate"]) == pytest.approx(0.20 / 0.75, rel=1e-4)
    assert float(rows["a", "quiz", "bpb"]["estimate"]) == pytest.approx(-0.20)
    assert rows["a", "quiz", "acc"]["verdict"].startswith("helps")
    assert rows["a", "quiz", "bpb"]["verdict"].startswith("may help"), (
        "fewer bits are better, and bpb is exploration"
    )
    assert rows["b", "quiz", "acc"]["verdict"].startswith("no effect")
    low, high = float(rows["a", "quiz", "acc"]["ci_low"]), float(rows["a", "quiz", "acc"]["ci_high"])
    assert low < 0.20 < high
    assert float(rows["a", "quiz", "acc"]["item_error"]) > 0


def test_every_score_of_every_run_is_listed(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    write_report(study)
    with (study.folder / "scores.csv").open() as file:
        listed = {
            (row["arm"], int(row["seed"]), int(row["tokens"]), row["task"], row["metric"]): float(
                row["score"]
            )
            for row in csv.DictReader(file)
        }
    # 3 arms x 3 seeds x 2 points x (quiz: acc, bpb; heldout: bpb).
    assert len(listed) == 3 * 3 * 2 * 3
    assert listed["without_a", 1, 6000, "quiz", "acc"] == 0.53
    assert listed["without_a", 1, 3000, "quiz", "acc"] == 0.265


def test_the_csv_has_the_columns_people_script_against(make_study: MakeStudy) -> None:
    wanted = ["factor", "level", "estimand", "task", "metric", "estimate", "ci_low", "ci_high", "n_seeds",
              "seed_error", "item_error", "p_value", "p_adjusted", "verdict"]  # fmt: skip
    for row in rows_of(make_study(FULL)).values():
        assert set(wanted) <= set(row)


def test_two_tasks_are_averaged_in_the_aggregate(make_study: MakeStudy) -> None:
    study = make_study(FULL, tasks={"quiz": 0.0, "riddle": 0.1})
    rows = rows_of(study)
    assert float(rows["a", "aggregate", "acc"]["estimate"]) == pytest.approx(0.20 / 0.75, rel=1e-4)
    assert [row.factor for row in headline(effects_table(study), study)] == ["a", "b"]


def test_the_same_records_give_the_same_bytes(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    write_report(study)
    first = files(study)
    for name in NAMES:
        (study.folder / name).unlink()
    write_report(load_study(study.folder))
    assert files(study) == first
    assert b"20" not in re.findall(rb"<dc:date>.*</dc:date>", first["figures/gains.svg"]), (
        "no clock in a figure"
    )


def test_a_failed_arm_is_missing_and_never_zero(make_study: MakeStudy) -> None:
    study = make_study({**FULL, "without_c": [None, None, None]})
    rows = rows_of(study)
    missing = rows["c", "aggregate", "acc"]
    assert missing["verdict"] == "missing: without_c failed"
    assert all(missing[name] == "" for name in ("estimate", "ci_low", "ci_high", "p_value", "seed_error"))
    assert rows["a", "aggregate", "acc"]["verdict"].startswith("helps")
    write_report(study)
    report = (study.folder / "REPORT.md").read_text()
    assert "`without_c`, seed 0: out of memory" in report and "runs/without_c/seed-0/log.txt" in report
    assert "| without_c | missing" in report
    gain = next(line for line in report.splitlines() if line.startswith("| c |") and "failed" in line)
    assert "0.0" not in gain and "missing" in gain
    assert (
        "without\\_c & \\textendash{} & \\textendash{} & \\textendash{} \\\\"
        in (study.folder / "table.tex").read_text()
    )
    assert "missing" in terminal_table(study, effects_table(study))


def test_one_failed_seed_leaves_the_others_in_use(make_study: MakeStudy) -> None:
    study = make_study({**FULL, "without_a": [0.5, None, 0.53]})
    row = rows_of(study)["a", "quiz", "acc"]
    # Paired by seed: (0.70 - 0.50 + 0.72 - 0.53) / 2.
    assert float(row["estimate"]) == pytest.approx(0.195)
    assert row["n_seeds"] == "2"


def test_one_seed_means_no_interval_and_no_verdict(make_study: MakeStudy) -> None:
    study = make_study({"full": [0.7], "without_a": [0.5]})
    row = rows_of(study)["a", "quiz", "acc"]
    assert float(row["estimate"]) == pytest.approx(0.2)
    assert row["ci_low"] == row["ci_high"] == row["p_value"] == row["seed_error"] == ""
    assert "one seed" in row["verdict"] and not row["verdict"].startswith(("helps", "hurts", "no effect"))
    write_report(study)
    assert "| a | +0.2667 | – |" in (study.folder / "REPORT.md").read_text()


def test_arms_with_the_same_texts_are_called_so(make_study: MakeStudy) -> None:
    study = make_study(
        {"full": [0.7, 0.72], "without_a": [0.5, 0.55], "without_b": [0.7, 0.72]},
        contents={"full": "same", "without_b": "same"},
    )
    row = rows_of(study)["b", "aggregate", "acc"]
    assert row["verdict"] == "no effect: the stage changed nothing here"
    assert float(row["estimate"]) == 0 and float(row["p_adjusted"]) == 1
    # Nothing was tested there, so the other contrast stands alone in its family.
    other = rows_of(study)["a", "aggregate", "acc"]
    assert other["p_adjusted"] == other["p_value"]


def test_the_same_run_counts_once_in_the_noise_floor(make_study: MakeStudy) -> None:
    scores = {"full": [0.7, 0.72, 0.71], "without_a": [0.5, 0.55, 0.6]}
    alone = make_study(scores, name="alone")
    twice = make_study(
        {**scores, "without_b": scores["full"]}, contents={"full": "same", "without_b": "same"}, name="twice"
    )
    assert twice.distinct == [0, 1]
    noise = []
    for study in (alone, twice):
        write_report(study)
        report = (study.folder / "REPORT.md").read_text()
        noise.append(next(line for line in report.splitlines() if line.startswith("| acc | quiz |")))
    assert noise[0] == noise[1]


def test_a_study_without_records_still_reports_what_is_missing(make_study: MakeStudy) -> None:
    study = make_study({"full": [None, None], "without_a": [None, None]})
    write_report(study)
    assert (study.folder / "REPORT.md").read_text().count("out of memory") == 4
    assert "no run has finished yet" in terminal_table(study, effects_table(study))


def test_names_with_odd_characters(make_study: MakeStudy) -> None:
    odd = "without_50%_&_{x}/y>z"
    study = make_study({"full": [0.7, 0.71, 0.73], odd: [0.5, 0.52, 0.53]}, title="50 % | of _all_")
    assert study.first_record(odd) is not None
    assert all(path.parent.parent == study.folder / "runs" for path in study.folder.glob("runs/*/*"))
    write_report(study)
    table = (study.folder / "table.tex").read_text()
    assert "without\\_50\\%\\_\\&\\_\\{x\\}/y$>$z" in table


@pytest.mark.parametrize("plain", ["\\", "a~b", "x^2", "{}", "100 %", "a_b & c#d$"])
def test_latex_escapes_give_balanced_groups(plain: str) -> None:
    escaped = escape_latex(plain)
    bare = re.sub(r"\\[{}]", "", escaped)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[&%#_]", escaped)


def test_the_report_shows_funnel_epochs_and_noise(make_study: MakeStudy) -> None:
    study = make_study(FULL)
    write_report(study)
    report = (study.folder / "REPORT.md").read_text()
    assert "| a_stage | 60 | 60.0 % |" in report and "bad 40" in report
    assert "repeats its text more than 4 times" in report
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", report):
        assert (study.folder / picture).stat().st_size > 2000
    assert "seed sd" in report and "Prediction, written before the runs" in report
    # Pooled over arms, each with mean square (sum of squares / 2): hand-computed.
    squares = [
        (0.02**2 + 0.02**2) / 2,
        (0.02**2 + 0.01**2 + 0.01**2) / 2,
        ((0.71 - 0.72333) ** 2 + (0.72 - 0.72333) ** 2 + (0.74 - 0.72333) ** 2) / 2,
    ]
    line = next(line for line in report.splitlines() if line.startswith("| acc | quiz |"))
    assert f"{math.sqrt(sum(squares) / 3):.4f}" in line


def test_a_folder_that_is_no_study(tmp_path: Path) -> None:
    from ablate.errors import DataError

    with pytest.raises(DataError, match="holds no study"):
        load_study(tmp_path)
