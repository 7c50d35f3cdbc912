"""`ablate calibrate`: the simulated cells, the trained check on studies with a known truth, the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablate.calibrate.cases import FURTHER, Case, fits, shipped
from ablate.calibrate.few_items import ItemTask
from ablate.calibrate.missing import MissingTask
from ablate.calibrate.null_reports import NullTask, looks_of, null_scores, words
from ablate.calibrate.populations import POPULATIONS, Runs, draw
from ablate.calibrate.repeats import RepeatTask, called_alone
from ablate.calibrate.shapes import ShapeTask
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import Cell, simulate, stream, tasks, truth_of
from ablate.calibrate.simulated_page import write_cells
from ablate.calibrate.trained import aa_p_values, check, economy, power
from ablate.cli import main
from ablate.config import CONF
from ablate.effects.multiplicity import holm
from ablate.effects.verdict import Kind
from ablate.errors import DataError
from ablate.report.effects_table import effects_table
from ablate.study.journal import Standing
from ablate.study.record import Record, TaskInfo, Training
from ablate.study.results import Study
from ablate.study.schema import Arm, Headline, Plan


def case(name: str, estimand: str) -> Case:
    return next(c for c in (*shipped(), *FURTHER) if c.name == name and c.estimand == estimand)


LOO = case("LeaveOneOut", "leave_one_out")
FRACTION = case("FractionalFactorial IV", "main_effect")


@pytest.mark.parametrize("noise", POPULATIONS)
@pytest.mark.parametrize("shared", [True, False])
def test_noise_has_mean_zero_in_every_arm(noise: str, shared: bool) -> None:
    """So that the truth of a gain is what was added to the noise, whatever its shape."""
    drawn = draw(noise, np.random.default_rng(0), Runs(20_000, 2, LOO.present, shared))
    runs = drawn.mean(axis=2)
    z = runs.mean(axis=0) / (runs.std(axis=0, ddof=1) / np.sqrt(len(runs)))
    assert drawn.shape == (20_000, 8, 2) and np.abs(z).max() < 4.5


def test_noise_is_of_the_kind_that_its_name_says() -> None:
    def of(noise: str, shared: bool = False) -> np.ndarray:
        return draw(noise, np.random.default_rng(0), Runs(4000, 3, LOO.present, shared))

    def sd(noise: str) -> np.ndarray:
        return np.asarray(of(noise).std(axis=(0, 2)))

    assert sd("one_loud")[-1] > 2 * sd("one_loud")[:-1].max()
    assert sd("loud_reference")[0] > 2 * sd("loud_reference")[1:].max()
    assert (np.diff(sd("sd_1_to_10")) > 0).all()
    assert stats.kurtosis(of("heavy_tails").ravel()) > 3 > stats.kurtosis(of("equal").ravel())
    assert stats.skew(of("exponential")[:, 3].ravel()) < -0.5
    skew = stats.skew(of("lognormal_reference"), axis=0).mean(axis=1)
    assert skew[0] < -3 and np.abs(skew[1:]).max() < 0.2
    made = of("bimodal_90_50") > 0  # centred: a run that has made the transition is above its arm's mean
    assert made.mean(axis=(0, 2)) == pytest.approx([0.9, *[0.5] * 7], abs=0.02)
    assert of("bounded").max() <= (1 - 0.99) / 0.02 + 1e-9
    # Arms that have the first stage share what the seed does to it; under own seeds nothing.
    with_seeds = np.corrcoef(of("one_stage_by_seed", shared=True).transpose(1, 0, 2).reshape(8, -1))
    without = np.corrcoef(of("one_stage_by_seed").transpose(1, 0, 2).reshape(8, -1))
    lacks = int(np.flatnonzero(~LOO.present[:, 0])[0])
    others = [arm for arm in range(1, 8) if arm != lacks]
    assert with_seeds[0, others].min() > with_seeds[0, lacks] + 0.2
    assert np.abs(without - np.eye(8)).max() < 0.05


def test_copies_of_the_reference_are_the_reference() -> None:
    present = np.array([[True, True], [False, True], [True, True]])
    drawn = draw("lognormal_reference", np.random.default_rng(0), Runs(4000, 3, present, True))
    assert (stats.skew(drawn, axis=0).mean(axis=1) < -3).tolist() == [True, False, True]


def test_every_design_that_has_gains_is_calibrated() -> None:
    """Found by folder: a new design's file makes its cells. Random mixtures and chains are not calibrated yet: the simulated populations know switches and doses."""
    files = {path.stem.replace("_", "") for path in (CONF / "design").glob("*.yaml")} - {
        "single",
        "mixtures",
        "chains",
    }
    assert {type(c.design).__name__.lower() for c in shipped()} == files
    assert all(fits(c.design, c.factors) for c in (*shipped(), *FURTHER))


