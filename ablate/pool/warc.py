"""`pool=warc`: web pages from WARC files; also the plain text of WET files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped, Source, file_stamps, find

HTML_TYPES = ("text/html", "application/xhtml+xml")
WANTED = WarcRecordType.response | WarcRecordType.conversion
TOO_LARGE = f"larger than {MAX_DOCUMENT_BYTES:,} bytes"
BROKEN = (OSError, ValueError, EOFError, RuntimeError)
WARC_ENDINGS = (".warc", ".wet", ".gz", ".zst", ".lz4")


def decode(body: bytes, declared: str | None) -> str:
    """Decode a page.

    Bytes that are valid UTF-8 are UTF-8 whatever is declared (wrong declarations are common, valid
    UTF-8 by chance is not), except 7-bit ISO-2022 escapes; then the HTTP header's charset, the page's
    meta tag, and detection, in that order.

    Args:
        body: the page's bytes.
        declared: charset of the HTTP header, if any.
    """
    if b"\x1b$" not in body:
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    for name in (declared, detect_encoding(body, from_html_meta=True), "windows-1252"):
        if name:
            try:
                return bytes_to_str(body, name, errors="replace", fallback_encodings=())
            except (LookupError, UnicodeError):
                continue
    return body.decode("utf-8", "replace")


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
        """Files with size and time of change, and the limit."""
        return {"warc": file_stamps(self.files()), "limit": self.limit}

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
    if record.content_length > MAX_DOCUMENT_BYTES:
        return Skipped(path.name, offset, f"{TOO_LARGE}: {record.content_length:,}")
    block = record.reader.read()
    if len(block) < record.content_length:
        return Skipped(path.name, offset, f"truncated: {len(block):,} of {record.content_length:,} bytes")
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    content_type, charset, body = record.headers.get("Content-Type") or "", None, block
    if record.is_http:
        try:
            http, body = _unpack(block)
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
    kind = "html" if content_type in HTML_TYPES else "text"
    metadata = {"date": record.headers.get("WARC-Date") or ""}
    return Document(decode(body, charset), kind, url, path.name.split(".")[0], metadata=metadata)


def _unpack(block: bytes) -> tuple[WarcRecord, bytes]:
    """HTTP headers and decoded body; archives exist whose headers claim a coding that was undone."""
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {len(block)}\r\n"
    whole = head.encode() + b"Content-Type: application/http; msgtype=response\r\n\r\n" + block + b"\r\n\r\n"
    for coding in ("all", "content", "transfer"):
        record = WarcRecord.from_bytes(whole)
        try:
            record.parse_http(auto_decode=coding)
            # Compressed bodies can unfold to any size, so the limit holds for what comes out as well.
            return record, record.reader.read(MAX_DOCUMENT_BYTES + 1)
        except BROKEN:
            continue
    record = WarcRecord.from_bytes(whole)
    record.parse_http(auto_decode="none")
    return record, record.reader.read()
