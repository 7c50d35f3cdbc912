"""What stages dropped can be read in a study's report, and stays out of what leaves the machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import ablate as package
from ablate.report.mirror import report_of
from ablate.study.results import load_study
from ablate.testing.page import held_studies


def test_a_report_holds_some_of_the_dropped_texts_and_trackers_get_none(
    ablate: Callable[..., int], here: Path, tiny: tuple[str, ...]
) -> None:
    assert ablate("sweep", *tiny, "seeds=[0]") == 0
    folder = here / "studies" / "demo"
    study = package.open_study(folder)
    texts, counts = study.dropped_texts(), study.dropped("full")
    assert set(texts["arm"]) == {"full"}
    shown = Counter(zip(texts["stage"], texts["reason"], strict=True))
    dropped = counts[counts["what"] == "dropped"].set_index(["stage", "reason"])["count"]
    assert shown == {place: min(3, count) for place, count in dropped.items()}
    said = [text for text in texts["text"] if len(text) > 40 and json.dumps(text)[1:-1] == text]
    assert said and "dropped_texts" in (folder / "study.json").read_text(encoding="utf-8")
    (shown,) = held_studies((folder / "report.html").read_text(encoding="utf-8"))
    assert shown["dropped_texts"]["text"] == list(texts["text"])
    sent = {file.name: file.text for file in report_of(load_study(folder)).files}
    (mirrored,) = held_studies(sent["report.html"])  # packed: its texts cannot be searched for as they stand
    for name, content in {**sent, "report.html": json.dumps(mirrored, ensure_ascii=False)}.items():
        assert not any(text in content for text in said), name

    # Another number of them trains nothing anew.
    assert ablate("sweep", *tiny, "seeds=[0]", "study.dropped_texts=0") == 0
    assert package.open_study(folder).dropped_texts().empty
    assert not any(text in (folder / "study.json").read_text(encoding="utf-8") for text in said)


def test_a_number_out_of_range_is_refused_with_the_range(
    ablate: Callable[..., int], tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *tiny, "study.dropped_texts=11") == 2
    assert "study.dropped_texts must be from 0 to 10, got 11" in capsys.readouterr().err
