"""How much of what a run reads comes from which source: shares of the token budget, held at every point of training.

Each source has an order and epochs of its own. A schedule says which source the next sequence is of, so that after n
sequences a source has given its share of n to within one sequence. Arms with other shares read the same documents of a
source in the same order, some of them further.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ablate.corpus.budget import WARN_EPOCHS
from ablate.corpus.tokens import TokenStream
from ablate.effects.repetition import effective_tokens
from ablate.errors import ConfigError, nearest

KEY = "mixture"
"""Of an arm's configuration."""
REST = "rest"
"""What the documents are called that a mixture does not name."""
KINDS = {"synthetic": True, "real": False}
"""Names that stand for all documents that say that no person wrote them, and for all others."""
EXACT = 1_000_000_000
"""A share is taken to a billionth, which moves no sequence in a run of a billion of them."""


@dataclass(frozen=True)
class Mixture:
    """Which share of the tokens that a run reads comes from which source.

    Attributes:
        shares: name -> share, in [0, 1]: `synthetic`, `real`, or the `source` of documents, patterns of a shell
            allowed ("synthetic/*"). What is left of 1 comes from all other documents together, in the proportion in
            which they stand there.
    """

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.shares:
            raise ConfigError(f"{KEY} names no source; give a share, e.g. {KEY}={{synthetic: 0.3}}")
        for name, share in self.shares.items():
            if name == REST:
                raise ConfigError(
                    f"{KEY}.{REST}: that is what the documents are called that a mixture does not name; they get what the "
                    "other shares leave of 1"
                )
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ConfigError(f"{KEY}.{name} must be a share in [0, 1], got {share!r}")
        if sum(self.weights.values()) > EXACT:
            total = f"{sum(self.shares.values()):.9g}"
            raise ConfigError(
                f"{KEY}: the shares of {', '.join(self.shares)} add up to {total}; 1 is all that a run reads"
            )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Mixture | None:
        """Return the mixture of an arm's configuration; None where it has none.

        Raises:
            ConfigError: for shares that cannot be.
        """
        shares = config.get(KEY)
        if shares is None:
            return None
        if not isinstance(shares, Mapping):
            raise ConfigError(f"{KEY} must be a mapping of sources to shares, got {shares!r}")
        return cls({str(name): share for name, share in shares.items()})

    @property
    def weights(self) -> dict[str, int]:
        """Name -> share, in units of a billionth; shares that add up to 1 within a millionth are made to add up to 1."""
        weights = {name: round(share * EXACT) for name, share in self.shares.items()}
        left = EXACT - sum(weights.values())
        if 0 < abs(left) <= EXACT // 1_000_000:
            weights[max(weights, key=weights.__getitem__)] += left
        return weights

    @property
    def left(self) -> int:
        """The share of the documents that it does not name, in units of a billionth."""
        return EXACT - sum(self.weights.values())

    def divide(self, sources: Sequence[str], synthetic: np.ndarray, tokens: np.ndarray) -> Division:
        """Divide a corpus among the names.

        Args:
            sources: of each document.
            synthetic: shape (n,), bool: which documents say that no person wrote them.
            tokens: shape (n,), int64: of each document.
        Raises:
            ConfigError: for a document that two names fit, and for a share of documents that there are not.
        """
        names = list(self.shares)
        owner = np.full(len(sources), len(names), dtype=np.int64)
        kinds = list(zip(sources, synthetic.tolist(), strict=True))
        place: dict[tuple[str, bool], int] = {}
        for source, made in dict.fromkeys(kinds):
            fits = [name for name in names if _fits(name, source, made)]
            if len(fits) > 1:
                raise ConfigError(
                    f"{KEY}: {' and '.join(fits)} both fit documents of the source {source!r}; name each document once"
                )
            place[source, made] = names.index(fits[0]) if fits else len(names)
        owner[:] = [place[kind] for kind in kinds]
        weights = [*self.weights.values(), self.left]
        parts = []
        for number, (name, weight) in enumerate(zip([*names, REST], weights, strict=True)):
            members = np.flatnonzero(owner == number)
            if weight and not members.size:
                raise ConfigError(self._absent(name, weight, sorted(set(sources))))
            if name != REST or members.size:
                parts.append(Part(name, weight, members, int(tokens[members].sum())))
        return Division(tuple(parts))

    def _absent(self, name: str, weight: int, sources: Sequence[str]) -> str:
        share = f"{weight / EXACT:.9g}"
        if name == REST:
            return (
                f"{KEY}: the shares leave {share} for documents that none of {', '.join(self.shares)} fits, and the corpus has "
                "none; give shares that add up to 1"
            )
        said = nearest(name, [*sources, *KINDS]) if name not in KINDS else "no document is of that kind"
        shown = ", ".join(sources[:12]) + (", ..." if len(sources) > 12 else "")
        return f"{KEY}.{name}={share}: the corpus has no such document: {said} (its sources: {shown})"


