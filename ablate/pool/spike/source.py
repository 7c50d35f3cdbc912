"""`pool.spike`: another pool's documents with known defects planted into them at known rates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from random import Random

from ablate.benchmarks.snapshot import HUB_PREFIX, references
from ablate.errors import ConfigError, DataError, FieldError, nearest
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped, Source, Truth
from ablate.pool.spike import defects
from ablate.pool.spike.carrier import LEAST_WORDS, carrier
from ablate.pool.spike.defects import COPIES, KINDS, Settings
from ablate.pool.testbed.prose import FOREIGN

FORMAT = 1
"""Raise it when the same parameters plant something else."""


@dataclass(frozen=True, kw_only=True)
class Spike(Source):
    """Documents of a pool, some with one defect each.

    A rate is a share of the pool's documents; that many documents have the defect, to the nearest whole one
    (halves to the even). Copies are added behind their original; every other defect takes the place of the
    document that carries it. Which documents carry what is a matter of chance alone: they are drawn by a hash
    of text and seed among those with enough running text, none carries two, and what has a defect at a low
    rate has it at any higher one.

    Attributes:
        of: the pool.
        seed: of everything.
        exact_copies, near_copies: documents that have such a copy.
        boilerplate, foreign, symbols, shuffled, leaked, emails, ips, phones: documents that have that defect.
        edits: shares of words replaced in near copies, taken in turn.
        symbol_shares: shares of words replaced by symbols, taken in turn.
        languages: of `foreign`, taken in turn.
        snapshot, tasks: whose items `leaked` gives away, of each task in turn; hub tasks have none here.
        most: the highest rate of each defect that is varied within a study: so many are planted, beside the
            documents without, and an arm takes as many as its own rate says. A plan fills it in.
    """

    of: Source
    seed: int = 0
    exact_copies: float = 0.0
    near_copies: float = 0.0
    boilerplate: float = 0.0
    foreign: float = 0.0
    symbols: float = 0.0
    shuffled: float = 0.0
    leaked: float = 0.0
    emails: float = 0.0
    ips: float = 0.0
    phones: float = 0.0
    edits: Sequence[float] = (0.02, 0.05, 0.1)
    symbol_shares: Sequence[float] = (0.1, 0.3)
    languages: Sequence[str] = ("de", "fr", "es", "it")
    snapshot: str | None = None
    tasks: Sequence[str] = ()
    most: Mapping[str, float] = field(default_factory=dict)

    def places(self) -> list[str]:
        """Those of the pool, which `pool.spike` stands in."""
        return self.of.places()

    def __post_init__(self) -> None:
        for kind, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise ConfigError(f"{kind} must be in [0, 1], got {rate}")
        for kind, rate in self.most.items():
            if kind not in KINDS:
                raise ConfigError(f"most names {kind!r}: {nearest(kind, KINDS)}")
            if not self.rates[kind] <= rate <= 1:
                raise ConfigError(f"most.{kind} must be in [{kind} = {self.rates[kind]}, 1], got {rate}")
        for name in ("edits", "symbol_shares"):
            if not (shares := getattr(self, name)) or not all(0 < share <= 1 for share in shares):
                raise ConfigError(f"{name} must be shares in (0, 1], one at least, got {list(shares)}")
        if not self.languages or not set(self.languages) <= set(FOREIGN):
            raise ConfigError(
                f"languages must be some of {', '.join(sorted(FOREIGN))}, got {list(self.languages)}"
            )
        if sum(self.planted.values()) > 1:
            raise ConfigError(
                f"the rates of {', '.join(kind for kind, rate in self.planted.items() if rate)} must not add up to more "
                "than 1, since a document carries one defect at most"
            )
        if self.planted["leaked"] and self.snapshot is None:
            raise ConfigError(
                "leaked needs the tasks' items as files: give evaluate.snapshot=<folder> (`ablate snapshot` makes one)"
            )

    @property
    def rates(self) -> dict[str, float]:
        """Defect -> its rate here."""
        return {kind: getattr(self, kind) for kind in KINDS}

    @property
    def planted(self) -> dict[str, float]:
        """Defect -> share of documents for which it is made."""
        return {kind: max(rate, self.most.get(kind, 0.0)) for kind, rate in self.rates.items()}

    @cached_property
    def items(self) -> tuple[tuple[str, ...], ...]:
        """Question with answer of each item, by task; none where nothing is leaked."""
        if not self.planted["leaked"]:
            return ()
        found: dict[str, list[str]] = {}
        for item in references(
            self.snapshot, [task for task in self.tasks if not task.startswith(HUB_PREFIX)]
        ):
            if item.with_answer.strip():
                found.setdefault(item.task, []).append(item.with_answer)
        if not found:
            raise FieldError(
                "spike.leaked: none of evaluate.tasks is there as a file, so that no item can be given away"
            )
        return tuple(tuple(items) for items in found.values())

    def request(self) -> dict[str, Plain]:
        """The pool's request, what is planted and with what; items by what they say, not where they lie."""
        of, aside = self.of.request(), ("of", "snapshot", "tasks", "most", *KINDS)
        settings = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in aside}
        varied = sorted(kind for kind in self.most)
        return {
            "spike": FORMAT,
            **settings,
            "planted": self.planted,
            "varied": varied,
            "items": digest(self.items),
            "of": of,
        }

    def versions(self) -> dict[str, str]:
        """Of the pool's libraries."""
        return self.of.versions()

    def documents(self) -> Iterator[Document | Skipped]:
        """Every document with its truth, in the pool's order; the pool is read twice."""
        chosen, settings = (
            self._chosen(),
            Settings(self.edits, self.symbol_shares, self.languages, self.items),
        )
        place = 0
        for item in self.of.documents():
            if isinstance(item, Skipped) or not _storable(item):
                yield item
                continue
            kind, rank = chosen.get(place, ("", -1))
            page = carrier(item) if kind else None
            if kind and page is None:
                raise DataError("the pool read other documents the second time: its files changed meanwhile")
            if page is None or kind in COPIES or kind in self.most:
                yield _with(item, Truth(origin=place))
            if page is not None:
                random = Random(f"spike {self.seed} {kind} {self._hash(item)}")
                made = defects.plant(kind, page, random, rank, settings)
                truth = Truth(kind=kind, origin=place, rank=rank, strength=made.strength, pieces=made.pieces)
                yield _with(item, truth, made.text)
            place += 1

    def _chosen(self) -> dict[int, tuple[str, int]]:
        """Place of a document -> the defect that it carries, and the how-manieth of that kind it is."""
        count, ranked = 0, []
        for item in self.of.documents():
            if isinstance(item, Skipped) or not _storable(item):
                continue
            if item.truth is not None:
                raise FieldError("spike: the pool has planted defects already")
            if carrier(item):
                ranked.append((self._hash(item), count))
            count += 1
        wanted = {kind: round(rate * count) for kind, rate in self.planted.items()}
        if sum(wanted.values()) > len(ranked):
            raise FieldError(
                f"spike: the rates ask for {sum(wanted.values()):,} documents with a defect, and {len(ranked):,} of the pool's "
                f"{count:,} can carry one ({LEAST_WORDS} words or more in paragraphs); lower them"
            )
        places, chosen = iter([place for _, place in sorted(ranked)]), dict[int, tuple[str, int]]()
        for kind, number in wanted.items():
            chosen |= {next(places): (kind, rank) for rank in range(number)}
        return chosen

    def _hash(self, document: Document) -> str:
        said = f"{self.seed}\0{document.url}\0{document.text}".encode(errors="replace")
        return hashlib.blake2b(said, digest_size=16).hexdigest()


def _storable(document: Document) -> bool:
    """Whether a pool keeps the document; only those count."""
    return bool(document.text.strip()) and len(document.text.encode(errors="replace")) <= MAX_DOCUMENT_BYTES


def _with(document: Document, truth: Truth, text: str | None = None) -> Document:
    return Document(
        document.text if text is None else text,
        document.kind,
        document.url,
        document.source,
        document.language,
        document.metadata,
        truth,
    )
