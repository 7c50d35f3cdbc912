"""The pool: raw documents in Parquet shards, immutable, named by a digest of what is in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ablate.errors import DataError
from ablate.fingerprint import canonical_json, digest
from ablate.pool.apart import SideBySide
from ablate.pool.digital_source import synthetic_rows
from ablate.pool.origin import origin
from ablate.pool.source import MAX_DOCUMENT_BYTES, NO_TEXT, Document, FileSource, Item, Skipped, Source, Truth
from ablate.progress import track
from ablate.reading.records import clean_text, cleaned
from ablate.store import (
    Store,
    check,
    discard,
    lock,
    making,
    put,
    read_json,
    read_table,
    whole,
    write_json,
    write_table,
)

FORMAT = 2
SHARD_DOCUMENTS = 1_000
SHARD_BYTES = 24_000_000
SCHEMA = pa.schema(
    [
        ("key", pa.uint64()),
        ("text", pa.large_string()),
        ("kind", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("language", pa.string()),
        ("metadata", pa.string()),
    ]
)
TRUTH = "truth.parquet"
"""File of a pool with planted defects: one row for each document, in order. It is no column of the shards, which are
all that stages are given to read."""
TRUTH_SCHEMA = pa.schema(
    [
        ("origin", pa.int64()),
        ("kind", pa.string()),
        ("rank", pa.int64()),
        ("strength", pa.float64()),
        ("pieces", pa.list_(pa.string())),
    ]
)


class Summary(TypedDict):
    """What `pool.json` says of a pool.

    Attributes:
        format: of the folder.
        digest, name: as `Pool` has them.
        documents, bytes: how many, and of how much UTF-8.
        kinds: kind -> documents.
        skipped, skipped_reasons: records that are not in it, and how many for each reason.
        lost_bytes: file -> bytes that could not be read.
        bounds: as `Pool` has them.
        planted: kind of a planted defect -> documents; absent where nothing was planted.
    """

    format: int
    digest: str
    name: str
    documents: int
    bytes: int
    kinds: dict[str, int]
    skipped: int
    skipped_reasons: dict[str, int]
    lost_bytes: NotRequired[dict[str, int]]
    bounds: list[int]
    planted: NotRequired[dict[str, int]]


class _Row(TypedDict):
    """A document as a row of the pool, but for its key."""

    text: str
    kind: str
    url: str
    source: str
    language: str
    metadata: str


@dataclass(frozen=True)
class Pool:
    """A built pool on disk.

    Attributes:
        folder: holds `pool.json`, `shard-*.parquet` and `skipped.jsonl`.
        digest: names the texts with their kinds and addresses, in order: what measurements and runs depend on.
        bounds: shape (n_shards + 1,): shard i holds rows bounds[i] .. bounds[i + 1] - 1.
        summary: what `pool.json` says.
    """

    folder: Path
    digest: str
    bounds: tuple[int, ...]
    summary: Summary

    def __len__(self) -> int:
        return self.bounds[-1]

    @property
    def name(self) -> str:
        """Names all that is in it, what is said of the documents and what was skipped included."""
        return self.folder.name

    def shard_path(self, shard: int) -> Path:
        """The Parquet file of a shard."""
        return self.folder / f"shard-{shard:05d}.parquet"

    def rows_by_shard(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Split ascending pool rows into (shard, rows in it), shards without any left out."""
        cuts = np.searchsorted(rows, self.bounds)
        for shard, (first, last) in enumerate(pairwise(cuts)):
            if last > first:
                yield shard, rows[first:last]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of the whole pool; `text` is better read shard by shard."""
        return self.columns(name).column(name)

    def columns(self, *names: str) -> pa.Table:
        """Some columns of the whole pool."""
        return pa.concat_tables([self.shard(i, *names) for i in range(len(self.bounds) - 1)])

    def shard(self, number: int, *names: str) -> pa.Table:
        """Some columns of a shard, or all.

        Raises:
            Damaged: when its file is not as it was written.
        """
        path = self.shard_path(number)
        check(path)
        return pq.read_table(path, columns=list(names) or None)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """Shape (n,), uint64: names each document, whatever pool it stands in."""
        return np.asarray(self.column("key").to_numpy(), dtype=np.uint64)

    @cached_property
    def is_html(self) -> NDArray[np.bool_]:
        """Shape (n,), bool."""
        return np.asarray(pc.equal(self.column("kind"), "html").to_numpy(), dtype=np.bool_)

    @cached_property
    def is_synthetic(self) -> np.ndarray:
        """Shape (n,), bool: documents that say that no person wrote them, see `digital_source`."""
        return synthetic_rows(self.column("metadata"))

    def truth(self) -> pa.Table | None:
        """What was planted into each document, by row (`TRUTH_SCHEMA`); None where nothing was."""
        return read_table(self.folder / TRUTH) if "planted" in self.summary else None

    @cached_property
    def origins(self) -> tuple[list[str], np.ndarray]:
        """Names of hosts, and of sources of documents without one; shape (n,), int64: the place of each document's."""
        about = self.columns("url", "source")
        pairs = zip(about.column("url").to_pylist(), about.column("source").to_pylist(), strict=True)
        names, code = np.unique(
            np.array([origin(*pair) for pair in pairs], dtype=object), return_inverse=True
        )
        return names.tolist(), code.astype(np.int64)

    def fields(self) -> Iterator[str]:
        """Names of what origins say of documents beside the columns of every pool, each once, as they turn up."""
        seen = set()
        for shard in range(len(self.bounds) - 1):
            for said in self.shard(shard, "metadata").column("metadata").to_pylist():
                new = [name for name in json.loads(said) if name not in seen]
                seen.update(new)
                yield from new

    def skipped(self) -> list[Skipped]:
        """Every record that was left out, with file, offset and reason."""
        check(self.folder / "skipped.jsonl")
        return list(_skipped(self.folder))