def _fits(name: str, source: str, synthetic: bool) -> bool:
    return synthetic == KINDS[name] if name in KINDS else fnmatchcase(source, name)


@dataclass(frozen=True, eq=False)
class Part:
    """The documents of a corpus that one name of a mixture stands for.

    Attributes:
        name: as the mixture has it; "rest" for what it does not name.
        weight: its share, in units of a billionth.
        members: shape (m,), int64: places of its documents in the corpus, ascending.
        tokens: that its documents have.
    """

    name: str
    weight: int
    members: np.ndarray = field(repr=False)
    tokens: int

    @property
    def share(self) -> float:
        """Of the tokens that a run reads, in [0, 1]."""
        return self.weight / EXACT


@dataclass(frozen=True, eq=False)
class Division:
    """A corpus as a mixture divides it: its parts, every document in one of them."""

    parts: tuple[Part, ...]

    @property
    def one_pass(self) -> int:
        """How many tokens a run reads until it has met every document that the mixture does not name once.

        What the mixture names is then added to them, in its share, and displaces none of them.

        Raises:
            ConfigError: where it names all of them, or leaves them no share.
        """
        rest = next((part for part in self.parts if part.name == REST), None)
        if rest is None or not rest.weight:
            raise ConfigError(
                f"budget=source with a {KEY}: a run reads once what the mixture does not name, and adds what it names; here "
                "nothing is left to be read once. Leave one source out of the mixture, or use budget=tokens"
            )
        return -(-rest.tokens * EXACT // rest.weight)

    def read(self, tokens: int, context: int) -> tuple[ReadPart, ...]:
        """Say what a run reads of each part.

        Args:
            tokens: of the run.
            context: tokens of a sequence.
        """
        schedule = Schedule([part.weight for part in self.parts])
        counts = schedule.counts(-(-tokens // context))
        return tuple(
            ReadPart(
                name=part.name,
                share=part.share,
                documents=int(part.members.size),
                unique_tokens=part.tokens,
                tokens=int(count) * context,
            )
            for part, count in zip(self.parts, counts, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class ReadPart:
    """What a run reads of one part of its mixture.

    Attributes:
        name: as the mixture has it; "rest" for what it does not name.
        share: that was asked for, in [0, 1].
        documents, unique_tokens: that there are.
        tokens: that the run reads.
    """

    name: str
    share: float
    documents: int
    unique_tokens: int
    tokens: int

    @property
    def epochs(self) -> float:
        """How often the run goes over them."""
        return self.tokens / self.unique_tokens if self.unique_tokens else 0.0

    @property
    def effective_tokens(self) -> float:
        """What the tokens that it reads are worth in fresh ones."""
        return effective_tokens(self.tokens, self.unique_tokens) if self.tokens else 0.0

    @property
    def repeats(self) -> bool:
        """Whether it is read more often than repeating costs little."""
        return self.epochs > WARN_EPOCHS

    def __str__(self) -> str:
        epochs = (
            f"{self.epochs:.1f} epochs of its {self.unique_tokens:,} tokens" if self.tokens else "not read"
        )
        warning = f", MORE THAN {WARN_EPOCHS:g}: repeats cost" if self.repeats else ""
        return f"{self.name} {self.share:.9g} ({epochs}{warning})"


class Schedule:
    """Which part each sequence of a run is of, so that no part is ever off its share by more than a sequence.

    After n sequences a part with share s has given c of them, and |c - s n| <= 1 - 1 / (2 k - 2), where k >= 2 parts have a
    share above zero: no schedule can promise less. Of the parts that are due the one comes next that would be the first to
    be late (Tijdeman 1980, "The chairman assignment problem", Discrete Mathematics 32, 323-330). All arithmetic is on
    whole numbers.

    Args:
        weights: of the parts, whole numbers from 0; shares in units of their sum.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        divisor = math.gcd(*weights)
        self.weights = [weight // divisor for weight in weights]
        self.period = sum(self.weights)
        """Sequences after which it begins again, every part exactly at its share."""
        self._order = np.zeros(0, dtype=np.int16)
        self._given = [0] * len(weights)

    def sources(self, first: int, count: int) -> np.ndarray:
        """Return which part the sequences number `first` .. `first + count - 1` are of: shape (count,), int16."""
        places = (first + np.arange(count)) % self.period
        self._extend(int(places.max(initial=-1)) + 1)
        return self._order[places]

    def counts(self, count: int) -> np.ndarray:
        """Return how many of the first `count` sequences are of each part: shape (parts,), int64."""
        periods, more = divmod(count, self.period)
        self._extend(more)
        return periods * np.array(self.weights) + np.bincount(self._order[:more], minlength=len(self.weights))

    def _extend(self, until: int) -> None:
        """Make the order of the first `until` sequences; it is made in pieces, since a period may be long."""
        if until <= self._order.size:
            return
        until = min(self.period, max(until, 2 * self._order.size))
        live = [part for part, weight in enumerate(self.weights) if weight]
        if len(live) == 1:
            more = [live[0]] * (until - self._order.size)
            self._given[live[0]] += len(more)
        else:
            more = [self._next(number, live) for number in range(self._order.size + 1, until + 1)]
        self._order = np.concatenate([self._order, np.array(more, dtype=np.int16)])

    def _next(self, number: int, live: Sequence[int]) -> int:
        """The part of sequence `number`, counted from 1.

        With W the sum of weights, w one of them and c what its part has given: it is due when w n / W - c >= 1 / (2 k - 2),
        and is late at (1 - 1 / (2 k - 2) - (w n / W - c)) W / w. Both sides are multiplied by what makes them whole.
        """
        parts, total = 2 * len(live) - 2, self.period
        chosen, best = -1, (0, 1)
        for part in live:
            weight = self.weights[part]
            behind = weight * number - total * self._given[part]
            if parts * behind >= total:
                late = ((parts - 1) * total - parts * behind, weight)
                if chosen < 0 or late[0] * best[1] < best[0] * late[1]:
                    chosen, best = part, late
        self._given[chosen] += 1
        return chosen


class MixtureStream:
    """The sequences of several streams, in the shares of a mixture; each stream has an order and epochs of its own.

    Args:
        streams: one for each part; None for a part that is not read.
        division: the corpus that they are over.
        context: length of a sequence without the shifted target.
    """

    def __init__(self, streams: Sequence[TokenStream | None], division: Division, context: int) -> None:
        self._streams, self._parts, self.context = streams, division.parts, context
        self.unique_tokens = sum(part.tokens for part in division.parts)
        self._schedule = Schedule([part.weight for part in division.parts])

    def sequences(self, first: int, count: int) -> np.ndarray:
        """Return sequences as `TokenStream.sequences` does."""
        before, of = self._schedule.counts(first), self._schedule.sources(first, count)
        out = np.empty((count, self.context + 1), dtype=np.int64)
        for number, stream in enumerate(self._streams):
            places = np.flatnonzero(of == number)
            if stream is not None and places.size:
                out[places] = stream.sequences(int(before[number]), places.size)
        return out

    def documents_seen(self, tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Count documents as `TokenStream.documents_seen` does; whole sequences count."""
        counts = self._schedule.counts(-(-tokens // self.context))
        found = [
            (part.members[index], times)
            for part, stream, count in zip(self._parts, self._streams, counts.tolist(), strict=True)
            if stream is not None and count
            for index, times in [stream.documents_seen(count * self.context)]
        ]
        documents, times = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(documents)
        return documents[order], times[order]
