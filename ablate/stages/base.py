"""What a stage is: a filter measures and decides, a transform rewrites, a relation compares documents.

A stage has two halves. The slow half (`measure`, `transform`, `sketch_many`, `relate`) sees the documents of
the whole pool and nothing of any arm, so it runs once for each version of the texts that arms come to. (A filter
that reads another column, such as the address, runs once in all.) The fast half (`decide`, `resolve`) sees which
documents reached the stage in one arm; it is vectorised and runs once per arm.

There are four kinds: a `Filter` judges each document alone, a `Transform` rewrites each text alone, a `Relation`
compares documents and keeps one of each group, and a `SpanRelation` compares parts of documents and cuts those
that repeat; what it cuts depends on which other documents are there.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, Protocol, Self

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
"""Takes rows of the pool in ascending order; gives each row with its text."""


@dataclass(frozen=True)
class Verdict:
    """Says of n documents which are kept, and for what reason each of the others is dropped.

    Attributes:
        code: shape (n,), int8: 0 keeps the document, i > 0 drops it for `reasons[i - 1]`.
        reasons: the names of the reasons, in the order in which they are tried.
    """

    code: NDArray[np.int8]
    reasons: tuple[str, ...]

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Which documents are kept: shape (n,), bool."""
        return np.equal(self.code, 0)

    def among(self, mine: np.ndarray) -> Verdict:
        """Return this verdict as one over m documents, of which it judges n and keeps all others.

        Args:
            mine: shape (m,), bool: which n of the m documents it judges, in the same order.
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
            conditions: reason -> shape (n,), bool, True for the documents that it drops.
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
    """One stage of curation. Its parameters are its dataclass fields.

    Measurements are kept under the identity of the slow half: the class's `name` and `version`, the installed
    versions of its `libraries`, and every field that is not named in `decide_only`. To forget a name there costs
    a measurement that was not needed; to name one too many would return what
    was measured under another value of it, which `ablate.testing.check_stage` finds.

    A stage that takes more than one step (C4 cleans lines, then judges documents) overrides `steps`.
    Stages are pickled to worker processes: load models lazily, keep fields plain.

    Attributes:
        only: "synthetic" for the documents that say they are, "real" for all others, null for both. The stage deals
            with these alone: it judges, rewrites and compares them among themselves, and the rest pass unchanged.
        name: on the class, what this kind of stage is called, which is part of its identity. On an instance, the
            recipe's key under `stages.` where that differs, so that one kind can stand in a recipe twice; see `called`.
        version: raise it when the slow half changes what it returns; the golden test notices.
        decide_only: the fields that the fast half alone reads, such as thresholds; sweeping them measures nothing anew.
        libraries: the distributions, as pip names them, whose version may change what the slow half returns.
            NumPy, SciPy and Arrow are left out, and so are libraries whose answer is the only right one (exact search).
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
        """Return field -> value, as it counts for identity.

        `only` is left out, see `restriction`. A stage with a field that is a path overrides this, to give a digest of
        the file's content in place of the path.
        """
        names = [field.name for field in dataclasses.fields(self) if field.name != "only"]
        return {name: getattr(self, name) for name in names}

    def versions(self) -> dict[str, str]:
        """Return the installed version of each of `libraries`; override it where parameters say which are used."""
        return library_versions(self.libraries)

    def identity(self) -> dict[str, Plain]:
        """Return what names this stage's decisions: name, version, libraries, every parameter, `only` where set."""
        return self._identity(without=()) | self.restriction()

    def restriction(self) -> dict[str, Plain]:
        """Return the part of the identity that `only` adds; empty where the stage deals with all documents.

        The slow half measures a document alike whichever others the stage deals with, so its identity leaves this out.
        """
        return {} if self.only is None else {"only": self.only}

    def deals_with(self, synthetic: np.ndarray) -> np.ndarray:
        """Return which documents the stage deals with: shape (n,), bool.

        Args:
            synthetic: shape (n,), bool: which documents say that they are synthetic.
        """
        return np.ones_like(synthetic) if self.only is None else np.equal(synthetic, self.only == "synthetic")

    def slow_identity(self) -> dict[str, Plain]:
        """Return what names the slow half's output: name, version, libraries, every parameter not in `decide_only`."""
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
        """Raise ConfigError where something that the stage needs is missing, such as a model's file.

        It is called for each enabled stage before anything runs; the default needs nothing.
        """
        return

    def check_fields(self, fields: Iterable[str]) -> None:
        """Raise FieldError where the stage reads a field that the pool's documents do not have.

        It is called before anything is measured; the default reads the text alone and accepts every pool.

        Args:
            fields: names of the fields that the pool's documents came with; documents are read only as far as one asks.
        """
        return

    def called(self, name: str) -> Self:
        """Return this stage with the name that a recipe gives it, so that one kind may stand there twice.

        The identity keeps the name of the kind.
        """
        if name == self.name:
            return self
        renamed = copy.copy(self)
        object.__setattr__(renamed, "name", name)
        return renamed

    def drawn(self, seed: int) -> Self:
        """Return this stage under another seed; itself where it has no field `seed`, so leaves nothing to chance."""
        has_one = any(field.name == "seed" for field in dataclasses.fields(self))
        changed: dict[str, Any] = {"seed": seed}
        return dataclasses.replace(self, **changed) if has_one else self

    def steps(self) -> tuple[Step, ...]:
        """Return the steps that the stage consists of, in order: each a filter, transform, relation or span relation."""
        assert isinstance(self, (Filter, Transform, Relation, SpanRelation))
        return (self,)

    def removes_documents(self) -> bool:
        """Tell whether the stage judges documents as a whole.

        One that only rewrites texts does not, although a document that it leaves empty is dropped.
        """
        return True


