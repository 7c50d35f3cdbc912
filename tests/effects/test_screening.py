"""Early-signal screening: a hand-worked example, references, and what must pass or fail."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr, tukey_hsd

from ablate.effects.screening import ordering_consistency, screen

# Four points, two arms, two seeds; accuracies with chance 0.25.
HAND = [
    # seed 0, seed 1
    [[0.30, 0.34], [0.28, 0.28]],
    [[0.40, 0.44], [0.36, 0.40]],
    [[0.50, 0.46], [0.44, 0.40]],
    [[0.62, 0.58], [0.46, 0.50]],
]


def test_every_number_of_a_hand_worked_example() -> None:
    found = screen(HAND, higher_is_better=True, chance=0.25)
    # Ranks: all four climb but the second run of arm 1: 0.28, 0.40, 0.40, 0.50 has ranks 1, 2.5, 2.5, 4:
    # d = 0, 0.5, -0.5, 0; with ties Pearson of the ranks: 4.5 / sqrt(5 * 4.5) = 0.948683.
    assert found.monotonicity == pytest.approx((3 + 4.5 / math.sqrt(5 * 4.5)) / 4)
    # Variances with divisor 1 are (difference)^2 / 2: seeds differ by 0.04 or 0 at each point.
    v = 0.04**2 / 2
    noise = np.mean([math.sqrt(v / 2), *[math.sqrt(v)] * 3])
    assert found.noise == pytest.approx(noise)
    assert found.snr == pytest.approx((0.62 + 0.58 + 0.46 + 0.50) / 4 / noise)  # 0.54 / 0.02621 = 20.6
    assert found.non_random == pytest.approx((0.60 - 0.25) / math.sqrt(v))  # of the last point alone
    # Arm 0 is above arm 1 at every point.
    assert found.ordering == 1.0
    # Last two points. Arms' means 0.54 and 0.45: dispersion 0.09 / 0.495. Runs: (0.50, 0.62) has standard
    # deviation 0.06 and mean 0.56, (0.46, 0.58) 0.06 and 0.52, (0.44, 0.46) 0.01 and 0.45, (0.40, 0.50)
    # 0.05 and 0.45.
    relative = (0.06 / 0.56 + 0.06 / 0.52 + 0.01 / 0.45 + 0.05 / 0.45) / 4
    assert found.signal_noise == pytest.approx(0.09 / 0.495 / relative)
    assert found.failed == [] and found.measured


def test_monotonicity_is_the_mean_of_scipys_and_turns_with_the_metric() -> None:
    curves = np.random.default_rng(0).normal(size=(8, 3, 2))
    wanted = np.mean([spearmanr(range(8), run).statistic for run in curves.reshape(8, -1).T])
    assert screen(curves, higher_is_better=True).monotonicity == pytest.approx(wanted)
    assert screen(curves, higher_is_better=False).monotonicity == pytest.approx(-wanted)


def test_ordering_is_kendalls_where_nothing_ties_and_ties_count_nothing() -> None:
    curves = np.random.default_rng(1).normal(size=(2, 6, 1))
    assert ordering_consistency(curves) == pytest.approx(
        kendalltau(curves[0, :, 0], curves[1, :, 0]).statistic
    )
    # Of three pairs one agrees, one ties at the second point, one disagrees.
    tied = np.array([[[1.0], [2.0], [3.0]], [[2.0], [1.0], [2.0]]])
    assert ordering_consistency(tied) == pytest.approx(0.0)


def test_ordering_looks_at_the_second_half_only() -> None:
    late = np.array([[[1.0], [2.0]]] * 3)
    early = np.array([[[2.0], [1.0]]] * 2)
    assert ordering_consistency(np.concatenate([early, late])) == 1.0


def learned(rng: np.random.Generator, sd: float, ends: list[float], start: float) -> np.ndarray:
    """Curves that climb (or fall) from `start` to each arm's end, with seed noise."""
    share = (1 - np.exp(-3 * np.linspace(0.1, 1, 10))) / (1 - math.exp(-3))
    path = start + share[:, None, None] * (np.array(ends)[:, None] - start)
    return path + rng.normal(scale=sd, size=(10, len(ends), 3))


def test_learned_tasks_pass_and_pure_noise_fails() -> None:
    """The shape of the testbed's tasks: facts learned to 45-64 %, bits per byte that fall, a coin."""
    rng = np.random.default_rng(0)
    facts = screen(learned(rng, 0.02, [0.64, 0.45, 0.48], 0.25), higher_is_better=True, chance=0.25)
    bits = screen(learned(rng, 0.02, [1.1, 1.3, 1.25], 3.0), higher_is_better=False)
    assert facts.failed == [] and bits.failed == []
    for _ in range(20):
        coin = rng.binomial(200, 0.25, size=(10, 3, 3)) / 200
        assert screen(coin, higher_is_better=True, chance=0.25).failed == [
            "monotonicity",
            "signal to noise",
            "non-random",
        ]


