"""`pool=warc`: web pages from WARC files; also the plain text of WET files.

Responses, resources that were fetched without HTTP, and conversions (WET) are documents. A revisit says
that a page was met again unchanged, so its text stands elsewhere; it is listed. Requests, metadata (WAT)
and file headers hold no page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from ablate.pool.http_body import BROKEN, unpack
from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped, Source, file_stamps, find
from ablate.reading.encoding import decode, is_binary

HTML_TYPES = ("text/html", "application/xhtml+xml")
WANTED = (
    WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
)
FETCHED = ("http://", "https://", "ftp://", "file://")
READER = 2
"""Raise it when the same file gives other documents: pools that were read before are then read anew."""
TOO_LARGE = f"larger than {MAX_DOCUMENT_BYTES:,} bytes"
WARC_ENDINGS = (".warc", ".wet", ".gz", ".zst", ".lz4")


@dataclass(frozen=True, kw_only=True)
class Warc(Source):
    """Pages of local `.warc`, `.warc.gz`, `.wet.gz` files.

    Attributes:
        paths: files, globs or folders.
        limit: at most this many documents; null for all.
    """

    paths: Sequence[str]
    limit: int | None = None

    def files(self) -> list[Path]:
        """The files, in order."""
        paths = find(self.paths, "WARC files")
        explicit = {Path(str(path)) for path in ([self.paths] if isinstance(self.paths, str) else self.paths)}
        return [path for path in paths if path in explicit or path.name.endswith(WARC_ENDINGS)]

    def request(self) -> dict[str, Any]:
        """Files with size and time of change, the limit, and how they are read."""
        return {"reader": READER, "warc": file_stamps(self.files()), "limit": self.limit}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every HTML page or text record, in file order."""
        count = 0
        for path in self.files():
            for item in read_warc(path):
                yield item
                count += isinstance(item, Document)
                if self.limit is not None and count >= self.limit:
                    return


def read_warc(path: Path) -> Iterator[Document | Skipped]:
    """Every document of one file; a broken record is skipped, a broken rest of the file named."""
    with path.open("rb") as stream:
        offset = 0
        try:
            for record in ArchiveIterator(stream, record_types=WANTED, parse_http=False):
                offset = record.stream_pos
                yield _read(record, path, offset)
        except BROKEN as error:
            yield Skipped(path.name, offset, f"unreadable from here: {error}")


def _read(record: WarcRecord, path: Path, offset: int) -> Document | Skipped:
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    if record.record_type == WarcRecordType.revisit:
        return Skipped(path.name, offset, f"revisit: {record.headers.get('WARC-Refers-To') or 'unchanged'}")
    if record.record_type == WarcRecordType.resource and not url.startswith(FETCHED):
        return Skipped(path.name, offset, f"resource of the crawler: {url}")
    if record.content_length > MAX_DOCUMENT_BYTES:
        return Skipped(path.name, offset, f"{TOO_LARGE}: {record.content_length:,}")
    block = record.reader.read()
    if len(block) < record.content_length:
        return Skipped(path.name, offset, f"truncated: {len(block):,} of {record.content_length:,} bytes")
    content_type, charset, body = record.headers.get("Content-Type") or "", None, block
    if record.is_http:
        try:
            http, body = unpack(block, MAX_DOCUMENT_BYTES + 1)
        except BROKEN as error:
            return Skipped(path.name, offset, f"unreadable body: {error}")
        if http.http_headers.status_code != 200:
            return Skipped(path.name, offset, f"status {http.http_headers.status_code}")
        content_type, charset = http.http_content_type or "", http.http_charset
    content_type = content_type.split(";")[0].strip().lower()
    if content_type not in (*HTML_TYPES, "text/plain"):
        return Skipped(path.name, offset, f"content type {content_type or 'missing'}")
    if len(body) > MAX_DOCUMENT_BYTES:
        return Skipped(path.name, offset, f"{TOO_LARGE}: after decoding")
    if is_binary(body):
        return Skipped(path.name, offset, "binary body")
    kind = "html" if content_type in HTML_TYPES else "text"
    metadata = {"date": record.headers.get("WARC-Date") or ""}
    return Document(decode(body, charset), kind, url, path.name.split(".")[0], metadata=metadata)
