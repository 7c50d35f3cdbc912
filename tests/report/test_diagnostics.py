"""What a report says about its own intervals: gains that do not add up, aliasing, few seeds, missing runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from ablate.design.base import Assignment, Design, Factor
from ablate.design.dose import Dose
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.full_factorial import FullFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.effects.verdict import Kind
from ablate.estimand.base import contrasts_of
from ablate.report.diagnostics import findings
from ablate.report.effects_table import effects_table
from ablate.report.findings.additivity import Additivity, Aliased, PredictedBest
from ablate.report.findings.base import Finding
from ablate.report.findings.components import Components
from ablate.report.findings.dose import Along, NoParabola, TurningPoint
from ablate.report.findings.intervals import SeedsAndItems, Unbalanced
from ablate.report.findings.noise import EqualNoise, FewSeeds, NearBound, NoShapeSeen, TwoKindsOfRun
from ablate.report.findings.runs import ArmsWithoutRun, UnlikeArithmetic
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

    def made(
        design: Design,
        score: Score,
        factors: list[Factor],
        *,
        seeds: int = 3,
        lost: Mapping[str, int] | None = None,
        chance: list[str] | None = None,
        name: str = "study",
    ) -> Study:
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


Kind_ = TypeVar("Kind_", bound=Finding)


def found(study: Study, kind: type[Kind_]) -> list[Kind_]:
    """What the report finds of one kind."""
    return [one for one in findings(study, effects_table(study)) if isinstance(one, kind)]


def additive(levels: Assignment) -> float:
    return 0.5 + sum(0.02 * (i + 1) for i, level in enumerate(levels.values()) if level == "on")


def interacting(levels: Assignment) -> float:
    return additive(levels) + (0.2 if levels["a"] == levels["b"] == "on" else 0.0)


def test_planted_interactions_are_noticed_and_named(make: Make) -> None:
    study = make(FullFactorial(), interacting, SWITCHES[:4])
    (one,) = found(study, Additivity)
    assert one.doubted and one.fit.p_value < 0.001 and one.suspects == ("a x b",)
    text = report(study)
    assert "**Lack of fit: gains do not add up** (p = <0.001" in text and "Points to a x b." in text


def test_gains_that_add_up_are_not_warned_about(make: Make) -> None:
    (one,) = found(make(FullFactorial(), additive, SWITCHES[:4]), Additivity)
    assert one.testable and not one.doubted and not one.suspects and not one.mixed


def test_a_saturated_fraction_says_that_it_cannot_tell(make: Make) -> None:
    """Eight arms for seven factors: nothing is left over, so the report must not stay silent."""
    factors = [Factor(name, ("on", "off")) for name in "abcdefg"]
    study = make(FractionalFactorial(3), interacting, factors)
    (one,) = found(study, Additivity)
    assert one.fit.df == 0 and not one.testable and one.mixed == tuple("abcdefg")
    assert found(study, Aliased)
    wrong = {
        row.factor: row.estimate for row in effects_table(study) if row.task == "quiz" and row.metric == "acc"
    }
    assert (
        max(abs(wrong[name] - 0.02 * (i + 1)) for i, name in enumerate("abcdefg")) > 0.05
    )  # the number is wrong indeed


def test_a_fraction_of_resolution_four_keeps_main_effects_right_and_notices(make: Make) -> None:
    study = make(FractionalFactorial(4), interacting, SWITCHES)
    (one,) = found(study, Additivity)
    assert one.doubted and "a x b" in one.suspects and not one.mixed
    rows = {
        row.factor: row.estimate for row in effects_table(study) if row.task == "quiz" and row.metric == "acc"
    }
    for i, name in enumerate("abcde"):
        assert rows[name] == pytest.approx(0.02 * (i + 1) + (0.1 if name in "ab" else 0.0), abs=0.015)


def test_two_seeds_and_one_seed_are_warned_about(make: Make) -> None:
    two, one = (make(LeaveOneOut(), additive, SWITCHES, seeds=n, name=str(n)) for n in (2, 1))
    assert [few.seeds for study in (two, one) for few in found(study, FewSeeds)] == [2, 1]
    assert {row.verdict.kind for row in effects_table(one)} == {Kind.ONE_SEED}
    assert "**One seed**" in report(one)


def test_an_arm_with_most_of_the_noise_is_named(make: Make) -> None:
    rng = np.random.default_rng(3)
    study = make(
        FullFactorial(),
        lambda levels: additive(levels) + (0.2 * rng.normal() if set(levels.values()) == {"off"} else 0.0),
        SWITCHES[:4],
    )
    (one,) = found(study, EqualNoise)
    assert one.differs and one.loudest is not None and one.loudest.arm == "bare"
    assert [few.seeds for few in found(study, FewSeeds)] == [3]


def test_unbalanced_replication_is_estimated_from_all_runs(make: Make) -> None:
    (one,) = found(
        make(LeaveOneOut(), additive, SWITCHES, seeds=4, lost={"without_a": 1, "without_b": 2}), Unbalanced
    )
    assert {row.factor for row, _ in one.gains} == {"a", "b"}
    assert all(all_runs.method == "mixed" for _, all_runs in one.gains)
    assert not found(make(LeaveOneOut(), additive, SWITCHES, name="whole"), Unbalanced)


def test_a_factorial_does_without_an_arm_that_failed(make: Make) -> None:
    arms = FullFactorial().arms(SWITCHES[:4])
    gone = next(name for name in arms if name not in ("full", "bare"))
    study = make(FullFactorial(), additive, SWITCHES[:4])
    for path in study.folder.glob(f"runs/{gone}/*/record.json"):
        path.unlink()
    study = load_study(study.folder)
    rows = {
        row.factor: row
        for row in effects_table(study)
        if row.estimand == "main_effect" and row.task == "quiz" and row.metric == "acc"
    }
    for i, name in enumerate("abcd"):
        assert rows[name].estimate == pytest.approx(0.02 * (i + 1), abs=0.015)
        assert gone not in rows[name].weights
    assert [one.arms for one in found(study, ArmsWithoutRun)] == [(gone,)]


def test_seeds_and_items_together_are_never_surer_than_seeds_alone(make: Make) -> None:
    (one,) = found(make(LeaveOneOut(), additive, SWITCHES), SeedsAndItems)
    assert [row.factor for row in one.rows] == list("abcde")
    for row in one.rows:
        assert row.ci_low_items <= row.ci_low and row.ci_high <= row.ci_high_items


def test_the_best_subset_leaves_out_what_hurts(make: Make) -> None:
    study = make(
        FullFactorial(), lambda levels: additive(levels) - (0.3 if levels["c"] == "on" else 0.0), SWITCHES[:4]
    )
    (one,) = found(study, PredictedBest)
    assert one.without == ("c",) and one.was_run == "without_c" and not one.doubted
    # Without c a score is 0.3 - 0.06 higher, on the headline's scale 4/3 times that.
    assert one.found.ci_low < 0.24 / 0.75 < one.found.ci_high


def test_a_dose_says_where_the_curve_turns(make: Make) -> None:
    factor = Factor("threshold", ("0.5", "0.1", "0.3", "0.7", "0.9"))
    study = make(Dose(), lambda levels: 0.8 - (float(levels["threshold"]) - 0.4) ** 2, [factor])
    (turn,) = found(study, TurningPoint)
    assert turn.best and turn.inside and turn.at == pytest.approx(0.4, abs=0.03)
    assert turn.ci_low < 0.4 < turn.ci_high
    rows = [
        row
        for row in effects_table(study)
        if row.estimand == "dose_response" and row.task == "quiz" and row.metric == "acc"
    ]
    assert [row.factor for row in rows] == ["threshold slope", "threshold curvature"]
    assert rows[1].estimate == pytest.approx(-1.0, abs=0.15)
    assert [one.trend.found() for one in found(study, Along)] == ["turns"], "up to 0.4 and down from there"


def test_a_threshold_is_no_parabola_and_is_told_as_a_step(make: Make) -> None:
    values = ("0.5", "0.05", "0.1", "0.2", "0.3", "0.4", "0.6", "0.7", "0.8", "0.9")
    study = make(
        Dose(), lambda levels: 0.8 - 0.3 * (float(levels["threshold"]) > 0.75), [Factor("threshold", values)]
    )
    assert found(study, NoParabola) and not found(study, TurningPoint)
    (one,) = found(study, Along)
    assert one.trend.found() == "falls" and one.higher_is_better
    step = one.trend.step
    assert (step.below, step.above) == (0.7, 0.8)
    # The aggregate is (score - 1/4) / (3/4), so the step is -0.4.
    assert step.estimate == pytest.approx(-0.4, abs=0.03) and step.ci_low < -0.4 < step.ci_high
    assert "**Scores get worse with threshold**" in report(study)


def test_components_of_the_noise_are_told_for_crossed_draws(make: Make) -> None:
    factors = [Factor("weights", tuple("0123")), Factor("order", tuple("0123"))]
    study = make(
        FullFactorial(),
        lambda levels: 0.5 + 0.1 * int(levels["weights"]),
        factors,
        seeds=1,
        chance=["weights", "order"],
    )
    (one,) = found(study, Components)
    assert one.deviations["weights"] == pytest.approx(np.std([0.5, 0.6, 0.7, 0.8], ddof=1) / 0.75, rel=0.15)
    assert set(one.deviations) == {"weights", "order", "together"}


@pytest.mark.parametrize("score", [lambda levels: 1.0, lambda levels: 0.0])
def test_scores_at_the_ends_of_the_scale_give_no_interval_and_no_claim(
    make_study: Callable[..., Study], score: Score
) -> None:
    value = score({})
    study = make_study({"full": [value] * 3, "without_a": [value] * 3, "without_b": [value] * 3})
    for row in effects_table(study):
        if row.metric == "acc":
            assert row.estimate == 0.0 and np.isnan(row.ci_low)
            assert row.verdict.kind is Kind.NO_SPREAD
    report(study)


def test_ties_between_arms_are_no_effect(make_study: Callable[..., Study]) -> None:
    study = make_study(
        {"full": [0.7, 0.72, 0.74], "without_a": [0.72, 0.7, 0.74], "without_b": [0.74, 0.72, 0.7]}
    )
    rows = [row for row in effects_table(study) if row.task == "quiz" and row.metric == "acc"]
    assert all(row.estimate == pytest.approx(0.0) and row.verdict.kind is Kind.NONE_SEEN for row in rows)


def test_runs_of_unlike_arithmetic_are_named(make: Make) -> None:
    study = make(LeaveOneOut(), lambda levels: 0.5, SWITCHES[:2])
    assert not found(study, UnlikeArithmetic)
    records = {
        (arm, seed): replace(
            record, cost={**record.cost, "precision": "bf16" if arm == "without_a" and seed else "fp32"}
        )
        for (arm, seed), record in study.records.items()
    }
    study = replace(study, records=records)
    (one,) = found(study, UnlikeArithmetic)
    assert one.runs == {"bf16": {"without_a": 2}, "fp32": {"full": 3, "without_a": 1, "without_b": 3}}
    assert "bf16 in 2 of without_a; fp32 in 3 of full, 1 of without_a, 3 of without_b" in str(one)


def test_runs_of_two_kinds_are_told(make_study: Callable[..., Study]) -> None:
    quiet = [0.500, 0.503, 0.498, 0.501, 0.499]
    study = make_study(
        {
            "full": [0.651, 0.302, 0.650, 0.649, 0.299],
            "without_a": quiet,
            "without_b": [value + 0.05 for value in reversed(quiet)],
        }
    )
    (one,) = found(study, TwoKindsOfRun)
    # In units of the headline, which puts a guess (0.25) at 0: (0.3 - 0.25) / 0.75 = 0.067 and 0.533.
    assert (one.arm, one.low.size, one.high.size) == ("full", 2, 3)
    assert one.low.mean() == pytest.approx(0.067, abs=0.001)
    assert one.high.mean() == pytest.approx(0.533, abs=0.001)
    assert not found(study, NoShapeSeen)


def test_runs_of_one_kind_are_said_to_show_little(make: Make) -> None:
    study = make(LeaveOneOut(), additive, SWITCHES, seeds=5)
    assert found(study, NoShapeSeen) and not found(study, TwoKindsOfRun) and not found(study, NearBound)


def test_scores_that_crowd_against_the_best_there_is_are_named(make_study: Callable[..., Study]) -> None:
    study = make_study(
        {
            "full": [0.99, 0.97, 1.0, 0.96],
            "without_a": [0.7, 0.72, 0.69, 0.71],
            "without_b": [0.27, 0.24, 0.26, 0.25],
        }
    )
    assert [one.arms[0] for one in found(study, NearBound)] == ["full"]
    bits = make_study(
        {
            arm: [2 - v for v in values]
            for arm, values in {"full": [0.9, 0.8, 0.95], "without_a": [0.5, 0.6, 0.55]}.items()
        },
        primary="bpb",
        name="bits",
    )
    assert not found(bits, NearBound)
