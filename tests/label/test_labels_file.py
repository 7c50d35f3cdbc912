"""Labels from a file, by id."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ablate.errors import DataError
from ablate.label.labelling import label_documents
from ablate.label.labels_file import LabelsFile
from ablate.label.rubric import Document

LINES = [{"id": "a", "score": 4}, {"id": 7, "score": 2.5}, {"id": "c", "score": "0"}]
ASKED = [Document("7", "x"), Document("a", "y"), Document("c", "z")]


def written(folder: Path, kind: str) -> str:
    path = folder / f"labels.{kind}"
    if kind == "csv":
        path.write_text("id,score\n" + "".join(f"{row['id']},{row['score']}\n" for row in LINES))
    else:
        text = "".join(json.dumps(row) + "\n" for row in LINES)
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    return str(path)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv"])
def test_scores_are_found_by_id(tmp_path: Path, kind: str) -> None:
    made = label_documents(ASKED, LabelsFile(path=written(tmp_path, kind), batch=2), tmp_path / "answers")
    assert made.scores == (2.5, 4.0, 0.0) and made.cost == 0.0


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    teacher = LabelsFile(path=written(tmp_path, "csv"))
    with pytest.raises(DataError, match=r"no label for document 'doc-9'.*label\.sample"):
        label_documents([*ASKED, Document("doc-9", "x")], teacher, tmp_path / "answers")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "a"}\n', "line 1: no 'score'"),
        ('{"id": "a", "score": 1}\n{"score": 1}\n', "line 2: no 'id'"),
        ('{"id": "a", "score": "good"}\n', "line 1: expected a number in 'score', got 'good'"),
        ('{"id": "a", "score": NaN}\n', "expected a number"),
        ('{"id": "a", "score": 1}\n{"id": "a", "score": 2}\n', "'a' has two scores, 1 and 2"),
        ("[1]\n", "line 1: expected an object, got list"),
        ("hello\n", "line 1: not JSON"),
        ("", "holds no labels"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        LabelsFile(path=str(path)).check()
    assert said in str(caught.value) and "labels.jsonl" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"teacher\.path: cannot read"):
        LabelsFile(path=str(tmp_path / "nowhere.jsonl")).check()


def test_identity_is_by_content(tmp_path: Path) -> None:
    jsonl, csv = (LabelsFile(path=written(tmp_path, kind)) for kind in ("jsonl", "csv"))
    assert jsonl.identity() == csv.identity()
    (tmp_path / "labels.csv").write_text("id,score\na,1\n")
    assert LabelsFile(path=str(tmp_path / "labels.csv")).identity() != jsonl.identity()
