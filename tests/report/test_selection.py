"""The split of a gain, from records made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ablate.design.base import ContrastSpec, Factor
from ablate.design.controls import AT_RANDOM
from ablate.report.effects_table import effects_table
from ablate.report.figures import selection_and_volume
from ablate.report.page import write_report
from ablate.report.selection import latex, section, splits
from ablate.study.results import Study

MakeStudy = Callable[..., Study]
SCORES = {
    "full": [0.70, 0.74, 0.72], "without_a": [0.50, 0.53, 0.53], "without_b": [0.71, 0.72, 0.74], "control_a": [0.60, 0.66, 0.60],
}  # fmt: skip


def controlled(study: Study, match: str = "source", epochs: float | None = None) -> Study:
    """The study as a plan with one control would have it."""
    arms = {name: replace(arm, config={"budget": {"match": match}}) for name, arm in study.plan.arms.items()}
    arms["control_a"] = replace(arms["control_a"], levels={"a": AT_RANDOM, "b": "on"})
    plan = replace(
        study.plan,
        arms=arms,
        stages=("a", "b"),
        factors=tuple(Factor(name, ("on", "off")) for name in "ab"),
        contrasts=(
            *(one for one in study.plan.contrasts if one.factor != "control_a"),
            ContrastSpec("a", "on", AT_RANDOM, "selection", {"full": 1.0, "control_a": -1.0}),
            ContrastSpec("a", AT_RANDOM, "off", "volume", {"control_a": 1.0, "without_a": -1.0}),
        ),
    )
    records = study.records
    if epochs is not None:
        records = {
            run: replace(record, corpus=replace(record.corpus, epochs=epochs))
            for run, record in records.items()
            if record.corpus
        }
    return replace(study, plan=plan, records=records, _items={})


def test_a_gain_of_two_tenths_is_half_selection_and_half_volume(make_study: MakeStudy) -> None:
    study = controlled(make_study(SCORES))
    rows = effects_table(study)
    (split,) = splits(study, rows)
    assert split.stage == "a" and split.arms == ("full", "control_a", "without_a")
    # Scores less chance (1/4) over 3/4: means 0.72, 0.62 and 0.52.
    assert split.gain is not None and split.gain.estimate == pytest.approx(0.20 / 0.75)
    assert split.selection.estimate == pytest.approx(0.10 / 0.75)
    assert split.volume.estimate == pytest.approx(0.10 / 0.75)
    told = "\n".join(section(study, rows))
    assert "| a | +0.2667 |" in told and "| +0.1333 |" in told and "do not add up" not in told
    assert "makes one pass over its own text" in told and "No control: b." in told
    assert "a & $+0.2667\\ [" in latex(study, rows) and latex(study, rows).count("+0.1333") == 2
    names = write_report(study) and (study.folder / "REPORT.md").read_text(encoding="utf-8")
    assert isinstance(names, str) and "figures/selection_and_volume.svg" in names
    assert "figures/gains_selection.svg" not in names
    before = (study.folder / "figures" / "selection_and_volume.svg").read_bytes()
    write_report(study)
    assert (study.folder / "figures" / "selection_and_volume.svg").read_bytes() == before


@pytest.mark.parametrize(("epochs", "idle"), [(0.3, True), (1.0, True), (1.2, False)])
def test_volume_is_said_to_be_nil_where_nothing_is_met_twice(
    make_study: MakeStudy, epochs: float, idle: bool
) -> None:
    study = controlled(make_study(SCORES), "tokens", epochs)
    told = "\n".join(section(study, effects_table(study)))
    assert "trains on the same number of tokens" in told
    assert ("Nothing is met twice" in told) is idle


def test_one_pass_over_less_text_is_volume_though_nothing_is_met_twice(make_study: MakeStudy) -> None:
    study = controlled(make_study(SCORES), "source", 1.0)
    assert "Nothing is met twice" not in "\n".join(section(study, effects_table(study)))


def test_parts_over_other_seeds_than_the_gain_are_said_not_to_add_up(make_study: MakeStudy) -> None:
    study = controlled(make_study(SCORES | {"control_a": [0.60, None, 0.60]}))
    told = "\n".join(section(study, effects_table(study)))
    assert "The parts of a do not add up to the gain" in told


def test_a_control_without_a_run_is_missing_not_nought(make_study: MakeStudy) -> None:
    study = controlled(make_study(SCORES | {"control_a": [None, None, None]}))
    rows = effects_table(study)
    told = "\n".join(section(study, rows))
    (line,) = [line for line in told.splitlines() if line.startswith("| a | +0.2667 |")]
    assert line.endswith("| – | – | – | – |") and "| a | missing |" in told
    assert "a & $+0.2667" in latex(study, rows) and "& -- & --" in latex(study, rows)
    assert selection_and_volume(study, rows) is not None


def test_a_study_without_controls_says_nothing_of_them(make_study: MakeStudy) -> None:
    study = make_study({name: values for name, values in SCORES.items() if name != "control_a"})
    rows = effects_table(study)
    assert (
        section(study, rows) == [] and latex(study, rows) == "" and selection_and_volume(study, rows) is None
    )
    write_report(study)
    assert "Selection or volume" not in (study.folder / "REPORT.md").read_text(encoding="utf-8")
    assert not (study.folder / "selection.tex").exists()


def test_what_an_earlier_report_wrote_and_this_one_does_not_is_gone(make_study: MakeStudy) -> None:
    """A folder with the report of a study with controls, then of one without; a file of the user's own stays."""
    study = make_study({name: values for name, values in SCORES.items() if name != "control_a"})
    figures = study.folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for path in (
        study.folder / "selection.tex",
        figures / "selection_and_volume.svg",
        figures / "gains_old.png",
    ):
        path.write_text("of an earlier report")
    (figures / "mine.svg").write_text("kept")
    write_report(study)
    assert not (study.folder / "selection.tex").exists()
    assert not (figures / "selection_and_volume.svg").exists() and not (figures / "gains_old.png").exists()
    assert (figures / "mine.svg").read_text() == "kept" and (figures / "gains.svg").exists()
