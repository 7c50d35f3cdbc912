"""The ledger: for each document that reached a stage, verdict, reason and measurements, as Parquet."""

from __future__ import annotations

import hashlib
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablate.corpus.annotate import Annotations, rewritten
from ablate.corpus.view import Corpus, Decision
from ablate.fingerprint import digest
from ablate.stages.base import Filter
from ablate.store import once, share, write_table


def write_ledger(corpus: Corpus, annotations: Annotations, folder: Path) -> None:
    """Write one file per step, `<position>-<stage>.parquet`, readable by DuckDB, Polars or pandas.

    Columns: `row` (in the pool), `key` (16 hex digits), `url`, `source`, `kept`, `reason` (null where
    kept), `changed` (the text was rewritten), and what was measured: by a filter everything, by a span
    relation `pieces` and `repeated_pieces`. Arms that begin alike share the files of those steps.
    """
    about = cache(partial(annotations.pool.columns, "url", "source"))
    for name, decision in zip(ledger_files(corpus), corpus.decisions, strict=True):
        shared = annotations.store.root / "decisions" / f"{_key(decision, annotations)}.parquet"

        def make(decision: Decision = decision, shared: Path = shared) -> None:
            table = _table(decision, annotations, about())
            write_table(shared, table, repeating=["source", "reason"], seal=True)

        once("writing the ledger", make, shared)
        share(shared, folder / name)


def ledger_files(corpus: Corpus) -> list[str]:
    """Names of the ledger's files, one per step."""
    return [f"{number:02d}-{decision.stage}.parquet" for number, decision in enumerate(corpus.decisions)]


def _key(decision: Decision, annotations: Annotations) -> str:
    """Names what the file of a decision holds."""
    arrays = [decision.rows, decision.verdict.code, *decision.measured.values()]
    hashed = hashlib.blake2b(b"".join(array.tobytes() for array in arrays), digest_size=16)
    measured = [decision.before.key, decision.after.key, decision.step.slow_identity()]
    return digest([annotations.pool.name, measured, decision.verdict.reasons, hashed.hexdigest()])


def reasons(decision: Decision) -> pa.Array:
    """The reason of each document's verdict, null where it is kept."""
    names = pa.array([None, *decision.verdict.reasons], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(decision.verdict.code), names).cast(pa.string())


def _table(decision: Decision, annotations: Annotations, about: pa.Table) -> pa.Table:
    rows = decision.rows
    columns: dict[str, pa.Array | pa.ChunkedArray | np.ndarray] = {
        "row": rows,
        "key": _hex(annotations.pool.keys[rows]),
    }
    columns |= {name: taken(about.column(name), rows) for name in ("url", "source")}
    columns |= {"kept": decision.verdict.keep, "reason": reasons(decision)}
    columns["changed"] = rewritten(decision.before, decision.after, rows)
    columns |= {f"measured_{name}": values for name, values in decision.measured.items()}
    if isinstance(decision.step, Filter):
        measured = annotations.measure(decision.before, decision.step)
        columns |= {f"measured_{name}": values[rows] for name, values in measured.items() if values.ndim == 1}
    return pa.table(columns)


def taken(column: pa.ChunkedArray, rows: np.ndarray) -> pa.ChunkedArray:
    """Ascending rows of a column of any size; Arrow's own `take` joins the chunks first, 2 GiB of texts at most."""
    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    cuts = np.split(rows, np.searchsorted(rows, ends[:-1]))
    begins = ends - [len(chunk) for chunk in column.chunks]
    parts = [
        chunk.take(pa.array(some - begin))
        for chunk, some, begin in zip(column.chunks, cuts, begins, strict=True)
    ]
    return pa.chunked_array(parts, column.type)


def _hex(keys: np.ndarray) -> pa.Array:
    """16 hex digits of each key."""
    digits = keys.astype(">u8").tobytes().hex().encode()
    ends = np.arange(keys.size + 1, dtype=np.int64) * 16
    return pa.LargeStringArray.from_buffers(keys.size, pa.py_buffer(ends), pa.py_buffer(digits))
