"""What a stage is: a filter measures and decides, a transform rewrites, a relation compares documents.

The slow half of a stage (`measure`, `transform`, `sketch`) sees texts and nothing else, so it runs
once per text version (or, where a filter reads the address instead, once); the fast half (`decide`,
`resolve`) is vectorised and runs once per arm. A span relation compares parts of documents, and what it
cuts depends on which others are there.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ablate.fingerprint import LATER, library_versions, mix64
from ablate.plain import Plain
from ablate.text.lines import line_ends
from ablate.text.spans import Spans, Windows

Table = Mapping[str, np.ndarray]
"""Columns by name; each has shape (n_documents,) or (n_documents, width)."""
TextsOf = Callable[[np.ndarray], Iterable[tuple[int, str]]]
"""Ascending rows -> (row, text) of each."""


@dataclass(frozen=True)
class Verdict:
    """Keep or drop, with the reason, for n documents.

    Attributes:
        code: shape (n,), int8: 0 keeps the document, i > 0 drops it for `reasons[i - 1]`.
        reasons: the names of the reasons, in the order in which they are tried.
    """

    code: NDArray[np.int8]
    reasons: tuple[str, ...]

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Shape (n,), bool."""
        return np.equal(self.code, 0)

    def among(self, mine: np.ndarray) -> Verdict:
        """The same about some of more documents, all others being kept.

        Args:
            mine: shape (m,), bool, True for the n documents of this verdict in their order.
        """
        if mine.all():
            return self
        code = np.zeros(mine.size, dtype=np.int8)
        code[mine] = self.code
        return Verdict(code, self.reasons)

    @classmethod
    def first_of(cls, **conditions: np.ndarray) -> Verdict:
        """Drop a document for the first condition that holds, e.g. `first_of(short=words < 50)`.

        Args:
            conditions: reason -> shape (n,), bool, True where it speaks for dropping.
        Raises:
            ValueError: when no condition is given.
        """
        if not conditions:
            raise ValueError("a verdict needs at least one condition")
        masks = [np.asarray(mask, dtype=bool) for mask in conditions.values()]
        code = np.zeros(masks[0].shape, dtype=np.int8)
        for number, mask in reversed(list(enumerate(masks, start=1))):
            code[mask] = number
        return cls(code, tuple(conditions))


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One step of curation. Parameters are the dataclass fields; identity is name, version, fields, libraries.

    A field belongs to the identity of the slow half unless it is named in `decide_only`: one that is
    forgotten costs a measurement that was not needed, never a wrong one. `ablate.testing.check_stage`
    finds a field that is named there and should not be.

    A stage that is more than one step (C4 cleans lines, then judges documents) overrides `steps`.
    Stages are pickled to worker processes: load models lazily, keep fields plain.

    Attributes:
        only: the documents that it deals with, those that say they are synthetic or all others; null for all. What it
            does not deal with passes as it is, and what it compares it compares among the documents that it deals with.
        name: of this kind of stage, which is part of its identity; a stage that a recipe calls otherwise has the
            recipe's key under `stages.` as its own `name`, see `called`.
        version: bump it when the slow half changes what it returns; the golden test notices.
        decide_only: the fields that the fast half alone reads, such as thresholds; sweeping them measures nothing anew.
        libraries: the distributions, as pip names them, whose version may change what the slow half returns.
            NumPy, SciPy and Arrow, and searches with one right answer, are not among them.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    decide_only: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    only: Literal["synthetic", "real"] | None = dataclasses.field(default=None, metadata=LATER)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        fields = {name for one in cls.__mro__ for name in vars(one).get("__annotations__", {})}
        for name in cls.decide_only:
            if name not in fields:
                raise TypeError(f"{cls.__name__}.decide_only names {name!r}, which is no field of it")

    def parameters(self) -> dict[str, Plain]:
        """Every field by name, as it counts for identity, but `only`, which changes what is decided and not how.

        A field that says where something lies is overridden with a digest of what lies there.
        """
        names = [field.name for field in dataclasses.fields(self) if field.name != "only"]
        return {name: getattr(self, name) for name in names}

    def versions(self) -> dict[str, str]:
        """The installed version of each of `libraries`, or of those that these parameters make use of."""
        return library_versions(self.libraries)

    def identity(self) -> dict[str, Plain]:
        """What names this stage's decisions: name, version, libraries and every parameter."""
        return self._identity(without=()) | self.restriction()

    def restriction(self) -> dict[str, Plain]:
        """What of the identity says which documents it deals with; nothing for all."""
        return {} if self.only is None else {"only": self.only}

    def deals_with(self, synthetic: np.ndarray) -> np.ndarray:
        """Which documents the stage deals with: shape (n,), bool.

        Args:
            synthetic: shape (n,), bool: documents that say they are.
        """
        return np.ones_like(synthetic) if self.only is None else np.equal(synthetic, self.only == "synthetic")

    def slow_identity(self) -> dict[str, Plain]:
        """What names the slow half's output: name, version and every parameter that is not `decide_only`."""
        return self._identity(without=self.decide_only)

    def _identity(self, without: Sequence[str]) -> dict[str, Plain]:
        parameters = {name: value for name, value in self.parameters().items() if name not in without}
        identity: dict[str, Plain] = {
            "stage": type(self).name,
            "version": self.version,
            "parameters": parameters,
        }
        return identity | ({"libraries": found} if (found := self.versions()) else {})

    def check(self) -> None:
        """Raise ConfigError for what an enabled stage cannot do without, such as a model; called before anything runs."""
        return

    def check_fields(self, fields: Iterable[str]) -> None:
        """Raise FieldError when documents have no such column as the stage reads; called before anything is measured.

        Args:
            fields: names of what the pool's documents say of themselves, found as they are asked for.
        """
        return

    def called(self, name: str) -> Self:
        """This stage under the name that a recipe gives it, so that one kind may stand in it twice; identity stays."""
        if name == self.name:
            return self
        renamed = copy.copy(self)
        object.__setattr__(renamed, "name", name)
        return renamed

    def drawn(self, seed: int) -> Self:
        """This stage with what it leaves to chance drawn under another seed; itself where it leaves nothing.

        Chance is the field `seed`, where there is one.
        """
        has_one = any(field.name == "seed" for field in dataclasses.fields(self))
        changed: dict[str, Any] = {"seed": seed}
        return dataclasses.replace(self, **changed) if has_one else self

    def steps(self) -> tuple[Step, ...]:
        """The primitive steps, in order."""
        assert isinstance(self, (Filter, Transform, Relation, SpanRelation))
        return (self,)

    def removes_documents(self) -> bool:
        """Whether it decides about documents as a whole; what only rewrites texts may leave one empty all the same."""
        if isinstance(self, SpanRelation):
            return self.on_hit == "drop"
        return not isinstance(self, Transform)


