"""Classifier filter: keep documents that a trained student scores high.

Sources: FineWeb-Edu, a student of a teacher's labels, threshold 3 of 5 (arXiv 2406.17557, section 4);
DCLM, reference corpus against background, best 10 % (arXiv 2406.11794, section 4.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ablate.classifier.student import INDEX, load_student, student_digest
from ablate.errors import ConfigError
from ablate.plain import Plain
from ablate.stages.base import Filter, Table, Verdict
from ablate.stages.thresholds import least_kept

SEED = "{seed}"


@dataclass(frozen=True, kw_only=True)
class ClassifierQuality(Filter):
    """Keep a document when its score is high enough, or among the highest of those that reach the stage.

    Attributes:
        model: folder of a student; its content counts for identity, its place does not. An enabled stage
            needs one: a filter that keeps everything would be taken for one without effect. `{seed}` in it
            stands for a run's seed where `randomness.stages` is "run": students trained under several seeds.
        threshold: least score that is kept, in the student's units: points, or a probability.
        keep_fraction: share of the documents that reach the stage, in (0, 1]. The score of the last one
            that fits (rounded up) is the cut, and all documents with that score are kept: which ones they
            are does not depend on the pool's order.
    """

    name: ClassVar[str] = "classifier_quality"
    version: ClassVar[int] = 1
    decide_only: ClassVar[tuple[str, ...]] = ("threshold", "keep_fraction")
    model: str | None = None
    threshold: float | None = None
    keep_fraction: float | None = 0.1

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.keep_fraction is None):
            raise ValueError(
                "threshold: give exactly one of threshold and keep_fraction and set the other to null, "
                f"got {self.threshold} and {self.keep_fraction}"
            )
        if self.keep_fraction is not None and not 0 < self.keep_fraction <= 1:
            raise ValueError(f"keep_fraction must be in (0, 1], got {self.keep_fraction}")
        if (
            self.model is not None
            and SEED not in self.model
            and not (Path(str(self.model)) / INDEX).is_file()
        ):
            raise ValueError(
                f"model: no {INDEX} in {self.model}; ablate train_classifier writes such a folder"
            )

    def drawn(self, seed: int) -> Self:
        """Return the stage with the student of this seed."""
        return replace(self, model=self.model and self.model.replace(SEED, str(seed)))

    def check(self) -> None:
        """Refuse a stage without a student, or without its seed."""
        _ = self._folder

    def parameters(self) -> dict[str, Plain]:
        """Name the student by its digest, not by where it lies."""
        return super().parameters() | {"model": student_digest(self._folder)}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill column `score`: float64."""
        return {"score": load_student(self._folder)(texts)}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `low_score`."""
        score = measured["score"]
        return Verdict.first_of(low_score=score < self.cut(score))

    def cut(self, score: np.ndarray) -> float:
        """Return the least score that is kept among these, shape (n,)."""
        if self.keep_fraction is None:
            assert self.threshold is not None
            return self.threshold
        return least_kept(score, self.keep_fraction)

    @property
    def _folder(self) -> str:
        if self.model is None:
            raise ConfigError(
                "model: no student is given. ablate train_classifier makes one, from "
                "labels (ablate label) or from a reference and a background: give its folder here, or leave "
                "the stage out with stages.classifier_quality.enabled=false"
            )
        if SEED in self.model:
            raise ConfigError(
                f"model: {SEED} in {self.model} stands for a run's seed only where randomness.stages=run; give the folder of "
                "one student"
            )
        return self.model
