"""Size-matched removal: documents drawn at random until a corpus is as large as another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Table
from ablate.stages.random_removal import RandomRemoval


@dataclass(frozen=True, kw_only=True)
class SizeMatchedRemoval(RandomRemoval):
    """Removal at random whose rate leaves as many tokens as a stage leaves in its own way."""

    name: ClassVar[str] = "size_matched_removal"
    version: ClassVar[int] = 2
    salt: ClassVar[bytes] = b"size matched"


def size_matched(draws: Table, counts: np.ndarray, *, tokens: int, seed: int) -> SizeMatchedRemoval:
    """Return the removal, of whole documents, that leaves the number of tokens nearest to `tokens`.

    Documents go in the order of their draws, so that which ones go depends on the documents and the seed alone, not on
    their order in the pool. Where fewer tokens are there than are to be left none goes; one document always stays.

    Args:
        draws: what `RandomRemoval` measures, of the n documents there are.
        counts: shape (n,), int64: tokens of each.
        tokens: to be left.
        seed: of the draw.
    """
    chance = SizeMatchedRemoval(seed=seed).chance(draws)
    order = np.argsort(chance, kind="stable")
    left = counts.sum() - np.concatenate([[0], np.cumsum(counts[order])[:-1]])  # after 0 .. n - 1 removals
    removed = int(np.argmin(np.abs(left - tokens)))
    return SizeMatchedRemoval(rate=float(chance[order[removed]]) if removed else 0.0, seed=seed)
