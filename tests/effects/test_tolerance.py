"""The dose that costs a tolerance: against statsmodels, by simulation, and where it is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.effects.tolerance import tolerable_dose

DOSES = [0.0, 0.05, 0.1, 0.2, 0.4]


def drawn(rng: np.random.Generator, slope: float, n_seeds: int = 4, noise: float = 0.03) -> np.ndarray:
    """Scores of which less is better: a line in the dose, an effect of the seed, noise."""
    seed = rng.normal(0, 0.05, n_seeds)
    return 3.0 + slope * np.array(DOSES)[:, None] + seed + rng.normal(0, noise, (len(DOSES), n_seeds))


def test_slope_and_costs_are_those_of_a_block_design() -> None:
    sm = pytest.importorskip("statsmodels.api")
    scores = drawn(np.random.default_rng(1), 0.6)
    found = tolerable_dose(scores, DOSES, 0.1, higher_is_better=False)
    n_doses, n_seeds = scores.shape
    block = np.kron(np.ones((n_doses, 1)), np.eye(n_seeds))
    arm = np.kron(np.eye(n_doses)[:, 1:], np.ones((n_seeds, 1)))
    full = sm.OLS(scores.ravel(), np.hstack([block, arm])).fit()
    assert [cost.estimate for cost in found.costs] == pytest.approx(full.params[n_seeds:])
    interval = full.conf_int(0.05 / 4)[n_seeds:]
    assert [(cost.ci_low, cost.ci_high) for cost in found.costs] == [pytest.approx(row) for row in interval]
    line = sm.OLS(scores.ravel(), np.hstack([block, np.repeat(DOSES, n_seeds)[:, None]])).fit()
    assert found.per_unit.estimate == pytest.approx(line.params[-1])
    assert found.per_unit.seed_error == pytest.approx(
        line.bse[-1] * math.sqrt(full.mse_resid / line.mse_resid)
    )
    assert found.lack_of_fit == pytest.approx(full.compare_f_test(line)[1])
    if not found.refused:
        assert found.dose == pytest.approx(0.1 / line.params[-1])


def test_intervals_hold_the_true_dose_as_often_as_they_say() -> None:
    """Cost 0.5 a unit, tolerance 0.1: the true dose is 0.2. Those with a lack of fit are refused, 5 % by chance."""
    rng, held, refused, n = np.random.default_rng(0), 0, 0, 3000
    for _ in range(n):
        found = tolerable_dose(drawn(rng, 0.5), DOSES, 0.1, higher_is_better=False)
        if found.refused == "lack of fit":
            refused += 1
        else:
            held += found.low <= 0.2 <= found.high
    assert abs(refused / n - 0.05) < 3 * math.sqrt(0.05 * 0.95 / n)
    assert abs(held / (n - refused) - 0.95) < 3 * math.sqrt(0.05 * 0.95 / n)


def test_what_is_called_safe_is_and_what_is_called_too_much_is() -> None:
    """Costs 0.025, 0.05, 0.1, 0.2 against 0.06: the doses up to 0.1 are below it. Either word may be wrong in 5 %."""
    rng, wrong, n = np.random.default_rng(0), 0, 2000
    for _ in range(n):
        found = tolerable_dose(drawn(rng, 0.5), DOSES, 0.06, higher_is_better=False)
        wrong += found.safe > 0.1 or found.too_much < 0.2
    assert wrong / n <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)


def test_a_metric_of_which_more_is_better_is_turned_round() -> None:
    scores = drawn(np.random.default_rng(3), 0.6)
    less, more = (
        tolerable_dose(scores, DOSES, 0.1, higher_is_better=False),
        tolerable_dose(-scores, DOSES, 0.1, higher_is_better=True),
    )
    assert less == more and less.dose > 0


def test_an_exact_line_is_read_off() -> None:
    """Noise that is orthogonal to the line: cost 1 a unit, so that a tolerance of 0.15 is the dose 0.15."""
    wiggle = np.array([[1, -1], [-1, 1], [0, 0], [0, 0], [0, 0]]) * 1e-3
    found = tolerable_dose(np.array(DOSES)[:, None] + wiggle, DOSES, 0.15, higher_is_better=False)
    assert found.dose == pytest.approx(0.15) and found.refused == ""
    assert found.low < 0.15 < found.high and (found.safe, found.too_much) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("curve", "refused"),
    [
        (lambda d: np.sqrt(d), "lack of fit"),
        (lambda d: -d, "no cost"),
        (lambda d: 0.1 * d, "beyond"),
        (lambda d: 2 * d, ""),
    ],
)
def test_what_is_no_line_or_goes_further_than_what_was_run_is_refused(curve: object, refused: str) -> None:
    """The means lie on the curve exactly, whatever the noise around them."""
    noise = np.random.default_rng(2).normal(0, 0.002, (5, 4))
    scores = curve(np.array(DOSES))[:, None] + noise - noise.mean(axis=1, keepdims=True)  # type: ignore[operator]
    found = tolerable_dose(scores, DOSES, 0.1, higher_is_better=False)
    assert found.refused == refused
    assert math.isnan(found.dose) == bool(refused)
    if refused == "beyond":
        assert found.low > 0.4 and found.safe == 0.4
    if refused == "lack of fit":
        assert math.isnan(found.low) and math.isnan(found.high) and found.too_much == 0.05


def test_a_line_that_may_cost_nothing_has_an_open_end() -> None:
    wiggle = np.array([[5, -5], [-5, 5], [4, -4], [-4, 4], [0, 0]])
    found = tolerable_dose(np.array(DOSES)[:, None] + wiggle, DOSES, 0.1, higher_is_better=False)
    assert found.per_unit.ci_low < 0 < found.low and found.high == math.inf


def test_one_seed_and_gaps() -> None:
    one = tolerable_dose(np.array(DOSES)[:, None], DOSES, 0.1, higher_is_better=False)
    assert one.refused == "one seed" and math.isnan(one.dose) and math.isnan(one.safe)
    gap = drawn(np.random.default_rng(0), 0.5)
    gap[2, 1] = np.nan
    assert tolerable_dose(gap, DOSES, 0.1, higher_is_better=False) == tolerable_dose(
        np.delete(gap, 1, axis=1), DOSES, 0.1, higher_is_better=False
    )
    nothing = tolerable_dose(np.full((5, 3), np.nan), DOSES, 0.1, higher_is_better=False)
    assert nothing.refused == "one seed" and len(nothing.costs) == 4


@pytest.mark.parametrize(
    ("doses", "tolerance", "said"),
    [
        ([0.1, 0.1, 0.2, 0.3, 0.4], 0.1, "ascend"),
        ([0, 1], 0.1, "one row of scores per dose"),
        (DOSES, 0.0, "above zero"),
    ],
)
def test_what_makes_no_sense_is_refused(doses: list[float], tolerance: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tolerable_dose(np.zeros((5, 2)), doses, tolerance, higher_is_better=False)
