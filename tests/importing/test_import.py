"""`ablate import`: what lm-eval and spreadsheets say, taken over to the digit, or refused by line."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main
from ablate.design.base import Factor
from ablate.report.effects_table import effects_table
from ablate.study.results import Study, load_study

Written = tuple[Path, dict[tuple[str, int], Any]]
Import = Callable[..., int]
TABLE = """arm,seed,task,metric,score,quality,dedup
full,0,quiz,acc,0.70,on,on
full,1,quiz,acc,0.74,on,on
no_quality,0,quiz,acc,0.50,off,on
no_quality,1,quiz,acc,0.52,off,on
neither,0,quiz,acc,0.40,off,off
neither,1,quiz,acc,0.46,off,off
"""


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """Run `ablate import` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *overrides: main(["import", "study.name=theirs", *overrides])


def study(tmp_path: Path) -> Study:
    return load_study(tmp_path / "studies" / "theirs")


def test_lm_evals_files_give_what_our_evaluator_gives(take: Import, tmp_path: Path, written: Written) -> None:
    out, ours = written
    assert take(f"results.lm_eval=[{out}]", "results.primary=acc") == 0
    found = study(tmp_path)
    assert found.arms == ["full", "without_a"] and found.seeds == [0, 1]
    compared = 0
    for run, scores in ours.items():
        record = found.records[run]
        for task, metric in (
            ("quiz", "acc"),
            ("quiz", "acc_norm"),
            ("quiz", "prob"),
            ("quiz", "bpb"),
            ("partial", "acc"),
            ("word", "acc"),
        ):
            assert record.scores[task][metric] == pytest.approx(scores.summary[task][metric], abs=1e-6)
            compared += 1
        items = {(r["task"], r["metric"], int(r["item"])): r["value"] for r in _items(found, run)}
        theirs = [r for r in scores.items.to_pylist() if (r["task"], r["metric"]) == ("quiz", "prob")]
        for number, row in enumerate(theirs):
            assert items["quiz", "prob", number] == pytest.approx(row["value"], abs=1e-6)
    assert compared == 24
    assert found.tasks["quiz"].chance["acc"] == pytest.approx(1 / 3)
    assert "prob" not in found.tasks["partial"].higher_is_better, "its choices are contexts"
    rows = {(row.task, row.metric): row for row in effects_table(found)}
    assert rows["quiz", "prob"].item_error > 0
    report = (found.folder / "REPORT.md").read_text()
    assert (
        "without_a vs full" in report and "What was kept" not in report and "imported from lm-eval" in report
    )
    assert (found.folder / "figures" / "gains.svg").exists()


