"""Measure once: run the slow half of each stage, once per text, and keep what it returned.

Texts live in segments. Segment "raw" is the pool; every transform of a segment makes another that
holds only the texts it changed. A text version points each document at the segment that holds its
text, so versions share unchanged texts and everything measured on them.
"""

from __future__ import annotations

import ctypes
import hashlib
import signal
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from ablate.errors import AblateError, DataError, DocumentError
from ablate.executor.here import Here
from ablate.executor.task import Executor, Lost
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.pool.pool import Pool, open_pool
from ablate.stages.base import Filter, Groups, Relation, SpanRelation, Table, Transform
from ablate.stages.foreign import cpu_elsewhere
from ablate.store import (
    MAKING,
    SUM,
    Damaged,
    Store,
    atomic,
    discard,
    making,
    once,
    read_table,
    say,
    whole,
    write_table,
)
from ablate.text.spans import Spans, Windows

RAW = "raw"
TOLD = ("source", "language", "metadata")
"""Columns of a pool that are said of documents, and no part of the digest of their texts."""
DOCUMENT_S, EACH_S = 60.0, 1.0
"""Processor time, in seconds, after which a worker is ended: of one document, and for each one of a batch beside it."""
TOGETHER = 256
"""Texts that go through several filters together."""
CPU_SECONDS = b"cpu_s"
"""In the metadata of each part: what making it took."""


@dataclass(frozen=True, eq=False)
class TextVersion:
    """The text of every pool document after a chain of transforms.

    Attributes:
        key: names the chain.
        segments: keys of the segments that hold the texts; the first is "raw".
        which: shape (n,), int16: position in `segments` of each document's text.
    """

    key: str
    segments: tuple[str, ...]
    which: np.ndarray


def rewritten(before: TextVersion, after: TextVersion, rows: np.ndarray) -> np.ndarray:
    """Tell which texts of `rows` differ between two versions, the second made from the first: bool."""
    if before is after:
        return np.zeros(rows.size, dtype=bool)
    old, new = np.asarray(before.segments), np.asarray(after.segments)
    return np.asarray(old[before.which[rows]] != new[after.which[rows]])


class Operation(Protocol):
    """A slow half: texts in, a table with one row per text out."""

    def slow_identity(self) -> dict[str, Plain]: ...


class StageError(AblateError):
    """A stage raised while it worked on a batch of documents."""


