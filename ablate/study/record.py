"""`record.json`: what a run found, with a digest over it, so that a record that was changed is noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.errors import DataError
from ablate.fingerprint import digest, file_digest
from ablate.store import read_json, write_json

ITEMS = "items.parquet"


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write a run's record, after its `items.parquet`, which it vouches for too."""
    items = folder / ITEMS
    whole = {name: value for name, value in record.items() if name != "digest"}
    whole["items"] = file_digest(items) if items.exists() else None
    write_json(folder / "record.json", {**whole, "digest": _digest(whole)})


def read_record(folder: Path) -> dict[str, Any]:
    """Read a run's record.

    Raises:
        DataError: when there is none, or it or its items are not what the run wrote.
    """
    path = folder / "record.json"
    record = read_json(path)
    again = f"delete {path} and sweep again, which takes the run's result from the store"
    if not isinstance(record, dict) or not isinstance(record.get("digest"), str):
        raise DataError(f"{path} has no digest: another version of ablate wrote it. To have one, {again}")
    if record["digest"] != _digest({name: value for name, value in record.items() if name != "digest"}):
        raise DataError(
            f"{path} is not what the run wrote: it was changed by hand or damaged. {again.capitalize()}"
        )
    items = folder / ITEMS
    if record["items"] is not None and (not items.exists() or file_digest(items) != record["items"]):
        raise DataError(
            f"{items} is not what the run wrote: it was changed, damaged or taken away. {again.capitalize()}"
        )
    return record


def _digest(record: Mapping[str, Any]) -> str:
    return digest(json.loads(json.dumps(record)))
