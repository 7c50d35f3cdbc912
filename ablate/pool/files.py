"""`pool=files`: plain text or HTML documents from jsonl, parquet and txt files."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from ablate.errors import ConfigError, DataError, nearest
from ablate.pool.source import Document, Skipped, Source, file_stamps, find, scalars

FORMATS = (".jsonl", ".ndjson", ".parquet", ".txt", ".html", ".htm")
READ_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError, pa.ArrowException)


def text_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, `.gz` and `.zst` unpacked; bad UTF-8 becomes U+FFFD."""
    with _open(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="\n") as text:
        yield from text


def _open(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        return zstandard.open(path, "rb")
    return path.open("rb")


@dataclass(frozen=True, kw_only=True)
class Files(Source):
    """Documents of local files: a JSON object a line, a Parquet row, or a whole text file each.

    Attributes:
        paths: files, globs or folders.
        text_column: field that holds the text.
        url_column: field that holds the address, where there is one.
        language_column: field that holds the language code, where there is one.
        kind: "text" or "html": what the text field holds.
        limit: at most this many documents; null for all.
        every: take every k-th document only, for a thin even sample.
    """

    paths: Sequence[str]
    text_column: str = "text"
    url_column: str = "url"
    language_column: str = "language"
    kind: str = "text"
    limit: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("text", "html"):
            raise ConfigError(f"kind must be text or html, got {self.kind!r}")
        if self.every < 1:
            raise ConfigError(f"every must be 1 or more, got {self.every}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be 1 or more, got {self.limit}")

    def files(self) -> list[Path]:
        """The files in a format this pool reads, in order."""
        found = find(self.paths, f"files ending in {', '.join(FORMATS)} (or those with .gz, .zst)")
        readable = [path for path in found if _format(path) in FORMATS]
        if not readable:
            raise DataError(f"none of {len(found)} files is in a format read here ({', '.join(FORMATS)})")
        return readable

    def request(self) -> dict[str, Any]:
        """Files with size and time of change, and every parameter."""
        return {"files": file_stamps(self.files()), **{k: v for k, v in vars(self).items() if k != "paths"}}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every document, in file order."""
        count = index = 0
        for path in self.files():
            for item in self._read(path):
                if isinstance(item, Document):
                    index += 1
                    if (index - 1) % self.every:
                        continue
                    count += 1
                yield item
                if self.limit is not None and count >= self.limit:
                    return

    def _read(self, path: Path) -> Iterator[Document | Skipped]:
        number = 0
        try:
            if _format(path) in (".txt", ".html", ".htm"):
                kind = "text" if _format(path) == ".txt" else "html"
                yield Document("".join(text_lines(path)), kind, source=path.parent.name or path.stem)
                return
            rows = _parquet_rows(path) if path.suffix == ".parquet" else json_rows(path)
            for number, row in rows:
                yield row if isinstance(row, Skipped) else self._document(row, path, number)
        except READ_ERRORS as error:
            yield Skipped(path.name, number, f"unreadable from here: {error}")

    def _document(self, row: Mapping[str, Any], path: Path, number: int) -> Document | Skipped:
        text = row.get(self.text_column)
        if not isinstance(text, str):
            hint = nearest(self.text_column, [name for name, value in row.items() if isinstance(value, str)])
            return Skipped(path.name, number, f"no text in field {self.text_column!r} ({hint})")
        return Document(
            text,
            self.kind,
            str(row.get(self.url_column) or ""),
            str(row.get("source") or path.name.split(".")[0]),
            str(row.get(self.language_column) or ""),
            scalars(row, (self.text_column, self.url_column, self.language_column, "source")),
        )


def _format(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in (".gz", ".zst") else path.suffix


def json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number, object) of a file of JSON lines, `.gz` and `.zst` unpacked; `Skipped` for a bad line."""
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, Skipped(path.name, number, f"not JSON: {error}")
            continue
        yield number, row if isinstance(row, dict) else Skipped(path.name, number, "not a JSON object")


def _parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=500):
            for row in batch.to_pylist():
                yield number, row
                number += 1
