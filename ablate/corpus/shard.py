"""Shards of a pool: disjoint parts that keep all documents of a host, or of a source file, together.

Pages of a host resemble one another, so a part drawn page by page would hold a little of every host, and two
such parts would be more alike than two pools are. (They have nothing to do with the files that a pool is stored in.)
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import numpy as np

from ablate.plain import Plain
from ablate.pool.pool import Pool


@dataclass(frozen=True)
class Shard:
    """One part of a pool that is cut into `of`.

    Attributes:
        number: 0 .. of - 1.
        of: how many there are.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    def rows(self, pool: Pool) -> np.ndarray:
        """Return the pool's rows that belong to it, ascending: int64."""
        return np.flatnonzero(shards_of(pool, self.of) == self.number)

    def identity(self) -> dict[str, Plain]:
        """Return what names it, beside the pool."""
        return {"shard": asdict(self), "by": "host or source"}


def shards_of(pool: Pool, n_shards: int) -> np.ndarray:
    """Return the shard of each document, by a hash of where it comes from: shape (n,), int64.

    Whichever other documents the pool holds, a host's or a source's are always in the same one.
    """
    names, code = pool.origins
    return np.asarray(np.array([_hash(name) % n_shards for name in names], dtype=np.int64)[code])


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Cut:
    """How evenly a pool falls into its shards.

    Attributes:
        documents: of each shard.
        origins: how many hosts, and sources of documents without one, the pool has.
        heaviest, weight: the one with most documents, and how many they are.
    """

    documents: tuple[int, ...]
    origins: int
    heaviest: str
    weight: int


def cut_of(pool: Pool, n_shards: int) -> Cut:
    """Count the documents of a pool's shards."""
    names, code = pool.origins
    sizes, documents = np.bincount(code), np.bincount(shards_of(pool, n_shards), minlength=n_shards)
    most = int(sizes.argmax())
    return Cut(tuple(documents.tolist()), len(names), names[most], int(sizes[most]))
