"""The mixed model of unbalanced replication: against statsmodels, paired t and edge cases."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from ablate.effects.contrast import paired_contrast, pooled_contrast
from ablate.report.mixed_model import mixed_contrast


def test_it_agrees_with_statsmodels_formula_interface():
    table = np.random.default_rng(0).normal(size=(3, 6)) + np.random.default_rng(1).normal(size=(1, 6))
    table[0, :2] = table[2, 4:] = np.nan
    arm, seed = np.nonzero(np.isfinite(table))
    frame = pd.DataFrame({"y": table[arm, seed], "arm": arm, "seed": seed})
    fit = smf.mixedlm("y ~ 0 + C(arm)", frame, groups=frame["seed"]).fit(reml=True)
    found = mixed_contrast(table, [1, -1, 0])
    assert found.estimate == pytest.approx(fit.fe_params.iloc[0] - fit.fe_params.iloc[1], rel=1e-3)
    row = np.array([1, -1, 0])
    assert found.seed_error == pytest.approx(
        math.sqrt(row @ fit.cov_params().to_numpy()[:3, :3] @ row), rel=1e-3
    )
    assert (found.method, found.df) == ("mixed", 14 - 3 - 5)


def test_of_balanced_runs_it_is_the_pooled_estimate():
    table = np.random.default_rng(2).normal(size=(4, 5)) + 3 * np.random.default_rng(3).normal(size=(1, 5))
    found, pooled = mixed_contrast(table, [1, -1, 0, 0]), pooled_contrast(table, [1, -1, 0, 0])
    assert (found.estimate, found.seed_error) == pytest.approx((pooled.estimate, pooled.seed_error), rel=1e-3)
    assert found.df == pooled.df


def test_it_uses_runs_that_pairing_leaves_out():
    rng = np.random.default_rng(4)
    table = 0.1 * rng.normal(size=(2, 12))
    table[0, 4:] = np.nan
    assert mixed_contrast(table, [1, -1]).seed_error < paired_contrast(table, [1, -1]).seed_error * 1.5
    assert mixed_contrast(table, [1, -1]).df == 16 - 2 - 11


def test_what_cannot_be_measured_is_not_given():
    table = np.full((2, 3), np.nan)
    table[0] = [1.0, 2.0, 3.0]
    assert math.isnan(mixed_contrast(table, [1, -1]).estimate)
    table[1, 0] = 0.5
    assert math.isnan(mixed_contrast(table, [1, -1]).ci_low)  # one degree of freedom too few
    assert math.isnan(mixed_contrast(np.ones((2, 3)), [1, -1]).p_value)