@dataclass(frozen=True, kw_only=True)
class Filter(Stage):
    """Keeps or drops each document by what was measured on its text alone.

    Attributes:
        reads: the column of the pool that is measured. "text" is the document's text as the stages
            before have left it; any other, such as "url", stays as it came in, so it is measured once
            whatever the texts become.
        counts: measured columns that the funnel adds up, such as what a stage found of each kind.
    """

    reads: ClassVar[str] = "text"
    counts: ClassVar[tuple[str, ...]] = ()

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure one text, free of thresholds. Override this or `measure_many`."""
        raise NotImplementedError

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Measure a batch; every column has `len(texts)` rows. Must not depend on the batching."""
        rows = [self.measure(text) for text in texts or [""]]
        return {name: np.asarray([row[name] for row in rows])[: len(texts)] for name in rows[0]}

    @abstractmethod
    def decide(self, measured: Table) -> Verdict:
        """Turn measurements into a verdict; vectorised, microseconds a document."""


@dataclass(frozen=True, kw_only=True)
class Transform(Stage):
    """Rewrites each text; a document left without any text is dropped with reason `empty`.

    Attributes:
        kinds: which kinds of document it touches ("html", "text"); others pass unchanged.
    """

    kinds: ClassVar[tuple[str, ...]] = ("html", "text")

    def slow_identity(self) -> dict[str, Plain]:
        """A transform's output depends on every parameter."""
        return self._identity(without=())

    def transform(self, text: str) -> str:
        """Rewrite one text. Override this or `transform_many`."""
        raise NotImplementedError

    def transform_many(self, texts: Sequence[str]) -> list[str]:
        """Rewrite a batch; return the very same string where nothing changed."""
        return [self.transform(text) for text in texts]


