"""Which of the planted documents an arm has, where the rate of a defect is varied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablate.plain import Plain
from ablate.pool.pool import Pool
from ablate.pool.spike.defects import COPIES


@dataclass(frozen=True)
class PlantedPart:
    """A pool with as many of each varied defect as an arm's rates say.

    The pool holds what the highest rate plants, and each document without it; an arm has one of the two. So
    arms share what is measured, and what has a defect at a low rate has it at any higher one.

    Attributes:
        rates: (defect, rate) of those that are varied.
    """

    rates: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PlantedPart | None:
        """Return the part of an arm; None where no rate is varied."""
        spike = config["pool"].get("spike") or {}
        varied = spike.get("most") or {}
        return cls(tuple((kind, float(spike[kind])) for kind in sorted(varied))) if varied else None

    def rows(self, pool: Pool) -> np.ndarray:
        """Return the pool's rows that belong to it, ascending: int64; all, where the pool has no truth (a sample for timing)."""
        truth = pool.truth()
        if truth is None:
            return np.arange(len(pool))
        kind = np.array(truth["kind"].to_pylist(), dtype=object)
        origin, rank = truth["origin"].to_numpy(), truth["rank"].to_numpy()
        count, keep = np.unique(origin).size, np.ones(kind.size, dtype=bool)
        for name, rate in self.rates:
            taken = (kind == name) & (rank < round(rate * count))
            keep &= (kind != name) | taken
            if name not in COPIES:
                keep &= (kind != "") | ~np.isin(origin, origin[taken])
        return np.flatnonzero(keep)

    def identity(self) -> dict[str, Plain]:
        """Return what names it, beside the pool."""
        return {"planted": dict(self.rates)}
