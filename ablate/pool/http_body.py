"""An archived HTTP response: its header read as browsers read it, its body with all codings undone.

Sources: RFC 9112 (messages), RFC 9110 section 8.4 (codings), and for what is not as they say the WHATWG
Fetch and MIME Sniffing standards.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import zstandard
from fastwarc.stream_io import BrotliReader

from ablate.pool.members import BROKEN, GZIP, PIECE, ZSTD

STATUS = re.compile(rb"(?:HTTP|ICY|SPDY|QUIC)(?:/[0-9.]*)?[ \t]+([0-9]{3})(?![0-9])", re.IGNORECASE)
BLANK_LINE = re.compile(rb"\r?\n\r?\n|\n\r\n")
FOLDED = re.compile(r"\r?\n[ \t]+")
CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
NEWLINE = re.compile(rb"\r?\n")
TYPE = re.compile(r"""\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)""")
CHARSET = re.compile(r"""[;,\s]charset\s*=\s*["']?([^"';,\s]+)""", re.IGNORECASE)
UNSTATED = ("", "unknown/unknown", "application/unknown", "*/*")
MARKUP = re.compile(
    rb"[\t\n\f\r ]*(?:<!doctype html|<html|<head|<script|<iframe|<h1|<div|<font|<table|<a|<style|<title|<b"
    rb"|<body|<br|<p|<!--)[ \t\n\f\r>]",
    re.IGNORECASE,
)
"""How a page begins that does not say what it is (MIME Sniffing standard, 7.1)."""


@dataclass(frozen=True)
class Response:
    """What a server answered.

    Attributes:
        status: status code; 200 for an answer of HTTP/0.9, which has no header.
        content_type: media type in lower case; "" where it says none.
        charset: as declared, if it is.
        body: the page's bytes.
    """

    status: int
    content_type: str
    charset: str | None
    body: bytes


def unpack(block: bytes, limit: int) -> Response:
    """The response that an archive holds, whatever its header claims of its body.

    Archives hold bodies whose header claims a coding that was undone already or that was never there, that
    are packed without saying so, by old names (`x-gzip`), as deflate without its zlib frame, or with chunks
    that break off.

    Args:
        block: status line, header and body.
        limit: bytes of body at most: packed bodies can unfold to any size, so each coding stops there.
    Raises:
        ValueError: when the status line has no status, or a packed or chunked body is damaged.
    """
    if not (start := STATUS.match(block)):
        if re.match(rb"HTTP/\d", block, re.IGNORECASE):
            raise ValueError(f"status line {block[:40].splitlines()[0]!r}")
        return Response(200, "", None, block)
    blank = BLANK_LINE.search(block)
    head, body = (block[: blank.start()], block[blank.end() :]) if blank else (block, b"")
    fields = _fields(head)
    content_type, charset = media_type(fields.get("content-type", ()))
    if "chunked" in ",".join(fields.get("transfer-encoding", ())).lower():
        body = _join_chunks(body)
    codings = ",".join((*fields.get("content-encoding", ()), *fields.get("transfer-encoding", ()))).lower()
    for coding in reversed(codings.split(",")):  # the last one named was the last one done
        body = _undo(coding.strip(), body, limit)
    body = _gunzip(body, limit)  # whatever is claimed
    return Response(int(start.group(1)), content_type, charset, body)


def media_type(values: Sequence[str]) -> tuple[str, str | None]:
    """Media type in lower case ("" if none) and charset of the Content-Type fields.

    Of several the last valid one counts, and a charset stays while the type does (Fetch standard, 3.5).
    """
    content_type, charset = "", None
    for value in ",".join(values).split(","):
        found = TYPE.match(value)
        stated = found.group(1).lower() if found else ""
        if stated in UNSTATED:
            continue
        declared = CHARSET.search(value)
        charset = declared.group(1) if declared else charset if stated == content_type else None
        content_type = stated
    return content_type, charset


def is_markup(body: bytes) -> bool:
    """Whether a body that does not say what it is begins like an HTML page."""
    return MARKUP.match(body.removeprefix(b"\xef\xbb\xbf")) is not None


def _fields(head: bytes) -> dict[str, list[str]]:
    """Values by name in lower case; names and values are Latin-1, folded lines are joined, others left out."""
    fields: dict[str, list[str]] = {}
    for line in FOLDED.sub(" ", head.decode("latin-1")).split("\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return fields


def _undo(coding: str, body: bytes, limit: int) -> bytes:
    """One coding undone, as far as the body goes; the body as it is when it is not coded so."""
    if coding in ("gzip", "x-gzip"):
        return _gunzip(body, limit)
    if coding == "deflate":
        return _inflate(body, 15, limit) or _inflate(body, -15, limit) or body
    if coding == "zstd" and body.startswith(ZSTD):
        return _read(zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True), limit)
    if coding == "br":
        return _read(BrotliReader(io.BytesIO(body)), limit) or body
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Gzip undone, member after member; the body as it is when it is not gzip.

    Raises:
        ValueError: when it is damaged, not only cut off: part of it is not the page.
    """
    text = b""
    while body.startswith(GZIP) and len(text) < limit:
        inflate = zlib.decompressobj(31)
        try:
            text += inflate.decompress(body, limit - len(text))
        except zlib.error as error:
            raise ValueError(f"gzip: {error}") from None
        body = inflate.unused_data
    return text or body


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    """What a packed body unfolds to, as far as it goes; nothing when it is not packed so."""
    try:
        return zlib.decompressobj(wbits).decompress(body, limit)
    except zlib.error:
        return b""


def _read(reader: Any, limit: int) -> bytes:
    """What a reader gives until it ends or breaks."""
    parts: list[bytes] = []
    left = limit
    try:
        while left > 0 and (piece := reader.read(min(left, PIECE))):
            parts.append(piece)
            left -= len(piece)
    except BROKEN:
        pass
    return b"".join(parts)


def _join_chunks(body: bytes) -> bytes:
    """The chunks of a body, as far as they go; the body as it is when its chunks do not bear out the claim.

    A text that was joined already can begin with what could be a size ("face", "2024"). Chunks that break
    off are believed when a page or something packed stands in the first.

    Raises:
        ValueError: when such chunks go wrong before the body ends.
    """
    first = CHUNK.match(body)
    if not first:
        return body
    believed = is_markup(body[first.end() :]) or body.startswith((GZIP, ZSTD), first.end())
    parts: list[bytes] = []
    place = 0
    while size := CHUNK.match(body, place):
        begin, length = size.end(), int(size.group(1), 16)
        if length == 0:
            return b"".join(parts) if parts or not body[begin:].strip() else body
        parts.append(body[begin : begin + length])
        if begin + length >= len(body):
            whole = len(parts) > 1 or begin + length == len(body)
            return b"".join(parts) if whole or believed else body
        newline = NEWLINE.match(body, begin + length)
        if not newline:
            break
        place = newline.end()
        if place == len(body):
            return b"".join(parts)
    if believed:
        raise ValueError(f"chunks go wrong at byte {place:,} of the body")
    return body