@dataclass(frozen=True)
class Groups:
    """Which documents share which bucket; only buckets with two documents or more.

    Memberships rather than edges, so that restricting them to any subset of the documents gives
    exactly the groups that the subset alone would form.

    Attributes:
        document: shape (m,), int64, row of the document in the pool.
        bucket: shape (m,), int64, 0 .. n_buckets - 1.
    """

    document: np.ndarray
    bucket: np.ndarray

    def clusters(self, rows: np.ndarray, n_documents: int) -> np.ndarray:
        """Connected components among `rows`: label per row, shape (len(rows),), int64.

        Documents that share no bucket with another of `rows` get a label of their own.
        """
        position = np.full(n_documents, -1, dtype=np.int64)
        position[rows] = np.arange(rows.size)
        inside = position[self.document] >= 0
        document, bucket = position[self.document[inside]], self.bucket[inside]
        if document.size == 0:
            return np.arange(rows.size)
        _, bucket = np.unique(bucket, return_inverse=True)
        size = rows.size + int(bucket.max()) + 1
        ones = np.ones(document.size, dtype=np.int8)
        graph = coo_array((ones, (document, rows.size + bucket)), shape=(size, size))
        _, label = connected_components(graph, directed=False)
        return np.asarray(label[: rows.size], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Relation(Stage):
    """Compares documents with one another and keeps one of each group.

    Parameters every relation has:
        keep: which document of a group survives: "random" (seeded), "first" (pool order), "longest". A synthetic one
            only survives where the group has no other.
        seed: of the random choice; no effect on the other two.

    Attributes:
        relate_only: the fields that `relate` reads and `sketch_many` does not.
    """

    decide_only: ClassVar[tuple[str, ...]] = ("keep", "seed")
    relate_only: ClassVar[tuple[str, ...]] = ()
    keep: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.keep not in ("random", "first", "longest"):
            raise ValueError(f"keep must be random, first or longest, got {self.keep!r}")

    @abstractmethod
    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        """The buckets each text falls into: shape (len(texts), width), uint64.

        Two texts are candidates when they agree in any column. A row of a text that can match
        nothing (too short) is all zeros.
        """

    def slow_identity(self) -> dict[str, Plain]:
        """What names the sketches."""
        return self._identity(without=(*self.decide_only, *self.relate_only))

    def relate_identity(self) -> dict[str, Plain]:
        """What names the groups: the sketches', and what `relate` depends on beside them."""
        return self._identity(without=self.decide_only)

    def relate(self, sketches: np.ndarray, rows: np.ndarray, texts: TextsOf) -> Groups:
        """Group documents that agree in a column; once per text version.

        Whether two documents share a group must not depend on any other document.

        Args:
            sketches: shape (n, width), uint64, as `sketch_many` made them.
            rows: shape (n,), int64, the documents' rows in the pool.
            texts: gives the texts of ascending rows, where sketches are not enough.
        """
        documents, buckets, n_buckets = [], [], 0
        real = sketches.any(axis=1)
        sketches, rows = sketches[real], rows[real]
        for column in sketches.T:
            _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
            shared = counts[inverse] > 1
            _, labels = np.unique(inverse[shared], return_inverse=True)
            documents.append(rows[shared])
            buckets.append(labels + n_buckets)
            n_buckets += int(labels.max()) + 1 if labels.size else 0
        empty = np.zeros(0, dtype=np.int64)
        return Groups(
            np.concatenate(documents).astype(np.int64) if documents else empty,
            np.concatenate(buckets).astype(np.int64) if buckets else empty,
        )

    def resolve(
        self,
        groups: Groups,
        rows: np.ndarray,
        *,
        keys: np.ndarray,
        n_bytes: np.ndarray,
        synthetic: np.ndarray | None = None,
    ) -> Verdict:
        """Keep one document of each group among an arm's survivors.

        Args:
            groups: what `relate` found in the whole pool.
            rows: shape (n,), int64, the arm's survivors in pool order.
            keys: shape (n_pool,), uint64, the documents' keys.
            n_bytes: shape (n,), int64, length of each survivor's text.
            synthetic: shape (n,), bool: survivors that give way to any other; None where there is none.
        Returns:
            Verdict over `rows`, reason "duplicate".
        """
        label = groups.clusters(rows, keys.size)
        order = self.order(rows, keys=keys, n_bytes=n_bytes, synthetic=synthetic)
        order = order[np.argsort(label[order], kind="stable")]
        first = np.ones(rows.size, dtype=bool)
        first[1:] = label[order][1:] != label[order][:-1]
        duplicate = np.ones(rows.size, dtype=bool)
        duplicate[order[first]] = False
        return Verdict.first_of(duplicate=duplicate)

    def order(
        self, rows: np.ndarray, *, keys: np.ndarray, n_bytes: np.ndarray, synthetic: np.ndarray | None
    ) -> np.ndarray:
        """The order in which documents are preferred, as places in `rows`; arguments as for `resolve`."""
        if self.keep == "random":
            rank = mix64(keys[rows], self.seed)
        elif self.keep == "longest":
            rank = np.iinfo(np.int64).max - n_bytes
        else:
            rank = np.zeros(rows.size, dtype=np.int64)
        behind = np.zeros(rows.size, dtype=bool) if synthetic is None else synthetic
        return np.lexsort((rows, rank, behind))


@dataclass(frozen=True, kw_only=True)
class SpanRelation(Stage):
    """Compares parts of documents with one another; cuts what occurs more than once, or drops documents.

    A text is a row of pieces (tokens, lines, sentences); what is compared are windows of `width` pieces.
    What counts as repeated:
        keep: "first": every occurrence but the first, by pool order, then place in the document;
            occurrences that overlap the first stay with it. "none": all occurrences.
    What is done about it:
        on_hit: "cut" the repeated spans out, or "drop" documents that have any.
        max_share: largest share of a document's pieces that may be repeated before "drop" drops it.

    Attributes:
        relate_only: the fields that `width` and `relate` read and `pieces` and `sketch_many` do not.
    """

    decide_only: ClassVar[tuple[str, ...]] = ("keep", "on_hit", "max_share")
    relate_only: ClassVar[tuple[str, ...]] = ()
    keep: str = "first"
    on_hit: str = "cut"
    max_share: float = 0.0

    def __post_init__(self) -> None:
        if self.keep not in ("first", "none"):
            raise ValueError(f"keep must be first or none, got {self.keep!r}")
        if self.on_hit not in ("cut", "drop"):
            raise ValueError(f"on_hit must be cut or drop, got {self.on_hit!r}")
        if not 0 <= self.max_share < 1:
            raise ValueError(f"max_share must be in [0, 1), got {self.max_share}")

    def slow_identity(self) -> dict[str, Plain]:
        """What names the sketches."""
        return self._identity(without=(*self.decide_only, *self.relate_only))

    def relate_identity(self) -> dict[str, Plain]:
        """What names the windows: the sketches', and what `relate` depends on beside them."""
        return self._identity(without=self.decide_only)

    @property
    @abstractmethod
    def width(self) -> int:
        """Pieces in a window."""

    @abstractmethod
    def pieces(self, text: str) -> list[tuple[int, int]]:
        """Where the pieces stand: begin and end in characters, ascending, disjoint, none blank."""

    @abstractmethod
    def sketch_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One number for each piece of each text: shapes (n_pieces,), uint64."""

    @abstractmethod
    def relate(self, values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int) -> Windows:
        """Find windows that occur more than once; once per text version and width.

        Args:
            values: shape (sum of counts,), uint64: sketches of the documents, one after another.
            counts: shape (n,), int64: pieces of each.
            rows: shape (n,), int64: their rows in the pool, ascending.
            n_pool: documents in the pool.
        """

    def resolve(self, windows: Windows, rows: np.ndarray) -> Spans:
        """The spans that count as repeated among an arm's survivors."""
        return windows.repeats(rows, keep_first=self.keep == "first")

    def decide(self, measured: Table) -> Verdict:
        """For `drop`: reason "repeated".

        Args:
            measured: columns `pieces` and `repeated_pieces`.
        """
        share = measured["repeated_pieces"] / np.maximum(measured["pieces"], 1)
        return Verdict.first_of(repeated=share > self.max_share)

    def cut(self, text: str, begin: np.ndarray, end: np.ndarray) -> str:
        """The text without pieces begin[i] .. end[i] - 1.

        What is left on both sides of a cut is joined by the gap behind it, or by the gap before it where
        that has more line breaks or the other is none; by a blank where neither is. At the ends of a
        text the gap goes too.
        """
        spans = self.pieces(text)
        edges = [0]
        for first, last in zip(begin.tolist(), end.tolist(), strict=True):
            edges += [spans[first][0], spans[last - 1][1]]
        edges.append(len(text))
        parts = [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
        parts = [part for part in parts if part.strip()]
        joined = parts[:1]
        for before, after in pairwise(parts):
            joined[-1] = joined[-1].rstrip()
            gaps = after[: len(after) - len(after.lstrip())], before[len(before.rstrip()) :]
            joined += [max(gaps, key=lambda gap: (line_ends(gap), gap != "")) or " ", after.lstrip()]
        if joined and begin[0] == 0:
            joined[0] = joined[0].lstrip()
        if joined and end[-1] == len(spans):
            joined[-1] = joined[-1].rstrip()
        return "".join(joined)


Step = Filter | Transform | Relation | SpanRelation
"""A primitive step of a stage."""
