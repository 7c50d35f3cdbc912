"""Retention by group: counts by hand, intervals by SciPy, planted and absent over-removal."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ablate.inspect.groups import Grouping
from ablate.inspect.retention import adjust, chance, leads, retention, wilson


def test_counts_by_hand() -> None:
    #          a: 3 of 4 kept      b: 0 of 2    c and d: too small to stand alone, 2 of 2 together
    grouping = Grouping.of(["a", "a", "b", "a", "c", "b", "d", "a"])
    keep = np.array([1, 1, 0, 0, 1, 0, 1, 1], dtype=bool)
    lines = retention("stage", "host", grouping, keep, least=2)
    assert [(line.group, line.before, line.kept) for line in lines] == [
        ("a", 4, 3),
        ("b", 2, 0),
        ("(2 groups below 2)", 2, 2),
    ]
    assert [line.overall for line in lines] == [5 / 8] * 3
    assert lines[0].share == 0.75 and lines[0].ratio == 0.75 / 0.625 and lines[1].ratio == 0.0
    # b: of the 28 ways to choose 2 of 8 documents, 3 choose none of the 5 kept ones.
    assert lines[1].p_value == pytest.approx(2 * 3 / 28)
    assert math.isnan(lines[2].p_value)
    assert sum(line.before for line in lines) == keep.size
    assert sum(line.kept for line in lines) == keep.sum()


@pytest.mark.parametrize("n", [1, 7, 20, 500])
def test_wilson_agrees_with_scipy(n: int) -> None:
    k = np.arange(n + 1)
    low, high = wilson(k, np.full(n + 1, n))
    reference = [stats.binomtest(int(i), n).proportion_ci(0.95, method="wilson") for i in k]
    np.testing.assert_allclose(low, [ci.low for ci in reference], atol=1e-12)
    np.testing.assert_allclose(high, [ci.high for ci in reference], atol=1e-12)


def test_wilson_of_an_empty_group_is_not_a_number_and_of_nonsense_an_error() -> None:
    low, high = wilson([0, 1], [0, 2])
    assert np.isnan([low[0], high[0]]).all() and np.isfinite([low[1], high[1]]).all()
    with pytest.raises(ValueError, match="0 <= kept <= total"):
        wilson([3], [2])


def test_chance_agrees_with_every_way_to_draw_the_group() -> None:
    keep = np.array([1, 1, 1, 1, 0, 0, 0], dtype=bool)
    draws = [int(keep[list(group)].sum()) for group in itertools.combinations(range(7), 3)]
    for kept in range(4):
        below = np.mean([draw <= kept for draw in draws])
        above = np.mean([draw >= kept for draw in draws])
        assert chance([kept], [3], 4, 7)[0] == pytest.approx(min(1, 2 * min(below, above)))


@pytest.mark.parametrize("keep", [np.ones(60, bool), np.zeros(60, bool)], ids=["all kept", "none kept"])
def test_nothing_is_tested_where_there_is_nothing_to_compare(keep: np.ndarray) -> None:
    two = retention("s", "host", Grouping.of(["a", "b"] * 30), keep, least=20)
    assert all(math.isnan(line.p_value) for line in two)
    one = retention("s", "source", Grouping.of(["a"] * 60), np.arange(60) < 30, least=20)
    assert [math.isnan(line.p_value) for line in one] == [True]
    assert not [line for line in adjust([*two, *one]) if line.lead]


def test_no_documents_and_no_large_group() -> None:
    assert retention("s", "host", Grouping.of([]), np.zeros(0, bool), least=20) == []
    (line,) = retention("s", "host", Grouping.of(["a", "b"]), np.array([True, False]), least=20)
    assert line.group == "(2 groups below 20)" and math.isnan(line.p_value)


def simulated(rng: np.random.Generator, shares: dict[str, float], size: int = 200) -> list:
    """Retention of groups of equal size that are kept with given probabilities."""
    names = np.repeat(list(shares), size)
    keep = rng.random(names.size) < np.repeat(list(shares.values()), size)
    return adjust(retention("stage", "host", Grouping.of(names.tolist()), keep, least=20))


def test_planted_over_and_under_removal_are_found_and_ranked() -> None:
    # The planted groups balance, so that the plain ones keep the overall share and are truly plain.
    planted = {"worst": 0.45, "bad": 0.65, "good": 1.0, "fair": 0.95, "fine": 0.95}
    lines = simulated(np.random.default_rng(0), {f"plain{i}": 0.8 for i in range(20)} | planted)
    assert [line.group for line in leads(lines, "over-removed")][:2] == ["worst", "bad"]
    assert leads(lines, "under-removed")[0].group == "good"
    assert {line.group for line in lines if line.lead} >= set(planted)  # chance finds: see below
    worst = leads(lines, "over-removed")[0]
    assert worst.distance == pytest.approx(worst.high - worst.overall) and worst.distance < -0.2
    assert worst.ratio < 0.7


def test_chance_groups_are_named_no_more_often_than_promised() -> None:
    rng, studies = np.random.default_rng(1), 1000
    shares = {f"g{i}": 0.7 for i in range(30)}
    named = sum(any(line.lead for line in simulated(rng, shares, 60)) for _ in range(studies))
    # Discrete p-values and the second condition, on the interval, can only make it more careful.
    assert stats.binomtest(named, studies, 0.05, alternative="greater").pvalue > 0.01
    assert named > 0  # were it never wrong in a thousand studies, it would be blind


def test_the_share_of_chance_groups_among_the_named_is_no_more_than_promised() -> None:
    rng, studies, found, false_shares = np.random.default_rng(2), 300, 0, []
    shares = (
        {f"null{i}": 0.7 for i in range(25)}
        | {f"low{i}": 0.42 for i in range(2)}
        | {f"high{i}": 0.98 for i in range(2)}
    )
    for _ in range(studies):
        named = [line.group for line in simulated(rng, shares, 80) if line.lead]
        false_shares.append(np.mean([name.startswith("null") for name in named]) if named else 0.0)
        found += {"low0", "low1"} <= set(named)
    error = np.std(false_shares, ddof=1) / math.sqrt(studies)
    assert np.mean(false_shares) - 2.33 * error < 0.05
    assert found > 0.9 * studies
