"""Size-matched controls: which arms a plan gets, what they train on, and what the report says of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.compose import compose
from ablate.design.add_one_in import AddOneIn
from ablate.design.base import Factor
from ablate.design.controls import AT_RANDOM, controls, without_controls
from ablate.design.cumulative import Cumulative
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.errors import ConfigError
from ablate.estimand.base import NotIdentified, contrasts_of
from ablate.store import read_json
from ablate.study.plan import make_plan, run_folder
from ablate.study.schema import Plan

SWITCHES = [Factor(name, ("on", "off")) for name in "ab"]
MATCHED = "design.controls=size_matched"
Run = Callable[..., int]


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        (LeaveOneOut(), {"control_a": [AT_RANDOM, "on"], "control_b": ["on", AT_RANDOM]}),
        (AddOneIn(), {"control_a": [AT_RANDOM, "off"], "control_b": ["off", AT_RANDOM]}),
        (Cumulative(), {"control_a": [AT_RANDOM, "off"], "control_b": ["on", AT_RANDOM]}),
    ],
)
def test_a_control_has_what_the_two_arms_beside_it_share(design: Any, expected: Any) -> None:
    arms = design.arms(SWITCHES)
    found = controls(arms, SWITCHES, ["a", "b"])
    assert {name: list(levels.values()) for name, levels in found.items()} == expected
    assert without_controls(arms | found) == arms
    assert list(controls(arms, SWITCHES, ["b"])) == ["control_b"]


def test_the_parts_add_up_to_the_gain_whatever_the_scores() -> None:
    for design in (LeaveOneOut(), AddOneIn(), Cumulative()):
        arms = design.arms(SWITCHES)
        arms = arms | controls(arms, SWITCHES, ["a", "b"])
        score = dict(zip(arms, np.random.default_rng(0).normal(size=len(arms)), strict=True))
        gains, *parts = (
            {
                spec.factor: sum(w * score[arm] for arm, w in spec.weights.items())
                for spec in contrasts_of([name], arms, SWITCHES)
            }
            for name in (*design.estimands, "selection", "volume")
        )
        assert gains.keys() == parts[0].keys() == parts[1].keys() == {"a", "b"}
        for name, gain in gains.items():
            assert gain == pytest.approx(parts[0][name] + parts[1][name])


def test_controls_are_no_levels_to_average_over() -> None:
    plain = FullFactorial().arms(SWITCHES)
    arms = plain | {"control_a": {"a": AT_RANDOM, "b": "on"}}
    wanted = contrasts_of(["main_effect", "shapley", "versus_reference"], plain, SWITCHES)
    assert contrasts_of(["main_effect", "shapley", "versus_reference"], arms, SWITCHES) == wanted


def test_without_a_control_nothing_is_split() -> None:
    with pytest.raises(NotIdentified, match="Missing: control_a, control_b"):
        contrasts_of(["selection"], LeaveOneOut().arms(SWITCHES), SWITCHES)


def planned(tiny: tuple[str, ...], *more: str) -> Plan:
    return make_plan(compose([*tiny, *more]))


def test_stages_that_remove_documents_get_one_and_the_rest_of_the_plan_stays(tiny: tuple[str, ...]) -> None:
    factors = "design.factors=[extraction,language,minhash_dedup,c4_quality,pii,decontamination]"
    without, plan = planned(tiny, factors), planned(tiny, factors, MATCHED)
    new = [name for name in plan.arms if name not in without.arms]
    assert new == [
        f"control_{name}" for name in ("language", "minhash_dedup", "c4_quality", "decontamination")
    ]
    assert {name: arm for name, arm in plan.arms.items() if name not in new} == without.arms
    assert plan.contrasts[: len(without.contrasts)] == without.contrasts
    assert planned(tiny, factors, "design.controls=none") == without
    full = plan.arms["full"].config
    assert plan.arms["control_language"].config == {**full, "control": "language"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["design.controls=matched"],
            "design.controls must be one of none, size_matched, got the text 'matched'",
        ),
        (
            [MATCHED, "design=full_factorial"],
            "gains that are a difference of two arms.*add_one_in, cumulative, leave_one_out",
        ),
        ([MATCHED, "design=single"], "design=single are not"),
        (
            [MATCHED, "design.factors=[pii,extraction]"],
            r"no factor .* removes documents, on against off \(pii, extraction\)",
        ),
        ([MATCHED, "design.factors={language: {threshold: [0.65, 0.5]}}"], "parameters, have no control"),
    ],
)
def test_what_has_no_control_is_refused_in_words(tiny: tuple[str, ...], more: list[str], said: str) -> None:
    varied = any(override.startswith("design.factors") for override in more)
    given = [o for o in tiny if not (varied and o.startswith("design.factors"))]
    with pytest.raises(ConfigError, match=said):
        make_plan(compose([*given, *more]))


def test_a_stage_that_is_off_among_the_values_of_a_parameter_has_one(tiny: tuple[str, ...]) -> None:
    values = "design.factors={minhash_dedup: {verify: [none, jaccard, off]}}"
    plan = planned(tuple(o for o in tiny if not o.startswith("design.factors")), values, MATCHED)
    weights = {c.estimand: c.weights for c in plan.contrasts if c.estimand in ("selection", "volume")}
    off = next(name for name, levels in plan.levels.items() if levels["minhash_dedup"] == "off")
    assert weights == {
        "selection": {"full": 1.0, "control_minhash_dedup": -1.0},
        "volume": {"control_minhash_dedup": 1.0, off: -1.0},
    }


def corpora(study: Path, arm: str, seeds: tuple[int, ...] = (0, 1)) -> list[dict[str, Any]]:
    return [read_json(run_folder(study, arm, seed) / "record.json")["corpus"] for seed in seeds]


def test_a_control_is_as_large_as_the_recipe_and_another_draw_in_each_seed(
    ablate: Run, tiny: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = here / "studies" / "demo"
    assert ablate("sweep", *tiny, MATCHED) == 0
    said = capsys.readouterr().out
    full, without = corpora(study, "full")[0], corpora(study, "without_language")[0]
    control = corpora(study, "control_language")
    assert without["unique_tokens"] > full["unique_tokens"], "the testbed has pages in other languages"
    longest = 2_000  # tokens of the testbed's longest page are fewer
    for corpus in control:
        assert abs(corpus["unique_tokens"] - full["unique_tokens"]) <= longest / 2
        *before, last = corpus["funnel"]
        assert before == without["funnel"], "all that comes before is the recipe without the stage"
        assert last["stage"] == "size_matched_removal" and last["tokens"] == corpus["unique_tokens"]
        assert last["dropped"] == {"drawn": without["documents"] - corpus["documents"]}
    assert control[0]["key"] != control[1]["key"]
    # Nothing to remove for a stage that removes nothing: the same run as without it.
    nothing = [
        read_json(run_folder(study, arm, 0) / "record.json")["run"]
        for arm in ("control_fineweb_quality", "without_fineweb_quality")
    ]
    assert nothing[0] == nothing[1]
    assert "control_language: " in said and "volume is nil by construction" in said

    page = (study / "REPORT.md").read_text(encoding="utf-8")
    assert "## Selection or volume?" in page and "**Nothing is met twice**" in page
    assert (study / "figures" / "selection_and_volume.svg").exists()
    assert "language & $" in (study / "selection.tex").read_text()
    with (study / "effects.csv").open() as file:
        rows = [
            row for row in csv.DictReader(file) if (row["task"], row["factor"]) == ("aggregate", "language")
        ]
    for metric in {row["metric"] for row in rows}:
        found = {row["estimand"]: float(row["estimate"]) for row in rows if row["metric"] == metric}
        assert found["leave_one_out"] == pytest.approx(found["selection"] + found["volume"], abs=1e-6)

    # The same command finds everything done; a record that was lost is the same run again.
    run = run_folder(study, "control_language", 1)
    before = read_json(run / "record.json")["run"]
    (run / "record.json").unlink()
    assert ablate("sweep", *tiny, MATCHED) == 0
    planned_runs = capsys.readouterr().out
    assert "14 runs planned, 13 already done" in planned_runs
    assert read_json(run / "record.json")["run"] == before

    # A control without any run: its parts are missing, not nought.
    folder = study
    for seed in (0, 1):
        (run_folder(folder, "control_language", seed) / "record.json").unlink()
    (run_folder(folder, "full", 1) / "record.json").unlink()
    assert ablate("report", *tiny, MATCHED, "give_up=true") == 0
    page = (folder / "REPORT.md").read_text(encoding="utf-8")
    (line,) = [
        line
        for line in page.split("## Selection or volume?")[1].splitlines()
        if line.startswith("| language |")
    ][:1]
    assert line.count("–") >= 4, "neither part has a number"


@pytest.mark.slow
def test_a_stage_that_removes_junk_selects_and_one_that_removes_at_random_does_not(
    ablate: Run, here: Path
) -> None:
    """Hashtag spam stands in one page of seven; of two stages that take about a third of the tokens one takes the spam."""
    assert (
        ablate(
            "sweep",
            "study=calibration",
            "+stages@stages.random_removal=random_removal",
            "stages.random_removal.rate=0.3",
            "pool.world.pages=2000",
            "design.factors=[gopher_quality,random_removal]",
            MATCHED,
            "seeds=[0,1,2,3,4]",
            "hydra/launcher=basic",
        )
        == 0
    )
    with (here / "studies" / "calibration" / "effects.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["task"], row["metric"]) == ("aggregate", "prob")]
    found = {(row["factor"], row["estimand"]): row for row in rows}
    junk, null = found["gopher_quality", "selection"], found["random_removal", "selection"]
    assert float(junk["ci_low"]) > 0
    assert float(null["p_value"]) > 0.001
    assert abs(float(null["estimate"])) < float(junk["estimate"])
