"""`pool=repeated`: another pool's documents in several editions, some of which say a few of them many times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ablate.errors import ConfigError
from ablate.plain import Plain
from ablate.pool.source import Document, Skipped, Source

READER = 1
"""Raise it when the same pool and editions give other documents."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """How often an edition has which documents of the pool underneath.

    Attributes:
        once: so many documents from its first on stand there once.
        repeated: the next so many stand there `times` times each.
        times: how often; a copy is the same to the byte.
    """

    once: int = 0
    repeated: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        if min(self.once, self.repeated) < 0 or self.once + self.repeated == 0:
            raise ConfigError(
                f"once and repeated must be 0 or more, and one of them above, got {self.once}, {self.repeated}"
            )
        if self.times < 1:
            raise ConfigError(f"times must be 1 or more, got {self.times}")


@dataclass(frozen=True, kw_only=True)
class Repeated(Source):
    """Every edition's documents one edition after another, each with the edition's name as its `source`.

    All editions begin with the same documents, so that a smaller one is a part of a larger one, and what differs between two
    that have equally many different ones is how the repeats are spread. An arm takes the edition that a stage keeps
    (`column` on `source`), and repeats it evenly where it has fewer tokens than the budget.

    Attributes:
        of: the pool underneath.
        editions: name -> what it has.
    """

    of: Source
    editions: Mapping[str, Edition]

    def __post_init__(self) -> None:
        if not self.editions:
            raise ConfigError("editions is empty: name at least one, e.g. {all: {once: 1000}}")

    def request(self) -> dict[str, Plain]:
        """The editions in order and the pool's request."""
        said: list[Plain] = [[name, one.once, one.repeated, one.times] for name, one in self.editions.items()]
        return {"repeated": READER, "editions": said, "of": self.of.request()}

    def versions(self) -> dict[str, str]:
        """Of the pool's libraries."""
        return self.of.versions()

    def documents(self) -> Iterator[Document | Skipped]:
        """Documents of every edition, then what the pool skipped up to the last one that is used.

        Raises:
            ConfigError: when the pool has fewer documents than an edition wants.
        """
        most = max(one.once + one.repeated for one in self.editions.values())
        read: list[Document] = []
        skipped: list[Skipped] = []
        for item in self.of.documents():
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                read.append(item)
            if len(read) == most:
                break
        if len(read) < most:
            raise ConfigError(f"editions: one wants {most:,} documents, and the pool has {len(read):,}")
        for name, one in self.editions.items():
            for place, document in enumerate(read[: one.once + one.repeated]):
                for _ in range(1 if place < one.once else one.times):
                    yield replace(document, source=name)
        yield from skipped
