"""What a report says about its own intervals: gains that do not add up, aliasing, few seeds, missing runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from ablate.design.base import Assignment, Design, Factor
from ablate.design.dose import Dose
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.effects.verdict import Kind
from ablate.estimand.base import contrasts_of
from ablate.report.effects_table import effects_table
from ablate.report.page import write_report
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study
from ablate.study.schema import Arm

SWITCHES = [Factor(name, ("on", "off")) for name in "abcde"]
Score = Callable[[Assignment], float]
Make = Callable[..., Study]


@pytest.fixture
def make(make_study: Callable[..., Study]) -> Make:
    """A study of a design whose arms score what a function says, plus noise of 0.01."""

    def made(design: Design, score: Score, factors: list[Factor], *, seeds: int = 3, lost: Mapping[str, int] | None = None,
             chance: list[str] | None = None, name: str = "study") -> Study:  # fmt: skip
        rng = np.random.default_rng(0)
        arms = design.arms(factors)
        table = {
            arm: [score(levels) + 0.01 * rng.normal() for _ in range(seeds)] for arm, levels in arms.items()
        }
        given = {
            arm: [None if (lost or {}).get(arm) == i else v for i, v in enumerate(values)]
            for arm, values in table.items()
        }
        study = make_study(given, name=name)
        plan = replace(
            study.plan,
            arms={arm: Arm(name=arm, levels=levels, config={}) for arm, levels in arms.items()},
            factors=tuple(factors),
            contrasts=tuple(contrasts_of(design.estimands, arms, factors)),
            design=type(design).__name__.lower(),
            chance=tuple(chance or ()),
        )
        write_plan(plan, study.folder)
        return load_study(study.folder)

    return made


def report(study: Study) -> str:
    write_report(study)
    return (study.folder / "REPORT.md").read_text()


def additive(levels: Assignment) -> float:
    return 0.5 + sum(0.02 * (i + 1) for i, level in enumerate(levels.values()) if level == "on")


def interacting(levels: Assignment) -> float:
    return additive(levels) + (0.2 if levels["a"] == levels["b"] == "on" else 0.0)


def test_planted_interactions_are_noticed_and_named(make: Make) -> None:
    text = report(make(FullFactorial(), interacting, SWITCHES[:4]))
    assert "**Lack of fit: gains do not add up** (p = <0.001" in text and "Points to a x b." in text


def test_gains_that_add_up_are_not_warned_about(make: Make) -> None:
    text = report(make(FullFactorial(), additive, SWITCHES[:4]))
    assert "**Gains add up**" in text and "Lack of fit" not in text


def test_a_saturated_fraction_says_that_it_cannot_tell(make: Make) -> None:
    """Eight arms for seven factors: nothing is left over, so the report must not stay silent."""
    factors = [Factor(name, ("on", "off")) for name in "abcdefg"]
    study = make(FractionalFactorial(3), interacting, factors)
    text = report(study)
    assert "Cannot be tested: these arms leave nothing over" in text and "mixed with interactions" in text
    assert "Aliases, up to interactions of two stages" in text
    wrong = {
        row["factor"]: row["estimate"]
        for row in effects_table(study)
        if row["task"] == "quiz" and row["metric"] == "acc"
    }
    assert (
        max(abs(wrong[name] - 0.02 * (i + 1)) for i, name in enumerate("abcdefg")) > 0.05
    )  # the number is wrong indeed


def test_a_fraction_of_resolution_four_keeps_main_effects_right_and_notices(make: Make) -> None:
    study = make(FractionalFactorial(4), interacting, SWITCHES)
    text = report(study)
    assert "Lack of fit" in text and "a x b" in text
    rows = {
        row["factor"]: row["estimate"]
        for row in effects_table(study)
        if row["task"] == "quiz" and row["metric"] == "acc"
    }
    for i, name in enumerate("abcde"):
        assert rows[name] == pytest.approx(0.02 * (i + 1) + (0.1 if name in "ab" else 0.0), abs=0.015)


def test_two_seeds_and_one_seed_are_warned_about(make: Make) -> None:
    assert "**Two seeds**" in report(make(LeaveOneOut(), additive, SWITCHES, seeds=2, name="two"))
    text = report(make(LeaveOneOut(), additive, SWITCHES, seeds=1, name="one"))
    assert "**One seed**" in text and "not measured: one seed" in text


def test_an_arm_with_most_of_the_noise_is_named(make: Make) -> None:
    rng = np.random.default_rng(3)
    text = report(
        make(
            FullFactorial(),
            lambda levels: (
                additive(levels) + (0.2 * rng.normal() if set(levels.values()) == {"off"} else 0.0)
            ),
            SWITCHES[:4],
        )
    )
    assert "**Noise differs between arms**" in text
    assert "**Three seeds** say little about the shape of the noise" in text


def test_unbalanced_replication_is_estimated_from_all_runs(make: Make) -> None:
    text = report(make(LeaveOneOut(), additive, SWITCHES, seeds=4, lost={"without_a": 1, "without_b": 2}))
    assert "a mixed model (arms fixed, seeds random, REML) uses all" in text
    assert "mixed model" not in report(make(LeaveOneOut(), additive, SWITCHES, name="whole"))


def test_a_factorial_does_without_an_arm_that_failed(make: Make) -> None:
    arms = FullFactorial().arms(SWITCHES[:4])
    gone = next(name for name in arms if name not in ("full", "bare"))
    study = make(FullFactorial(), additive, SWITCHES[:4])
    for path in study.folder.glob(f"runs/{gone}/*/record.json"):
        path.unlink()
    study = load_study(study.folder)
    rows = {
        row["factor"]: row for row in effects_table(study)
        if row["estimand"] == "main_effect" and row["task"] == "quiz" and row["metric"] == "acc"
    }  # fmt: skip
    for i, name in enumerate("abcd"):
        assert rows[name]["estimate"] == pytest.approx(0.02 * (i + 1), abs=0.015)
        assert gone not in rows[name]["weights"]
    assert f"**Arms without a run**: {gone}." in report(study)


def test_seeds_and_items_together_are_wider_than_seeds_alone(make: Make) -> None:
    text = report(make(LeaveOneOut(), additive, SWITCHES))
    assert "crossed random effects, items paired between arms" in text


def test_the_best_subset_leaves_out_what_hurts(make: Make) -> None:
    text = report(
        make(
            FullFactorial(),
            lambda levels: additive(levels) - (0.3 if levels["c"] == "on" else 0.0),
            SWITCHES[:4],
        )
    )
    assert (
        "**Best subset predicted**: the full recipe without c" in text
        and "It was run, as `without_c`" in text
    )


def test_a_dose_says_where_the_curve_turns(make: Make) -> None:
    factor = Factor("threshold", ("0.5", "0.1", "0.3", "0.7", "0.9"))
    study = make(Dose(), lambda levels: 0.8 - (float(levels["threshold"]) - 0.4) ** 2, [factor])
    text = report(study)
    found = re.search(r"\*\*Turning point\*\* of threshold: best at ([\d.]+)", text)
    assert found and float(found[1]) == pytest.approx(0.4, abs=0.03)
    rows = [
        row
        for row in effects_table(study)
        if row["estimand"] == "dose_response" and row["task"] == "quiz" and row["metric"] == "acc"
    ]
    assert [row["factor"] for row in rows] == ["threshold slope", "threshold curvature"]
    assert rows[1]["estimate"] == pytest.approx(-1.0, abs=0.15)
    assert "**The curve of threshold turns**" in text, "up to 0.4 and down from there"


def test_a_threshold_is_no_parabola_and_is_told_as_a_step(make: Make) -> None:
    values = ("0.5", "0.05", "0.1", "0.2", "0.3", "0.4", "0.6", "0.7", "0.8", "0.9")
    text = report(
        make(
            Dose(),
            lambda levels: 0.8 - 0.3 * (float(levels["threshold"]) > 0.75),
            [Factor("threshold", values)],
        )
    )
    assert "**No turning point** of threshold: the scores are not a parabola" in text
    found = re.search(
        r"\*\*Scores get worse with threshold\*\* .*most like a step between 0.7 and 0.8\)", text
    )
    assert found
    # The aggregate is (score - 1/4) / (3/4), so the step is -0.4.
    step = re.search(r"Above 0.7 \(0.8 and more\) against 0.7 and less: (\S+) \[(\S+), (\S+)\]", text)
    assert step and float(step[1]) == pytest.approx(-0.4, abs=0.03)
    assert float(step[2]) < -0.4 < float(step[3])


def test_components_of_the_noise_are_told_for_crossed_draws(make: Make) -> None:
    factors = [Factor("weights", tuple("0123")), Factor("order", tuple("0123"))]
    study = make(
        FullFactorial(),
        lambda levels: 0.5 + 0.1 * int(levels["weights"]),
        factors,
        seeds=1,
        chance=["weights", "order"],
    )
    text = report(study)
    assert "**Components of the noise**" in text
    line = next(line for line in text.splitlines() if line.startswith("| weights |"))
    assert float(line.split("|")[2]) == pytest.approx(np.std([0.5, 0.6, 0.7, 0.8], ddof=1) / 0.75, rel=0.15)


@pytest.mark.parametrize("score", [lambda levels: 1.0, lambda levels: 0.0])
def test_scores_at_the_ends_of_the_scale_give_no_interval_and_no_claim(
    make_study: Callable[..., Study], score: Score
) -> None:
    value = score({})
    study = make_study({"full": [value] * 3, "without_a": [value] * 3, "without_b": [value] * 3})
    for row in effects_table(study):
        if row["metric"] == "acc":
            assert row["estimate"] == 0.0 and np.isnan(row["ci_low"])
            assert str(row["verdict"]) == "not measured: no spread between seeds"
    report(study)


def test_ties_between_arms_are_no_effect(make_study: Callable[..., Study]) -> None:
    study = make_study(
        {"full": [0.7, 0.72, 0.74], "without_a": [0.72, 0.7, 0.74], "without_b": [0.74, 0.72, 0.7]}
    )
    rows = [row for row in effects_table(study) if row["task"] == "quiz" and row["metric"] == "acc"]
    assert all(
        row["estimate"] == pytest.approx(0.0) and row["verdict"].kind is Kind.NONE_SEEN for row in rows
    )


def test_runs_of_unlike_arithmetic_are_named(make: Make) -> None:
    study = make(LeaveOneOut(), lambda levels: 0.5, SWITCHES[:2])
    assert "computed alike" not in report(study)
    for (arm, seed), record in study.records.items():
        record["cost"]["precision"] = "bf16" if arm == "without_a" and seed else "fp32"
    write_report(study)
    assert (
        "**Runs were not computed alike**: bf16 in 2 of without_a; fp32 in 3 of full, 1 of without_a, 3 of without_b."
        in (study.folder / "REPORT.md").read_text()
    )


def test_runs_of_two_kinds_are_told(make_study: Callable[..., Study]) -> None:
    quiet = [0.500, 0.503, 0.498, 0.501, 0.499]
    study = make_study({
        "full": [0.651, 0.302, 0.650, 0.649, 0.299],
        "without_a": quiet, "without_b": [value + 0.05 for value in reversed(quiet)],
    })  # fmt: skip
    text = report(study)
    # In units of the headline, which puts a guess (0.25) at 0: (0.3 - 0.25) / 0.75 = 0.067 and 0.533.
    assert "**Runs of arm `full` split into two groups**: 2 near 0.067, 3 near 0.533" in text
    assert "no sign of runs in two groups" not in text


def test_runs_of_one_kind_are_said_to_show_little(make: Make) -> None:
    text = report(make(LeaveOneOut(), additive, SWITCHES, seeds=5))
    assert "no sign of runs in two groups" in text and "near their bound" not in text


def test_scores_that_crowd_against_the_best_there_is_are_named(make_study: Callable[..., Study]) -> None:
    study = make_study({
        "full": [0.99, 0.97, 1.0, 0.96], "without_a": [0.7, 0.72, 0.69, 0.71], "without_b": [0.27, 0.24, 0.26, 0.25],
    })  # fmt: skip
    text = report(study)
    assert "**Scores near their bound**: those of `full` lie within" in text
    bits = make_study({arm: [2 - v for v in values] for arm, values in
                       {"full": [0.9, 0.8, 0.95], "without_a": [0.5, 0.6, 0.55]}.items()}, primary="bpb", name="bits")  # fmt: skip
    assert "near their bound" not in report(bits)
