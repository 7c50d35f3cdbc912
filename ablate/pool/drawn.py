"""What a sampled document says of how it was drawn, and which units are in a sample."""

from __future__ import annotations

import numpy as np

from ablate.errors import ConfigError
from ablate.fingerprint import mix64
from ablate.plain import Plain
from ablate.pool.source import Skipped

RATE, UNIT, SIZE = "sample_rate", "sample_unit", "cluster_size"
"""Fields of a sampled document: the probability with which it was drawn, what it was drawn with (16 hexadecimal digits), and
how many documents of the whole source are in its cluster, where clusters were looked for."""


def check_rate(rate: float) -> None:
    """Refuse what is no probability to draw with.

    Raises:
        ConfigError: outside of (0, 1].
    """
    if not 0 < rate <= 1:
        raise ConfigError(f"rate must be above 0 and at most 1, got {rate}")


def is_drawn(units: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Which units are in the sample, shape (n,), bool: those whose hash falls below the rate."""
    if rate == 1:
        return np.ones(units.size, dtype=bool)
    drawn: np.ndarray = mix64(units, seed) < np.uint64(int(rate * 2.0**64))
    return drawn


def said_of(unit: int, rate: float) -> dict[str, Plain]:
    """The fields of a document that was drawn with a unit."""
    return {RATE: rate, UNIT: f"{unit:016x}"}


def left_out(file: str, total: int, drawn: int, *, what: str, by: str) -> list[Skipped]:
    """One line on all that was not drawn; none where all was."""
    reason = f"not in the sample: {total - drawn:,} of {total:,} {what}, drawn by {by}"
    return [Skipped(file, total, reason)] if drawn < total else []
