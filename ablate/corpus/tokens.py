"""The token store: each text is tokenised once per tokenizer; an arm trains by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ablate.corpus.annotate import RAW, Annotations, TextVersion, open_part, take, take_files
from ablate.corpus.tokenizer import load_tokenizer, tokenizer_digest
from ablate.fingerprint import mix64
from ablate.plain import Plain
from ablate.stages.base import Table
from ablate.text.encoder import encode_texts

OPEN_FILES = 4_096
"""Memory-mapped at a time by a training stream; a process may map some 65,000 files."""


@dataclass(frozen=True)
class Tokenize:
    """Token ids of each text, end-of-text behind it; a control token that a text spells is text.

    Attributes:
        folder: of the tokenizer.
        digest: of what the tokenizer does; its place does not count.
    """

    folder: Path
    digest: str

    def slow_identity(self) -> dict[str, Plain]:
        """Return the tokenizer's digest, in which the version of its library counts."""
        return {"stage": "tokenize", "version": 2, "tokenizer": self.digest}

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.folder)

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "digest": self.digest}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `ids` (a list per text) and `count`."""
        end = self._tokenizer.eos_token_id
        dtype = np.uint16 if len(self._tokenizer) <= 65_536 else np.uint32
        ids = [np.asarray([*text, end], dtype=dtype) for text in encode_texts(self._tokenizer, texts)]
        counts = np.asarray([part.size for part in ids], dtype=np.int64)
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
        flat = pa.array(np.concatenate(ids) if ids else np.zeros(0, dtype=dtype))
        return {"ids": pa.LargeListArray.from_arrays(offsets, flat), "count": counts}


def tokenize(folder: Path) -> Tokenize:
    """Return the operation for a tokenizer folder."""
    return Tokenize(folder, tokenizer_digest(folder))


def token_counts(
    annotations: Annotations, operation: Tokenize, version: TextVersion, rows: np.ndarray
) -> np.ndarray:
    """Return tokens of each of some rows of a version, end-of-text included: shape (len(rows),), int64."""
    counts = np.zeros(rows.size, dtype=np.int64)
    for folder, part in annotations.fill(version, operation, rows):
        place = np.searchsorted(rows, part)
        for table, at, hit in take(folder, part, columns=["row", "count"]):
            counts[place[at]] = table.column("count").to_numpy()[hit]
    return counts


def token_ids(
    annotations: Annotations, operation: Tokenize, version: TextVersion, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids of ascending rows of a version one after another, and the tokens of each: int64.

    They must have been made before (`Annotations.fill`), and are read shard by shard, so that of a large pool nothing
    but what is asked for is opened.

    Raises:
        Damaged: when some are not there.
    """
    counts = np.zeros(rows.size, dtype=np.int64)
    found: list[tuple[np.ndarray, pa.LargeListArray]] = []
    for shard, some in annotations.pool.rows_by_shard(rows):
        for folder, wanted in annotations.folders(version, operation, some):
            place = np.searchsorted(rows, wanted)
            for table, at, hit in take(folder, wanted, shard=shard, columns=["row", "ids"]):
                (taken,) = table.column("ids").take(pa.array(hit)).chunks
                counts[place[at]] = np.diff(taken.offsets.to_numpy())
                found.append((place[at], taken))
    begins = np.cumsum(counts) - counts
    ids = np.empty(counts.sum(), dtype=found[0][1].values.to_numpy().dtype if found else np.uint16)
    for places, taken in found:
        offsets, flat = taken.offsets.to_numpy(), taken.values.to_numpy()
        for number, place in enumerate(places.tolist()):
            begin = begins[place]
            ids[begin : begin + counts[place]] = flat[offsets[number] : offsets[number + 1]]
    return ids, counts


