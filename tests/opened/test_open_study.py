"""The Python API: what it imports, which folders it reads, and that it says what the report says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ablate
from ablate.errors import DataError
from ablate.importing.csv_file import read_csv
from ablate.importing.study import write_study
from ablate.report.page import write_report
from ablate.study.results import load_study
from ablate.testing.page import held_studies

ROOT = Path(__file__).parent.parent.parent
SCORES = {"full": (0.50, 0.52, 0.51), "without_a": (0.40, 0.43, 0.40)}


def imported(folder: Path, name: str = "theirs", shift: float = 0.0) -> Path:
    """A study of other people's scores, with its report."""
    lines = ["arm,seed,task,metric,tokens,score"]
    lines += [
        f"{arm},{seed},quiz,acc,{tokens},{(value + shift) * share}"
        for arm, values in SCORES.items()
        for seed, value in enumerate(values)
        for tokens, share in ((100, 0.5), (200, 1.0))
    ]
    folder.mkdir(parents=True)
    (folder / "in.csv").write_text("\n".join(lines), encoding="utf-8")
    study = folder / name
    write_study(
        read_csv(folder / "in.csv", {}, {}),
        study,
        name=name,
        title=name,
        question="",
        primary=None,
        aggregate=None,
        reference="full",
        allow_missing=False,
        replan=False,
    )
    write_report(load_study(study))
    return study


def test_opening_needs_neither_torch_nor_hydra_nor_scipy(tmp_path: Path) -> None:
    """The study's folder with its records, and the report's folder alone."""
    study = imported(tmp_path / "in")
    report = tmp_path / "report"
    report.mkdir()
    shutil.copy(study / "study.json", report)
    code = (
        "import sys, ablate\n"
        f"for folder in ({str(study)!r}, {str(report)!r}):\n"
        "    s = ablate.open_study(folder)\n"
        "    s.runs(), s.scores(), s.curves(), s.effects(), s.pairs(), s.funnel(), s.missing, s.cost()\n"
        "    s.table('gains', 'latex', published='dclm_table17'), ablate.published('dclm_table4').frame\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'scipy', 'transformers', 'datasets', 'lm_eval', 'matplotlib', 'spacy', 'statsmodels'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.stdout.strip() == "[]"


def test_frames_say_what_the_files_say(tmp_path: Path) -> None:
    folder = imported(tmp_path / "in")
    s = ablate.open_study(folder)
    assert (s.arms, s.seeds, s.tasks, s.primary) == (["full", "without_a"], [0, 1, 2], ["quiz"], "acc")
    assert s.scores()["score"].tolist() == [0.5, 0.52, 0.51, 0.4, 0.43, 0.4]
    assert s.curves().query("tokens == 100")["score"].tolist() == [0.25, 0.26, 0.255, 0.2, 0.215, 0.2]
    pd.testing.assert_frame_equal(s.curves(), pd.read_csv(folder / "scores.csv"))
    listed = pd.read_csv(folder / "effects.csv")
    assert s.effects()["estimate"].tolist() == listed["estimate"].tolist()
    assert s.effects()["verdict"].tolist() == listed["verdict"].tolist()
    # without_a less full, under each seed; higher is better, so turned is the same.
    assert s.pairs()["difference"].tolist() == pytest.approx([-0.1, -0.09, -0.11])
    assert s.pairs()["turned"].tolist() == pytest.approx([-0.1, -0.09, -0.11])
    assert s.missing.empty
    assert "2 arms, 3 seeds, 6 runs done" in repr(s)


def test_a_running_study_is_read_from_its_records_and_nothing_is_written(tmp_path: Path) -> None:
    folder = imported(tmp_path / "in")
    before = (folder / "study.json").read_bytes()
    gone = folder / "runs" / "without_a" / "seed-2" / "record.json"
    kept = gone.read_bytes()
    gone.unlink()
    s = ablate.open_study(folder)
    assert s.missing[["arm", "seed", "status"]].values.tolist() == [["without_a", 2, "not imported"]]
    assert len(s.scores()) == 5
    assert (folder / "study.json").read_bytes() == before
    gone.write_bytes(kept)
    assert len(ablate.open_study(folder).scores()) == 6


def test_the_page_says_what_the_records_say_where_they_came_after_the_report(tmp_path: Path) -> None:
    from ablate.cli import main

    folder = imported(tmp_path / "in")
    gone = folder / "runs" / "without_a" / "seed-2" / "record.json"
    told = {}
    for name in ("reported", "later"):
        assert main(["dashboard", str(folder), f"dashboard.to={tmp_path / name}"]) == 0
        text = (tmp_path / name).read_text(encoding="utf-8")
        (shown,) = held_studies(text)
        told[name] = shown["runs"]["status"]
        gone.unlink(missing_ok=True)
    assert told["reported"] == ["done"] * 6
    assert told["later"].count("done") == 5 and told["later"][-1] == "not imported"


@pytest.mark.parametrize(
    ("key", "value"), [("seeds", "012"), ("title", 3), ("complete", "yes"), ("stages", [1])]
)
def test_a_head_of_another_shape_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    folder = tmp_path / "alone"
    folder.mkdir()
    content = json.loads((imported(tmp_path / "in") / "study.json").read_text(encoding="utf-8"))
    content["head"][key] = value
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=rf"study.json: 'head': {key}"):
        ablate.open_study(folder)
    del content["head"][key]
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"lacks '{key}'"):
        ablate.open_study(folder)