class Arrived(Protocol):
    """What a step is applied to: the documents that reached it in one arm and that its stage deals with, n in all.

    Each kind of step says in `apply` what it asks of them; what it asks is measured on the whole pool, once.

    Attributes:
        rows: shape (n,), int64: their rows in the pool, ascending.
        keys: shape (n_pool,), uint64: the keys of all documents of the pool.
        synthetic: shape (n,), bool: which of them say that they are synthetic.
    """

    rows: np.ndarray
    keys: np.ndarray
    synthetic: np.ndarray

    def n_bytes(self) -> np.ndarray:
        """Return the length of each text as it is now, in UTF-8 bytes: shape (n,), int64."""
        ...

    def measured(self, step: Filter) -> Table:
        """Return what a filter measures: columns of n rows."""
        ...

    def rewrite(self, step: Transform) -> None:
        """Have a transform rewrite the texts; those that follow see what it made of them."""
        ...

    def groups(self, step: Relation) -> Groups:
        """Return which documents of the pool belong together."""
        ...

    def windows(self, step: SpanRelation) -> Windows:
        """Return what occurs more than once in the pool."""
        ...

    def repeated(self, windows: Windows, spans: Spans) -> Table:
        """Note for the ledger, and return: columns `pieces` and `repeated_pieces` of n rows, which hold for this arm alone."""
        ...

    def cut(self, step: SpanRelation, spans: Spans) -> None:
        """Cut spans out of the texts; those that follow see what is left."""
        ...

    def emptied(self) -> Verdict:
        """Drop the documents of which no text is left, reason "empty"."""
        ...


@dataclass(frozen=True, kw_only=True)
class Filter(Stage):
    """Keeps or drops each document by what was measured on its text alone.

    Attributes:
        reads: the column of the pool that is measured. "text" is the document's text as the stages before have
            left it. Any other, such as "url", no stage changes, so it is measured once for all arms.
        counts: names of measured columns whose sums the funnel shows, such as the e-mail addresses found.
    """

    reads: ClassVar[str] = "text"
    counts: ClassVar[tuple[str, ...]] = ()

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure one text, free of thresholds. Override this or `measure_many`."""
        raise NotImplementedError

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Measure a batch; every column has `len(texts)` rows. How texts are cut into batches must not change them."""
        rows = [self.measure(text) for text in texts or [""]]
        return {name: np.asarray([row[name] for row in rows])[: len(texts)] for name in rows[0]}

    @abstractmethod
    def decide(self, measured: Table) -> Verdict:
        """Turn the measurements of the documents that reached the stage into a verdict; once per arm, so vectorised."""

    def apply(self, arrived: Arrived) -> Verdict:
        """Decide by what was measured."""
        return self.decide(arrived.measured(self))


@dataclass(frozen=True, kw_only=True)
class Transform(Stage):
    """Rewrites each text; a document left without any text is dropped with reason `empty`.

    Attributes:
        kinds: which kinds of document it touches ("html", "text"); others pass unchanged.
    """

    kinds: ClassVar[tuple[str, ...]] = ("html", "text")

    def slow_identity(self) -> dict[str, Plain]:
        """Return what names the rewritten texts: every parameter counts, since a transform decides nothing."""
        return self._identity(without=())

    def transform(self, text: str) -> str:
        """Rewrite one text. Override this or `transform_many`."""
        raise NotImplementedError

    def transform_many(self, texts: Sequence[str]) -> list[str]:
        """Rewrite a batch; return the very same string where nothing changed."""
        return [self.transform(text) for text in texts]

    def apply(self, arrived: Arrived) -> Verdict:
        """Rewrite the texts."""
        arrived.rewrite(self)
        return arrived.emptied()

    def removes_documents(self) -> bool:
        """Tell that it judges no document."""
        return False


