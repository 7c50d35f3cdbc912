"""Parquet, compressed with Zstandard: read by `datasets`, datatrove, pandas, Polars, DuckDB and Spark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ablate.export.base import DATA, TextFormat

ROWS = 1_000
"""Documents of a row group, so that a reader need not hold a whole file."""


class Parquet(TextFormat):
    """One file a shard."""

    name = "parquet"
    endings = (".parquet",)

    def write(self, documents: pa.Table, paths: Sequence[Path]) -> None:
        """Write one shard."""
        pq.write_table(documents, paths[0], compression="zstd", row_group_size=ROWS)

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return (
            f'datasets.load_dataset("{folder}", split="train")\n'
            f'datatrove: ParquetReader("{folder}/{DATA}", glob_pattern="*.parquet")'
        )


FORMAT = Parquet()
