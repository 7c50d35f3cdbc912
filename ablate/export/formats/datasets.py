"""A folder as `Dataset.save_to_disk` writes it: memory-mapped by `datasets.load_from_disk`, nothing is converted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from ablate.export.base import DATA, SCHEMA, Finished, TextFormat
from ablate.fingerprint import digest
from ablate.store import write_json

ROWS = 1_000
FEATURES = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in SCHEMA}
INFO = {"features": FEATURES}


class Datasets(TextFormat):
    """Arrow streams, and the two files that name them."""

    name = "datasets"
    endings = (".arrow",)

    def write(self, documents: pa.Table, paths: Sequence[Path]) -> None:
        """Write one shard."""
        told = documents.replace_schema_metadata({"huggingface": json.dumps({"info": INFO})})
        with pa.OSFile(str(paths[0]), "wb") as sink, pa.ipc.new_stream(sink, told.schema) as writer:
            writer.write_table(told, max_chunksize=ROWS)

    def finish(self, data: Path, shards: Sequence[Finished]) -> None:
        """Write `dataset_info.json` and `state.json`."""
        files = [f"{shard.stem}{self.endings[0]}" for shard in shards]
        write_json(
            data / "dataset_info.json",
            {"citation": "", "description": "", "homepage": "", "license": "", **INFO},
        )
        write_json(
            data / "state.json",
            {
                "_data_files": [{"filename": name} for name in files],
                "_fingerprint": digest(files)[:16],
                "_format_columns": None,
                "_format_kwargs": {},
                "_format_type": None,
                "_output_all_columns": False,
                "_split": "train",
            },
        )

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return f'datasets.load_from_disk("{folder}/{DATA}")'


FORMAT = Datasets()