class Annotations:
    """Everything measured so far on one pool, on disk, filled on demand.

    Work is cut at the pool's shards; each finished piece is kept, so an interruption costs at most
    one shard per worker. A document that ends its worker (a fault in a library, no memory, processor time
    beyond `document_s`) is found by asking document by document, and counts as empty for that operation; all
    others go on. With one process of this machine there is no other, so nothing is watched. Two processes may fill the same store: one at a time adds to an annotation, the
    other waits and then looks again what is missing. Parts that overlap all the same do no harm: a row is
    taken once, from the first part that holds it.

    Args:
        pool: the documents.
        store: where annotations are kept.
        workers: processes of this machine to work with; None for one per core.
        document_s: processor time that one document may take of one operation, in a worker.
        executor: who works; None for the processes of this machine.
    """

    def __init__(
        self,
        pool: Pool,
        store: Store,
        workers: int | None = None,
        document_s: float = DOCUMENT_S,
        executor: Executor | None = None,
    ) -> None:
        self.pool = pool
        self.store = store
        self.document_s = document_s
        self.executor = executor or Here(workers=workers)
        self._tables: dict[str, Table] = {}
        self._groups: dict[str, Groups] = {}
        self._windows: dict[str, Windows] = {}
        self._versions: dict[str, TextVersion] = {}

    def close(self) -> None:
        """Stop the worker processes."""
        self.executor.close()

    def root(self) -> TextVersion:
        """Return the raw texts."""
        return TextVersion(RAW, (RAW,), np.zeros(len(self.pool), dtype=np.int16))

    def transform(self, version: TextVersion, step: Transform, only: str | None = None) -> TextVersion:
        """Make the version that `step` makes of `version`; documents it leaves alone keep their segment.

        Args:
            only: the documents that it is let near: "synthetic", "real", or None for all.
        """
        key = digest([version.key, step.slow_identity(), *([only] if only else [])])
        if key not in self._versions:
            touched = np.ones(len(self.pool), dtype=bool)
            if "html" not in step.kinds:
                touched &= ~self.pool.is_html
            if "text" not in step.kinds:
                touched &= self.pool.is_html
            if only is not None:
                touched &= self.pool.is_synthetic == (only == "synthetic")
            segments, which = list(version.segments), version.which.copy()
            for segment, rows in self._by_segment(version, np.flatnonzero(touched)):
                folder = self._fill(step, segment, rows)
                found = [
                    rows[at[table.column("changed").to_numpy()[hit]]]
                    for table, at, hit in take(folder, rows, columns=["row", "changed"])
                ]
                changed = np.concatenate(found)
                if changed.size:
                    if folder.name not in segments:
                        segments.append(folder.name)
                    which[changed] = segments.index(folder.name)
            self._versions[key] = TextVersion(key, tuple(segments), which)
        return self._versions[key]

    def measure(self, version: TextVersion, step: Filter, also: Sequence[Filter] = ()) -> Table:
        """Measure what `step` asks of every document of `version`: columns of n rows.

        Filters that will be asked of the same version are measured in the same pass when they are in `also`.
        """
        version = version if step.reads == "text" else self.root()  # other columns never change
        together = [one for one in also if one.reads == step.reads]
        return self._gather(version, step, np.arange(len(self.pool)), also=together)

    def sizes(self, version: TextVersion) -> np.ndarray:
        """Return shape (n,), int64: length of each text in UTF-8 bytes; 0 where a transform left nothing."""
        return self._gather(version, Size(), np.arange(len(self.pool)))["bytes"]

    def groups(self, version: TextVersion, step: Relation) -> Groups:
        """Return which documents of `version` belong together according to `step`."""
        identity: dict[str, Plain] = {
            "relate": step.relate_identity(),
            "pool": self.pool.digest,
            "version": version.key,
        }
        key = digest(identity)
        if key not in self._groups:
            path = self.store.folder("groups", key, identity) / "groups.parquet"

            def make() -> None:
                rows = np.flatnonzero(self.sizes(version) > 0)
                sketches = self._gather(version, step, rows, keep=False)["sketch"]
                groups = step.relate(sketches, rows, partial(self.texts, version))
                table = pa.table({"document": groups.document, "bucket": groups.bucket})
                write_table(path, table, seal=True)

            once(f"{step.name} groups documents", make, path)
            table = read_table(path)
            self._groups[key] = Groups(table["document"].to_numpy(), table["bucket"].to_numpy())
        return self._groups[key]

    def windows(self, version: TextVersion, step: SpanRelation) -> Windows:
        """Return what occurs more than once in `version` according to `step`."""
        identity: dict[str, Plain] = {
            "relate": step.relate_identity(),
            "pool": self.pool.digest,
            "version": version.key,
        }
        key = digest(identity)
        if key not in self._windows:
            folder, n_pool = self.store.folder("windows", key, identity), len(self.pool)
            places, pieces = folder / "windows.parquet", folder / "pieces.parquet"

            def make() -> None:
                rows = np.flatnonzero(self.sizes(version) > 0)
                found = step.relate(*self._sketches(version, step, rows), rows, n_pool)
                columns = {name: getattr(found, name) for name in ("document", "start", "bucket")}
                write_table(places, pa.table(columns), seal=True)
                write_table(pieces, pa.table({"n_pieces": found.n_pieces}), seal=True)

            once(f"{step.name} looks for repeats", make, places, pieces)
            table = read_table(places)
            columns = {name: table[name].to_numpy() for name in table.column_names}
            n_pieces = read_table(pieces)["n_pieces"].to_numpy()
            self._windows[key] = Windows(step.width, **columns, n_pieces=n_pieces)
        return self._windows[key]

    def cut(self, version: TextVersion, step: SpanRelation, spans: Spans) -> TextVersion:
        """Make the version in which `spans` are cut out; documents without any keep their segment.

        The new texts are named by what was cut, so two arms that cut the same share them.
        """
        if spans.document.size == 0:
            return version
        key = digest([version.key, step.slow_identity(), spans.digest])
        if key not in self._versions:
            segments, which = list(version.segments), version.which.copy()
            for segment, rows in self._by_segment(version, np.unique(spans.document)):
                segments.append(self._fill(Cut(step, spans.among(rows)), segment, rows).name)
                which[rows] = len(segments) - 1
            self._versions[key] = TextVersion(key, tuple(segments), which)
        return self._versions[key]

    def texts(self, version: TextVersion, rows: np.ndarray) -> Iterator[tuple[int, str]]:
        """Yield (row, text) for ascending pool rows, read shard by shard."""
        for shard, some in self.pool.rows_by_shard(rows):
            found: dict[int, str] = {}
            for segment, part in self._by_segment(version, some):
                texts = _read_texts(self.pool, self._folder_of(segment), shard, part)
                found |= zip(part.tolist(), texts, strict=True)
            for row in some.tolist():
                yield row, found[row]

    def fill(
        self, version: TextVersion, operation: Operation, rows: np.ndarray, also: Sequence[Operation] = ()
    ) -> list[tuple[Path, np.ndarray]]:
        """Apply `operation` where it has not been applied yet; (folder of parts, its rows) per segment."""
        return [
            (self._fill(operation, segment, part, also), part)
            for segment, part in self._by_segment(version, rows)
        ]

    def folders(
        self, version: TextVersion, operation: Operation, rows: np.ndarray
    ) -> list[tuple[Path, np.ndarray]]:
        """Return where `fill` keeps its parts: as it returns them, without a look at what is there."""
        return [
            (self.store.root / "annotations" / digest(self._identity(operation, segment)), part)
            for segment, part in self._by_segment(version, rows)
        ]

    def cpu_s(self, operation: Operation, segments: Collection[str], rows: np.ndarray | None = None) -> float:
        """Return CPU-seconds that `operation` took on the texts of some segments, whenever that was.

        Args:
            rows: documents that count, with their share of what was measured together; None for all.
        """
        total = 0.0
        for segment in segments:
            identity = self._identity(operation, segment)
            seen = np.zeros(len(self.pool), dtype=bool)
            if rows is not None:
                seen[:] = True
                seen[rows] = False
            for table in open_parts(self.store.root / "annotations" / digest(identity), columns=["row"]):
                part = table.column("row").to_numpy()
                new = part.size - np.count_nonzero(seen[part])  # of parts that overlap, each row counts once
                seen[part] = True
                total += float(table.schema.metadata[CPU_SECONDS]) * new / part.size
        return total

    def forget(self) -> None:
        """Take nothing from memory any more: what is damaged on disk is then met, and made again."""
        for kept in (self._tables, self._groups, self._windows, self._versions):
            kept.clear()

    def _gather(
        self,
        version: TextVersion,
        step: Operation,
        rows: np.ndarray,
        keep: bool = True,
        also: Sequence[Operation] = (),
    ) -> Table:
        key = digest([version.key, step.slow_identity()])
        if key in self._tables:
            return self._tables[key]
        columns: dict[str, np.ndarray] = {}
        for folder, part in self.fill(version, step, rows, also):
            place = np.searchsorted(rows, part)
            for table, at, hit in take(folder, part):  # what is read goes to its place at once
                for name in set(table.column_names) - {"row"}:
                    values = _numpy(table.column(name))[hit]
                    if name not in columns:
                        columns[name] = np.zeros((rows.size, *values.shape[1:]), dtype=values.dtype)
                    elif (dtype := np.result_type(columns[name], values)) != columns[name].dtype:
                        columns[name] = columns[name].astype(dtype)
                    columns[name][place[at]] = values
        if keep:
            self._tables[key] = columns
        return columns

    def _sketches(
        self, version: TextVersion, step: SpanRelation, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sketches of `rows` one after another, and the pieces of each."""
        counts, found = np.zeros(rows.size, dtype=np.int64), []
        for folder, part in self.fill(version, step, rows):
            place = np.searchsorted(rows, part)
            for table, its, hit in take(folder, part):
                at = place[its]
                some = table.column("sketch").take(pa.array(hit)).combine_chunks()
                counts[at] = np.diff(some.offsets.to_numpy())
                found.append((at, some.flatten().to_numpy()))
        values, first = np.empty(counts.sum(), dtype=np.uint64), np.cumsum(counts) - counts
        for at, flat in found:
            before = np.cumsum(counts[at]) - counts[at]
            values[np.repeat(first[at] - before, counts[at]) + np.arange(flat.size)] = flat
        return values, counts

    def _by_segment(self, version: TextVersion, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        which = version.which[rows]
        for number, segment in enumerate(version.segments):
            part = rows[which == number]
            if part.size:
                yield segment, part

    def _identity(self, operation: Operation, segment: str) -> dict[str, Plain]:
        """What names an operation on a segment; the pool's digest says nothing of what only its name holds."""
        told = getattr(operation, "reads", "text") in TOLD
        pool = self.pool.name if told else self.pool.digest
        return {"operation": operation.slow_identity(), "pool": pool, "segment": segment}

    def _folder_of(self, segment: str) -> Path | None:
        return None if segment == RAW else self.store.folder("annotations", segment)

    def _fill(
        self, operation: Operation, segment: str, rows: np.ndarray, also: Sequence[Operation] = ()
    ) -> Path:
        """Apply `operation` to the texts of `rows` where that was not done, and `also` in the same pass."""
        folders: dict[Path, Operation] = {}
        for one in (operation, *also):
            identity = self._identity(one, segment)
            folders.setdefault(self.store.folder("annotations", digest(identity), identity), one)
        folder = next(iter(folders))
        name = str(operation.slow_identity().get("stage", type(operation).__name__.lower()))
        lacking = {path: one for path, one in folders.items() if _missing(path, rows).size}
        with ExitStack() as alone:
            for path in sorted(lacking):  # in one order everywhere, so that no two wait for each other
                alone.enter_context(making(path, f"{name} on some documents"))
                _discard_damaged(path)
            self._do_all(self._cut_work(lacking, segment, rows), name)
        return folder

    def _cut_work(self, folders: dict[Path, Operation], segment: str, rows: np.ndarray) -> list[_Work]:
        """What of `rows` each folder lacks, cut at the pool's shards; the same rows go through together."""
        parts: dict[tuple[int, bytes], tuple[int, np.ndarray, list[tuple[Any, Path]]]] = {}
        for folder, one in folders.items():
            for shard, part in self.pool.rows_by_shard(_missing(folder, rows)):
                task = (one.among(part) if isinstance(one, Cut) else one, folder)
                parts.setdefault((shard, part.tobytes()), (shard, part, []))[2].append(task)
        return [
            _Work(tuple(tasks), self.pool.folder, self._folder_of(segment), shard, part, self.document_s)
            for shard, part, tasks in parts.values()
        ]

    def _do_all(self, work: list[_Work], name: str) -> None:
        try:
            self.executor.run(work, name)
        except Lost as lost:
            for item in work:
                if item in lost.tasks:
                    self._one_by_one(item, name)

    def _one_by_one(self, item: _Work, name: str) -> None:
        """Do a piece of work document by document; one that ends its worker twice counts as empty."""
        last: tuple[int, int] | None = None
        # In the store, as the worker may be on another machine.
        with tempfile.TemporaryDirectory(dir=item.tasks[0][1], prefix=MAKING) as folder:
            item = replace(item, journal=Path(folder) / "at")
            while self._is_lost(item, name):
                at = item.reached()
                if at == last:
                    if at is None:
                        raise StageError(
                            f"stage {name}: its worker dies before the first of rows {item.rows[0]}..{item.rows[-1]} of "
                            "the pool is read; is there memory for one shard?"
                        )
                    say(
                        f"stage {name}: {item.document(at[1])} ended its worker twice (a fault in a library, no memory, or "
                        f"more than {self.document_s:g} s of processor time); it counts as empty there"
                    )
                    item = replace(item, empty=item.empty | {at})
                last = at

    def _is_lost(self, item: _Work, name: str) -> bool:
        """Do a piece of work, elsewhere; whether the worker died in it."""
        try:
            self.executor.run([item], name, apart=True)
        except Lost:
            return True
        return False


@dataclass(frozen=True)
class Size:
    """Length of a text in UTF-8 bytes."""

    def slow_identity(self) -> dict[str, Plain]:
        """Return nothing: there is nothing to vary."""
        return {"stage": "size", "version": 1}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill column `bytes`."""
        return {"bytes": np.asarray([len(text.encode()) for text in texts], dtype=np.int64)}


@dataclass(frozen=True)
class Cut:
    """Cuts spans out of documents: the rewriting half of a span relation.

    Attributes:
        step: knows where the pieces stand in a text.
        spans: of the documents that are given to `transform_many`, in their order.
    """

    step: SpanRelation
    spans: Spans

    def slow_identity(self) -> dict[str, Plain]:
        """Name what is cut, not why."""
        return {**self.step.slow_identity(), "cut": self.spans.digest}

    def among(self, rows: np.ndarray) -> Cut:
        """Return the part for some documents."""
        return Cut(self.step, self.spans.among(rows))

    def transform_many(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of the spans' documents, cut."""
        first = np.flatnonzero(np.diff(self.spans.document, prepend=-1))
        bounds = zip(texts, first.tolist(), [*first[1:].tolist(), None], strict=True)
        return [self.step.cut(text, self.spans.begin[a:b], self.spans.end[a:b]) for text, a, b in bounds]


@dataclass(frozen=True, eq=False)
class _Work:
    """A task: operations on the documents of one shard; reads the texts once and writes its parts itself.

    Attributes:
        tasks: operation and folder of its parts; several only of filters that read the same column.
        pool: folder of the pool.
        texts: folder of the transform that made the texts; None for the pool's own.
        shard, rows: which documents.
        document_s: processor time that one document may take in a process that may end in it.
        journal: where it says which document it is at, if it goes document by document.
        empty: (task, row) of documents that are not looked at, as they end every worker.
    """

    tasks: tuple[tuple[Any, Path], ...]
    pool: Path
    texts: Path | None
    shard: int
    rows: np.ndarray
    document_s: float
    journal: Path | None = None
    empty: frozenset[tuple[int, int]] = frozenset()

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The part of each operation."""
        suffix = hashlib.blake2b(self.rows.tobytes(), digest_size=6).hexdigest()
        return tuple(folder / f"{self.shard:05d}-{suffix}.arrow" for _, folder in self.tasks)

    def do(self, *, expendable: bool) -> None:
        """Do it; a process that is expendable then gives back what it does not need any more."""
        self._do(self.document_s if expendable else None)
        if expendable:
            pa.default_memory_pool().release_unused()
            with suppress(OSError, AttributeError):  # glibc's; other systems give back by themselves
                ctypes.CDLL(None).malloc_trim(0)

    def _do(self, document_s: float | None) -> None:
        column = getattr(self.tasks[0][0], "reads", "text")
        texts = _read_texts(_pool(self.pool), self.texts, self.shard, self.rows, column)
        if self.journal:
            for operation, _ in self.tasks:  # what it loads is no document's time
                with suppress(Exception):
                    _nothing(operation, self.rows[:1])
        # A few texts at a time go through all filters, which share what they find in a text.
        step = 1 if self.journal else TOGETHER if len(self.tasks) > 1 else len(texts)
        tables: list[list[pa.Table]] = [[] for _ in self.tasks]
        cpu_s = [0.0] * len(self.tasks)
        for begin in range(0, len(texts), step):
            for number, (operation, _) in enumerate(self.tasks):
                started = _processor_s()
                some, rows = texts[begin : begin + step], self.rows[begin : begin + step]
                if self.journal:
                    self.journal.write_text(f"{number} {rows[0]}")
                if (number, int(rows[0])) in self.empty:
                    tables[number].append(_nothing(operation, rows))
                else:
                    with _limited(None if document_s is None else document_s + EACH_S * (len(some) - 1)):
                        tables[number].append(self._try(operation, some, rows))
                cpu_s[number] += _processor_s() - started
        for path, made, spent in zip(self.outputs, tables, cpu_s, strict=True):
            _write_part(path, pa.concat_tables(made, promote_options="permissive").combine_chunks(), spent)

    def _try(self, operation: Any, texts: list[str], rows: np.ndarray) -> pa.Table:
        try:
            return _apply(operation, texts, rows)
        except DocumentError as error:
            where = self.document(int(rows[error.position]))
            raise DataError(f"stage {operation.name}, {where}: {error}") from error
        except AblateError:
            raise
        except Exception as error:
            name = operation.slow_identity().get("stage", type(operation).__name__)
            raise StageError(
                f"stage {name} failed on pool rows {self.rows[0]}..{self.rows[-1]}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def reached(self) -> tuple[int, int] | None:
        """The last task and row that were begun; None before the first."""
        if self.journal is None or not self.journal.exists():
            return None
        task, row = self.journal.read_text().split()
        return int(task), int(row)

    def document(self, row: int) -> str:
        """Where a document of the pool came from."""
        pool = _pool(self.pool)
        said = pool.shard(self.shard, "source", "url").slice(row - pool.bounds[self.shard], 1).to_pylist()[0]
        return f"row {row} of the pool ({', '.join(filter(None, said.values())) or 'no source'})"


_pool = lru_cache(maxsize=4)(open_pool)
"""A pool is named by what it holds, so its head is read once per process."""


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """End this process when the block takes more processor time; the system does it, in the middle of C code too."""
    if seconds is None:
        yield
        return
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _write_part(path: Path, table: pa.Table, cpu_s: float) -> None:
    table = table.replace_schema_metadata({CPU_SECONDS: f"{cpu_s:.6f}".encode()})
    with atomic(path, seal=True) as part, pa.OSFile(str(part), "wb") as sink:
        options = pa.ipc.IpcWriteOptions(compression="zstd" if "text" in table.column_names else None)
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)


def _processor_s() -> float:
    """Processor seconds of this process, and of those that work on its texts."""
    return time.process_time() + cpu_elsewhere()


def _nothing(operation: Any, rows: np.ndarray) -> pa.Table:
    """What an operation gives for one document that counts as empty."""
    if isinstance(operation, (Transform, Cut)):
        return pa.table(
            {"row": rows.astype(np.int64), "changed": [True], "text": pa.array([""], pa.large_string())}
        )
    return _apply(operation, [""], rows)


def _apply(operation: Any, texts: list[str], rows: np.ndarray) -> pa.Table:
    columns: dict[str, pa.Array | np.ndarray | list[bool]] = {"row": rows.astype(np.int64)}
    if isinstance(operation, (Transform, Cut)):
        made = operation.transform_many(texts)
        made = [text if text.strip() else "" for text in made]
        changed = [new != old for new, old in zip(made, texts, strict=True)]
        columns["changed"] = changed
        kept = [new if is_new else None for new, is_new in zip(made, changed, strict=True)]
        columns["text"] = pa.array(kept, pa.large_string())
    elif isinstance(operation, Relation):
        columns["sketch"] = _column(operation.sketch_many(texts))
    elif isinstance(operation, SpanRelation):
        columns["sketch"] = pa.array(operation.sketch_many(texts), pa.large_list(pa.uint64()))
    else:
        measured = operation.measure_many(texts)
        columns |= {name: _column(values) for name, values in measured.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if set(lengths.values()) != {len(texts)}:
        raise ValueError(f"expected {len(texts)} rows in every column, got {lengths}")
    return pa.table(columns)


def _column(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return values


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        flat = np.asarray(column.combine_chunks().flatten().to_numpy(zero_copy_only=False))
        return flat.reshape(-1, width)
    return np.asarray(column.to_numpy())


def part_paths(folder: Path, shard: int | None = None) -> list[Path]:
    """Return the whole files of one operation on one segment, of one shard or of all; damaged ones are left out."""
    pattern = "[!.]*.arrow" if shard is None else f"{shard:05d}-*.arrow"
    return [path for path in sorted(folder.glob(pattern)) if whole(path)]


def open_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the memory-mapped table of a file. What is kept of it is copied: a system maps some 65,000 files a process.

    Args:
        columns: the only ones that are read; None for all.
    """
    with pa.memory_map(str(path)) as source:
        if columns is None:
            return pa.ipc.open_file(source).read_all()
        wanted = [pa.ipc.open_file(source).schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=wanted)
        return pa.ipc.open_file(source, options=options).read_all()


def open_parts(folder: Path, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Return memory-mapped tables of one operation on one segment, one after another; damaged ones are left out."""
    for path in part_paths(folder):
        yield open_part(path, columns)


@dataclass(frozen=True)
class Taken:
    """What one file of an operation holds of some rows.

    Attributes:
        path: of the file.
        table: what it holds.
        at: positions in the rows that were asked for.
        hit: the table's own rows that belong to them.
    """

    path: Path
    table: pa.Table
    at: np.ndarray
    hit: np.ndarray


def take_files(
    folder: Path, rows: np.ndarray, *, shard: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[Taken]:
    """Find each of `rows` once, whatever parts hold it.

    Parts may overlap where two processes filled a folder at the same time; of rows that stand in several
    the first part counts, so no reader may rely on rows being in one part alone.

    Args:
        rows: ascending pool rows.
        columns: as `open_part`; "row" is among them.
    Raises:
        Damaged: after the last part, when a row is in none.
    """
    left = np.ones(rows.size, dtype=bool)
    for path in part_paths(folder, shard):
        table = open_part(path, columns)
        row = table.column("row").to_numpy()
        at = np.minimum(np.searchsorted(rows, row), rows.size - 1)
        hit = np.flatnonzero((rows[at] == row) & left[at])
        left[at[hit]] = False
        yield Taken(path, table, at[hit], hit)
    if left.any():
        raise Damaged(
            f"damaged: {folder} lacks {int(left.sum())} of {rows.size} documents; run the same command again: "
            "they are made again"
        )


def take(
    folder: Path, rows: np.ndarray, *, shard: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[tuple[pa.Table, np.ndarray, np.ndarray]]:
    """Return table, positions in `rows` and the table's own rows of each of `take_files`."""
    for found in take_files(folder, rows, shard=shard, columns=columns):
        yield found.table, found.at, found.hit


def _missing(folder: Path, rows: np.ndarray) -> np.ndarray:
    """Those of ascending `rows` that no whole part holds."""
    found = np.zeros(int(rows[-1]) + 1 if rows.size else 0, dtype=bool)
    for table in open_parts(folder, columns=["row"]):
        row = table.column("row").to_numpy()
        found[row[row < found.size]] = True
    return np.asarray(rows[~found[rows]])


def _discard_damaged(folder: Path) -> None:
    """Delete the parts that are not whole, and sums that have lost their part."""
    for path in folder.glob("[!.]*.arrow"):
        if not whole(path):
            discard(path)
    for path in folder.glob(f".*.arrow{SUM}"):
        part = folder / path.name.removeprefix(".").removesuffix(SUM)
        if not whole(part):
            discard(part)


def _read_texts(
    pool: Pool, folder: Path | None, shard: int, rows: np.ndarray, name: str = "text"
) -> list[str]:
    """Texts of ascending rows of one shard, from a column of the pool or from the parts of a transform."""
    if folder is None:
        column = pool.shard(shard, name).column(name)
        taken: list[str] = column.take(rows - pool.bounds[shard]).to_pylist()
        return taken
    found = np.full(rows.size, None, dtype=object)
    for table, at, hit in take(folder, rows, shard=shard, columns=["row", "text"]):
        found[at] = table.column("text").take(pa.array(hit)).to_pylist()
    return list(found)