@dataclass(frozen=True)
class Groups:
    """Says which documents share which bucket, as m pairs of a document and a bucket that it is in.

    A document may be in several buckets; buckets with a single document are left out. Pairs are kept, and not which
    document duplicates which, so that the pairs of any subset of the documents are exactly those that the subset alone
    would give.

    Attributes:
        document: shape (m,), int64: each pair's document, as its row in the pool.
        bucket: shape (m,), int64: each pair's bucket, 0 .. n_buckets - 1.
    """

    document: np.ndarray
    bucket: np.ndarray

    def clusters(self, rows: np.ndarray, n_documents: int) -> np.ndarray:
        """Number the groups that `rows` fall into: label of each, shape (len(rows),), int64.

        A group is a connected component: documents that share a bucket, and those that share one with these.
        A document that shares no bucket with another of `rows` is a group of its own.
        """
        survives = np.zeros(n_documents, dtype=bool)
        survives[rows] = True
        inside = survives[self.document]
        # Documents that share nothing take no part in the graph, which costs some hundred bytes each.
        member, document = np.unique(self.document[inside], return_inverse=True)
        if member.size == 0:
            return np.arange(rows.size)
        _, bucket = np.unique(self.bucket[inside], return_inverse=True)
        size = member.size + int(bucket.max()) + 1
        ones = np.ones(document.size, dtype=np.int8)
        graph = coo_array((ones, (document, member.size + bucket)), shape=(size, size))
        _, component = connected_components(graph, directed=False)
        _, first, component = np.unique(component[: member.size], return_index=True, return_inverse=True)
        place = np.searchsorted(rows, member)
        leader = np.arange(rows.size)  # the first document of each one's group
        leader[place] = place[first[component]]
        number = np.cumsum(leader == np.arange(rows.size)) - 1
        return np.asarray(number[leader], dtype=np.int64)


