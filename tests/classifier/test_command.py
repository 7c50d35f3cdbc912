"""`ablate train_classifier` as a user runs it, on made-up and on real labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.classifier.examples import read_labels, split
from ablate.cli import main
from ablate.errors import DataError
from ablate.stages.classifier_quality import ClassifierQuality

GOOD = "Energy is conserved: what one body loses another gains, as experiment {} shows."
POOR = "Buy cheap watches now, offer {} ends today, click here."


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, rows: list[dict[str, Any]]) -> str:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "text": (GOOD if number % 4 == 0 else POOR).format(number),
            "score": 4 if number % 4 == 0 else number % 4 - 1,
        }
        for number in range(count)
    ]


def test_it_learns_what_label_wrote_and_the_stage_uses_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("studies/edu/labels").mkdir(parents=True)
    write("studies/edu/labels/labels.jsonl", rows(200))
    assert main(["train_classifier", "study.name=edu"]) == 0
    folder = Path("studies/edu/classifier")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["examples"] == {"train": 160, "validation": 40, "left_out": {}}
    assert metrics["distribution"]["validation"] == {"0": 10, "1": 10, "2": 10, "4": 10}
    assert metrics["auc"]["estimate"] == 1.0 and metrics["auc"]["good"] == 10
    assert sum(each["documents"] for each in metrics["calibration"]) == 40
    page = (folder / "CLASSIFIER.md").read_text()
    assert "**AUC 1.000**" in page and "| 4 | 40 | 10 |\n" in page
    assert (folder / "calibration.svg").stat().st_size > 1000 < (folder / "calibration.png").stat().st_size
    assert "AUC 1.000" in capsys.readouterr().out
    stage = ClassifierQuality(model=str(folder), threshold=2.5, keep_fraction=None)
    measured = stage.measure_many([GOOD.format("x"), POOR.format("y")])
    assert stage.decide(measured).keep.tolist() == [True, False]


def test_the_same_command_gives_the_same_bytes() -> None:
    labels = write("labels.jsonl", rows(80))
    command = ["train_classifier", f"classifier.labels=[{labels}]", "classifier.dir=out"]
    assert main(command) == 0
    first = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert main(command) == 0
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == first
    assert set(first) == {
        "student.json",
        "weights.npy",
        "metrics.json",
        "CLASSIFIER.md",
        "calibration.svg",
        "calibration.png",
    }


@pytest.mark.parametrize("student", ["linear", "fasttext"])
def test_reference_against_background(student: str) -> None:
    good = write("good.jsonl", [{"body": GOOD.format(n)} for n in range(60)])
    poor = write("poor.jsonl", [{"body": POOR.format(n)} for n in range(120)] + [{"body": GOOD.format(3)}])
    command = [
        "train_classifier",
        f"student={student}",
        f"classifier.reference=[{good}]",
        f"classifier.background=[{poor}]",
        "classifier.text_column=body",
        "classifier.dir=out",
    ]
    if student == "fasttext":
        command += ["student.dim=8", "student.buckets=1000"]
    assert main(command) == 0
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["binary"] and metrics["auc"]["estimate"] == 1.0
    assert metrics["distribution"] == {"train": {"0": 96, "1": 48}, "validation": {"0": 24, "1": 12}}
    assert metrics["examples"]["left_out"] == {"repeats another text": 1}
    assert metrics["cuts"][0]["threshold"] == 0.1


def test_an_answer_without_a_score_teaches_nothing_and_is_counted() -> None:
    found = read_labels(
        [write("l.jsonl", [*rows(4), {"text": "x", "score": None}, {"text": " ", "score": 1}])],
        "text",
        "score",
    )
    assert len(found.texts) == 4
    assert found.left_out == {"no score": 1, "no text": 1}


def test_no_text_stands_on_both_sides() -> None:
    found = read_labels([write("l.jsonl", [*rows(40), *rows(40)])], "text", "score")
    assert len(set(found.texts)) == len(found.texts) == 40
    assert found.left_out == {"repeats another text": 40}


def test_the_split_takes_the_same_share_of_each_score() -> None:
    scores = np.repeat([0.0, 1.0, 5.0], [100, 50, 10])
    seen, held_out = split(scores, 0.2, seed=1)
    assert np.sort(np.concatenate([seen, held_out])).tolist() == list(range(160))
    assert [int((scores[held_out] == score).sum()) for score in (0, 1, 5)] == [20, 10, 2]
    assert (
        split(scores, 0.2, seed=1)[1].tolist() == held_out.tolist() != split(scores, 0.2, seed=2)[1].tolist()
    )
    with pytest.raises(ValueError, match="validation"):
        split(scores, 1.0, seed=1)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["classifier.score_column=points"], "has a score in 'points'"),
        (["classifier.positive_from=9"], "Set classifier.positive_from"),
        (["classifier.target=rank"], "classifier.target must be one of score, class"),
        (["classifier.reference=[l.jsonl]"], "give classifier.reference and classifier.background together"),
        (["classifier.validation=0"], "classifier.validation must be in (0, 1)"),
        (["student=embedding"], "student.encoder is not set"),
        (["student.c=-1"], "student.c must be above 0"),
        (["classifier.labels=[nowhere.jsonl]"], "nothing matches 'nowhere.jsonl'"),
    ],
)
def test_what_is_wrong_is_said(overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("l.jsonl", rows(40))
    assert main(["train_classifier", "classifier.labels=[l.jsonl]", *overrides]) == 2
    assert said in capsys.readouterr().err


def test_a_score_that_is_no_number() -> None:
    with pytest.raises(DataError, match="expected a number in 'score', got 'good'"):
        read_labels([write("l.jsonl", [{"text": "x", "score": "good"}])], "text", "score")


def test_it_learns_human_labels(shared: Path) -> None:
    """Real labels: 499 web documents judged by people, 806 Danish ones scored by people."""
    cases = {
        "dclm_human_quality": ["classifier.score_column=label", "classifier.target=class"],
        "danish_human_edu_labels": [],
    }
    for name, overrides in cases.items():
        labels = f"classifier.labels=[{shared}/labels/{name}.jsonl.gz]"
        command = [
            "train_classifier",
            labels,
            "classifier.positive_from=1",
            f"classifier.dir={name}",
            *overrides,
        ]
        assert main(command) == 0
        metrics = json.loads(Path(name, "metrics.json").read_text())
        area = metrics["auc"]
        assert area["good"] + area["others"] == metrics["examples"]["validation"] >= 90
        assert 0.5 < area["low"] < area["estimate"] < area["high"] < 1
        assert 0 < metrics["spearman"] < 1 and metrics["cuts"] and metrics["calibration"]