def test_every_design_and_noise_has_a_cell_for_each_number_of_seeds() -> None:
    todo = tasks(list(POPULATIONS), (2, 3), 10)
    cells = {(t.case.name, t.case.estimand, t.noise, t.seeds, t.shared) for t in todo if not t.interactions}
    assert len(cells) == (len(shipped()) + len(FURTHER)) * len(POPULATIONS) * 2 * 2


@pytest.mark.parametrize("one", [LOO, FRACTION], ids=lambda c: c.name)
@pytest.mark.parametrize("shared", [True, False])
def test_a_cell_is_covered_at_the_nominal_rate(one: Case, shared: bool) -> None:
    cell = simulate(one, "equal", 3, 300, shared=shared)
    n = cell.studies * cell.contrasts
    assert 0.93 < cell.coverage < 0.975 and cell.rejected == n - sum(cell.covered)
    assert cell.familywise_held and cell.assumed
    assert cell == simulate(one, "equal", 3, 300, shared=shared)  # whoever simulates it, and when


def test_aliased_main_effects_are_seen_to_miss_the_truth() -> None:
    """The check must be able to fail: with strong interactions a resolution III fraction is wrong."""
    wrong = simulate(case("FractionalFactorial III", "main_effect"), "equal", 3, 60, interactions=True)
    right = simulate(FRACTION, "equal", 3, 60, interactions=True)
    assert wrong.coverage < 0.7 < 0.9 < right.coverage
    assert wrong.narrow and not wrong.assumed


def test_runs_of_two_kinds_are_seen_to_break_the_intervals() -> None:
    """An independent review found 53 % and, of families, 48 %."""
    cell = simulate(LOO, "bimodal_90_0", 5, 400)
    assert cell.coverage == pytest.approx(0.53, abs=0.06) and cell.familywise.share == pytest.approx(
        0.48, abs=0.08
    )
    assert cell.narrow and not cell.wide


def test_what_is_not_claimed_is_read_off_the_numbers(tmp_path: Path) -> None:
    def cell(noise: str, covered: tuple[int, ...], any_rejected: int = 90) -> Cell:
        return Cell(
            "LeaveOneOut",
            "leave_one_out",
            noise,
            False,
            True,
            True,
            3,
            3,
            2,
            2000,
            covered,
            0,
            any_rejected,
            1.0,
        )

    text = write_cells(
        [
            cell("equal", (1900, 1905)),
            cell("one_loud", (1900, 1800)),
            cell("bounded", (1990, 1995)),
            cell("heavy_tails", (1900, 1905), any_rejected=200),
        ],
        tmp_path,
    )
    listed = text.split("### Not claimed")[1]
    assert (
        "`one_loud`" in listed
        and "`heavy_tails`" in listed
        and "`equal`" not in listed
        and "`bounded`" not in listed
    )
    assert "held in 1 cells, wider than needed in 1, too narrow in 2" in text
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    assert [row.rsplit(",", 1)[1] for row in rows[1:]] == [
        "held",
        "too narrow",
        "wider than needed",
        "too narrow",
    ]


def test_the_truth_of_an_averaging_estimand_is_that_of_all_combinations() -> None:
    def score(levels: dict[str, str]) -> float:
        return 1.0 if levels["a"] == levels["b"] == "on" else 0.0

    assert truth_of(case("FractionalFactorial III", "main_effect"), score) == pytest.approx(
        [0.5, 0.5, 0, 0, 0, 0, 0]
    )
    assert truth_of(LOO, score) == pytest.approx([1, 1, 0, 0, 0, 0, 0])