def _items(found: Study, run: tuple[str, int]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    from ablate.study.plan import run_folder

    rows: list[dict[str, Any]] = pq.read_table(
        run_folder(found.folder, *run) / "items.parquet", schema=None
    ).to_pylist()
    return rows


def test_a_mapping_names_the_runs(take: Import, tmp_path: Path, written: Written) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    lines = ["folder,arm,seed,a"] + [
        f"out/{arm}/seed-{seed},{name},{seed},{level}"
        for arm, name, level in (("full", "everything", "on"), ("without_a", "less", "off"))
        for seed in (0, 1)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    assert take("results.mapping=runs.csv", "results.primary=acc", "results.tasks=[quiz]") == 0
    found = study(tmp_path)
    assert found.arms == ["everything", "less"] and list(found.tasks) == ["quiz"]
    contrast = found.plan.contrasts[0]
    assert (contrast.factor, contrast.level, contrast.versus) == ("a", "off", "on")


def test_without_samples_there_are_scores_but_no_items(
    take: Import, tmp_path: Path, written: Written
) -> None:
    shutil.copytree(written[0], tmp_path / "out", ignore=shutil.ignore_patterns("samples_*"))
    assert take("results.lm_eval=[out]", "results.primary=acc") == 0
    found = study(tmp_path)
    assert found.items("quiz", "acc") is None
    assert found.tasks["quiz"].higher_is_better == {"acc": True, "acc_norm": True}


def _edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    (file,) = path.rglob("results_*.json")
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda out: shutil.rmtree(out / "full" / "seed-1"),
            "1 of 4 runs are missing, first arm 'full', seed 1",
        ),
        (
            lambda out: (out / "full" / "seed-0").rename(out / "full" / "first"),
            "does not begin like '{arm}/seed-{seed}'",
        ),
        (
            lambda out: _edit(out / "full" / "seed-1", lambda c: c["results"].pop("word")),
            "arm 'full', seed 1: no acc of 'word'",
        ),
        (
            lambda out: _edit(out / "full" / "seed-1", lambda c: c["n-shot"].update(quiz=5)),
            "'quiz' is not the same everywhere: few-shot is",
        ),
        (
            lambda out: _edit(out / "full" / "seed-1", lambda c: c["task_hashes"].update(quiz="else")),
            "'quiz' is not the same everywhere: digest is",
        ),
        (
            lambda out: _edit(out / "full" / "seed-1", lambda c: c.pop("results")),
            "is not a result of lm-eval",
        ),
        (
            lambda out: next((out / "full").rglob("samples_quiz*")).write_text("{}"),
            "line 1: expected a sample of lm-eval",
        ),
    ],
)
def test_a_fault_in_the_folders_is_named(
    take: Import,
    tmp_path: Path,
    written: Written,
    spoil: Callable[[Path], None],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    spoil(tmp_path / "out")
    assert take("results.lm_eval=[out]", "results.primary=acc") == 2
    assert said in capsys.readouterr().err


def test_two_results_of_one_run_must_agree(
    take: Import, tmp_path: Path, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    (file,) = (tmp_path / "out" / "full" / "seed-0").rglob("results_*.json")
    content = json.loads(file.read_text())
    again = file.with_name("results_2099-01-01T00-00-00.000000.json")
    again.write_text(json.dumps({**content, "results": {"word": content["results"]["word"]}}))
    assert take("results.lm_eval=[out]", "results.primary=acc") == 0
    content["results"]["word"]["acc,none"] = 0.123
    again.write_text(json.dumps({**content, "results": {"word": content["results"]["word"]}}))
    assert take("results.lm_eval=[out]", "results.primary=acc", "study.replan=true") == 2
    assert "word was scored before for this run, with other results" in capsys.readouterr().err


def test_a_csv_becomes_a_study(take: Import, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(TABLE)
    assert take("results.csv=scores.csv", "results.chance={quiz: 0.25}") == 0
    found = study(tmp_path)
    assert found.plan.factors == (Factor("quality", ("on", "off")), Factor("dedup", ("on", "off")))
    rows = {(row.factor, row.task): row for row in effects_table(found)}
    assert rows["quality", "quiz"].estimate == pytest.approx(0.51 - 0.72)
    assert rows["quality", "aggregate"].estimate == pytest.approx((0.51 - 0.72) / 0.75)
    assert rows["neither", "quiz"].level == "neither", "it differs in two factors, so it is about neither"
    first = (found.folder / "REPORT.md").read_bytes()
    (found.folder / "REPORT.md").unlink()
    assert main(["report", "study.name=theirs"]) == 0
    assert (found.folder / "REPORT.md").read_bytes() == first


def test_points_of_a_run_make_a_curve(take: Import, tmp_path: Path) -> None:
    lines = [
        f"{arm},{seed},{tokens},quiz,{0.1 * tokens / 1000 + 0.01 * seed + bonus}"
        for arm, bonus in (("a", 0.0), ("b", 0.05))
        for seed in (0, 1)
        for tokens in (2000, 1000)
    ]
    (tmp_path / "scores.csv").write_text("\n".join(["arm,seed,tokens,task,score", *lines]))
    assert take("results.csv=scores.csv", "results.reference=b") == 0
    found = study(tmp_path)
    assert found.arms[0] == "b"
    assert found.scores("quiz", "score")[1].tolist() == pytest.approx([0.2, 0.21])
    assert found.scores("quiz", "score", 1000)[1].tolist() == pytest.approx([0.1, 0.11])
    assert (found.folder / "figures" / "curves.svg").exists()
    with (found.folder / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("full,1,quiz,acc,0.74,on,on", "full,0,quiz,acc,0.74,on,on"),
            "line 3 repeats line 2: arm 'full', seed 0",
        ),
        (("full,1,quiz,acc,0.74,on,on\n", ""), "1 of 6 runs are missing, first arm 'full', seed 1"),
        (("0.74", "n/a"), "line 3: score must be a finite number, got 'n/a'"),
        (("full,1", "full,one"), "line 3: seed must be a finite number, got 'one'"),
        (("0.74,on,on", "0.74,off,on"), "line 3: arm 'full' has levels"),
        (("0.74,on,on", "0.74"), "line 3: expected 7 cells"),
        (("arm,seed", "arm,run"), "no column seed"),
        (("acc", "wisdom"), "which way is 'wisdom' better?"),
        (("acc,0.74", "prob,0.74"), "choose the headline's metric; there: acc, prob"),
    ],
)
def test_a_fault_in_a_csv_is_named(
    take: Import, tmp_path: Path, change: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = TABLE.replace(*change)
    (tmp_path / "scores.csv").write_text(table)
    more = ["results.allow_missing=true"] if "prob" in change[1] else []
    assert take("results.csv=scores.csv", *more) == 2
    assert said in capsys.readouterr().err


def test_missing_runs_can_be_reported_as_missing(take: Import, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(TABLE.replace("neither,1,quiz,acc,0.46,off,off\n", ""))
    assert take("results.csv=scores.csv", "results.allow_missing=true") == 0
    report = (tmp_path / "studies" / "theirs" / "REPORT.md").read_text()
    assert "`neither`, seed 1: not among what was imported" in report


def test_another_import_under_the_same_name_is_refused(
    take: Import, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores.csv").write_text(TABLE)
    assert take("results.csv=scores.csv") == 0
    (tmp_path / "scores.csv").write_text(TABLE.replace("0.74", "0.75"))
    assert take("results.csv=scores.csv") == 2
    assert "holds another plan" in capsys.readouterr().err
    assert take("results.csv=scores.csv", "study.replan=true") == 0
    assert take() == 2
    assert "give results.csv=<file>, or results.lm_eval=[<folder>]" in capsys.readouterr().err


def test_packed_samples_are_read_and_a_repeated_one_is_named(
    take: Import, tmp_path: Path, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    assert take("results.lm_eval=[out]", "results.primary=acc") == 0
    plain = {run: _items(study(tmp_path), run) for run in (("full", 0), ("without_a", 1))}
    for path in (tmp_path / "out").rglob("samples_*.jsonl"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert take("results.lm_eval=[out]", "results.primary=acc", "study.replan=true") == 0
    assert {run: _items(study(tmp_path), run) for run in plain} == plain
    packed = next((tmp_path / "out" / "full" / "seed-1").rglob("samples_quiz*"))
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join([*lines, lines[0]])))
    assert take("results.lm_eval=[out]", "results.primary=acc", "study.replan=true") == 2
    said = capsys.readouterr().err
    assert f"line {len(lines) + 1} repeats line 1: doc" in said and packed.name in said


def test_names_of_arms_may_be_longer_than_a_figure_is_wide(take: Import, tmp_path: Path) -> None:
    rows = [
        f"{arm},{seed},quiz,0.{(seed + 2) * n}"
        for n, arm in enumerate(("full", "x" * 8_000), 1)
        for seed in (0, 1)
    ]
    (tmp_path / "scores.csv").write_text("\n".join(["arm,seed,task,score", *rows]))
    assert take("results.csv=scores.csv") == 0
    assert (tmp_path / "studies" / "theirs" / "figures" / "gains.png").stat().st_size > 0


@pytest.mark.parametrize("allowed", [False, True])
def test_a_metric_that_one_run_lacks_is_named_by_run_or_missing(
    take: Import, tmp_path: Path, written: Written, allowed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    _edit(tmp_path / "out" / "full" / "seed-1", lambda c: c["results"]["quiz"].pop("acc,none"))
    overrides = [
        "results.lm_eval=[out]",
        "results.primary=acc",
        f"results.allow_missing={str(allowed).lower()}",
    ]
    assert take(*overrides) == (0 if allowed else 2)
    if not allowed:
        assert "arm 'full', seed 1: no acc of 'quiz'" in capsys.readouterr().err
        return
    scores = json.loads((tmp_path / "studies/theirs/runs/full/seed-1/record.json").read_text())["scores"]
    assert "acc" not in scores["quiz"] and {"acc_norm", "prob", "bpb"} <= set(scores["quiz"])
    assert "acc" in scores["word"]


@pytest.mark.parametrize("kept", [0, 1])
def test_samples_of_fewer_items_than_were_scored_are_named(
    take: Import, tmp_path: Path, written: Written, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    path = next((tmp_path / "out" / "full" / "seed-1").rglob("samples_quiz*"))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    assert take("results.lm_eval=[out]", "results.primary=acc") == 2
    said = capsys.readouterr().err
    assert path.name in said and f"has samples of {kept} items" in said


@pytest.mark.parametrize("cell", ["1_0", "\u0660.\u0665", "0x1", "nan", "1e400", "N/A"])
def test_a_score_that_only_python_reads_as_a_number_is_named(
    take: Import, tmp_path: Path, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores.csv").write_text(f"arm,seed,task,score\na,0,quiz,0.5\nb,0,quiz,{cell}\n")
    assert take("results.csv=scores.csv") == 2
    assert "line 3: score must be a finite number" in capsys.readouterr().err


def test_the_planned_gains_of_an_import_can_be_named(take: Import, tmp_path: Path) -> None:
    asked = ("results.csv=scores.csv", "results.higher_is_better={acc: true}")
    (tmp_path / "scores.csv").write_text(TABLE.replace("neither", "no_dedup").replace("off,off", "on,off"))
    assert take(*asked, "estimands=[leave_one_out]") == 0
    rows = [row for row in effects_table(study(tmp_path)) if row.task == "aggregate"]
    # Means 0.72, 0.51 and 0.43.
    assert {row.factor: round(row.estimate, 4) for row in rows} == {"quality": 0.21, "dedup": 0.29}
    assert all(row.claim for row in rows)
    assert take(*asked, "estimands=[main_effect]", "study.replan=true") != 0, (
        "three arms of four do not determine it"
    )
