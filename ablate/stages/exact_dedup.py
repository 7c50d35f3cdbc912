"""Exact deduplication: keep one of each set of documents with the same text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Relation


@dataclass(frozen=True, kw_only=True)
class ExactDedup(Relation):
    """Documents are the same when their texts are, byte for byte (64-bit BLAKE2b)."""

    name: ClassVar[str] = "exact_dedup"
    version: ClassVar[int] = 1

    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        """Fill one column: the hash of the text."""
        digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
        return np.frombuffer(digests, dtype="<u8").reshape(-1, 1).copy()
