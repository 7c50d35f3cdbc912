"""The ledger: for each document that reached a stage, verdict, reason and measurements, as Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablate.corpus.annotate import Annotations, rewritten
from ablate.corpus.view import Corpus, Decision
from ablate.stages.base import Filter
from ablate.store import write_table


def write_ledger(corpus: Corpus, annotations: Annotations, folder: Path) -> None:
    """Write one file per step, `<position>-<stage>.parquet`, readable by DuckDB, Polars or pandas.

    Columns: `row` (in the pool), `key` (16 hex digits), `url`, `source`, `kept`, `reason` (null where
    kept), `changed` (the text was rewritten), and what was measured: by a filter everything, by a span
    relation `pieces` and `repeated_pieces`.
    """
    url, source = annotations.pool.column("url"), annotations.pool.column("source")
    for number, decision in enumerate(corpus.decisions):
        table = _table(decision, annotations, url, source)
        write_table(folder / f"{number:02d}-{decision.stage}.parquet", table)


def reasons(decision: Decision) -> pa.Array:
    """The reason of each document's verdict, null where it is kept."""
    names = pa.array([None, *decision.verdict.reasons], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(decision.verdict.code), names).cast(pa.string())


def _table(
    decision: Decision, annotations: Annotations, url: pa.ChunkedArray, source: pa.ChunkedArray
) -> pa.Table:
    rows = decision.rows
    keys = [f"{key:016x}" for key in annotations.pool.keys[rows].tolist()]
    columns = {"row": rows, "key": keys, "url": pc.take(url, rows), "source": pc.take(source, rows)}
    columns |= {"kept": decision.verdict.keep, "reason": reasons(decision)}
    columns["changed"] = rewritten(decision.before, decision.after, rows)
    columns |= {f"measured_{name}": values for name, values in decision.measured.items()}
    if isinstance(decision.step, Filter):
        measured = annotations.measure(decision.before, decision.step)
        columns |= {f"measured_{name}": values[rows] for name, values in measured.items() if values.ndim == 1}
    return pa.table({name: np.asarray(v) if isinstance(v, list) else v for name, v in columns.items()})
