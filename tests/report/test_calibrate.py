"""`ablate calibrate`: the simulated cells, the trained check on studies with a known truth, the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablate.calibrate.noise_patterns import PATTERNS, noise
from ablate.calibrate.simulate import CASES, not_claimed, simulate, tasks, truth_of
from ablate.calibrate.trained import Share, aa_p_values, check, economy, power
from ablate.cli import main
from ablate.errors import DataError
from ablate.report.records import Study


def case(name: str, estimand: str):  # type: ignore[no-untyped-def]
    return next(c for c in CASES if c.name == name and c.estimand == estimand)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_noise_has_the_variances_it_names(pattern: str) -> None:
    drawn = noise(pattern)(np.random.default_rng(0), 4000, 5, 3)
    own = drawn - drawn.mean(axis=1, keepdims=True)
    sd = np.sqrt((own**2).mean(axis=(0, 2)))
    if pattern in ("one_loud", "one_very_loud"):
        assert sd[4] > 2 * sd[:4].max()
    elif pattern == "loud_reference":
        assert sd[0] > 2 * sd[1:].max()
    elif pattern == "sd_1_to_10":
        assert (np.diff(sd) > 0).all()
    else:
        assert np.ptp(sd) < 0.15 * sd.mean()
    assert (stats.kurtosis(drawn.ravel()) > 3) == (pattern == "heavy_tails") or pattern not in (
        "equal",
        "heavy_tails",
    )


@pytest.mark.parametrize(
    ("name", "estimand"), [("LeaveOneOut", "leave_one_out"), ("FractionalFactorial IV", "main_effect")]
)
def test_a_cell_is_covered_at_the_nominal_rate(name: str, estimand: str) -> None:
    cell = simulate(case(name, estimand), "equal", 3, 300)
    n = cell.studies * cell.contrasts
    assert 0.93 < cell.coverage < 0.975 and cell.rejected == n - sum(cell.covered)
    assert stats.binomtest(cell.any_rejected, cell.studies, 0.05, alternative="greater").pvalue > 0.001
    # Gains of one study are not independent of each other; the studies are.
    repeats = round(cell.repeats / cell.contrasts)
    assert stats.binomtest(repeats, cell.stated, 0.8).pvalue > 0.001


def test_aliased_main_effects_are_seen_to_miss_the_truth() -> None:
    """The check must be able to fail: with strong interactions a resolution III fraction is wrong."""
    wrong = simulate(case("FractionalFactorial III", "main_effect"), "equal", 3, 60, interactions=True)
    right = simulate(case("FractionalFactorial IV", "main_effect"), "equal", 3, 60, interactions=True)
    assert wrong.coverage < 0.7 < 0.9 < right.coverage
    assert not_claimed(wrong) and not not_claimed(right)


def test_the_truth_of_an_averaging_estimand_is_that_of_all_combinations() -> None:
    def score(levels: dict[str, str]) -> float:
        return 1.0 if levels["a"] == levels["b"] == "on" else 0.0

    assert truth_of(case("FractionalFactorial III", "main_effect"), score) == pytest.approx(
        [0.5, 0.5, 0, 0, 0, 0, 0]
    )
    assert truth_of(case("LeaveOneOut", "leave_one_out"), score) == pytest.approx([1, 1, 0, 0, 0, 0, 0])


def test_every_design_and_noise_has_a_cell_for_each_number_of_seeds() -> None:
    todo = tasks(PATTERNS, (2, 3), 10)
    assert (
        len({(t.case, t.pattern, t.seeds) for t in todo if not t.interactions})
        == len(CASES) * len(PATTERNS) * 2
    )


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
    arguments = ["calibrate", "calibrate.replications=4", "calibrate.seeds=[3]", "calibrate.noise=[equal]", "workers=1",
                 f"calibrate.dir={tmp_path / 'out'}", f"calibrate.studies=[{many.folder}]"]  # fmt: skip
    assert main(arguments) in (0, 1)
    assert "simulated cells" in capsys.readouterr().out
    text = (tmp_path / "out" / "CALIBRATION.md").read_text()
    assert (
        "## Simulated: known truth" in text
        and "## Trained: real proxies" in text
        and "## Economy: trained" in text
    )
    for name in ("cells.csv", "contrasts.csv", "coverage.png", "coverage.svg", "trained.png", "trained.svg"):
        assert (tmp_path / "out" / name).exists()
    assert main(["calibrate", "calibrate.noise=[loud]", f"calibrate.dir={tmp_path / 'out'}"]) == 2