def test_what_cannot_be_measured_is_nan_and_not_believed() -> None:
    one_seed = screen(np.array(HAND)[:, :, :1], higher_is_better=True, chance=0.25)
    assert math.isnan(one_seed.snr) and math.isnan(one_seed.non_random) and not one_seed.measured
    two_points = screen(HAND[2:], higher_is_better=True, chance=0.25)
    assert math.isnan(two_points.monotonicity) and "monotonicity" in two_points.failed
    flat = screen(np.full((4, 2, 2), 0.5), higher_is_better=True, chance=0.25)
    assert math.isnan(flat.monotonicity) and math.isnan(flat.snr) and math.isnan(flat.signal_noise)
    one_arm = screen(np.array(HAND)[:, :1], higher_is_better=True, chance=0.25)
    assert math.isnan(one_arm.ordering) and math.isnan(one_arm.signal_noise) and one_arm.measured
    no_chance = screen(HAND, higher_is_better=True)
    assert no_chance.measured and math.isnan(no_chance.non_random) and math.isnan(no_chance.snr)
    one_arm = screen(np.array(HAND)[:, :1], higher_is_better=True)
    assert math.isnan(one_arm.signal_p) and one_arm.failed == ["signal between arms"] and not one_arm.measured


def test_without_chance_the_range_of_the_arms_is_tukeys() -> None:
    """The smallest p of `scipy.stats.tukey_hsd` is that of the best arm against the worst."""
    final = np.random.default_rng(3).normal(size=(4, 5)) + np.array([[0.0], [0.3], [2.0], [1.0]])
    curves = np.stack([final + shift for shift in (3.0, 2.0, 1.0, 0.0)])
    found = screen(curves, higher_is_better=False)
    assert found.signal_p == pytest.approx(tukey_hsd(*final).pvalue.min(), abs=1e-6)
    sd = np.sqrt(final.var(axis=1, ddof=1).mean())
    assert found.signal == pytest.approx(np.ptp(final.mean(axis=1)) / sd)
    assert screen(curves, higher_is_better=False, tests=3).signal_p == pytest.approx(3 * found.signal_p)
    # Unequal numbers of seeds: Kramer's.
    gap = curves.copy()
    gap[:, 0, 3:] = np.nan
    some = [row[np.isfinite(row)] for row in gap[-1]]
    means = [row.mean() for row in some]
    pair = tukey_hsd(*some).pvalue[int(np.argmin(means)), int(np.argmax(means))]
    assert screen(gap, higher_is_better=False).signal_p == pytest.approx(pair, abs=1e-6)


def test_without_chance_the_level_of_the_score_says_nothing() -> None:
    """Mean over deviation would believe any score with a large enough constant, and none that comes near zero."""
    rng = np.random.default_rng(1)
    noise = rng.normal(scale=0.02, size=(10, 8, 5))
    fall = np.linspace(1.0, 0.0, 10)[:, None, None]
    apart = np.linspace(0.0, 0.1, 8)[:, None]  # a range of five deviations
    for level in (0.05, 3.0, 100.0):
        alike = screen(level + fall + noise, higher_is_better=False)
        told = screen(level + fall + apart + noise, higher_is_better=False)
        assert alike.failed == ["signal between arms"], level
        assert told.failed == [], level


def test_a_missing_run_is_left_out() -> None:
    gap = np.array([*HAND, [[0.7, 0.66], [0.5, 0.54]]])
    with_gap = np.concatenate([gap, np.full((5, 2, 1), np.nan)], axis=2)
    with_gap[:2, 0, 2] = 0.9  # died after two points
    assert screen(with_gap, higher_is_better=True, chance=0.25) == screen(
        gap, higher_is_better=True, chance=0.25
    )


def test_shapes_and_infinities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n_points, n_arms, n_seeds\)"):
        screen([[0.1, 0.2]], higher_is_better=True)
    with pytest.raises(ValueError, match="infinity"):
        screen(np.full((3, 1, 1), np.inf), higher_is_better=True)


def test_a_score_that_stays_at_zero_has_no_signal_and_noise() -> None:
    assert math.isnan(screen(np.zeros((4, 2, 3)), higher_is_better=False).signal_noise)
