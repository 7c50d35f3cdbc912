"""The forecast of what a study can see: the textbook's standard error, and the power that it promises."""

import numpy as np
import pytest
from scipy import stats

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.forecast import forecast, typical

LEAVE_ONE_OUT = np.hstack([np.ones((5, 1)), -np.eye(5)])


def test_the_standard_error_is_the_textbooks() -> None:
    for found in forecast(LEAVE_ONE_OUT, 40, 0.3):
        assert found.seed_error == pytest.approx(0.3 * np.sqrt(2 / 40), rel=0.15)
    (main,) = forecast([[0.25] * 4 + [-0.25] * 4], 40, 0.3)
    assert main.seed_error == pytest.approx(0.3 * np.sqrt(8 * 0.25**2 / 40), rel=0.15)


@pytest.mark.parametrize("n_seeds", [3, 6])
def test_an_effect_of_that_size_is_found_with_the_stated_power(n_seeds: int) -> None:
    mde = typical([found.mde for found in forecast(LEAVE_ONE_OUT, n_seeds, 1.0)])
    rng, n = np.random.default_rng(1), 300
    hits = 0
    for _ in range(n):
        scores = rng.normal(size=(6, n_seeds))
        scores[0] += mde
        hits += sum(found.p_value <= 0.05 for found in estimate_contrasts(scores, LEAVE_ONE_OUT))
    # Contrasts share an arm, so the rate is of dependent trials; 80 % within six points.
    assert 0.74 < hits / (5 * n) < 0.86


def test_it_scales_with_the_noise_and_shrinks_with_seeds() -> None:
    one, twice = (typical([f.mde for f in forecast(LEAVE_ONE_OUT, 3, noise)]) for noise in (0.1, 0.2))
    assert twice == pytest.approx(2 * one)
    mdes = [typical([f.mde for f in forecast(LEAVE_ONE_OUT, seeds, 0.1)]) for seeds in (2, 3, 5, 9)]
    assert mdes == sorted(mdes, reverse=True)


def test_one_seed_sees_nothing() -> None:
    assert all(np.isnan(found.mde) for found in forecast(LEAVE_ONE_OUT, 1, 0.1))
    with pytest.raises(ValueError, match="noise must be above zero"):
        forecast(LEAVE_ONE_OUT, 3, 0.0)


def test_typical_is_the_median_of_what_was_measured() -> None:
    assert typical([3.0, np.nan, 1.0, 2.0]) == stats.scoreatpercentile([1, 2, 3], 50)
    assert np.isnan(typical([np.nan]))
