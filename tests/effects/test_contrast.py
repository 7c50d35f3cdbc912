"""Contrasts: agreement with references, edge cases, and intervals that cover as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.effects.contrast import estimate_contrasts, paired_contrast, pooled_contrast

NAN = math.nan


def scores(n_arms, n_seeds, seed=0):
    return np.random.default_rng(seed).normal(size=(n_arms, n_seeds))


def covers(estimates, truth=0.0):
    return [e.ci_low <= truth <= e.ci_high for e in estimates]


# --- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_seeds", [2, 3, 10])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_paired_contrast_agrees_with_scipy(n_seeds, level):
    table = scores(3, n_seeds)
    found = paired_contrast(table, [1, 0, -1], level=level)
    reference = stats.ttest_rel(table[0], table[2])
    interval = reference.confidence_interval(level)
    assert found.estimate == pytest.approx((table[0] - table[2]).mean())
    assert found.p_value == pytest.approx(reference.pvalue)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert found.seed_error == pytest.approx(stats.sem(table[0] - table[2]))
    assert (found.n_seeds, found.df, found.method) == (n_seeds, n_seeds - 1, "paired")


def test_paired_contrast_of_several_arms_is_a_one_sample_test_of_the_weighted_sum():
    table, weights = scores(4, 5), np.array([0.5, 0.5, -1.0, 0.0])
    found, reference = paired_contrast(table, weights), stats.ttest_1samp(weights @ table, 0.0)
    assert found.p_value == pytest.approx(reference.pvalue)


def test_pooled_contrast_of_two_arms_is_the_paired_test():
    table = scores(2, 4)
    paired, pooled = paired_contrast(table, [1, -1]), pooled_contrast(table, [1, -1])
    assert pooled.df == paired.df == 3
    assert pooled.p_value == pytest.approx(paired.p_value)
    assert pooled.ci_high == pytest.approx(paired.ci_high)


def test_pooled_contrast_of_a_full_table_agrees_with_the_textbook_anova():
    table = scores(5, 4)
    residual = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    variance = (residual**2).sum() / (4 * 3)
    found = pooled_contrast(table, [1, 0, 0, -0.5, -0.5])
    assert found.df == 12
    assert found.estimate == pytest.approx(table[0].mean() - table[3:].mean())
    assert found.seed_error == pytest.approx(math.sqrt(variance * (1 + 0.25 + 0.25) / 4))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.estimate) / found.seed_error, 12))


def test_pooled_contrast_with_gaps_agrees_with_least_squares_written_out():
    table = scores(4, 4)
    table[1, 2] = table[3, 0] = NAN
    rows, y = [], []
    for arm, seed in zip(*np.nonzero(np.isfinite(table)), strict=True):  # arms coded in full, seed 0 left out
        rows.append([float(arm == a) for a in range(4)] + [float(seed == s) for s in (1, 2, 3)])
        y.append(table[arm, seed])
    x, y = np.array(rows), np.array(y)
    normal = np.linalg.inv(x.T @ x)
    beta = normal @ x.T @ y
    df = len(y) - 7
    variance = ((y - x @ beta) ** 2).sum() / df
    contrast = np.array([1, -1, 0, 0, 0, 0, 0])
    found = pooled_contrast(table, contrast[:4])
    assert (found.n_seeds, found.df) == (3, df)
    assert found.estimate == pytest.approx(contrast @ beta)
    assert found.seed_error == pytest.approx(math.sqrt(variance * contrast @ normal @ contrast))


# --- laws -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    shift=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
    method=st.sampled_from(["auto", "paired", "pooled"]),
)
def test_seeds_cancel_and_units_carry_over(against_control, seed, shift, scale, method):
    table = scores(8, 3, seed)
    common = np.random.default_rng(seed + 1).normal(size=3) * 5  # what a seed adds to every arm
    before = estimate_contrasts(table, against_control, method=method)
    after = estimate_contrasts(scale * (table + common) + shift, against_control, method=method)
    for a, b in zip(before, after, strict=True):
        assert b.estimate == pytest.approx(scale * a.estimate, rel=1e-6, abs=1e-8 * scale)
        assert b.seed_error == pytest.approx(scale * a.seed_error, rel=1e-5)
        assert b.p_value == pytest.approx(a.p_value, rel=1e-4, abs=1e-9)
        assert b.method == a.method


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_a_contrast_the_other_way_round_is_its_mirror_image(against_control, method):
    table = scores(8, 3)
    for a, b in zip(
        estimate_contrasts(table, against_control, method=method),
        estimate_contrasts(table, -against_control, method=method),
        strict=True,
    ):
        assert (b.estimate, b.ci_low, b.ci_high) == pytest.approx((-a.estimate, -a.ci_high, -a.ci_low))
        assert b.p_value == pytest.approx(a.p_value)


def test_moderation_narrows_on_average_and_estimates_the_same(against_control, simulate):
    pairs = [
        (estimate_contrasts(t, against_control, method="paired"), estimate_contrasts(t, against_control))
        for t in simulate("equal", 200, 3)
    ]
    flat = [(a, b) for one in pairs for a, b in zip(*one, strict=True)]
    assert all(a.estimate == b.estimate for a, b in flat)
    assert all(
        b.seed_error >= a.seed_error * (1 - 1e-12) for a, b in flat
    )  # the gain is in the t quantile, where noise looks equal
    assert np.median([b.ci_high - b.ci_low for _, b in flat]) < 0.9 * np.median(
        [a.ci_high - a.ci_low for a, _ in flat]
    )


def test_a_contrast_much_noisier_than_the_others_keeps_its_own_t(against_control):
    table = scores(8, 3)
    table[7] = [30.0, -40.0, 10.0]
    assert estimate_contrasts(table, against_control)[6] == paired_contrast(table, against_control[6])


def test_two_contrasts_are_too_few_to_borrow_from():
    table, weights = scores(3, 3), np.array([[1, -1, 0], [1, 0, -1]])
    assert [e.method for e in estimate_contrasts(table, weights)] == ["paired", "paired"]


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_one_seed_has_an_estimate_and_no_spread(against_control, method):
    table = scores(8, 1)
    for row, found in zip(
        against_control,
        estimate_contrasts(table, against_control, method=method, identical=[False] * 7),
        strict=True,
    ):
        assert found.estimate == pytest.approx(float(row @ table[:, 0]))
        assert found.n_seeds == 1
        assert all(map(math.isnan, (found.ci_low, found.ci_high, found.seed_error, found.df, found.p_value)))


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_one_seed_is_not_measured_even_for_identical_arms(method):
    (found,) = estimate_contrasts([[0.5], [0.5]], [[1, -1]], method=method, identical=[True])
    assert math.isnan(found.p_value) and math.isnan(found.seed_error)


def test_missing_runs_leave_out_their_seed_only_where_they_matter():
    table = scores(3, 4)
    table[1, 2] = NAN
    assert paired_contrast(table, [1, 0, -1]).n_seeds == 4
    found = paired_contrast(table, [1, -1, 0])
    assert found.n_seeds == 3
    assert found.p_value == pytest.approx(stats.ttest_rel(table[0, [0, 1, 3]], table[1, [0, 1, 3]]).pvalue)


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_an_arm_that_failed_is_missing_and_spoils_no_other_contrast(against_control, method):
    table = scores(8, 3)
    table[2] = NAN
    found = estimate_contrasts(table, against_control, method=method)
    assert found[1].n_seeds == 0 and math.isnan(found[1].estimate) and math.isnan(found[1].p_value)
    rest = [0, 2, 3, 4, 5, 6]
    kept = [0, 1, 3, 4, 5, 6, 7]
    alone = estimate_contrasts(table[kept], against_control[np.ix_(rest, kept)], method=method)
    for index, other in zip(rest, alone, strict=True):
        assert found[index].p_value == pytest.approx(other.p_value)


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_an_arm_with_one_run_is_not_measured_by_the_seeds_of_others(against_control, method):
    table = scores(8, 3)
    table[2, 1:] = NAN
    found = estimate_contrasts(table, against_control, method=method)[1]
    assert found.n_seeds == 1 and math.isfinite(found.estimate)
    assert math.isnan(found.ci_low) and math.isnan(found.p_value)


@pytest.mark.parametrize("method", ["auto", "paired", "pooled"])
def test_identical_runs_are_no_effect_without_error(against_control, method):
    table = scores(8, 3)
    table[4] = table[0]
    flags = [index == 3 for index in range(7)]
    found = estimate_contrasts(table, against_control, method=method, identical=flags)[3]
    assert (found.estimate, found.ci_low, found.ci_high, found.seed_error, found.p_value) == (0, 0, 0, 0, 1)
    assert found.method == "identical" and found.n_seeds == 3


def test_the_identical_flag_does_not_hide_a_difference():
    table = scores(2, 3)
    assert estimate_contrasts(table, [[1, -1]], identical=[True]) == estimate_contrasts(table, [[1, -1]])


@pytest.mark.parametrize("method", ["paired", "pooled"])
@pytest.mark.parametrize("gap", [0.0, 0.48])
def test_no_spread_is_not_certainty(method, gap):
    table = np.array([[1.0, 1.0, 1.0], [1.0 - gap] * 3])
    one = paired_contrast if method == "paired" else pooled_contrast
    found = one(table, [1, -1])
    assert found.estimate == pytest.approx(gap)
    assert all(map(math.isnan, (found.ci_low, found.ci_high, found.seed_error, found.p_value)))


def test_rounding_is_not_spread():
    table = np.array([[0.1 + 0.2, 0.3, 0.3], [0.2, 0.2, 0.2]])  # 0.1 + 0.2 is not 0.3 in binary
    assert np.ptp(table[0]) > 0
    assert math.isnan(paired_contrast(table, [1, -1]).p_value)


def test_two_arms_at_the_ceiling_borrow_the_spread_of_the_others(against_control):
    table = np.clip(0.6 + 0.1 * scores(8, 3), 0, 1)
    table[0] = table[1] = 1.0
    found = estimate_contrasts(table, against_control)
    others = np.array([np.var(table[arm], ddof=1) for arm in range(2, 8)])
    assert found[0].method == "borrowed" and found[0].estimate == 0.0
    assert found[0].df == 2
    assert found[0].seed_error == pytest.approx(math.sqrt(others.mean() / 3))
    assert found[0].p_value == 1.0


def test_all_arms_at_the_ceiling_leave_nothing_to_borrow_from(against_control):
    found = estimate_contrasts(np.ones((8, 3)), against_control)
    assert all(e.estimate == 0.0 and math.isnan(e.ci_low) and math.isnan(e.p_value) for e in found)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_contrast([1.0, 2.0], [1, -1]), "scores must have shape"),
        (lambda: paired_contrast([[1.0, math.inf], [0.0, 0.0]], [1, -1]), "infinity"),
        (lambda: paired_contrast(scores(2, 3), [1, -1, 0]), "one weight per arm"),
        (lambda: paired_contrast(scores(2, 3), [1, -0.5]), "sum to zero"),
        (lambda: paired_contrast(scores(2, 3), [0, 0]), "not all zero"),
        (lambda: paired_contrast(scores(2, 3), [1, NAN]), "finite"),
        (lambda: pooled_contrast(scores(2, 3), [1, -1], level=1.0), "level"),
        (lambda: estimate_contrasts(scores(2, 3), [1, -1]), "n_contrasts"),
        (lambda: estimate_contrasts(scores(2, 3), [[1, -1]], method="best"), "auto, paired, pooled"),
        (
            lambda: estimate_contrasts(scores(2, 3), [[1, -1]], identical=[True, False]),
            "one flag per contrast",
        ),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- calibration ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["paired", "pooled"])
def test_no_effect_is_declared_at_the_nominal_rate(against_control, simulate, method):
    n = 1500
    one = against_control[3:4]  # one contrast a study: contrasts that share a control are not independent
    hits = sum(estimate_contrasts(t, one, method=method)[0].p_value < 0.05 for t in simulate("equal", n, 3))
    assert stats.binomtest(hits, n, 0.05).pvalue > 0.01


@pytest.mark.parametrize("noise", ["equal", "one_hundred_times_the_variance", "testbed"])
def test_the_loudest_contrast_is_covered_by_the_moderated_interval(against_control, simulate, noise):
    n = 1500
    hits = sum(covers([estimate_contrasts(t, against_control)[-1]])[0] for t in simulate(noise, n, 3))
    assert stats.binomtest(hits, n, 0.94, alternative="less").pvalue > 0.01


def test_the_loudest_contrast_is_not_covered_by_the_pooled_interval(against_control, simulate):
    """Why pooling is not the default, and proof that the check above can fail."""
    n = 300
    one = against_control[-1:]
    tables = simulate("one_hundred_times_the_variance", n, 3)
    hits = sum(covers(estimate_contrasts(t, one, method="pooled"))[0] for t in tables)
    assert stats.binomtest(hits, n, 0.94, alternative="less").pvalue < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize(
    "noise",
    [
        "equal",
        "control_quiet",
        "half_ten_times_the_variance",
        "one_ten_times_the_variance",
        "one_hundred_times_the_variance",
        "testbed",
        "sd_from_1_to_10",
    ],
)
def test_moderated_intervals_hold_up_for_every_contrast(against_control, simulate, noise, n_seeds):
    n = 4000
    found = [estimate_contrasts(table, against_control) for table in simulate(noise, n, n_seeds, seed=1)]
    hits = np.sum([covers(estimates) for estimates in found], axis=0)
    worst = int(hits.min())
    floor = 0.935 if n_seeds > 2 else 0.92
    assert stats.binomtest(worst, n, floor, alternative="less").pvalue > 0.01, hits / n
    assert 0.94 < hits.mean() / n < 0.98, hits / n
