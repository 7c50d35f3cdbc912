"""How well scores agree with labels: AUC with an interval, F1, rank correlation, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve: chance that a good document scores above another, ties counting half.

    Attributes:
        estimate: in [0, 1]; 0.5 is chance.
        low, high: 95 % percentile interval of a bootstrap within each class.
        good, others: documents of each class.
        resamples: of the bootstrap.
    """

    estimate: float
    low: float
    high: float
    good: int
    others: int
    resamples: int


def auc(good: np.ndarray, score: np.ndarray, *, resamples: int, rng: np.random.Generator) -> Auc:
    """AUC with a stratified bootstrap interval.

    The interval tells how far the AUC would move with other documents to validate on; not with another
    training, and not with other annotators.

    Args:
        good: shape (n,), bool.
        score: shape (n,), finite.
    Returns:
        NaN for the interval without resamples.
    Raises:
        ValueError: when shapes differ, a score is not finite, or a class is empty.
    Source: Efron & Tibshirani 1993, chapter 13. Reference in tests: sklearn.metrics.roc_auc_score.
    """
    good, score = _checked(good, score)
    if good.all() or not good.any():
        raise ValueError(f"AUC needs both classes, got {int(good.sum())} good of {good.size}")
    _, level = np.unique(score, return_inverse=True)
    n_levels, rows = int(level.max()) + 1, (level[good], level[~good])

    def area(some: np.ndarray, others: np.ndarray) -> float:
        up, down = (np.bincount(part, minlength=n_levels).astype(np.float64) for part in (some, others))
        below = np.cumsum(down) - down
        return float((up * (below + 0.5 * down)).sum() / (up.sum() * down.sum()))

    drawn = [area(*(rng.choice(part, part.size) for part in rows)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn else (math.nan, math.nan)
    return Auc(area(*rows), float(low), float(high), rows[0].size, rows[1].size, resamples)


@dataclass(frozen=True)
class Cut:
    """What a threshold does.

    Attributes:
        threshold: documents that score at least this are kept.
        good_from: documents labelled at least this are good.
        kept: share of the documents.
        precision: good among the kept; NaN when none is kept.
        recall: kept among the good; NaN when none is good.
        f1: their harmonic mean, 2 TP / (2 TP + FP + FN); NaN when none is kept or good.
    """

    threshold: float
    good_from: float
    kept: float
    precision: float
    recall: float
    f1: float


def cut(label: np.ndarray, score: np.ndarray, *, threshold: float, good_from: float) -> Cut:
    """Compare `score >= threshold` with `label >= good_from`; shapes (n,).

    Reference in tests: sklearn.metrics.precision_recall_fscore_support.
    """
    good, kept = label >= good_from, score >= threshold
    hits = float((good & kept).sum())
    return Cut(
        threshold,
        good_from,
        _ratio(kept.sum(), kept.size),
        _ratio(hits, kept.sum()),
        _ratio(hits, good.sum()),
        _ratio(2 * hits, kept.sum() + good.sum()),
    )


def spearman(label: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation, ties by mean rank; NaN when either is constant."""
    if label.size < 2 or np.ptp(label) == 0 or np.ptp(score) == 0:
        return math.nan
    return float(stats.spearmanr(label, score).statistic)


@dataclass(frozen=True)
class Bin:
    """Documents with about the same score.

    Attributes:
        documents: how many.
        score: their mean score.
        label: their mean label; of a probability, the share of good ones.
        low, high: 95 % interval for the label: Wilson's for shares, Student's t for points; NaN for points
            of fewer than two documents, or that are all the same.
    """

    documents: int
    score: float
    label: float
    low: float
    high: float


def calibration(label: np.ndarray, score: np.ndarray, *, binary: bool, bins: int = 10) -> list[Bin]:
    """Mean label against mean score, in bins of about equally many documents, by rising score.

    Equal scores share a bin.

    Args:
        label: shape (n,): 0 and 1 when `binary`, else points.
        score: shape (n,): on the label's scale.
    """
    if not label.size:
        return []
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    place = np.searchsorted(edges, score, side="right")
    found = []
    for number in np.unique(place):
        some, mean = label[place == number], float(score[place == number].mean())
        low, high = _wilson(some) if binary else _student(some)
        found.append(Bin(some.size, mean, float(some.mean()), low, high))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of label and score over bins, weighted by documents; NaN without bins.

    Source: Guo et al. 2017 (arXiv 1706.04599), section 2, with bins of equal size.
    """
    total = sum(each.documents for each in bins)
    return sum(each.documents * abs(each.label - each.score) for each in bins) / total if total else math.nan


def _checked(good: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    good, score = np.asarray(good, dtype=bool), np.asarray(score, dtype=np.float64)
    if good.shape != score.shape or good.ndim != 1:
        raise ValueError(f"expected two arrays of shape (n,), got {good.shape} and {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    return good, score


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan


def _wilson(values: np.ndarray) -> tuple[float, float]:
    n, share = values.size, float(values.mean())
    centre, half = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)


def _student(values: np.ndarray) -> tuple[float, float]:
    if values.size < 2 or np.ptp(values) == 0:
        return math.nan, math.nan
    half = float(stats.t.ppf(0.975, values.size - 1)) * float(stats.sem(values))
    return float(values.mean()) - half, float(values.mean()) + half
