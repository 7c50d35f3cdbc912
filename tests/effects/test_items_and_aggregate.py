"""Item error and the mean over tasks."""

import math

import numpy as np
import pytest
from scipy import stats

from ablate.effects.aggregate import aggregate, rescale
from ablate.effects.contrast import paired_contrast
from ablate.effects.items import aggregate_item_error, item_error, item_variance, seeds_and_items

NAN = math.nan


def test_item_error_is_the_standard_error_of_the_paired_differences():
    items = np.random.default_rng(0).random((3, 4, 50))
    difference = items[0].mean(0) - items[2].mean(0)
    assert item_error(items, [1, 0, -1]) == pytest.approx(stats.sem(difference))


def test_pairing_takes_out_how_hard_the_items_are():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=(1, 1, 500)) * 5
    items = hard + rng.normal(size=(2, 1, 500))
    assert item_error(items, [1, -1]) == pytest.approx(math.sqrt(2 / 500), rel=0.15)


def test_item_error_measures_what_drawing_other_items_would_change():
    """Calibration: z intervals over fresh sets of 400 items cover the true difference 95 % of the time."""
    rng, n, truth, hits = np.random.default_rng(0), 1000, 0.1, 0
    for _ in range(n):
        p = rng.beta(2, 2, 400) * 0.9
        items = rng.random((2, 2, 400)) < np.stack([p + truth, p])[:, None]
        estimate = items[0].mean() - items[1].mean()
        hits += abs(estimate - truth) < 1.96 * item_error(items, [1, -1])
    assert stats.binomtest(hits, n, 0.95).pvalue > 0.01


def test_item_error_uses_the_seeds_in_which_every_arm_ran():
    items = np.random.default_rng(0).random((2, 3, 20))
    items[1, 1] = NAN
    assert item_error(items, [1, -1]) == pytest.approx(item_error(items[:, [0, 2]], [1, -1]))
    items[0, [0, 2]] = NAN
    assert math.isnan(item_error(items, [1, -1]))


def test_item_error_edges():
    assert math.isnan(item_error(np.ones((2, 3, 1)), [1, -1]))
    assert math.isnan(item_error(np.ones((2, 3, 0)), [1, -1]))
    assert math.isnan(item_error(np.ones((2, 3, 5)), [1, -1]))
    assert math.isnan(item_error(np.zeros((2, 3, 5)), [1, -1]))
    with pytest.raises(ValueError, match="scored whole"):
        item_error([[[1.0, NAN]], [[1.0, 1.0]]], [1, -1])
    with pytest.raises(ValueError, match="n_items"):
        item_error(np.ones((2, 3)), [1, -1])


def test_item_error_of_an_aggregate_agrees_with_a_simulation_of_the_aggregate():
    rng, chance, errors = np.random.default_rng(0), np.array([0.25, 0.5]), np.array([0.02, 0.03])
    draws = rng.normal(size=(200_000, 2)) * errors + 0.7
    simulated = aggregate(draws.T, chance).std()
    assert aggregate_item_error(errors, chance) == pytest.approx(simulated, rel=0.01)
    assert aggregate_item_error(errors) == pytest.approx(aggregate(draws.T).std(), rel=0.01)
    assert math.isnan(aggregate_item_error([0.02, NAN], chance)) and math.isnan(aggregate_item_error([]))


def test_rescaling_puts_guessing_at_zero_and_perfect_at_one():
    np.testing.assert_allclose(rescale([0.25, 1.0, 0.625, 0.0], 0.25), [0.0, 1.0, 0.5, -1 / 3])


def test_aggregate_by_hand():
    scores = np.array([[[0.625, 0.25]], [[1.0, 0.5]]])  # 2 tasks, 1 arm, 2 seeds
    np.testing.assert_allclose(aggregate(scores, [0.25, 0.5]), [[0.75, 0.0]])
    np.testing.assert_allclose(aggregate(scores), [[0.8125, 0.375]])


def test_a_missing_task_leaves_no_aggregate():
    found = aggregate([[0.5, NAN], [0.5, 0.5]], [0.25, 0.0])
    assert found[0] == pytest.approx((1 / 3 + 0.5) / 2) and math.isnan(found[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aggregate([[0.5]], [1.0]), r"\[0, 1\)"),
        (lambda: aggregate([[0.5]], [-0.1]), r"\[0, 1\)"),
        (lambda: aggregate([[0.5]], [NAN]), r"\[0, 1\)"),
        (lambda: aggregate([[0.5]], [0.2, 0.3]), "one chance per task"),
        (lambda: aggregate([]), "at least one task"),
        (lambda: aggregate_item_error([[0.1]]), "n_tasks"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("n_seeds", [3, 6])
@pytest.mark.parametrize(("item", "rest", "seed", "n_items"), [(0.5, 0.6, 0.03, 40), (0.2, 0.4, 0.04, 300)])
def test_the_interval_over_seeds_and_items_covers_the_truth_over_both(n_seeds, item, rest, seed, n_items):
    rng, n, hits, alone = np.random.default_rng(7), 1000, 0, 0
    for _ in range(n):
        drawn = seed * rng.normal(size=(n_seeds, 1)) + item * rng.normal(size=n_items)
        drawn = drawn + rest * rng.normal(size=(n_seeds, n_items))
        items = np.stack([drawn, np.zeros_like(drawn)])
        gain = paired_contrast(items.mean(axis=2), [1, -1])
        low, high = seeds_and_items(gain, [item_variance(items, [1, -1])], [1.0])
        assert low <= gain.ci_low and gain.ci_high <= high
        hits, alone = hits + (low <= 0 <= high), alone + (gain.ci_low <= 0 <= gain.ci_high)
    assert stats.binomtest(hits, n, 0.95, alternative="less").pvalue > 0.001 and hits < 0.985 * n
    if n_items == 40 and n_seeds == 6:
        assert alone < 0.8 * n  # an interval over seeds alone misses the truth over other items


def test_the_mean_squares_of_a_table_are_a_hand_count():
    # Seeds in rows: means by item 1, 3; residuals -1, 1 and 1, -1.
    table = np.array([[[0.0, 4.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = item_variance(table, [1, -1])
    assert (found.item, found.item_df) == (pytest.approx(2.0 / 2), 1.0)
    assert (found.residual, found.residual_df) == (pytest.approx(4.0 / 1 / 4), 1.0)
    assert item_variance(table[:, :1], [1, -1]) is None and item_variance(table[..., :1], [1, -1]) is None


def test_tasks_add_their_items_and_share_their_seeds():
    rng = np.random.default_rng(8)
    tables = [rng.normal(size=(2, 4, 30)), rng.normal(size=(2, 4, 50))]
    gain = paired_contrast(np.mean([one.mean(axis=2) for one in tables], axis=0), [1, -1])
    parts = [item_variance(one, [1, -1]) for one in tables]
    low, high = seeds_and_items(gain, parts, [0.5, 0.5])
    variance = gain.seed_error**2 + sum(0.25 * (p.item - p.residual) for p in parts)
    df = variance**2 / (
        gain.seed_error**4 / 3
        + sum((0.25 * p.item) ** 2 / p.item_df + (0.25 * p.residual) ** 2 / p.residual_df for p in parts)
    )
    wanted = max(stats.t.isf(0.025, df) * np.sqrt(variance), stats.t.isf(0.025, 3) * gain.seed_error)
    assert high - gain.estimate == pytest.approx(wanted) and gain.estimate - low == pytest.approx(wanted)
    assert np.isnan(seeds_and_items(gain, [parts[0], None], [0.5, 0.5])).all()