def _skipped(folder: Path) -> Iterator[Skipped]:
    with (folder / "skipped.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield Skipped(**json.loads(line))


def open_pool(folder: Path) -> Pool:
    """Open a built pool.

    Raises:
        DataError: when it is missing or of another format.
    """
    summary = read_json(folder / "pool.json")
    if summary["format"] != FORMAT:
        raise DataError(
            f"{folder} has format {summary['format']}, expected {FORMAT}; delete it and run again"
        )
    return Pool(folder, summary["digest"], tuple(summary["bounds"]), summary)


def build_pool(
    source: Source, store: Store, shard_documents: int = SHARD_DOCUMENTS, *, workers: int | None = 1
) -> Pool:
    """Read a source into the store, or find the pool that the same request made before.

    Args:
        shard_documents: most documents in a file; one that was read before keeps its files.
        workers: processes that read files; None for one per core. The pool is the same with any number.

    Raises:
        DataError: when not a single document could be read; says what was skipped and why.
    """
    root, request = store.root / "pool", digest([FORMAT, source.request(), source.versions()])
    ticket, building = root / "requests" / f"{request}.json", root / f".building-{request}"
    with lock(ticket.with_suffix(".lock"), "reading this pool", wait=True):
        if whole(ticket) and _whole_pool(folder := root / read_json(ticket)["name"]):
            return open_pool(folder)
        shutil.rmtree(building, ignore_errors=True)  # of a process that was killed
        building.mkdir(parents=True)
        try:
            items = _items(source, building, workers or os.cpu_count() or 1)
            summary = _write_shards(source, items, building, shard_documents)
            folder = root / summary["name"]
            with making(folder, "reading this pool"):  # another request may give the same pool
                if not _whole_pool(folder):
                    _move_in(building, folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        write_json(ticket, {"name": summary["name"]}, seal=True)
        return open_pool(folder)


def _whole_pool(folder: Path) -> bool:
    """Whether every file of a pool is there as it was written."""
    if not whole(folder / "pool.json"):
        return False
    pool = open_pool(folder)
    files = [pool.shard_path(shard) for shard in range(len(pool.bounds) - 1)]
    truth = [folder / TRUTH] if "planted" in pool.summary else []
    return all([whole(path) for path in (*files, *truth, folder / "skipped.jsonl")])


def _move_in(building: Path, folder: Path) -> None:
    """Put a pool's files in their place, `pool.json` last; what is damaged there is replaced."""
    discard(folder / "pool.json")
    for path in sorted(building.glob("[!.]*"), key=lambda path: path.name == "pool.json"):
        put(path, folder / path.name)


def _items(source: Source, folder: Path, workers: int) -> Iterator[Item]:
    """Read a source, its files side by side where that gives the same; with a limit most need not be read."""
    if not isinstance(source, FileSource) or source.limit is not None or workers < 2:
        return source.documents()
    return source.documents(SideBySide(workers, folder))


def _write_shards(source: Source, items: Iterator[Item], folder: Path, shard_documents: int) -> Summary:
    texts, rest = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    seen: Counter[bytes] = Counter()
    bounds, kinds, reasons, n_bytes = [0], Counter[str](), Counter[str](), 0
    lost = Counter[str]()
    rows: list[dict[str, object]] = []
    truths: list[Truth | None] = []
    shard_bytes = 0

    def flush() -> None:
        nonlocal shard_bytes
        if rows:
            _write_shard(rows, folder / f"shard-{len(bounds) - 1:05d}.parquet")
            bounds.append(bounds[-1] + len(rows))
            rows.clear()
            shard_bytes = 0

    with (folder / "skipped.jsonl").open("w", encoding="utf-8") as skipped:

        def skip(record: Skipped) -> None:
            reasons[record.reason.split(":")[0]] += 1
            if record.lost_bytes:
                lost[record.file] += record.lost_bytes
            line = clean_text(json.dumps(vars(record), ensure_ascii=False)) + "\n"
            rest.update(line.encode())
            skipped.write(line)

        for item in track(items, "reading the pool", unit="doc"):
            if isinstance(item, Skipped):
                skip(item)
                continue
            place = bounds[-1] + len(rows)
            try:
                row = _row(item)
                raw = row["text"].encode()
                name = hashlib.blake2b(
                    f"{row['kind']}\0{row['url']}\0".encode() + raw, digest_size=8
                ).digest()
            except Exception as error:  # whatever one record holds, the others count
                skip(Skipped(str(item.source), place, f"unreadable record: {type(error).__name__}: {error}"))
                continue
            if not row["text"].strip():
                skip(Skipped(row["source"], place, NO_TEXT))
                continue
            if len(raw) > MAX_DOCUMENT_BYTES:
                reason = f"larger than {MAX_DOCUMENT_BYTES:,} bytes: {len(raw):,}"
                skip(Skipped(row["source"], place, reason))
                continue
            # An exact repeat of address and text is a document of its own and needs a key of its own.
            seen[name] += 1
            if seen[name] > 1:
                name = hashlib.blake2b(name + seen[name].to_bytes(8, "little"), digest_size=8).digest()
            texts.update(name)
            rest.update(name + f"{row['source']}\0{row['language']}\0{row['metadata']}\0".encode())
            truths.append(item.truth)
            rows.append({"key": int.from_bytes(name, "little"), **row})
            kinds[row["kind"]] += 1
            n_bytes += len(raw)
            shard_bytes += len(raw)
            if len(rows) >= shard_documents or shard_bytes >= SHARD_BYTES:
                flush()
        flush()
    if bounds[-1] == 0:
        why = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(5)) or "it is empty"
        first = next(iter(_skipped(folder)), None)
        keys = " and ".join(f"pool.{place}" for place in source.places()) or "pool"
        said = f"; the first: {first.file}, {first.offset}: {first.reason}" if first else ""
        raise DataError(f"the pool has no documents: nothing could be read ({why}{said}). Check {keys}")
    planted = _write_truth(truths, folder, rest)
    summary: Summary = {
        "format": FORMAT,
        "digest": digest([FORMAT, shard_documents, texts.hexdigest()]),
        "name": digest([FORMAT, shard_documents, texts.hexdigest(), rest.hexdigest()]),
        "documents": bounds[-1],
        "bytes": n_bytes,
        "kinds": dict(sorted(kinds.items())),
        "skipped": sum(reasons.values()),
        "skipped_reasons": dict(sorted(reasons.items())),
        "lost_bytes": dict(sorted(lost.items())),
        "bounds": bounds,
    }
    if planted is not None:
        summary["planted"] = planted
    write_json(folder / "pool.json", summary)
    return summary


def _write_truth(
    truths: Sequence[Truth | None], folder: Path, rest: hashlib.blake2b
) -> dict[str, int] | None:
    """Keep what was planted and count it in `rest`; returns documents by kind, or None where nothing was planted."""
    known = [truth for truth in truths if truth is not None]
    if not known:
        return None
    if len(known) < len(truths):
        raise DataError("a pool must say of every document what was planted into it, or of none")
    table = pa.Table.from_pylist([asdict(truth) for truth in known], schema=TRUTH_SCHEMA)
    rest.update(canonical_json([asdict(truth) for truth in known]).encode())
    write_table(folder / TRUTH, table)
    return dict(sorted(Counter(truth.kind for truth in known if truth.kind).items()))


def _row(document: Document) -> _Row:
    """A document as a row of the pool, but for its key; holds what UTF-8 and JSON can."""
    return {
        "text": clean_text(document.text),
        "kind": document.kind,
        "url": clean_text(document.url),
        "source": clean_text(document.source),
        "language": clean_text(document.language),
        "metadata": json.dumps(cleaned(dict(document.metadata)), sort_keys=True),
    }


def _write_shard(rows: list[dict[str, object]], path: Path) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, path, compression="zstd", row_group_size=500)
