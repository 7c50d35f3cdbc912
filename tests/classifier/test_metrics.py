"""Agreement of scores with labels, against counts by hand and reference formulas."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from ablate.classifier.assess import assess, distribution
from ablate.classifier.metrics import auc, calibration, calibration_error, cut, spearman
from ablate.errors import DataError

RNG = np.random.default_rng


def area(good: list[int], score: list[float]) -> float:
    return auc(np.array(good, dtype=bool), np.array(score, dtype=float), resamples=1, rng=RNG(0)).estimate


@pytest.mark.parametrize(
    ("good", "score", "expected"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.0),
        ([0, 1], [0.5, 0.5], 0.5),
        ([0, 1, 0, 1], [1, 2, 3, 3], 2.5 / 4),  # pairs: 2>1, 2<3, 3>1, 3=3
    ],
)
def test_auc_by_hand(good: list[int], score: list[float], expected: float) -> None:
    assert area(good, score) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_auc_agrees_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    good, score = np.array([g for g, _ in pairs]), np.array([s for _, s in pairs], dtype=float)
    if good.all() or not good.any():
        with pytest.raises(ValueError, match="both classes"):
            auc(good, score, resamples=1, rng=RNG(0))
        return
    assert auc(good, score, resamples=1, rng=RNG(0)).estimate == pytest.approx(roc_auc_score(good, score))


def test_auc_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(ValueError, match="finite"):
        area([0, 1], [math.nan, 1])
    with pytest.raises(ValueError, match="shape"):
        area([0, 1], [1, 2, 3])


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Two normal classes one sd apart: the true AUC is known, Phi(1 / sqrt 2)."""
    truth, rng, hits, studies = float(stats.norm.cdf(1 / math.sqrt(2))), RNG(1), 0, 300
    good = np.arange(120) < 60
    for _ in range(studies):
        found = auc(good, rng.normal(size=120) + good, resamples=200, rng=rng)
        hits += found.low <= truth <= found.high
    assert 0.90 <= hits / studies <= 0.98


def test_the_same_seed_gives_the_same_interval() -> None:
    good, score = np.arange(50) % 2 == 0, RNG(0).normal(size=50)
    one, two, other = (auc(good, score, resamples=100, rng=RNG(seed)) for seed in (3, 3, 4))
    assert one == two != other
    assert (one.good, one.others, one.resamples) == (25, 25, 100)


def test_a_cut_by_hand() -> None:
    label, score = np.array([0, 1, 2, 3, 3]), np.array([2.5, 0.0, 2.0, 3.0, 1.0])
    found = cut(label, score, threshold=2.0, good_from=2)  # kept: 0th, 2nd, 3rd; good: 2nd, 3rd, 4th
    assert (found.kept, found.precision, found.recall, found.f1) == (3 / 5, 2 / 3, 2 / 3, 2 / 3)
    nothing = cut(label, score, threshold=9.0, good_from=2)
    assert (nothing.kept, nothing.recall, nothing.f1) == (0, 0, 0) and math.isnan(nothing.precision)
    assert math.isnan(cut(label, score, threshold=9.0, good_from=9).f1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40), st.integers(1, 5))
def test_a_cut_agrees_with_scikit_learn(pairs: list[tuple[int, int]], level: int) -> None:
    label, score = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    found = cut(label, score, threshold=level, good_from=level)
    reference = precision_recall_fscore_support(
        label >= level, score >= level, average="binary", zero_division=np.nan
    )
    for ours, theirs in zip((found.precision, found.recall), reference[:2], strict=True):
        assert ours == pytest.approx(theirs, nan_ok=True)
    if (label >= level).any() and (score >= level).any():
        assert found.f1 == pytest.approx(reference[2])


def test_spearman_by_hand() -> None:
    label = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    score = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    assert spearman(label, score) == pytest.approx(1 - 6 * 4 / (5 * 24))  # 1 - 6 sum d^2 / (n (n^2 - 1))
    assert math.isnan(spearman(label, np.ones(5)))


def test_bins_by_hand() -> None:
    score = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])
    label = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    low, high = calibration(label, score, binary=True, bins=2)
    assert (low.documents, low.score, low.label) == (4, pytest.approx(0.15), 0.25)
    assert (high.documents, high.score, high.label) == (4, pytest.approx(0.85), 0.75)
    wilson = stats.binomtest(1, 4).proportion_ci(method="wilson")
    assert (low.low, low.high) == pytest.approx((wilson.low, wilson.high))
    assert calibration_error([low, high]) == pytest.approx(0.1)


def test_bins_of_points_have_students_interval() -> None:
    label, score = np.array([0, 1, 2, 5.0]), np.array([0, 0, 0, 0.0])
    (only,) = calibration(label, score, binary=False)
    interval = stats.t.interval(0.95, 3, loc=label.mean(), scale=stats.sem(label))
    assert (only.low, only.high) == pytest.approx(interval)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=100),
    st.integers(1, 12),
)
def test_bins_share_out_every_document_and_keep_equal_scores_together(
    pairs: list[tuple[bool, int]], bins: int
) -> None:
    label, score = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    found = calibration(label, score, binary=True, bins=bins)
    assert sum(each.documents for each in found) == len(pairs) and len(found) <= bins
    assert sum(each.documents * each.label for each in found) == pytest.approx(label.sum())
    assert all(one.score < two.score for one, two in pairwise(found))


def test_a_calibrated_score_has_a_small_error_and_an_overconfident_one_has_not() -> None:
    rng = RNG(0)
    truth = rng.uniform(size=20_000)
    label = (rng.uniform(size=20_000) < truth).astype(float)
    assert calibration_error(calibration(label, truth, binary=True)) < 0.02
    assert calibration_error(calibration(label, (truth > 0.5).astype(float), binary=True)) > 0.2


def test_assess_says_when_there_is_nothing_to_tell_apart() -> None:
    with pytest.raises(DataError, match=r"\{'0': 2, '1': 1\}\)\. Set classifier\.positive_from"):
        assess(np.array([0, 1, 0.0]), np.zeros(3), good_from=3, binary=False, resamples=10, seed=0)


def test_assess_cuts_points_at_each_label_and_probabilities_in_steps() -> None:
    label, score = np.array([0, 1, 3, 4.0]), np.array([0.1, 0.4, 0.6, 0.9])
    points = assess(label, score, good_from=3, binary=False, resamples=10, seed=0)
    cuts = [(each["threshold"], each["good_from"], each["kept"]) for each in points["cuts"]]
    assert cuts == [(1, 1, 0), (0.4, 1, 0.75), (3, 3, 0), (0.6, 3, 0.5), (4, 4, 0), (0.9, 4, 0.25)]
    assert [each["f1"] for each in points["cuts"]] == [0, 1, 0, 1, 0, 1]
    shares = assess(label, score, good_from=3, binary=True, resamples=10, seed=0)
    assert [each["threshold"] for each in shares["cuts"]] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert shares["cuts"][4]["f1"] == 1.0 and shares["auc"]["estimate"] == 1.0
    assert distribution(label) == {"0": 1, "1": 1, "3": 1, "4": 1}
