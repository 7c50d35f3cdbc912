"""Means over documents that were drawn in groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.effects.cluster_bootstrap import cluster_mean


def test_the_mean_is_that_of_all_documents() -> None:
    found = cluster_mean(np.array([1.0, 1.0, 0.0, 0.0, 1.0]), np.array(["a", "a", "a", "b", "c"]))
    assert (found.mean, found.units, found.largest) == (0.6, 3, 3)


def test_documents_by_themselves_give_students_interval() -> None:
    """With units of one document the studentised bootstrap is that of a mean: close to Student's interval."""
    values = np.random.default_rng(5).beta(3.0, 2.0, size=400)
    found = cluster_mean(values, np.arange(400))
    low, high = stats.t.interval(0.95, 399, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.003), pytest.approx(high, abs=0.003))


def test_copies_of_documents_tell_nothing_new() -> None:
    """Each document ten times, drawn together: the interval of the documents once, not a tenth of its variance."""
    values = np.random.default_rng(6).integers(0, 2, size=300).astype(float)
    once = cluster_mean(values, np.arange(300))
    ten = cluster_mean(np.repeat(values, 10), np.repeat(np.arange(300), 10))
    assert (ten.low, ten.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_units_of_other_sizes_are_covered_as_often_as_is_said() -> None:
    """200 samples of 60 units with 1 to 20 documents, whose share hangs on their size: 95 % within 4 standard errors."""
    generator, inside = np.random.default_rng(7), 0
    sizes = np.arange(1, 21)
    truth = (sizes * (1 - 1 / sizes)).sum() / sizes.sum()
    for _ in range(200):
        some = generator.choice(sizes, size=60)
        unit = np.repeat(np.arange(60), some)
        found = cluster_mean(1 - 1 / some[unit], unit)
        inside += found.low <= truth <= found.high
    assert abs(inside / 200 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize(("values", "units"), [([1.0, 0.0], [0, 0]), ([1.0, 1.0], [0, 1]), ([0.5], [0])])
def test_where_nothing_varies_there_is_no_interval(values: list[float], units: list[int]) -> None:
    found = cluster_mean(np.array(values), np.array(units))
    assert math.isnan(found.low) and math.isnan(found.high) and found.mean == np.mean(values)


def test_a_rare_hit_has_clopper_and_pearsons_end() -> None:
    """One hit among 31 documents by themselves: nothing can be drawn again from it, so the upper end is the exact one."""
    values = np.array([0.0] * 30 + [1.0])
    found = cluster_mean(values, np.arange(31))
    exact = stats.binomtest(1, 31).proportion_ci(method="exact")
    assert 0 <= found.low < found.mean and found.high == pytest.approx(exact.high, rel=0.05)


def test_rare_hits_are_covered() -> None:
    """200 samples of 50 units of 4 documents with a hit rate of 3 %, alike within a unit: at least 95 % less 4 errors."""
    generator, inside = np.random.default_rng(8), 0
    for _ in range(200):
        hits = (generator.random(50) < 0.03).astype(float)
        found = cluster_mean(np.repeat(hits, 4), np.repeat(np.arange(50), 4))
        inside += found.low <= 0.03 <= found.high if hits.any() else 1
    assert inside / 200 > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 200)


def test_no_document_is_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one document"):
        cluster_mean(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        cluster_mean(np.array([2.0]), np.zeros(1))
