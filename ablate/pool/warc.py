"""`pool=warc`: web pages from WARC files; also the plain text of WET files.

Responses, resources that were fetched without HTTP, and conversions (WET) are documents. A revisit says
that a page was met again unchanged, so its text stands elsewhere; it is listed. Requests, metadata
and file headers hold no page; a file of nothing else that is metadata (WAT) is listed as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ablate.errors import ConfigError
from ablate.plain import Plain
from ablate.pool.held_out import document_digest, held_out_documents, held_out_request
from ablate.pool.http_body import is_markup, media_type, unpack
from ablate.pool.members import BROKEN
from ablate.pool.records import Lost, Record, records
from ablate.pool.source import (
    HELD_OUT,
    MAX_DOCUMENT_BYTES,
    Document,
    FileSource,
    Item,
    ReadAll,
    Skipped,
    file_stamps,
    in_turn,
)
from ablate.reading.encoding import decode, is_binary
from ablate.reading.paths import Found, find_files, shown

HTML_TYPES = ("text/html", "application/xhtml+xml")
PAGES = ("response", "resource", "conversion", "revisit")
NO_PAGES = ("warcinfo", "request", "metadata")
FETCHED = ("http://", "https://", "ftp://", "file://")
READER = 4
"""Raise it when the same file gives other documents: pools that were read before are then read anew."""
TOO_LARGE = f"larger than {MAX_DOCUMENT_BYTES:,} bytes"
WARC_ENDINGS = (".warc", ".wet", ".gz", ".zst", ".lz4")


@dataclass(frozen=True, kw_only=True)
class Warc(FileSource):
    """Pages of local `.warc`, `.warc.gz`, `.wet.gz` files.

    Attributes:
        paths: files, globs or folders.
        limit: at most this many documents; null for all.
        leave_out: file of held-out documents that `ablate init` wrote: they are skipped.
    """

    libraries: ClassVar[tuple[str, ...]] = ("fastwarc", "resiliparse")
    paths: Sequence[str]
    limit: int | None = None
    leave_out: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be 1 or more, got {self.limit}")

    def found(self) -> Found:
        """The files, in order; one that is named may have any ending, those beside it in a folder may not."""
        named = {Path(str(path)) for path in ([self.paths] if isinstance(self.paths, str) else self.paths)}
        return find_files(
            self.paths,
            lambda path: path in named or path.name.lower().endswith(WARC_ENDINGS),
            f"WARC files, ending in {', '.join(WARC_ENDINGS)}",
        )

    def request(self) -> dict[str, Plain]:
        """Files with size and time of change, the limit, and how they are read."""
        files: dict[str, Plain] = {
            "reader": READER,
            "warc": file_stamps(self.found().files),
            "limit": self.limit,
        }
        return files | held_out_request(self.leave_out)

    def documents(self, read_all: ReadAll = in_turn) -> Iterator[Item]:
        """Every HTML page or text record, in file order."""
        count, found, held_out = 0, self.found(), held_out_documents(self.leave_out)
        for path, why in found.others:
            yield Skipped(shown(path.name), 0, f"not read ({why})")
        for path, items in zip(found.files, read_all(read_warc, found.files), strict=True):
            for place, item in enumerate(items):
                if held_out and isinstance(item, Document) and document_digest(item.text) in held_out:
                    yield Skipped(shown(path.name), place, HELD_OUT)
                    continue
                yield item
                count += isinstance(item, Document)
                if self.limit is not None and count >= self.limit:
                    return


def read_warc(path: Path) -> Iterator[Document | Skipped]:
    """Every document of one file, and in their places the records left out and the bytes that were lost."""
    name, offset, size = shown(path.name), 0, 0
    types: set[str] = set()
    if not path.is_file():
        yield Skipped(name, 0, "unreadable from here: no such file")
        return
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            for item in records(stream, MAX_DOCUMENT_BYTES):
                offset = item.end
                if isinstance(item, Record):
                    types.add(item.fields.get("warc-type", "").lower())
                if isinstance(item, Lost):
                    yield Skipped(name, item.begin, item.reason, item.end - item.begin)
                elif read := read_record(item, name):
                    yield read
        if "metadata" in types <= {"metadata", "warcinfo"}:
            yield Skipped(name, 0, "metadata of pages (WAT), no text")
    except OSError as error:  # it vanished, or its disk fails
        yield Skipped(name, offset, f"unreadable from here: {error}", max(0, size - offset))


def read_record(record: Record, file: str) -> Document | Skipped | None:
    """One record can be as odd as it likes: it costs itself, never the pool."""
    try:
        return _read(record, file)
    except Exception as error:
        return Skipped(file, record.begin, f"unreadable record: {type(error).__name__}: {error}")


def _read(record: Record, file: str) -> Document | Skipped | None:
    """A record as a document, or why it is none; nothing for those that never hold a page."""

    def skipped(reason: str) -> Skipped:
        return Skipped(file, record.begin, reason)

    kind, fields = record.fields.get("warc-type", "").lower(), record.fields
    if kind in NO_PAGES:
        return None
    if kind not in PAGES:
        return skipped(f"WARC-Type {kind[:40] or 'missing'}")
    url = fields.get("warc-target-uri", "").strip("<>")
    if kind == "revisit":
        return skipped(f"revisit: {fields.get('warc-refers-to') or 'unchanged'}")
    if kind == "resource" and not url.lower().startswith(FETCHED):
        return skipped(f"resource of the crawler: {url}")
    if record.length > MAX_DOCUMENT_BYTES:
        return skipped(f"{TOO_LARGE}: {record.length:,}")
    stated, body = fields.get("content-type", ""), record.block
    content_type, charset = media_type([stated])
    if content_type == "application/http":
        try:
            response = unpack(record.block, MAX_DOCUMENT_BYTES + 1)
        except BROKEN as error:
            return skipped(f"unreadable body: {error}")
        if response.status != 200:
            return skipped(f"status {response.status}")
        content_type, charset, body = response.content_type, response.charset, response.body
        if not content_type and is_markup(body):
            content_type = "text/html"  # as browsers do
    if content_type not in (*HTML_TYPES, "text/plain"):
        return skipped(f"content type {content_type or 'missing'}")
    if len(body) > MAX_DOCUMENT_BYTES:
        return skipped(f"{TOO_LARGE}: after decoding")
    if is_binary(body, charset):
        return skipped("binary body")
    metadata = {"date": fields.get("warc-date", "")}
    if "warc-truncated" in fields:  # the crawler stopped there
        metadata["truncated"] = fields["warc-truncated"]
    return Document(
        decode(body, charset),
        "html" if content_type in HTML_TYPES else "text",
        url,
        file.split(".")[0],
        metadata=metadata,
    )