def in_memory(folder: Path, tasks: np.ndarray, looks: tuple[int, ...]) -> Study:
    """A study of leave-one-out with these scores, shape (n_tasks, n_arms, n_seeds)."""
    chance = (0.25, 0.25, 0.5, 0.2, 0.5)
    info = {
        f"task_{i}": TaskInfo(chance={"prob": guess}, n_items=10, digest="d", higher_is_better={"prob": True})
        for i, guess in enumerate(chance)
    }
    arms = list(LOO.arms)
    records = {
        (arm, seed): Record(
            run=f"{arm}-{seed}",
            seed=seed,
            corpus=None,
            model=None,
            train=Training(tokens=None),
            tasks=info,
            curve=(),
            scores={f"task_{i}": {"prob": float(tasks[i, place, seed])} for i in range(5)},
            cost={},
            provenance={},
        )
        for place, arm in enumerate(arms)
        for seed in range(tasks.shape[2])
    }
    seeds = tuple(range(tasks.shape[2]))
    plan = Plan(
        study="study",
        title="",
        question="",
        prediction="",
        design="leave_one_out",
        arms={arm: Arm(name=arm, levels=levels, config={}) for arm, levels in LOO.arms.items()},
        reference=arms[0],
        factors=(),
        seeds=seeds,
        contrasts=tuple(LOO.contrasts),
        metrics=Headline(primary="prob", aggregate=None),
        stages=(),
        tracker={},
    )
    return Study(folder, plan, records, {}, history=Standing(seeds, looks))


@pytest.mark.parametrize("looks", [(3,), (3, 5, 8)])
def test_reports_in_bulk_say_what_a_report_says(tmp_path: Path, looks: tuple[int, ...]) -> None:
    scores = null_scores(LOO, "equal", looks[-1], 12, np.random.default_rng(0), shared=True)
    scores[:2, :, 1] -= 0.15  # a stage that helps on two tasks of five
    scores[:, ::2, 2] += 0.1  # one that hurts in every second study
    weights = np.array([[spec.weights.get(arm, 0.0) for arm in LOO.arms] for spec in LOO.contrasts])
    helps, hurts = words(scores, weights, looks, shared=True)
    for number in range(12):
        rows = effects_table(in_memory(tmp_path, scores[:, number], looks))
        kinds = {row.verdict.kind for row in rows}
        assert (Kind.HELPS in kinds, Kind.HURTS in kinds) == (helps[number], hurts[number])
    assert helps.any() and hurts.any() and not hurts.all()


def test_the_journal_decides_how_often_results_were_looked_at() -> None:
    assert looks_of((3, 5, 8)) == (3, 5, 8) and looks_of((5,)) == (5,)


@pytest.mark.parametrize("looks", [(3,), (3, 5, 8)])
def test_reports_without_any_effect_rarely_claim_one(looks: tuple[int, ...]) -> None:
    found = NullTask(LOO, "equal", looks, True, 400, 0)()
    assert found.held and found.helps <= found.claims <= found.ever_claims
    assert found.estimands >= 2 and found.gains >= 14


def test_an_effect_is_called_alone_as_holm_would_call_it() -> None:
    rng = np.random.default_rng(0)
    estimate, error = rng.normal(size=(20, 3)), rng.uniform(0.3, 1.0, size=(20, 3))
    found = called_alone(np.full(20, 3.0), estimate, error, np.full((20, 3), 6.0))
    for study in range(20):
        for gain in range(3):
            shifted = estimate[study] + 3.0 * (np.arange(3) == gain)
            p = 2 * stats.t.sf(np.abs(shifted) / error[study], 6)
            assert found[study, gain] == (holm(p)[gain] <= 0.05 and shifted[gain] > 0)
    assert 0 < found.sum() < found.size


def test_repeats_call_what_studies_state() -> None:
    found = RepeatTask(LOO, "equal", 5, 120, 0)()
    assert stats.binomtest(found.whole.hits, found.whole.n, 0.8).pvalue > 0.001
    assert sum(found.tried) == 120 * 7 and found.tenths(found.called)[0] < found.tenths(found.called)[-1]


def test_runs_that_fail_because_they_score_worst_bias_the_gain() -> None:
    whole, lost = MissingTask(0.0, False, 5, 200, 0)(), MissingTask(0.4, True, 5, 200, 0)()
    assert not whole.narrow and abs(whole.bias) < 0.25 and whole.noticed == 0 and whole.measured == 200
    # The mean of the upper 60 % of a normal is 0.64 above the mean, so the gain reads that much too low.
    assert lost.bias == pytest.approx(-stats.norm.pdf(stats.norm.ppf(0.4)) / 0.6, abs=0.25)
    assert lost.worst_bias > lost.bias


