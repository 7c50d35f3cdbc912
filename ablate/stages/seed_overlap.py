"""Drop generated documents that repeat what their teacher was shown.

The overlap with the examples or extracts in the prompt is measured when a document is generated, since nothing else knows what
stood there, and kept as its `shown_overlap`; this stage decides by it.

Source: Self-Instruct's gate (Wang et al. 2022, arXiv 2212.10560, section 2.2): ROUGE-L above 0.7 to any task there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ablate.errors import FieldError
from ablate.stages.base import Filter, Table, Verdict

COLUMN = "shown_overlap"


@dataclass(frozen=True, kw_only=True)
class SeedOverlap(Filter):
    """Keep a document whose overlap is not above a threshold; one that has none measured is kept.

    Attributes:
        max_overlap: largest ROUGE-L F to any text that the teacher was shown, in [0, 1].
    """

    name: ClassVar[str] = "seed_overlap"
    reads: ClassVar[str] = "metadata"
    decide_only: ClassVar[tuple[str, ...]] = ("max_overlap",)
    only: Literal["synthetic", "real"] | None = "synthetic"
    max_overlap: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.max_overlap <= 1:
            raise ValueError(f"max_overlap must be in [0, 1], got {self.max_overlap}")

    def check_fields(self, fields: Iterable[str]) -> None:
        """Refuse a pool of which no document says its overlap."""
        if COLUMN not in fields:
            raise FieldError(
                f"max_overlap has nothing to hold against it: no document of the pool has {COLUMN!r}, which is measured by `ablate generate`; with text made elsewhere leave "
                "this stage off and use rouge_dedup with the seeds in the pool"
            )

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill column `overlap`, float64; NaN where none was measured."""
        found = [json.loads(text).get(COLUMN) for text in texts]
        known = [value if isinstance(value, (int, float)) else np.nan for value in found]
        return {"overlap": np.array(known, dtype=np.float64)}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `shown`."""
        return Verdict.first_of(shown=measured["overlap"] > self.max_overlap)
