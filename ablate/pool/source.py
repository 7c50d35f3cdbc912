"""Where raw documents come from: a source yields documents and the records it had to skip."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_DOCUMENT_BYTES = 10_000_000


@dataclass(frozen=True)
class Document:
    """One raw document.

    Attributes:
        text: decoded HTML source, or plain text.
        kind: "html" or "text".
        url: address, or "" where there is none.
        source: collection it comes from, e.g. the file's stem.
        language: ISO 639-1 code if the origin states one, else "".
        metadata: anything else the origin says of it; plain scalars.
    """

    text: str
    kind: str = "text"
    url: str = ""
    source: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A record that is not in the pool.

    Attributes:
        file: where it stood.
        offset: byte offset in a WARC, line in a text file, row elsewhere.
        reason: one of a few words, e.g. "status 404"; counted by what stands before its colon.
        lost_bytes: bytes of the file that could not be read; 0 where the record was read and is not wanted.
    """

    file: str
    offset: int
    reason: str
    lost_bytes: int = 0


class Source(ABC):
    """An origin of raw documents, built from a `conf/pool/*.yaml`."""

    @abstractmethod
    def documents(self) -> Iterator[Document | Skipped]:
        """Every document in a fixed order, and every skipped record in its place."""

    @abstractmethod
    def request(self) -> dict[str, Any]:
        """What was asked for, cheap to compute; the same request finds the pool made before.

        Local files stand in it with size and time of change, so a changed file is read again.
        """


def file_stamps(paths: Sequence[Path]) -> list[list[Any]]:
    """[path, size, time of change] per file; of one that is not there any more, that it is not."""
    return [[os.fsencode(path.resolve()).decode(errors="backslashreplace"), *_stamp(path)] for path in paths]


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError:  # a link that leads nowhere, or a file that has vanished: reading it says so
        return [-1, -1]
    return [stat.st_size, stat.st_mtime_ns]


def scalars(row: Mapping[str, Any], leave_out: Sequence[str]) -> dict[str, Any]:
    """The plain short fields of a row, for `Document.metadata`."""
    kept = {}
    for name, value in row.items():
        if name in leave_out or value is None:
            continue
        if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 500):
            kept[name] = value
    return json.loads(json.dumps(kept, default=str))