def _shared(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where numbers stand that occur more than once, ascending, and which of these each is, by size from 0."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(numbers.size, dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    place, found = order[shared], ordered[shared]
    label = np.cumsum(np.concatenate([[False], found[1:] != found[:-1]])[: found.size])
    back = np.argsort(place, kind="stable")
    return place[back], label[back]


@dataclass(frozen=True, kw_only=True)
class Relation(Stage):
    """Compares documents with one another and keeps one of each group.

    It works in three steps: `sketch_many` gives each text the buckets that it falls into, `relate` finds the buckets
    that documents of the pool share, and `resolve`, once per arm, keeps one of each group of survivors.

    Attributes:
        keep: which document of a group is kept: "random" (seeded), "first" (in pool order) or "longest" (in bytes). A
            synthetic document is kept only where all of its group are synthetic.
        seed: of the random choice; no effect on the other two.
        relate_only: the fields that `relate` reads and `sketch_many` does not; sweeping them keeps the sketches.
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
        """Return the buckets that each text falls into: shape (len(texts), width), uint64.

        Two texts may belong together when they have the same number in any column. A text that can match
        nothing, such as one that is too short, has zeros in all columns.
        """

    def slow_identity(self) -> dict[str, Plain]:
        """Return what names the sketches."""
        return self._identity(without=(*self.decide_only, *self.relate_only))

    def relate_identity(self) -> dict[str, Plain]:
        """Return what names the groups: what names the sketches, and the fields in `relate_only`."""
        return self._identity(without=self.decide_only)

    def relate(self, sketches: np.ndarray, rows: np.ndarray, texts: TextsOf) -> Groups:
        """Find the buckets that documents share: those that agree in a column. Runs once per text version.

        Whether two documents share a bucket must not depend on any third document.

        Args:
            sketches: shape (n, width), uint64, as `sketch_many` made them.
            rows: shape (n,), int64, the documents' rows in the pool.
            texts: gives the texts of ascending rows, for relations that compare them beside their sketches.
        """
        documents, buckets, n_buckets = [], [], 0
        matchable = np.flatnonzero(sketches.any(axis=1))
        for column in sketches.T:  # one at a time: of a large pool, several copies of the sketches do not fit
            place, label = _shared(column[matchable])
            documents.append(rows[matchable[place]])
            buckets.append(label + n_buckets)
            n_buckets += int(label.max()) + 1 if label.size else 0
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
            synthetic: shape (n,), bool: which survivors are synthetic, and so are kept only where no other of their
                group is real; None where all are real.
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
        """Return positions in `rows`, the document that is kept before all others first; arguments as for `resolve`."""
        if self.keep == "random":
            rank = mix64(keys[rows], self.seed)
        elif self.keep == "longest":
            rank = np.iinfo(np.int64).max - n_bytes
        else:
            rank = np.zeros(rows.size, dtype=np.int64)
        real_first = np.zeros(rows.size, dtype=bool) if synthetic is None else synthetic
        return np.lexsort((rows, rank, real_first))  # by the last key first; rows settle ties

    def apply(self, arrived: Arrived) -> Verdict:
        """Keep one document of each group."""
        groups, rows, n_bytes = arrived.groups(self), arrived.rows, arrived.n_bytes()
        # A relation from outside the package need not know of synthetic documents until a pool has some.
        give_way = {"synthetic": arrived.synthetic} if arrived.synthetic.any() else {}
        return self.resolve(groups, rows, keys=arrived.keys, n_bytes=n_bytes, **give_way)


@dataclass(frozen=True, kw_only=True)
class SpanRelation(Stage):
    """Compares parts of documents with one another, and cuts those that repeat or drops the documents that hold them.

    A text is a sequence of pieces (tokens, lines, sentences); windows of `width` successive pieces are compared.
    Where windows overlap, the pieces that they cover are one span.

    Attributes:
        keep: which of several equal windows do not count as repeated: "first", the first in the pool (by document, then
            by place in it), and one that overlaps the first is kept with it; or "none".
        on_hit: what is done with the repeated ones: "cut" the spans out of their texts, or "drop" documents with too much
            of them.
        max_share: with "drop", the largest share of its pieces that may be repeated in a document that is kept:
            at least 0, below 1.
        relate_only: the fields that `width` and `relate` read and `pieces` and `sketch_many` do not; sweeping them
            keeps the sketches.
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
        """Return what names the sketches."""
        return self._identity(without=(*self.decide_only, *self.relate_only))

    def relate_identity(self) -> dict[str, Plain]:
        """Return what names the windows: what names the sketches, and the fields in `relate_only`."""
        return self._identity(without=self.decide_only)

    @property
    @abstractmethod
    def width(self) -> int:
        """How many pieces a window has."""

    @abstractmethod
    def pieces(self, text: str) -> list[tuple[int, int]]:
        """Return begin and end of each piece, in characters: ascending, not overlapping, none of white space alone."""

    @abstractmethod
    def sketch_many(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return one number for each piece of each text, equal for equal pieces: shapes (n_pieces,), uint64."""

    @abstractmethod
    def relate(self, values: np.ndarray, counts: np.ndarray, rows: np.ndarray, n_pool: int) -> Windows:
        """Find the windows that occur more than once in the pool. Runs once per text version and width.

        Args:
            values: shape (sum of counts,), uint64: the pieces' numbers, document after document.
            counts: shape (n,), int64: how many pieces each document has.
            rows: shape (n,), int64: the documents' rows in the pool, ascending.
            n_pool: how many documents the pool has.
        """

    def resolve(self, windows: Windows, rows: np.ndarray) -> Spans:
        """Return the spans that count as repeated among an arm's survivors.

        Args:
            windows: what `relate` found in the whole pool.
            rows: shape (n,), int64: the arm's survivors in pool order.
        """
        return windows.repeats(rows, keep_first=self.keep == "first")

    def decide(self, measured: Table) -> Verdict:
        """Drop documents of which more than `max_share` is repeated, reason "repeated"; asked only with `on_hit: drop`.

        Args:
            measured: columns `pieces` and `repeated_pieces`, how many of each a document has.
        """
        share = measured["repeated_pieces"] / np.maximum(measured["pieces"], 1)
        return Verdict.first_of(repeated=share > self.max_share)

    def cut(self, text: str, begin: np.ndarray, end: np.ndarray) -> str:
        """Return the text without pieces begin[i] .. end[i] - 1, for each i.

        A cut leaves white space before it and behind it, of which one takes the place of the cut: the one with more
        line breaks; at a tie the one behind, unless it is empty; a blank where both are. At the begin or end of a text
        neither stays.

        Args:
            begin, end: shape (n_cuts,), ascending, not overlapping.
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

    def apply(self, arrived: Arrived) -> Verdict:
        """Cut what repeats, or drop the documents that hold too much of it."""
        windows = arrived.windows(self)
        spans = self.resolve(windows, arrived.rows)
        repeated = arrived.repeated(windows, spans)
        if self.on_hit == "drop":
            return self.decide(repeated)
        arrived.cut(self, spans)
        return arrived.emptied()

    def removes_documents(self) -> bool:
        """Tell whether it drops the documents in which parts repeat, and does not cut these."""
        return self.on_hit == "drop"


Step = Filter | Transform | Relation | SpanRelation
"""One step of a stage; most stages consist of a single one, themselves."""