@dataclass(eq=False)
class TokenCounter:
    """Tokens of some rows of a version; None where HTML source is among them.

    HTML source is not tokenised for the funnel: no arm that extracts text ever trains on it.
    """

    annotations: Annotations
    operation: Tokenize
    _counts: dict[str, np.ndarray] = field(default_factory=dict)

    def __call__(self, version: TextVersion, rows: np.ndarray) -> int | None:
        """Tokens of `rows`, end-of-text included."""
        if self._is_source(version)[rows].any():
            return None
        if version.key not in self._counts:
            plain = np.flatnonzero(~self._is_source(version))
            counts = np.zeros(len(self.annotations.pool), dtype=np.int64)
            counts[plain] = token_counts(self.annotations, self.operation, version, plain)
            self._counts[version.key] = counts
        return int(self._counts[version.key][rows].sum())

    def _is_source(self, version: TextVersion) -> np.ndarray:
        raw = version.segments.index(RAW)
        return np.asarray((version.which == raw) & self.annotations.pool.is_html)


def document_order(keys: np.ndarray, seed: int, epoch: int = 0) -> np.ndarray:
    """Return the order in which a run of a seed reads documents in an epoch: positions in `keys`, int64."""
    return np.argsort(_hashed(keys, seed, epoch), kind="stable")


