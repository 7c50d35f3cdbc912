"""The vectorised rule gives what the rule gives, study by study."""

import numpy as np
import pytest

from ablate.effects.contrast import estimate_contrasts
from ablate.effects.many import estimate_many

LOO = np.hstack([np.ones((7, 1)), -np.eye(7)])
FACTORIAL = np.array([[(-1) ** bin(arm & word).count("1") for arm in range(8)] for word in range(1, 8)]) / 4


@pytest.mark.parametrize("weights", [LOO, FACTORIAL, np.vstack([LOO[:4], FACTORIAL[:2]]), LOO[:2]], ids=len)
@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [1, 3, 30])
def test_the_vectorised_rule_is_the_rule(weights, n_seeds, spread):
    rng = np.random.default_rng([n_seeds, spread])
    tables = rng.normal(size=(40, 8, n_seeds)) * np.geomspace(1, spread, 8)[:, None]
    tables += rng.normal(size=(40, 1, n_seeds))
    estimate, error, df = estimate_many(tables, weights)
    for number, table in enumerate(tables):
        for contrast, found in enumerate(estimate_contrasts(table, weights)):
            got = estimate[number, contrast], error[number, contrast], df[number, contrast]
            assert got == pytest.approx((found.estimate, found.seed_error, found.df), rel=1e-6)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_the_vectorised_unpaired_estimate_is_the_unpaired_estimate(n_seeds):
    tables = np.random.default_rng(n_seeds).normal(size=(40, 8, n_seeds)) * np.geomspace(1, 3, 8)[:, None]
    weights = np.vstack([LOO, FACTORIAL])
    estimate, error, df = estimate_many(tables, weights, unpaired=True)
    for number, table in enumerate(tables):
        for contrast, found in enumerate(estimate_contrasts(table, weights, method="unpaired")):
            got = estimate[number, contrast], error[number, contrast], df[number, contrast]
            assert got == pytest.approx((found.estimate, found.seed_error, found.df), rel=1e-9)
