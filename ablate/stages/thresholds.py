"""Keep documents by one number each: what filters have in common that score a document and cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.errors import ConfigError
from ablate.stages.base import Filter, Table, Verdict


def least_kept(score: np.ndarray, fraction: float) -> float:
    """Return the least score of the best share, rounded up, of some documents; those that tie with the last one are kept too.

    Args:
        score: shape (n,), of the documents that reach the stage.
        fraction: in (0, 1].
    """
    # 0.1 * 30 is a little more than 3 in floating point.
    kept = math.ceil(fraction * score.size - 1e-9)
    return float(np.partition(score, -kept)[-kept]) if kept else -math.inf


@dataclass(frozen=True, kw_only=True)
class Scored(Filter):
    """Keeps a document when its score is within bounds, among the best, or both. All of it is decided after measuring.

    Attributes:
        min, max: bounds of the score, themselves kept; null for none.
        keep_fraction: share of the scored documents that reach the stage, in (0, 1], rounded up; all that tie with the
            last one are kept, so the pool's order does not matter. null for no such rule.
        best: "highest" or "lowest" scores are those that `keep_fraction` keeps.
        missing: "drop" or "keep" documents without a score; they are counted either way.
    """

    decide_only: ClassVar[tuple[str, ...]] = ("min", "max", "keep_fraction", "best", "missing")
    counts: ClassVar[tuple[str, ...]] = ("missing",)
    min: float | None = None
    max: float | None = None
    keep_fraction: float | None = None
    best: str = "highest"
    missing: str = "drop"

    def __post_init__(self) -> None:
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and math.isnan(bound):
                raise ValueError(f"{name} must be a number, got {bound}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max, got {self.min} and {self.max}")
        if self.keep_fraction is not None and not 0 < self.keep_fraction <= 1:
            raise ValueError(f"keep_fraction must be in (0, 1], got {self.keep_fraction}")
        if self.best not in ("highest", "lowest"):
            raise ValueError(f"best must be highest or lowest, got {self.best!r}")
        if self.missing not in ("drop", "keep"):
            raise ValueError(f"missing must be drop or keep, got {self.missing!r}")

    @property
    def cuts(self) -> bool:
        """Whether any rule for the score is given."""
        return not (self.min is self.max is self.keep_fraction is None)

    def check(self) -> None:
        """Refuse a filter that keeps everything: it would be taken for one without effect."""
        if not self.cuts:
            raise ConfigError("min: no rule is given; give min, max or keep_fraction")

    def decide(self, measured: Table) -> Verdict:
        """Drop for reasons `missing`, `too_low`, `too_high`, `not_best`, tried in that order.

        Args:
            measured: column `score`, float64, NaN where there is none.
        """
        score = np.asarray(measured["score"], dtype=np.float64)
        missing = np.isnan(score)
        goodness = score if self.best == "highest" else -score
        least = (
            -math.inf if self.keep_fraction is None else least_kept(goodness[~missing], self.keep_fraction)
        )
        return Verdict.first_of(
            missing=missing & (self.missing == "drop"),
            too_low=score < (-math.inf if self.min is None else self.min),
            too_high=score > (math.inf if self.max is None else self.max),
            not_best=goodness < least,
        )


def scores(values: list[float]) -> Table:
    """Return columns `score`, float64, and `missing`, int64: 1 where a score is NaN."""
    score = np.asarray(values, dtype=np.float64)
    return {"score": score, "missing": np.isnan(score).astype(np.int64)}
