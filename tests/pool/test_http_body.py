"""Bodies of archived responses: packed, chunked, broken, or not what their headers claim."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard

from ablate.pool.http_body import is_markup, media_type, unpack

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


GZIPPED = gzip.compress(HTML, mtime=0)  # no clock in the names of the cases
GZIP, CHUNKS = "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("", HTML),
        ("Content-Encoding: identity\r\n", HTML),
        ("Content-Encoding: UTF-8\r\n", HTML),
        (GZIP, GZIPPED),
        ("content-encoding: X-GZIP\r\n", GZIPPED),
        ("Content-Encoding: gzip, gzip\r\n", gzip.compress(GZIPPED, mtime=0)),
        ("Content-Encoding: deflate\r\n", zlib.compress(HTML)),
        ("Content-Encoding: deflate\r\n", raw_deflate(HTML)),
        ("Content-Encoding: br\r\n", brotli.compress(HTML)),
        ("Content-Encoding: zstd\r\n", zstandard.compress(HTML)),
        (CHUNKS, chunked(HTML)),
        (CHUNKS, chunked(HTML).replace(b"25\r\n", b"25;name=value\r\n")),
        (CHUNKS + GZIP, chunked(GZIPPED)),
        ("Transfer-Encoding: gzip, chunked\r\n", chunked(GZIPPED)),
        (CHUNKS + "Content-Encoding: br\r\n", chunked(brotli.compress(HTML))),
        # the crawler undid the coding and kept the header
        (GZIP, HTML),
        (CHUNKS, HTML),
        (CHUNKS + GZIP, HTML),
        (CHUNKS + GZIP, GZIPPED),
        ("Content-Encoding: br\r\n", HTML),
        ("Content-Encoding: deflate\r\n", HTML),
        # or kept the coding and lost the header
        ("", GZIPPED),
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
    page = b"x" * 20_000_000
    bombs = [(name, gzip.compress(page)) for name in (GZIP, "", "Content-Encoding: x-gzip\r\n")]
    bombs += [("Content-Encoding: deflate\r\n", zlib.compress(page))]
    bombs += [("Content-Encoding: deflate\r\n", raw_deflate(page))]
    bombs += [("Content-Encoding: zstd\r\n", zstandard.compress(page))]
    bombs += [("Content-Encoding: br\r\n", brotli.compress(page, quality=1))]
    bombs += [("Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(page)))]
    for headers, bomb in bombs:
        tracemalloc.start()
        body = body_of(headers, bomb, limit=1001)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(body) <= 1001 and peak < 2_000_000, headers


def test_a_damaged_packed_body_is_no_page() -> None:
    packed = bytearray(GZIPPED)
    packed[len(packed) // 2] ^= 4
    for headers in (GZIP, ""):
        with pytest.raises(ValueError, match="gzip"):
            body_of(headers, bytes(packed))


@pytest.mark.parametrize(
    "body",
    [
        b"Dead reckoning is how sailors found their way.\nIt needs a clock and a log.\n" * 5,
        b"face\nto face\n" * 30,
        b"2024\r\nwas a year\r\n",
        b"3\r\nabc and so on, no chunk\r\n",
        b"1\nx\nand then a line that is no size\n",
        b"0\r\nis where a count begins\r\n",
        b"<p>no size at all</p>",
        b"",
    ],
)
def test_chunks_that_the_body_does_not_bear_out(body: bytes) -> None:
    assert body_of(CHUNKS, body) == body
    assert body_of("transfer-encoding: Chunked\r\n", body) == body


def test_chunks_of_a_page_that_go_wrong_are_an_error() -> None:
    with pytest.raises(ValueError, match="chunks go wrong"):
        body_of(CHUNKS, chunked(HTML, 200).replace(b"\r\nc8\r\n", b"\r\nzz\r\n", 1))


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.0 200", 200),
        ("HTTP/2 200", 200),
        ("HTTP/2.0 200 ", 200),
        ("HTTP/3 404", 404),
        ("HTTP/0.9 200 OK", 200),
        ("ICY 200 OK", 200),
        ("http/1.1 200 ok", 200),
        ("HTTP/1.1  301  Moved", 301),
        ("HTTP 200 OK", 200),
        ("HTTP/1.1\t200\tOK", 200),
        ("HTTP/1.1 503 Trop tôt", 503),
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_status_lines_old_and_new(line: str, status: int, end: str) -> None:
    head = f"{line}{end}CONTENT-TYPE:{end} text/HTML;{end}\tCharset='ISO-8859-2'{end}X: café{end}no field{end}{end}"
    response = unpack(head.encode("latin-1") + HTML, LIMIT)
    assert (response.status, response.content_type, response.charset) == (status, "text/html", "ISO-8859-2")
    assert response.body == HTML


def test_an_answer_without_a_header_and_a_status_that_is_none() -> None:
    response = unpack(HTML, LIMIT)  # HTTP/0.9
    assert (response.status, response.content_type, response.body) == (200, "", HTML)
    for line in (b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1\r\n\r\n"):
        with pytest.raises(ValueError, match="status line"):
            unpack(line + HTML, LIMIT)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["text/html"], ("text/html", None)),
        (["Text/HTML; Charset=UTF-8"], ("text/html", "UTF-8")),
        (["text/html;charset='koi8-r' ; x=y"], ("text/html", "koi8-r")),
        (["text/html charset=utf-8"], ("text/html", "utf-8")),
        (["text/plain", "text/html; charset=big5"], ("text/html", "big5")),
        (["text/html; charset=big5", "text/html"], ("text/html", "big5")),
        (["text/html, text/plain"], ("text/plain", None)),
        (["*/*"], ("", None)),
        (["html"], ("", None)),
        ([""], ("", None)),
        ([], ("", None)),
        (["application/unknown"], ("", None)),
        (["text/html", "bogus"], ("text/html", None)),
    ],
)
def test_media_types_of_any_case_and_number(values: list[str], expected: tuple[str, str | None]) -> None:
    """Several fields: WHATWG Fetch, 3.5, "extract a MIME type"."""
    assert media_type(values) == expected


@pytest.mark.parametrize(
    ("body", "markup"),
    [
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML>", True),
        (b"<html>", True),
        (b"<!-- x -->", True),
        (b"<p>one", True),
        (b"<A HREF=x>", True),
        (b"<abc>", False),
        (b"plain <p>", False),
        (b"", False),
        (b"<?xml version='1.0'?>", False),
        (b"{}", False),
    ],
)
def test_pages_that_do_not_say_what_they_are(body: bytes, markup: bool) -> None:
    """WHATWG MIME Sniffing, 7.1."""
    assert is_markup(body) is markup
