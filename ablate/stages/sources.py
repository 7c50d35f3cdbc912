"""Leave out documents by the source that they come from; switching the stage off leaves the synthetic ones out.

A pool that holds real and synthetic text together then has "with synthetic text" and "without" as the two levels of one
factor, decided over one pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np

from ablate.stages.base import Filter, Table, Verdict


@dataclass(frozen=True, kw_only=True)
class Sources(Filter):
    """Drop the documents whose `source` one of some patterns fits.

    Attributes:
        drop: patterns of a shell, e.g. "synthetic/*"; none drops nothing.
    """

    name: ClassVar[str] = "sources"
    reads: ClassVar[str] = "source"
    drop: tuple[str, ...] = ()

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill column `dropped`, bool."""
        found = {source: any(fnmatchcase(source, pattern) for pattern in self.drop) for source in set(texts)}
        return {"dropped": np.array([found[source] for source in texts], dtype=bool)}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `source`."""
        return Verdict.first_of(source=measured["dropped"])
