"""`pool=files`: plain text or HTML documents from files of records, and of text files of one document each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ablate.errors import ConfigError, nearest
from ablate.plain import Plain
from ablate.pool.held_out import document_digest, held_out_documents, held_out_request
from ablate.pool.source import (
    HELD_OUT,
    MAX_DOCUMENT_BYTES,
    NO_TEXT,
    Document,
    FileSource,
    Item,
    ReadAll,
    Skipped,
    field_of,
    file_stamps,
    in_turn,
    scalars,
)
from ablate.reading.encoding import decode
from ablate.reading.paths import Found, find_files, shown
from ablate.reading.records import FORMATS, READABLE, TEXTS, Fault, Part, is_readable, parts, records, texts
from ablate.reading.unpack import UNPACK_ERRORS, Damaged, worded

READER = 5
"""Raise it when the same file gives other documents: pools that were read before are then read anew."""


@dataclass(frozen=True, kw_only=True)
class Files(FileSource):
    """Documents of local files: a record each, or a whole text file each.

    Attributes:
        paths: files, globs or folders.
        text_column: field that holds the text; one of a mapping by its path, e.g. `metadata.body`. So for the next two.
        url_column: field that holds the address, where there is one.
        language_column: field that holds the language code, where there is one.
        kind: "text" or "html": what the text field holds.
        limit: at most this many documents; null for all.
        every: take every k-th document only, for a thin even sample.
        leave_out: file of held-out documents that `ablate init` wrote: they are skipped.
    """

    libraries: ClassVar[tuple[str, ...]] = ("resiliparse", "pyarrow")
    paths: Sequence[str]
    text_column: str = "text"
    url_column: str = "url"
    language_column: str = "language"
    kind: str = "text"
    limit: int | None = None
    every: int = 1
    leave_out: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("text", "html"):
            raise ConfigError(f"kind must be text or html, got {self.kind!r}")
        if self.every < 1:
            raise ConfigError(f"every must be 1 or more, got {self.every}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be 1 or more, got {self.limit}")

    def found(self) -> Found:
        """The files that the paths stand for, and those beside them that are in no format read here.

        Raises:
            DataError: for a path that matches nothing, and a named file in no format read here.
        """
        return find_files(self.paths, is_readable, f"files ending in {READABLE}")

    def request(self) -> dict[str, Plain]:
        """Files with size and time of change, every parameter, and how they are read."""
        found = self.found()
        return {
            "files": file_stamps(found.files),
            "reader": READER,
            "not read": [str(path) for path, _ in found.others],
            **{k: v for k, v in vars(self).items() if k not in ("paths", "leave_out")},
            **held_out_request(self.leave_out),
        }

    def documents(self, read_all: ReadAll = in_turn) -> Iterator[Item]:
        """Every document, in file order, after the files that are not read."""
        count = index = 0
        found, held_out = self.found(), held_out_documents(self.leave_out)
        for path, why in found.others:
            yield Skipped(shown(path.name), 0, f"not read ({why})")
        for items in read_all(self._read, found.files):
            for item in items:
                if isinstance(item, Document):
                    index += 1
                    if (index - 1) % self.every:
                        continue
                    if held_out and document_digest(item.text) in held_out:
                        yield Skipped(item.source, index - 1, HELD_OUT)
                        continue
                    count += 1
                yield item
                if self.limit is not None and count >= self.limit:
                    return

    def _read(self, path: Path) -> Iterator[Document | Skipped]:
        try:
            for part in parts(path):
                if part.is_hidden:
                    yield Skipped(part.name, 0, "not read (hidden)")
                elif part.format in TEXTS:
                    yield from _text(part)
                elif part.format in FORMATS:
                    yield from self._records(part)
                elif part.name.endswith("/"):  # the end of an archive without its directory
                    yield from (Skipped(shown(path.name), 0, _reason(fault)) for fault in texts(part))
                else:
                    yield Skipped(part.name, 0, f"not read ({part.format or 'no ending'})")
        except (Damaged, *UNPACK_ERRORS) as error:
            yield Skipped(shown(path.name), 0, f"unreadable from here: {worded(error)}")

    def _records(self, part: Part) -> Iterator[Document | Skipped]:
        columns = (self.text_column, self.url_column, self.language_column, "source")
        for number, row in records(part, columns):
            if isinstance(row, Fault):
                yield Skipped(part.name, number, row.reason)
                continue
            try:
                yield self._document(row, part, number)
            except Exception as error:  # whatever one record holds, the others count
                yield Skipped(part.name, number, f"unreadable record: {type(error).__name__}: {error}")

    def _document(self, row: Mapping[str, object], part: Part, number: int) -> Document | Skipped:
        text = field_of(row, self.text_column)
        if isinstance(text, bytes):
            text = decode(text)
        if not isinstance(text, str):
            hint = nearest(self.text_column, [name for name, value in row.items() if isinstance(value, str)])
            return Skipped(part.name, number, f"no text in field {self.text_column!r}: {hint}")
        if not text.strip():
            return Skipped(part.name, number, NO_TEXT)
        return Document(
            text,
            self.kind,
            str(field_of(row, self.url_column) or ""),
            str(row.get("source") or part.name.rpartition("/")[2].split(".")[0]),
            str(field_of(row, self.language_column) or ""),
            scalars(row, (self.text_column, self.url_column, self.language_column, "source")),
        )


def _text(part: Part) -> Iterator[Document | Skipped]:
    kind = "text" if part.format == ".txt" else "html"
    source = shown(part.path.parent.name or part.path.stem)
    for text in texts(part, MAX_DOCUMENT_BYTES):
        if isinstance(text, Fault):
            yield Skipped(part.name, 0, text.reason)
        elif not text.strip():
            yield Skipped(part.name, 0, NO_TEXT)
        else:
            yield Document(text, kind, source=source)


def _reason(fault: str | Fault) -> str:
    return fault.reason if isinstance(fault, Fault) else "empty"