def _hashed(keys: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    return mix64(mix64(keys, seed), epoch)


@dataclass(frozen=True)
class Place:
    """A place in the seeded order of a pool's documents.

    Attributes:
        epoch: from 0.
        key: of the document, a uint64.
        inside: tokens of the document before it.
    """

    epoch: int
    key: np.uint64
    inside: int


class TokenStream:
    """An endless, stateless, seeded stream of training sequences over one corpus.

    Documents are ordered by a hash of (document, seed, epoch), joined (each ends in end-of-text) and
    cut every `context` tokens. Arms that share documents see them in nearly the same order. Any
    sequence can be asked for at any time, so a resumed run continues exactly.

    Attributes:
        unique_tokens: tokens in the corpus.
        context: length of a sequence without the shifted target.
        subset: (seed, tokens): with this seed instead is drawn which documents the unfinished epoch of a run
            of so many tokens reaches; their order stays the stream's. None for the stream's own seed.
    """

    def __init__(
        self,
        ids: Sequence[np.ndarray],
        part: np.ndarray,
        start: np.ndarray,
        count: np.ndarray,
        keys: np.ndarray,
        *,
        seed: int,
        context: int,
        subset: tuple[int, int] | None = None,
    ) -> None:
        self._ids, self._part, self._start, self._count, self._keys = ids, part, start, count, keys
        self._seed, self.context, self.subset = seed, context, subset
        self.unique_tokens = int(count.sum())
        self._epoch = -1
        self._order = self._ends = np.zeros(0, dtype=np.int64)

    def sequences(self, first: int, count: int, shift: int = 0) -> np.ndarray:
        """Return sequences number `first` .. `first + count - 1`: shape (count, context + 1), int64.

        Args:
            shift: tokens by which all are further on.
        """
        begin = first * self.context + shift
        flat = self._slice(begin, begin + count * self.context + 1)
        starts = np.arange(count)[:, None] * self.context
        return np.asarray(flat[starts + np.arange(self.context + 1)[None, :]])

    @property
    def documents(self) -> int:
        """How many it is over."""
        return int(self._keys.size)

    def resampled(self, random: np.random.Generator, documents: int) -> TokenStream:
        """Return the stream over so many of its documents, drawn with replacement; one that is drawn twice is two documents."""
        drawn = np.sort(random.integers(0, self._keys.size, documents))
        first = np.searchsorted(drawn, drawn)
        copy = (np.arange(documents) - first).astype(np.uint64)
        # The first copy keeps its key, and with it its place in the order of a seed.
        keys = np.where(copy == 0, self._keys[drawn], mix64(self._keys[drawn] + copy, documents))
        return TokenStream(
            self._ids,
            self._part[drawn],
            self._start[drawn],
            self._count[drawn],
            keys,
            seed=self._seed,
            context=self.context,
        )

    def documents_seen(self, tokens: int, begin: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return which documents the tokens from `begin` to `tokens` reach: (index in the corpus, times each)."""
        times = np.zeros(self._keys.size, dtype=np.int64)
        for epoch in range(begin // self.unique_tokens, -(-tokens // self.unique_tokens)):
            low = max(0, begin - epoch * self.unique_tokens)
            high = min(self.unique_tokens, tokens - epoch * self.unique_tokens)
            if high - low == self.unique_tokens:
                times += 1
            elif low < high:
                self._arrange(epoch)
                first = np.searchsorted(self._ends, low, side="right")
                times[self._order[first : np.searchsorted(self._ends, high) + 1]] += 1
        seen = np.flatnonzero(times)
        return seen, times[seen]

    def place(self, tokens: int) -> Place:
        """Return where in the order of documents this stream stands after `tokens` tokens."""
        epoch, offset = divmod(tokens, self.unique_tokens)
        self._arrange(epoch)
        position = int(np.searchsorted(self._ends, offset, side="right"))
        document = self._order[position]
        return Place(epoch, self._keys[document], offset - int(self._ends[position] - self._count[document]))

    def tokens_at(self, place: Place) -> int:
        """Return tokens of this stream before a place of another one of the same seed, over other documents.

        It is in the document that the other one stands in, or before the first that comes behind that.
        """
        self._arrange(place.epoch)
        keys = np.append(self._keys[self._order], place.key)
        *mine, there = _hashed(keys, self._seed, place.epoch)
        position = int(np.searchsorted(mine, there))
        before = place.epoch * self.unique_tokens
        if position == self._order.size:
            return before + self.unique_tokens
        document = self._order[position]
        inside = min(place.inside, int(self._count[document])) if self._keys[document] == place.key else 0
        return before + int(self._ends[position] - self._count[document]) + inside

    def _arrange(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._order = self._shuffled(self._seed, epoch)
            if self.subset and epoch == self.subset[1] // self.unique_tokens:
                drawn = self._shuffled(self.subset[0], epoch)
                ends = np.cumsum(self._count[drawn])
                reached = np.zeros(drawn.size, dtype=bool)
                reached[drawn[: np.searchsorted(ends, self.subset[1] % self.unique_tokens) + 1]] = True
                of_order = reached[self._order]
                self._order = np.concatenate([self._order[of_order], self._order[~of_order]])
            self._ends = np.cumsum(self._count[self._order])
            self._epoch = epoch

    def _shuffled(self, seed: int, epoch: int) -> np.ndarray:
        return document_order(self._keys, seed, epoch)

    def _slice(self, begin: int, end: int) -> np.ndarray:
        pieces = []
        while begin < end:
            epoch, offset = divmod(begin, self.unique_tokens)
            self._arrange(epoch)
            position = int(np.searchsorted(self._ends, offset, side="right"))
            while begin < end and position < self._order.size:
                document = self._order[position]
                skip = offset - int(self._ends[position] - self._count[document])
                take = min(end - begin, int(self._count[document]) - skip)
                at = self._start[document] + skip
                pieces.append(self._ids[self._part[document]][at : at + take])
                begin, offset, position = begin + take, offset + take, position + 1
        return np.concatenate(pieces).astype(np.int64)


def _ids(table: pa.Table) -> pa.LargeListArray:
    (column,) = table.column("ids").chunks  # a part is written as one batch
    return column


class MappedIds(Sequence[np.ndarray]):
    """The token ids of files, `OPEN_FILES` of them memory-mapped at a time; more are opened again when they are needed."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._map = lru_cache(OPEN_FILES)(
            lambda number: _ids(open_part(paths[number], ["ids"])).values.to_numpy()
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: Any) -> Any:
        return self._map(int(number))


def open_stream(
    annotations: Annotations,
    operation: Tokenize,
    version: TextVersion,
    rows: np.ndarray,
    *,
    seed: int,
    context: int,
    subset: tuple[int, int] | None = None,
) -> TokenStream:
    """Open the stream over some rows of a version, token ids memory-mapped from the store."""
    paths: list[Path] = []
    part, start, count = (np.zeros(rows.size, dtype=np.int64) for _ in range(3))
    for folder, wanted in annotations.fill(version, operation, rows):
        place = np.searchsorted(rows, wanted)
        for found in take_files(folder, wanted, columns=["row", "ids"]):
            offsets, at, hit = _ids(found.table).offsets.to_numpy(), place[found.at], found.hit
            part[at], start[at] = len(paths), offsets[hit]
            count[at] = offsets[hit + 1] - offsets[hit]
            paths.append(found.path)
    ids = MappedIds(paths)
    keys = annotations.pool.keys[rows]
    return TokenStream(ids, part, start, count, keys, seed=seed, context=context, subset=subset)
