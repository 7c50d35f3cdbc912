"""The body of an archived HTTP response: transfer and content codings undone, whatever the headers claim."""

from __future__ import annotations

import re
import zlib

from fastwarc.warc import WarcRecord

BROKEN = (OSError, ValueError, EOFError, RuntimeError)
CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r?\n")
GZIP = b"\x1f\x8b\x08"


def unpack(block: bytes, limit: int) -> tuple[WarcRecord, bytes]:
    """HTTP headers and the body as the browser would get it.

    FastWARC undoes chunks, gzip, deflate, brotli and zstd. Beyond it, archives hold bodies whose headers
    claim a coding that was undone already, that are packed without saying so, by old names (`x-gzip`), as
    deflate without its zlib frame, or with chunks that break off.

    Args:
        block: status line, headers and body.
        limit: bytes of body at most: packed bodies can unfold to any size.
    Raises:
        OSError, ValueError, EOFError, RuntimeError: when it cannot be read.
    """
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {len(block)}\r\n"
    whole = head.encode() + b"Content-Type: application/http; msgtype=response\r\n\r\n" + block + b"\r\n\r\n"
    for coding in ("all", "content", "transfer"):
        record = WarcRecord.from_bytes(whole)
        try:
            record.parse_http(auto_decode=coding)
            return record, _rest(record, record.reader.read(limit), limit)
        except BROKEN:
            continue
    record = WarcRecord.from_bytes(whole)
    record.parse_http(auto_decode="none")
    return record, _rest(record, record.reader.read(), limit)


def _rest(record: WarcRecord, body: bytes, limit: int) -> bytes:
    """Undo what is left of the codings that the headers claim, and gzip that none claims."""
    headers = {name.lower(): value.lower() for name, value in record.http_headers}
    if "chunked" in headers.get("transfer-encoding", "") and CHUNK.match(body):
        body = _join_chunks(body)
    if body.startswith(GZIP):
        return _inflate(body, 31, limit) or body
    if "deflate" in headers.get("content-encoding", ""):
        return _inflate(body, -15, limit) or body
    return body


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    """What a packed body unfolds to; nothing when it is not packed so."""
    try:
        return zlib.decompressobj(wbits).decompress(body, limit)
    except zlib.error:
        return b""


def _join_chunks(body: bytes) -> bytes:
    """The chunks of a body as far as they go."""
    parts, place = [], 0
    while size := CHUNK.match(body, place):
        begin, length = size.end(), int(size.group(1), 16)
        if length == 0:
            break
        parts.append(body[begin : begin + length])
        place = begin + length
        place += 2 if body[place : place + 2] == b"\r\n" else 1
    return b"".join(parts)
