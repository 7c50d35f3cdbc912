"""`ablate dashboard`, the page that `ablate report` writes, and the page over the shipped studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.cli import main
from ablate.summary.model import from_dict, write_summary
from ablate.testing.page import held_studies
from ablate.testing.summary import made_study

RESULTS = Path(__file__).parents[2] / "results"


def folder(place: Path, name: str) -> Path:
    """A folder with a study.json."""
    made = made_study(stages=["a", "b"], seeds=3, tasks=["t"], points=2, name=name)
    write_summary(from_dict(made, name), place / name)
    return place / name


def test_words_are_folders_and_the_first_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = folder(tmp_path, "one, of it's"), folder(tmp_path, "two")
    out = tmp_path / "page.html"
    assert main(["dashboard", str(two), str(one), f"dashboard.to={out}"]) == 0
    assert "2 studies" in capsys.readouterr().out
    assert [study["head"]["name"] for study in held_studies(out.read_text(encoding="utf-8"))] == [
        "two",
        one.name,
    ]
    first = out.read_bytes()
    assert main(["dashboard", str(two), str(one), f"dashboard.to={out}"]) == 0
    assert out.read_bytes() == first


@pytest.mark.parametrize(("made", "told"), [(False, "there is no"), (True, "study.json")])
def test_a_folder_without_a_study_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: bool, told: str
) -> None:
    place = tmp_path / "nothing"
    if made:
        place.mkdir()
    assert main(["dashboard", str(place), f"dashboard.to={tmp_path / 'page.html'}"]) == 2
    assert told in (said := capsys.readouterr().err) and str(place) in said
    assert not (tmp_path / "page.html").exists()


def test_the_page_over_shipped_studies_holds_them_in_a_megabyte() -> None:
    text = (RESULTS / "dashboard.html").read_text(encoding="utf-8")
    assert len(text.encode()) <= 1_000_000
    shipped = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.rglob("study.json")]
    assert len(shipped) >= 9
    assert sorted(study["head"]["name"] for study in held_studies(text)) == sorted(
        study["head"]["name"] for study in shipped
    )
