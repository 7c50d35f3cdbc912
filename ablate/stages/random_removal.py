"""Drops documents at random: a null stage, and what a stage's removal is compared with.

Whatever the texts are, a document is dropped with the same chance. As a stage of a recipe it shows what an instrument
says of a stage that selects nothing; `design.controls=size_matched` puts it in the place of a stage that removes documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.base import Filter, Table, Verdict


@dataclass(frozen=True, kw_only=True)
class RandomRemoval(Filter):
    """Drops each document with one chance, drawn from its key and a seed, whichever others there are.

    A larger rate with the same seed drops what a smaller one does, and more.

    Attributes:
        rate: chance of a document to be dropped, in [0, 1).
        seed: of the draw.
    """

    name: ClassVar[str] = "random_removal"
    reads: ClassVar[str] = "key"
    decide_only: ClassVar[tuple[str, ...]] = ("rate", "seed")
    salt: ClassVar[bytes] = b""  # of the hash: stages with another one draw otherwise under the same seed
    rate: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate < 1.0:
            raise ValueError(f"rate must be in [0, 1), got {self.rate}")

    def measure_many(self, texts: Sequence[object]) -> Table:
        """Fill column `draw`, uint64: a hash of the key, so that this draw has nothing to do with others made from keys."""
        hashed = b"".join(
            hashlib.blake2b(str(key).encode(), digest_size=8, person=self.salt).digest() for key in texts
        )
        return {"draw": np.frombuffer(hashed, dtype="<u8").astype(np.uint64)}

    def chance(self, measured: Table) -> np.ndarray:
        """Return each document's place in [0, 1); those below the rate are dropped. Shape (n,), float64."""
        return (mix64(measured["draw"], self.seed) >> np.uint64(11)) * 2.0**-53

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `drawn`."""
        return Verdict.first_of(drawn=self.chance(measured) < self.rate)