def test_few_items_are_covered_together_with_seeds_and_not_by_seeds_alone() -> None:
    found = ItemTask(40, 1, 5, 300, 0)()
    assert not found.narrow and found.coverage_alone.share < 0.9 < found.coverage.share and found.wider > 1


def test_normal_noise_is_rarely_said_to_split_and_two_kinds_of_run_are() -> None:
    assert not ShapeTask("equal", 5, 300, 0)().split_share.surely_above(0.05)
    assert ShapeTask("bimodal_90_50", 5, 100, 0)().split_share.share > 0.9


def test_streams_are_named_by_what_they_are_for() -> None:
    assert stream(0, "a", 12).random() == stream(0, "a", 12).random()
    assert len({stream(*parts).random() for parts in [(0, "a", 12), (0, "a1", 2), (1, "a", 12)]}) == 3


def test_shares_have_the_exact_binomial_interval() -> None:
    share = Share(57, 60)
    low, high = stats.beta.ppf(0.025, 57, 4), stats.beta.ppf(0.975, 58, 3)
    assert share.interval == pytest.approx((low, high)) and share.share == 0.95


def test_power_agrees_with_simulation() -> None:
    rng = np.random.default_rng(0)
    runs = 1.0 + rng.normal(size=(20_000, 4))
    found = np.mean(stats.ttest_1samp(runs, 0.0, axis=1).pvalue < 0.05)
    assert power(1.0, 0.5, 3) == pytest.approx(found, abs=0.01)


@pytest.fixture
def many(make_study: Callable[..., Study]) -> Study:
    """Thirty seeds of three arms: one stage is worth 0.1, the other nothing; noise 0.02."""
    rng = np.random.default_rng(1)
    means = {"full": 0.7, "without_a": 0.6, "without_b": 0.7}
    return make_study({arm: (mean + 0.02 * rng.normal(size=30)).tolist() for arm, mean in means.items()})


def test_a_study_with_many_seeds_is_cut_into_small_ones(many: Study) -> None:
    found = check(many, seeds=3)
    assert len(found.contrasts) == 20 and found.coverage.n == 20
    assert {c.factor for c in found.contrasts if c.planted} == {"a"}
    assert found.signs.share == 1.0 and found.coverage.share > 0.75
    assert len(found.aa) == 3 * 5 and abs(found.shared) < 0.3
    with pytest.raises(DataError, match="at least 32 seeds"):
        check(many, seeds=8)


def test_aa_contrasts_are_rejected_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(2)
    p = np.concatenate([aa_p_values(rng.normal(size=24), 3) for _ in range(300)])
    assert len(p) == 1200 and stats.binomtest(int((p <= 0.05).sum()), 1200, 0.05).pvalue > 0.001


def test_more_seeds_cost_more_and_narrow_the_intervals(many: Study) -> None:
    few, more = economy(many, [3, 9])
    assert (few.runs, more.runs, few.studies, more.studies) == (9, 27, 10, 3) and more.width < few.width


def test_the_command_writes_its_report(
    tmp_path: Path, many: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "calibrate",
        "calibrate.replications=4",
        "calibrate.seeds=[3]",
        "calibrate.noise=[equal]",
        "workers=1",
        f"calibrate.dir={tmp_path / 'out'}",
        f"calibrate.studies=[{many.folder}]",
    ]
    assert main(arguments) in (0, 1)
    assert "simulated cells" in capsys.readouterr().out
    text = (tmp_path / "out" / "CALIBRATION.md").read_text()
    assert (
        "## Simulated: known truth" in text
        and "## Trained: real proxies" in text
        and "## Economy: trained" in text
    )
    for section in (
        "### Not claimed",
        "## A report's chance",
        "## The effect that a report",
        "## Runs that fail",
        "## Few items",
        "## What a report notices",
    ):
        assert section in text
    for name in (
        "cells.csv",
        "global_null.csv",
        "repeats.csv",
        "missing.csv",
        "items.csv",
        "shapes.csv",
        "contrasts.csv",
        "coverage.png",
        "coverage.svg",
        "trained.png",
        "trained.svg",
    ):
        assert (tmp_path / "out" / name).exists()
    assert main(["calibrate", "calibrate.noise=[loud]", f"calibrate.dir={tmp_path / 'out'}"]) == 2
