"""Where raw documents come from: a source yields documents and the records it had to skip."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ablate.fingerprint import file_stamp, library_versions
from ablate.plain import Plain

MAX_DOCUMENT_BYTES = 10_000_000
NO_TEXT = "no text"
"""Why a record whose text is blank is skipped."""
HELD_OUT = "held out"
"""Why a document of `leave_out` is skipped."""
DEEPEST = 8
"""Mappings within mappings whose fields are read."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known of a document because it was planted; kept beside the pool, where no stage can read it.

    Attributes:
        kind: of the defect; "" for a document as it came.
        origin: the how-manieth document of the pool underneath it is, or was made of.
        rank: the how-manieth of its kind; -1 without a defect.
        strength: of the defect, in its own unit; 0 without one.
        pieces: texts that were added to the document.
    """

    origin: int
    kind: str = ""
    rank: int = -1
    strength: float = 0.0
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """Holds one raw document.

    Attributes:
        text: decoded HTML source, or plain text.
        kind: "html" or "text".
        url: address, or "" where there is none.
        source: collection it comes from, e.g. the file's stem.
        language: ISO 639-1 code if the origin states one, else "".
        metadata: anything else the origin says of it; plain scalars.
        truth: what was planted, where defects are; None elsewhere.
    """

    text: str
    kind: str = "text"
    url: str = ""
    source: str = ""
    language: str = ""
    metadata: Mapping[str, Plain] = field(default_factory=dict)
    truth: Truth | None = None


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
    """Gives raw documents of one origin; it is built from a `conf/pool/*.yaml`.

    Attributes:
        libraries: the distributions that turn bytes into texts; after an upgrade files are read again.
    """

    libraries: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def documents(self) -> Iterator[Document | Skipped]:
        """Every document in a fixed order, and every skipped record in its place."""

    @abstractmethod
    def request(self) -> dict[str, Plain]:
        """What was asked for, cheap to compute; the same request finds the pool made before.

        Local files stand in it with what changes when they do, so a changed file is read again. A pool is
        named by what was read, wherever that lay.
        """

    def versions(self) -> dict[str, str]:
        """The installed version of each library whose version may change what is read."""
        return library_versions(self.libraries)

    def places(self) -> list[str]:
        """Keys that say where documents are read from, for errors; of a source made of others, theirs below its own."""
        found: list[str] = []
        for name, value in vars(self).items():
            inner = {name: value} if isinstance(value, Source) else {}
            if isinstance(value, Mapping):
                inner = {f"{name}.{key}": one for key, one in value.items() if isinstance(one, Source)}
            found += [f"{key}.{place}" for key, one in inner.items() for place in one.places()]
        return found or [name for name in ("paths", "path") if name in vars(self)]


Item = Document | Skipped
"""What reading gives."""
Read = Callable[[Path], Iterator[Item]]
"""Reads one file."""
ReadAll = Callable[[Read, Sequence[Path]], Iterator[Iterator[Item]]]
"""Reads files by a `Read`; what it gives of each, in the order of the files."""


def in_turn(read: Read, paths: Sequence[Path]) -> Iterator[Iterator[Item]]:
    """Read file after file, here."""
    return map(read, paths)


class FileSource(Source):
    """Documents of files that can be read apart from one another.

    Attributes:
        limit: at most this many documents; None for all.
    """

    limit: int | None

    @abstractmethod
    def documents(self, read_all: ReadAll = in_turn) -> Iterator[Item]:
        """As every source has them.

        Args:
            read_all: how the files are read, side by side for instance; their order and what depends on it stay here.
        """


def file_stamps(paths: Sequence[Path]) -> list[list[Plain]]:
    """[path, what changes when the file does] per file; of one that is not there any more, that it is not.

    They tell whether a file was read before; no pool is named by them.
    """
    return [[os.fsencode(path.resolve()).decode(errors="backslashreplace"), *_stamp(path)] for path in paths]


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        return file_stamp(path)
    except OSError:  # a link that leads nowhere, or a file that has vanished: reading it says so
        return (-1,)


def field_of(row: Mapping[str, object], name: str) -> object:
    """A field of a row, or, where the name has dots and no field is called so, one of the mapping that a field holds."""
    if name in row or "." not in name:
        return row.get(name)
    outer, _, inner = name.partition(".")
    held = row.get(outer)
    return field_of(held, inner) if isinstance(held, Mapping) else None


def scalars(row: Mapping[str, object], leave_out: Sequence[str]) -> dict[str, Plain]:
    """Return the plain short fields of a row, for `Document.metadata`; those of mappings under dotted names (`metadata.score`).

    A list of one [begin, end, value] is that value: so RedPajama-V2 writes a signal of a whole document.
    """
    kept = {}
    for name, value in _leaves(row, DEEPEST):
        if name in leave_out or name in kept or value is None:
            continue
        if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 500):
            kept[name] = value
    plain: dict[str, Plain] = json.loads(json.dumps(kept, default=str))
    return plain


def _leaves(row: Mapping[str, object], depth: int) -> Iterator[tuple[str, object]]:
    """Names and values; those of mappings last, so that a field that has dots in its own name comes before them."""
    nested = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            nested.append((name, value))
        elif (
            isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and len(value[0]) == 3
        ):
            yield name, value[0][2]
        else:
            yield name, value
    for name, held in nested if depth else ():
        for inner, value in _leaves(held, depth - 1):
            yield f"{name}.{inner}", value
