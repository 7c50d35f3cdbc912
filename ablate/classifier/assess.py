"""Assess a student on held-out labels: everything that its page shows, as plain data."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any, TypedDict

import numpy as np

from ablate.classifier.metrics import auc, calibration, calibration_error, cut, spearman
from ablate.errors import DataError

PROBABILITIES = tuple(round(0.1 * step, 1) for step in range(1, 10))


class AucValues(TypedDict):
    """As `metrics.Auc`; None where a value is not defined."""

    estimate: float | None
    low: float | None
    high: float | None
    good: int
    others: int
    resamples: int


class CutValues(TypedDict):
    """As `metrics.Cut`; None where a value is not defined."""

    threshold: float
    good_from: float
    kept: float
    precision: float | None
    recall: float | None
    f1: float | None


class BinValues(TypedDict):
    """As `metrics.Bin`; None where a value is not defined."""

    documents: int
    score: float
    label: float
    low: float | None
    high: float | None


class Assessment(TypedDict):
    """How well a student agrees with labels that it has not seen.

    Attributes:
        auc: of telling good documents from the others.
        spearman: rank correlation of score and label.
        cuts: what thresholds do.
        calibration, calibration_error: mean label against mean score, and how far apart they are.
    """

    auc: AucValues
    spearman: float | None
    cuts: list[CutValues]
    calibration: list[BinValues]
    calibration_error: float | None


def assess(
    label: np.ndarray, score: np.ndarray, *, good_from: float, binary: bool, resamples: int, seed: int
) -> Assessment:
    """Every measure of agreement.

    Args:
        label: shape (n,), of documents that the student has not seen.
        score: shape (n,), what the student says: a probability of being good when `binary`, else points.
        good_from: least label of a good document.
        resamples, seed: of the bootstrap.
    Returns:
        Plain data; None where a value is not defined.
    Raises:
        DataError: when all documents, or none, are good.
    """
    good = label >= good_from
    if good.all() or not good.any():
        raise DataError(
            f"of {good.size} validation documents {int(good.sum())} have a label of {good_from:g} or more, so "
            f"there is nothing to tell apart (labels: {distribution(label)}). Set classifier.positive_from, "
            "label more, or hold out more (classifier.validation)"
        )
    area = auc(good, score, resamples=resamples, rng=np.random.default_rng(seed))
    if binary:
        cuts = [cut(label, score, threshold=level, good_from=good_from) for level in PROBABILITIES]
        bins = calibration(good.astype(np.float64), score, binary=True)
    else:
        cuts = [
            cut(label, score, threshold=threshold, good_from=level)
            for level in np.unique(label)[1:].tolist()
            for threshold in (level, same_share(label, score, level))
        ]
        bins = calibration(label, score, binary=False)
    measured: Assessment = _defined(
        {
            "auc": asdict(area),
            "spearman": spearman(label, score),
            "cuts": [asdict(each) for each in cuts],
            "calibration": [asdict(each) for each in bins],
            "calibration_error": calibration_error(bins),
        }
    )
    return measured


def same_share(label: np.ndarray, score: np.ndarray, good_from: float) -> float:
    """The threshold that keeps as many documents, ties apart, as have a label of `good_from` or more."""
    return float(np.sort(score)[::-1][int((label >= good_from).sum()) - 1])


def distribution(label: np.ndarray) -> dict[str, int]:
    """Documents per label, by rising label."""
    counts = Counter(label.tolist())
    return {f"{value:g}": counts[value] for value in sorted(counts)}


def _defined(value: Any) -> Any:
    """NaN becomes None, which JSON can hold."""
    if isinstance(value, dict):
        return {name: _defined(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_defined(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
