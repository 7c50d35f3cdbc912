"""What a sampled document says of how it was drawn, and which units are in a sample."""

from __future__ import annotations

import numpy as np

from ablate.fingerprint import mix64
from ablate.plain import Plain

RATE, UNIT, SIZE = "sample_rate", "sample_unit", "cluster_size"
"""Fields of a sampled document: the probability with which it was drawn, what it was drawn with (16 hexadecimal digits), and
how many documents of the whole source are in its cluster, where clusters were looked for."""


def is_drawn(units: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Which units are in the sample, shape (n,), bool: those whose hash falls below the rate."""
    if rate == 1:
        return np.ones(units.size, dtype=bool)
    drawn: np.ndarray = mix64(units, seed) < np.uint64(int(rate * 2.0**64))
    return drawn


def said_of(unit: int, rate: float) -> dict[str, Plain]:
    """The fields of a document that was drawn with a unit."""
    return {RATE: rate, UNIT: f"{unit:016x}"}
