"""Looking more than once: the error held over all looks, and agreement with tables and the plain t test."""

import numpy as np
import pytest
from scipy import stats

from ablate.effects.multiplicity import holm
from ablate.effects.sequential import GRID, SPENDING, boundaries, sequential_contrasts, sequential_many

LOOKS = (3, 5, 8)


def statistics(differences: np.ndarray, looks: tuple[int, ...] = LOOKS) -> np.ndarray:
    """Shape (n, n_looks), from SciPy one look at a time."""
    return np.stack([stats.ttest_1samp(differences[:, :look], 0, axis=1).statistic for look in looks], axis=1)


@pytest.mark.parametrize("spending", SPENDING)
def test_p_values_hold_their_level_over_all_looks(spending: str) -> None:
    p = boundaries(LOOKS, spending).p_value(statistics(np.random.default_rng(1).normal(size=(4000, 8)) * 7))
    for alpha in (0.01, 0.05, 0.3):
        assert stats.binomtest(int((p <= alpha).sum()), p.size, alpha).pvalue > 0.001


def test_one_look_is_the_t_test() -> None:
    t = statistics(np.random.default_rng(0).normal(0.5, 1, size=(50, 6)), (6,))
    plain = 2 * stats.t.sf(np.abs(t[:, 0]), 5)
    found = boundaries((6,)).p_value(t)
    inside = plain > GRID[0]
    assert (found >= plain - 1e-12)[inside].all(), "rounded up to the grid"
    assert (found[inside] <= plain[inside] * GRID[1] / GRID[0] + 1e-9).all()


def test_with_many_seeds_the_boundaries_are_the_published_ones() -> None:
    """Five equal looks, alpha 0.05 two-sided. Lan & DeMets's O'Brien-Fleming function with normal statistics:
    4.877, 3.357, 2.680, 2.290, 2.031; Pocock's: 2.438, 2.427, 2.410, 2.397, 2.386 (Reboussin et al. 2000)."""
    looks = (100, 200, 300, 400, 500)
    for spending, published in (
        ("obrien_fleming", (3.357, 2.680, 2.290, 2.031)),
        ("pocock", (2.427, 2.410, 2.397, 2.386)),
    ):
        found = boundaries_normal(looks, spending)
        assert found[1:] == pytest.approx(published, abs=0.06)


def boundaries_normal(looks: tuple[int, ...], spending: str) -> list[float]:
    """The same construction for a normal statistic, in steps of one unit of information a look."""
    rng, alpha, n = np.random.default_rng(0), 0.05, 400_000
    z = np.abs(rng.normal(size=(n, len(looks))).cumsum(axis=1) / np.sqrt(np.arange(1, len(looks) + 1)))
    alive, values, spent = np.ones(n, dtype=bool), [], 0.0
    for number, look in enumerate(looks):
        target = float(SPENDING[spending](np.array(alpha), look / looks[-1]))
        rest = np.sort(z[alive, number])
        values.append(float(rest[max(0, rest.size - round((target - spent) * n)) - 1]))
        alive &= z[:, number] < values[-1]
        spent = 1 - alive.mean()
    return values


def test_stopping_when_decided_keeps_the_family_wise_error() -> None:
    """Sweeps of seven null contrasts with one control, stopped contrast by contrast."""
    rng, n, wrong = np.random.default_rng(2), 400, 0
    weights = np.hstack([np.ones((7, 1)), -np.eye(7)])
    for _ in range(n):
        scores = rng.normal(size=(8, 8)) + rng.normal(size=8)
        p = np.ones(7)
        for look in LOOKS:
            seen = np.where(np.arange(8) < look, scores, np.nan)
            p = np.array([found.p_value for found in sequential_contrasts(seen, weights, LOOKS)])
            if (holm(p) <= 0.05).any():
                wrong += 1
                break
    assert stats.binomtest(wrong, n, 0.05, alternative="greater").pvalue > 0.001


def test_the_interval_covers_at_every_look_together() -> None:
    rng, n, covered = np.random.default_rng(3), 400, 0
    for _ in range(n):
        scores = np.stack([rng.normal(0.7, 1, 8), np.zeros(8)])
        intervals = [
            sequential_contrasts(np.where(np.arange(8) < look, scores, np.nan), [[1.0, -1.0]], LOOKS)[0]
            for look in LOOKS
        ]
        covered += all(found.ci_low <= 0.7 <= found.ci_high for found in intervals)
    assert stats.binomtest(covered, n, 0.95).pvalue > 0.001


def test_estimates_are_of_the_seeds_that_were_had() -> None:
    scores = np.array(
        [[3.0, 4.0, 5.5, 4.0, np.nan, np.nan, np.nan, np.nan], [1.0, 1.0, 1.0, 1.0] + [np.nan] * 4]
    )
    (found,) = sequential_contrasts(scores, [[1.0, -1.0]], LOOKS)
    assert found.n_seeds == 4 and found.estimate == pytest.approx(3.125) and found.method == "sequential"
    (same,) = sequential_contrasts(scores[[1, 1]], [[1.0, -1.0]], LOOKS, identical=[True])
    assert same.method == "identical" and same.p_value == 1
    (none,) = sequential_contrasts(scores[:, :1], [[1.0, -1.0]], (2, 3))
    assert np.isnan(none.p_value) and none.estimate == 2


def test_a_decision_is_never_taken_back() -> None:
    rng = np.random.default_rng(4)
    t = statistics(rng.normal(0.8, 1, size=(200, 8)))
    found = boundaries(LOOKS)
    p = np.stack([found.p_value(t[:, : look + 1]) for look in range(3)])
    assert (np.diff(p, axis=0) <= 0).all()


@pytest.mark.parametrize("looks", [(), (1, 3), (3, 3)])
def test_looks_must_rise(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="looks must rise"):
        boundaries(looks)


def test_studies_in_bulk_are_the_studies_one_by_one():
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(20, 4, 8)) + rng.normal(size=(20, 1, 8))
    tables[:, 0] += 2.0
    weights = np.array([[1.0, -1, 0, 0], [0, 0, 1, -1], [0.5, 0.5, -0.5, -0.5]])
    estimate, error, p = sequential_many(tables, weights, (3, 5, 8))
    for number, table in enumerate(tables):
        for gain, found in enumerate(sequential_contrasts(table, weights, (3, 5, 8))):
            got = estimate[number, gain], error[number, gain], p[number, gain]
            assert got == pytest.approx((found.estimate, found.seed_error, found.p_value))
