"""JSON lines, compressed with gzip: read by nearly everything."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ablate.export.base import DATA, TextFormat


class Jsonl(TextFormat):
    """One file a shard; `metadata` is an object. The bytes depend on the documents alone, not on the time."""

    name = "jsonl"
    endings = (".jsonl.gz",)

    def write(self, documents: pa.Table, paths: Sequence[Path]) -> None:
        """Write one shard."""
        with paths[0].open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
            for batch in documents.to_batches(max_chunksize=1_000):
                for row in batch.to_pylist():
                    row["metadata"] = json.loads(row["metadata"])
                    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return (
            f'datasets.load_dataset("{folder}", split="train")\n'
            f'datatrove: JsonlReader("{folder}/{DATA}", glob_pattern="*.jsonl.gz")'
        )


FORMAT = Jsonl()