def test_a_study_json_of_another_version_is_made_anew_where_the_records_are(tmp_path: Path) -> None:
    folder = imported(tmp_path / "in")
    content = json.loads((folder / "study.json").read_text(encoding="utf-8")) | {"schema": 0}
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    assert len(ablate.open_study(folder).scores()) == 6
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "study.json", alone)
    with pytest.raises(DataError, match="schema is 0"):
        ablate.open_study(alone)


def test_what_is_no_study_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no study"):
        ablate.open_study(tmp_path)
    with pytest.raises(DataError, match="holds no study"):
        ablate.open_study(tmp_path / "nowhere")
    s = ablate.open_study(imported(tmp_path / "in"))
    with pytest.raises(DataError, match="did you mean 'quiz'"):
        s.scores("quizz")
    with pytest.raises(DataError, match="no stage"):
        s.pairs("nothing")
    with pytest.raises(DataError, match="holds no items"):
        s.items("quiz")


def test_studies_side_by_side_say_why_sizes_are_not_to_be_compared(tmp_path: Path) -> None:
    one, two = imported(tmp_path / "a"), imported(tmp_path / "b", "others", shift=0.1)
    found = ablate.compare([one, two])
    assert found["study"].tolist() == ["theirs", "others"]
    assert found["gain"].tolist() == pytest.approx([-0.1, -0.1])
    assert found["comparable"].tolist() == [True, False], "nobody said how large the models are"
    assert found["why_not"].tolist() == ["", "parameters: not known of either"]
    content = json.loads((two / "study.json").read_text(encoding="utf-8"))
    content["runs"]["tokens"] = [999] * 6
    elsewhere = tmp_path / "report"
    elsewhere.mkdir()
    (elsewhere / "study.json").write_text(json.dumps(content), encoding="utf-8")
    told = ablate.compare([one, elsewhere])
    assert told["comparable"].tolist() == [True, False]
    assert told["why_not"].tolist()[1].endswith("tokens: 999 here, 200 in theirs")
    with pytest.raises(DataError, match="two studies or more"):
        ablate.compare([one])


def test_tables_and_figures_come_from_the_same_object(tmp_path: Path) -> None:
    s = ablate.open_study(imported(tmp_path / "in"))
    assert "| full | **0.5100 ± 0.0058** |" in s.table("arms", "markdown", bold="best")
    assert len(s.figure("gains").axes) == 1
    assert s.figure("curves", task="quiz").axes[0].get_xlabel() == "training tokens"


def test_a_figure_of_one_estimand_names_the_others() -> None:
    s = ablate.open_study(Path(__file__).parents[2] / "results" / "web_loo" / "controls")
    shown = s.figure("gains").axes[0]
    assert shown.get_xlabel().endswith("shown: add_one_in; by estimand=: selection, volume")
    assert len(shown.get_yticks()) == 2
    assert "by estimand" not in s.figure("gains", estimand="volume").axes[0].get_xlabel()


def test_the_command_prints_what_the_api_returns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ablate.cli import main

    folder = imported(tmp_path / "in")
    assert (
        main(["table", f"study.dir={folder}", "table=gains", "format=latex", "published=dclm_table17"]) == 0
    )
    assert capsys.readouterr().out == ablate.open_study(folder).table(
        "gains", "latex", published="dclm_table17"
    )
    out = tmp_path / "x.csv"
    assert (
        main(
            [
                "table",
                f"study.dir={folder}",
                "table=arms",
                "format=csv",
                f"paper.out={out}",
                "paper.bold=none",
            ]
        )
        == 0
    )
    assert out.read_text(encoding="utf-8") == ablate.open_study(folder).table("arms", "csv", bold="none")
    assert main(["table", f"study.dir={folder}", "table=gain"]) == 2
    page = ablate.open_study(folder).dashboard(tmp_path / "page.html")
    assert page.read_bytes() == (folder / "report.html").read_bytes()
