"""The ledger: for each document that reached a stage, verdict, reason and measurements, as Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ablate.corpus.annotate import Annotations, rewritten
from ablate.corpus.view import Corpus, Decision
from ablate.fingerprint import digest
from ablate.pool.pool import Pool
from ablate.stages.base import Filter, Table
from ablate.store import atomic, once, share

ROWS = 1 << 17
"""Documents of a row group."""


def write_ledger(corpus: Corpus, annotations: Annotations, folder: Path) -> None:
    """Write one file per step, `<position>-<stage>.parquet`, readable by DuckDB, Polars or pandas.

    Columns: `row` (in the pool), `key` (16 hex digits), `url`, `source`, `kept`, `reason` (null where
    kept), `changed` (the text was rewritten), and what was measured: by a filter everything, by a span
    relation `pieces` and `repeated_pieces`. Arms that begin alike share the files of those steps.
    """
    for name, decision in zip(ledger_files(corpus), corpus.decisions, strict=True):
        shared = annotations.store.root / "decisions" / f"{_key(decision, annotations)}.parquet"

        def make(decision: Decision = decision, shared: Path = shared) -> None:
            with atomic(shared, seal=True) as part:
                _write(_tables(decision, annotations), part)

        once("writing the ledger", make, shared)
        share(shared, folder / name)


def ledger_files(corpus: Corpus) -> list[str]:
    """Names of the ledger's files, one per step."""
    return [f"{number:02d}-{decision.stage}.parquet" for number, decision in enumerate(corpus.decisions)]


def _key(decision: Decision, annotations: Annotations) -> str:
    """Names what the file of a decision holds."""
    arrays = [decision.rows, decision.verdict.code, *decision.measured.values()]
    hashed = hashlib.blake2b(digest_size=16)
    for array in arrays:
        hashed.update(np.ascontiguousarray(array).data)
    measured = [decision.before.key, decision.after.key, decision.step.slow_identity()]
    return digest([annotations.pool.name, measured, decision.verdict.reasons, hashed.hexdigest()])


def reasons(decision: Decision) -> pa.Array:
    """Return the reason of each document's verdict, null where it is kept."""
    names = pa.array([None, *decision.verdict.reasons], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(decision.verdict.code), names).cast(pa.string())


def _write(tables: Iterator[pa.Table], path: Path) -> None:
    first = next(tables)
    with pq.ParquetWriter(
        path, first.schema, compression="zstd", use_dictionary=["source", "reason"]
    ) as file:
        for table in chain([first], tables):
            file.write_table(table)


def _tables(decision: Decision, annotations: Annotations) -> Iterator[pa.Table]:
    """What the file holds, `ROWS` documents of the pool at a time: of their addresses no more is in memory."""
    measured: Table = {}
    if isinstance(decision.step, Filter):
        measured = annotations.measure(decision.before, decision.step)
    pool = annotations.pool
    changed = rewritten(decision.before, decision.after, decision.rows)
    why = reasons(decision)
    for about, begin, end in addresses(pool, decision.rows):
        rows = decision.rows[begin:end]
        columns: dict[str, pa.Array | pa.ChunkedArray | np.ndarray] = {
            "row": rows,
            "key": hex_keys(pool.keys[rows]),
        }
        columns |= {name: about.column(name) for name in ("url", "source")}
        columns |= {
            "kept": decision.verdict.keep[begin:end],
            "reason": why[begin:end],
            "changed": changed[begin:end],
        }
        columns |= {f"measured_{name}": values[begin:end] for name, values in decision.measured.items()}
        columns |= {f"measured_{name}": values[rows] for name, values in measured.items() if values.ndim == 1}
        yield pa.table(columns)


def addresses(pool: Pool, rows: np.ndarray) -> Iterator[tuple[pa.Table, int, int]]:
    """Yield addresses and sources of ascending rows, in pieces of `ROWS` or a little more, each with its place in `rows`."""
    begin, held = 0, list[pa.Table]()
    for shard, some in pool.rows_by_shard(rows):
        about = pool.shard(shard, "url", "source")
        held.append(about.take(pa.array(some - pool.bounds[shard])))
        if (end := begin + sum(map(len, held))) - begin >= ROWS:
            yield pa.concat_tables(held), begin, end
            begin, held = end, []
    if held or begin == 0:
        empty = pool.shard(0, "url", "source").slice(0, 0)
        yield pa.concat_tables([empty, *held]), begin, rows.size


def hex_keys(keys: np.ndarray) -> pa.Array:
    """Return 16 hex digits of each key."""
    digits = keys.astype(">u8").tobytes().hex().encode()
    ends = np.arange(keys.size + 1, dtype=np.int64) * 16
    return pa.LargeStringArray.from_buffers(keys.size, pa.py_buffer(ends), pa.py_buffer(digits))
