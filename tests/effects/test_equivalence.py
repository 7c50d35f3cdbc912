"""Two one-sided tests: against scipy, and at their level by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.effects.equivalence import equivalence
from ablate.effects.estimate import Estimate, t_estimate


def paired(differences: np.ndarray) -> Estimate:
    n = differences.size
    return t_estimate(
        float(differences.mean()),
        variance=float(differences.var(ddof=1)) / n,
        df=n - 1,
        n_seeds=n,
        method="paired",
        level=0.95,
    )


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.05, 0.3])
def test_it_is_scipys_two_one_sided_tests(shift: float) -> None:
    differences = np.random.default_rng(3).normal(shift, 0.1, size=6)
    found = equivalence(paired(differences), 0.25)
    above = stats.ttest_1samp(differences, 0.25, alternative="less").pvalue
    below = stats.ttest_1samp(differences, -0.25, alternative="greater").pvalue
    assert found.p_value == pytest.approx(max(above, below))
    assert found.equivalent == (max(above, below) <= 0.05)
    interval = stats.ttest_1samp(differences, 0.0).confidence_interval(0.9)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert found.equivalent == (found.ci_low >= -0.25 and found.ci_high <= 0.25)


def test_a_difference_of_the_margin_is_called_none_at_the_level() -> None:
    rng = np.random.default_rng(0)
    called = sum(equivalence(paired(rng.normal(0.5, 0.1, size=5)), 0.5).equivalent for _ in range(2000))
    assert stats.binomtest(called, 2000, 0.05).pvalue > 0.01


def test_no_spread_is_no_equivalence_and_the_same_runs_are() -> None:
    one = Estimate(0.0, math.nan, math.nan, 1, math.nan, math.nan, math.nan, "none")
    assert not equivalence(one, 1.0).equivalent and math.isnan(equivalence(one, 1.0).p_value)
    same = Estimate(0.0, 0.0, 0.0, 3, 0.0, math.nan, 1.0, "identical")
    assert equivalence(same, 1e-9).equivalent


@pytest.mark.parametrize(
    ("margin", "alpha"), [(0.0, 0.05), (-1.0, 0.05), (math.nan, 0.05), (1.0, 0.5), (1.0, 0.0)]
)
def test_what_cannot_be_is_refused(margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        equivalence(paired(np.array([0.0, 0.1])), margin, alpha=alpha)
