"""A kind of gain that is kept outside the package: from what `estimands` names to a row of effects.csv."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.cli import main
from ablate.design.base import ContrastSpec, Factor
from ablate.errors import ConfigError
from ablate.estimand.base import contrasts_of, load_estimand
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study
from ablate.study.schema import Arm

OWN = Path(__file__).parents[1] / "outside" / "estimand" / "without_both.py"
NAME = "mine.py:WithoutBoth"
FACTORS = (Factor("a", ("on", "off")), Factor("b", ("on", "off")))
LEVELS = {
    "full": {"a": "on", "b": "on"}, "without_a": {"a": "off", "b": "on"},
    "without_b": {"a": "on", "b": "off"}, "bare": {"a": "off", "b": "off"},
}  # fmt: skip
SCORES = {
    "full": [0.75, 0.5, 0.625], "without_a": [0.5, 0.5, 0.5],
    "without_b": [0.625, 0.5, 0.5], "bare": [0.25, 0.25, 0.25],
}  # fmt: skip


@pytest.fixture
def study(make_study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Two stages in all four arms; leave-one-out is planned."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_bytes(OWN.read_bytes())
    made = make_study(SCORES, name="studies/own")
    return planned(made, "leave_one_out")


def planned(study: Study, *estimands: str) -> Study:
    plan = replace(
        study.plan,
        study="own",
        arms={arm: Arm(name=arm, levels=levels, config={}) for arm, levels in LEVELS.items()},
        factors=FACTORS,
        contrasts=tuple(contrasts_of(estimands, LEVELS, FACTORS)),
    )
    write_plan(plan, study.folder)
    return load_study(study.folder)


def rows(study: Study) -> list[dict[str, str]]:
    with (study.folder / "effects.csv").open() as file:
        return [
            row
            for row in csv.DictReader(file)
            if (row["estimand"], row["task"], row["metric"]) == (NAME, "quiz", "acc")
        ]


@pytest.mark.parametrize("frozen", [True, False], ids=["planned", "asked for afterwards"])
def test_it_is_reported_like_any_other(study: Study, frozen: bool) -> None:
    if frozen:
        planned(study, "leave_one_out", NAME)
    asked = [] if frozen else [f"estimands=[{NAME}]"]
    assert main(["report", "study.name=own", f"study.dir={study.folder}", *asked]) == 0
    (row,) = rows(study)
    assert (row["factor"], row["level"], row["versus"]) == ("a", "on", "off with b")
    assert float(row["estimate"]) == pytest.approx(0.375)  # the mean of 0.5, 0.25 and 0.375
    text = (study.folder / "REPORT.md").read_text()
    assert f"**{NAME}**: the recipe minus the recipe without two stages." in text
    (figure,) = (study.folder / "figures").glob("gains_*.svg")
    assert figure.name == "gains_1_WithoutBoth.svg" and f"figures/{figure.name}" in text


def test_what_it_lacks_is_said_as_of_any_other(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    plan = study.plan
    without = {name: arm for name, arm in plan.arms.items() if name != "bare"}
    write_plan(replace(plan, arms=without), study.folder)
    assert main(["report", "study.name=own", f"study.dir={study.folder}", f"estimands=[{NAME}]"]) == 2
    assert "Missing: bare" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (NAME, "class WithoutBoth:\n    pass\n", "is no class that derives from"),
        (NAME, "from ablate.estimand.base import Estimand as WithoutBoth\n", "cannot be built"),
        (NAME, "class WithoutBothh:\n    pass\n", "did you mean 'WithoutBothh'"),
        (NAME, "x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero, line 2 of mine.py"),
        ("mine.py", "", "names no class; give mine.py:Class"),
        ("no_such_module.Gain", "", "no_such_module of no_such_module.Gain cannot be imported"),
    ],
)
def test_what_is_none_is_refused_in_words(
    name: str, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_estimand(name)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(OWN.read_bytes())
    name = f"{path}:WithoutBoth"
    before = load_estimand(name).meaning
    path.write_bytes(OWN.read_bytes().replace(b"minus the recipe without", b"less the recipe without"))
    assert load_estimand(name).meaning == before.replace("minus", "less")


def test_gains_go_by_the_name_they_were_asked_by(study: Study) -> None:
    specs = contrasts_of([NAME], LEVELS, FACTORS)
    assert specs == [ContrastSpec("a", "on", "off with b", NAME, {"full": 1.0, "bare": -1.0})]
