"""Gains as they were planned: unpaired by Welch, seeds of their own, and what a report says of shared ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablate.design.base import Factor
from ablate.design.full_factorial import FullFactorial
from ablate.design.near_full import NearFull
from ablate.effects.pairing import advice, seed_correlation
from ablate.effects.verdict import CLAIMS
from ablate.estimand.base import contrasts_of
from ablate.report.decision import by_budget
from ablate.report.effects_table import effects_table
from ablate.report.page import write_report
from ablate.study.journal import note_plan
from ablate.study.plan import write_plan
from ablate.study.results import Study, load_study
from ablate.study.schema import Arm

Make = Callable[..., Study]
SWITCHES = [Factor(name, ("on", "off")) for name in "abcd"]
SCORES = {
    "full": [0.70, 0.75, 0.69, 0.73, 0.71], "without_a": [0.50, 0.53, 0.60, 0.52, 0.55],
    "without_b": [0.71, 0.68, 0.74, 0.70, 0.75],
}  # fmt: skip


def changed(study: Study, **keys: Any) -> Study:
    """The study with other keys in its plan."""
    write_plan(replace(study.plan, **keys), study.folder)
    return load_study(study.folder)


def report(study: Study) -> str:
    write_report(study)
    return (study.folder / "REPORT.md").read_text()


def gains(study: Study) -> dict[str, Mapping[str, Any]]:
    return {row.factor: row for row in effects_table(study) if row.task == "quiz" and row.metric == "acc"}


def test_an_unpaired_plan_is_reported_by_welch(make_study: Make) -> None:
    study = make_study(SCORES)
    found = gains(changed(study, pairing="unpaired"))
    for name in "ab":
        wanted = stats.ttest_ind(SCORES["full"], SCORES[f"without_{name}"], equal_var=False)
        assert found[name].method == "unpaired"
        assert found[name].p_value == pytest.approx(wanted.pvalue)
        assert (found[name].ci_low, found[name].ci_high) == pytest.approx(tuple(wanted.confidence_interval()))
    text = report(load_study(study.folder))
    assert "independent samples (Welch), although they share their seeds" in text
    assert "The gains here were planned unpaired." in text


def test_a_pairing_that_was_changed_after_the_runs_is_exploration(make_study: Make) -> None:
    study = make_study(SCORES)
    note_plan(study.plan, study.folder, ())
    assert load_study(study.folder).history.changed == ""
    later = changed(study, pairing="unpaired")
    note_plan(later.plan, study.folder, (0, 1, 2, 3, 4))
    found = load_study(study.folder)
    assert "planned paired, and design.pairing was changed after runs had been seen" in found.history.changed
    assert not any(row.verdict.kind in CLAIMS for row in gains(found).values())
    assert "**Nothing here is a claim**: gains were planned paired" in report(found)


def factorial(make_study: Make, scores: Mapping[str, list[float]], design: Any, own: bool) -> Study:
    arms = design.arms(SWITCHES)
    configs = {arm: {"randomness": {"seed_offset": place * own}} for place, arm in enumerate(arms)}
    return changed(
        make_study(scores),
        contrasts=tuple(contrasts_of(design.estimands[:1], arms, SWITCHES)),
        factors=tuple(SWITCHES),
        arms={arm: Arm(name=arm, levels=levels, config=configs[arm]) for arm, levels in arms.items()},
        pairing="unpaired" if own else "paired",
    )


def noisy(design: Any, seeds: int, stage_by_seed: float) -> dict[str, list[float]]:
    """Scores around 0.5 with noise of 0.01, and what a seed does to the arms that have stage a."""
    rng = np.random.default_rng(3)
    hit = stage_by_seed * rng.normal(size=seeds)
    return {
        arm: (0.5 + 0.01 * rng.normal(size=seeds) + (hit if levels["a"] == "on" else 0.0)).tolist()
        for arm, levels in design.arms(SWITCHES).items()
    }


def test_seeds_that_do_something_to_a_stage_are_found_and_it_stands_alone(make_study: Make) -> None:
    scores = noisy(FullFactorial(), 5, 0.05)
    study = factorial(make_study, scores, FullFactorial(), own=False)
    found = gains(study)
    signs = np.array([1.0 if levels["a"] == "on" else -1.0 for levels in study.plan.levels.values()])
    per_seed = signs @ np.array([scores[arm] for arm in study.arms]) / 8
    assert found["a"].method == "paired" and found["a"].p_value == pytest.approx(
        stats.ttest_1samp(per_seed, 0).pvalue
    )
    text = report(study)
    assert "**Seeds and stages**" in text and "(p = <0.001, Bonferroni)" in text
    assert "on their own seeds alone stand a" in text and "design.own_seeds=true" in text


def test_under_seeds_of_their_own_nothing_is_paired(make_study: Make) -> None:
    scores = noisy(FullFactorial(), 5, 0.0)
    study = factorial(make_study, scores, FullFactorial(), own=True)
    row = gains(study)["a"]
    variances = np.array([np.var(scores[arm], ddof=1) for arm in study.arms])
    assert row.method == "unpaired" and not study.shares_seeds
    assert row.seed_error == pytest.approx(np.sqrt(variances.sum() / 5) / 8)
    text = report(study)
    assert "**No pairing**: every arm has seeds of its own" in text and "**Seeds and stages**" not in text


@pytest.mark.parametrize(
    ("interaction", "said"),
    [(0.0, "look like none beyond noise|standard deviation 0.00"), (0.3, "standard deviation 0.1")],
)
def test_a_near_full_report_says_what_its_gains_may_be_off_by(
    make_study: Make, interaction: float, said: str
) -> None:
    design, rng = NearFull(), np.random.default_rng(4)
    scores = {
        arm: (
            0.5
            - 0.1 * (levels["a"] == "off")
            + interaction * (levels["a"] == levels["b"] == "off")
            + 0.001 * rng.normal(size=5)
        ).tolist()
        for arm, levels in design.arms(SWITCHES).items()
    }
    study = factorial(make_study, scores, design, own=True)
    text = report(study)
    assert (
        "**Near full, not leave-one-out**: where gains do not add up a gain is off by 0.33 of each of its stage's 3 interactions"
        in text
    )
    assert any(part in text for part in said.split("|"))
    # Without an interaction the gain is the planted one; with one it is off by a third of it.
    assert gains(study)["a"].estimate == pytest.approx(0.1 - interaction / 3, abs=0.003)
    assert ("do not add up** (p" in text) == bool(interaction)


@pytest.mark.parametrize(
    ("gone", "seeds"), [(("without_a+b",), 5), (("full",), 5), (("without_a+b", "full_2"), 5)]
)
def test_near_full_gains_do_without_arms_that_failed(
    make_study: Make, gone: tuple[str, ...], seeds: int
) -> None:
    design = NearFull(full_share=0.3)
    arms = design.arms(SWITCHES)
    scores = {
        arm: [0.5 - 0.1 * (levels["a"] == "off") + 0.001 * seed for seed in range(seeds)]
        for arm, levels in arms.items()
    }
    names = {arm: arm for arm in arms}
    (first,) = [arm for arm, levels in arms.items() if levels["a"] == levels["b"] == "off"]
    names["without_a+b"] = first
    lost = {names[arm] for arm in gone}
    given = {arm: [None] * seeds if arm in lost else values for arm, values in scores.items()}
    study = factorial(make_study, given, design, own=True)
    found = gains(study)
    assert [found[name].estimate for name in "abcd"] == pytest.approx([0.1, 0, 0, 0], abs=1e-9)
    assert lost.isdisjoint(found["a"].weights)
    assert "**Arms without a run**" in report(study)


def test_a_near_full_run_that_failed_is_left_out_and_said(make_study: Make) -> None:
    design = NearFull()
    scores = noisy(design, 4, 0.0)
    (arm,) = [name for name, levels in design.arms(SWITCHES).items() if levels["a"] == levels["b"] == "off"]
    study = factorial(make_study, {**scores, arm: [None, *scores[arm][1:]]}, design, own=True)
    row = gains(study)["a"]
    means = {name: np.mean(values[1:] if name == arm else values) for name, values in scores.items()}
    assert row.estimate == pytest.approx(sum(w * means[name] for name, w in row.weights.items()))
    assert row.n_seeds == 3 and row.runs_failed == f"{arm} 1 of 4" and row.runs_failed in str(row.verdict)


def test_copies_of_the_full_recipe_are_one_arm_of_a_ranking(make_study: Make) -> None:
    design = NearFull(full_share=0.4)
    study = factorial(make_study, noisy(design, 3, 0.0), design, own=True)
    assert len(study.arms) == 6 + 4 and len(study.distinct) == 10
    assert {row.n_arms for row in by_budget(study)} == {7}


def test_one_seed_gives_no_interval(make_study: Make) -> None:
    study = factorial(make_study, noisy(NearFull(), 1, 0.0), NearFull(), own=True)
    row = gains(study)["a"]
    assert np.isnan(row.p_value) and np.isnan(row.ci_low) and not np.isnan(row.estimate)
    assert "**One seed**" in report(study)


@pytest.mark.parametrize(("shared", "plan"), [(0.0, "unpaired"), (2.0, "paired")])
def test_the_correlation_that_was_measured_advises_the_next_plan(shared: float, plan: str) -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(size=(8, 40)) + shared * rng.normal(size=(1, 40))
    said = advice(seed_correlation(table))
    assert f"design.pairing={plan}." in said and "not settled" not in said
    assert "not settled" in advice(seed_correlation(rng.normal(size=(3, 3))))
    assert advice(seed_correlation(np.ones((1, 3)))) == ""
