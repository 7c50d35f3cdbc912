"""Bodies of archived responses: packed, chunked, broken, or not what their headers claim."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from ablate.pool.http_body import unpack

HTML = b"<p>" + b"hello world " * 50 + b"</p>"
LIMIT = 1_000_000


def chunked(body: bytes, size: int = 37) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def body_of(headers: str, body: bytes, limit: int = LIMIT) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=x\r\n{headers}\r\n".encode()
    response = unpack(head + body, limit)
    assert (response.status, response.content_type, response.charset) == (200, "text/html", "x")
    return response.body


GZIP, CHUNKS = "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("", HTML),
        ("Content-Encoding: identity\r\n", HTML),
        ("Content-Encoding: UTF-8\r\n", HTML),
        (GZIP, gzip.compress(HTML)),
        ("content-encoding: X-GZIP\r\n", gzip.compress(HTML)),
        ("Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(HTML))),
        ("Content-Encoding: deflate\r\n", zlib.compress(HTML)),
        ("Content-Encoding: deflate\r\n", raw_deflate(HTML)),
        ("Content-Encoding: br\r\n", brotli.compress(HTML)),
        ("Content-Encoding: zstd\r\n", zstandard.compress(HTML)),
        (CHUNKS, chunked(HTML)),
        (CHUNKS, chunked(HTML).replace(b"25\r\n", b"25;name=value\r\n")),
        (CHUNKS + GZIP, chunked(gzip.compress(HTML))),
        ("Transfer-Encoding: gzip, chunked\r\n", chunked(gzip.compress(HTML))),
        (CHUNKS + "Content-Encoding: br\r\n", chunked(brotli.compress(HTML))),
        # the crawler undid the coding and kept the header
        (GZIP, HTML),
        (CHUNKS, HTML),
        (CHUNKS + GZIP, HTML),
        (CHUNKS + GZIP, gzip.compress(HTML)),
        ("Content-Encoding: br\r\n", HTML),
        ("Content-Encoding: deflate\r\n", HTML),
        # or kept the coding and lost the header
        ("", gzip.compress(HTML)),
    ],
)
def test_the_body_is_what_a_browser_would_get(headers: str, body: bytes) -> None:
    assert body_of(headers, body) == HTML


@pytest.mark.parametrize(("headers", "body"), [(CHUNKS, chunked(HTML)), (GZIP, gzip.compress(HTML, mtime=0))])
def test_a_body_that_breaks_off_gives_its_beginning(headers: str, body: bytes) -> None:
    for cut in (12, 30, len(body) // 2):
        found = body_of(headers, body[:-cut])
        assert HTML.startswith(found) or found == body[:-cut]


def test_a_packed_body_unfolds_to_the_limit_and_no_further() -> None:
    bomb = gzip.compress(b"x" * 20_000_000)
    for headers in (GZIP, "", "Content-Encoding: x-gzip\r\n"):
        assert len(body_of(headers, bomb, limit=1001)) == 1001
