"""Which records of a whole archive are pages, and in which encoding they are read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ablate.errors import FieldError
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.pool.warc import Warc, read_warc
from ablate.store import Store

POLISH = "<html><body><p>Źródło rzeki leży w górach, gdzie żyją ludzie.</p></body></html>"
LATIN_2 = POLISH.encode("iso-8859-2")


def record(
    block: bytes,
    kind: str = "response",
    content_type: str | None = "application/http",
    url: str = "http://x.example/",
) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nContent-Length: {len(block)}\r\n"
    head += f"Content-Type: {content_type}\r\n" if content_type is not None else ""
    return head.encode() + b"\r\n" + block + b"\r\n\r\n"


def answer(fields: str, body: bytes = LATIN_2, status: str = "HTTP/1.1 200 OK") -> bytes:
    return f"{status}\r\n{fields}\r\n".encode() + body


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (record(answer("Content-Type: Text/HTML; Charset=ISO-8859-2\r\n")), "html"),
        (record(answer("CONTENT-type: APPLICATION/XHTML+XML;charset=iso-8859-2\r\n")), "html"),
        (record(answer("Content-Type: TEXT/Plain; charset=latin2\r\n")), "text"),
        (
            record(
                answer("Content-Type: text/html; charset=iso-8859-2\r\n"),
                content_type="Application/HTTP; msgtype=response",
            ),
            "html",
        ),
        (record(answer("Content-Type: text/html; charset=iso-8859-2\r\n", status="ICY 200")), "html"),
        (record(LATIN_2, "resource", "Text/HTML; charset=iso-8859-2"), "html"),
        (record(LATIN_2, "Resource", "text/plain;charset=iso-8859-2", "HTTPS://x.example/"), "text"),
        (record(LATIN_2, "conversion", "text/plain; charset=iso-8859-2"), "text"),
        (record(answer("", POLISH.encode())), "html"),  # no type: it begins like a page
        (record(answer("Content-Type: html\r\n", POLISH.encode())), "html"),
        (record(POLISH.encode()), "html"),  # HTTP/0.9
    ],
)
def test_a_page_by_whatever_name(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "a.warc").write_bytes(data)
    (document,) = read_warc(tmp_path / "a.warc")
    assert isinstance(document, Document) and (document.text, document.kind) == (POLISH, kind)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record(answer("", b"{}")), "content type missing"),
        (record(LATIN_2, content_type=None), "content type missing"),
        (record(answer("Content-Type: image/png\r\n")), "content type image/png"),
        (record(answer("Content-Type: text/html\r\n", b"%PDF-1.4 not a page")), "binary body"),
        (record(answer("Content-Type: text/html\r\n", status="HTTP/1.1 404 No")), "status 404"),
        (record(answer("Content-Type: text/html\r\n", status="HTTP/1.1 OK")), "unreadable body"),
        (record(LATIN_2, "resource", "text/html", "metadata://crawler/log"), "resource of the crawler"),
        (record(b"", "revisit"), "revisit"),
        (record(LATIN_2, "continuation", "text/html"), "WARC-Type continuation"),
    ],
)
def test_what_is_no_page_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.warc").write_bytes(data + record(answer("Content-Type: text/html\r\n", b"<p>good")))
    skipped, good = read_warc(tmp_path / "a.warc")
    assert not isinstance(skipped, Document) and skipped.reason.startswith(reason) and skipped.lost_bytes == 0
    assert isinstance(good, Document)


def test_a_page_that_the_crawler_cut_says_so(tmp_path: Path) -> None:
    data = record(answer("Content-Type: text/html\r\n")).replace(
        b"WARC-T", b"WARC-Truncated: length\r\nWARC-T", 1
    )
    (tmp_path / "a.warc").write_bytes(data)
    (document,) = read_warc(tmp_path / "a.warc")
    assert isinstance(document, Document) and document.metadata["truncated"] == "length"


def test_the_pool_says_how_many_bytes_of_which_file_were_lost(tmp_path: Path) -> None:
    good = record(answer("Content-Type: text/html\r\n"))
    (tmp_path / "a.warc").write_bytes(good + b"\0" * 512 + good + b"junk")
    (tmp_path / "b.warc").write_bytes(good)
    source = Warc(paths=[str(tmp_path / "a.warc"), str(tmp_path / "b.warc")])
    pool = build_pool(source, Store(tmp_path / "store"))
    assert pool.summary["lost_bytes"] == {"a.warc": 516} and pool.summary["documents"] == 3
    rows = [json.loads(line) for line in (pool.folder / "skipped.jsonl").read_text().splitlines()]
    assert [(row["offset"], row["lost_bytes"]) for row in rows] == [
        (len(good), 512),
        (2 * len(good) + 512, 4),
    ]


def test_every_file_that_is_found_is_read_or_named(tmp_path: Path) -> None:
    """A link to nothing, a pipe, a folder and a name that is not UTF-8 cost neither the pool nor a word."""
    good = record(answer("Content-Type: text/html\r\n"))
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.WARC").write_bytes(good)
    (tmp_path / "crawl" / "b.warc").symlink_to(tmp_path / "gone.warc")
    os.mkfifo(tmp_path / "crawl" / "c.warc")
    (tmp_path / "crawl" / "d.warc").mkdir()
    (tmp_path / "crawl" / "notes.txt").write_text("not an archive")
    Path(os.fsdecode(os.fsencode(tmp_path / "crawl") + b"/\xff.warc")).write_bytes(good + b"junk")
    source = Warc(paths=[str(tmp_path / "crawl" / "*")])
    pool = build_pool(source, Store(tmp_path / "store"))
    assert pool.summary["documents"] == 2
    named = {record.file: record.reason.split(":")[0] for record in pool.skipped()}
    assert named == {
        "b.warc": "not read (a link to nothing)",
        "c.warc": "not read (not a file)",
        "d.warc": "not read (a folder)",
        "notes.txt": "not read (.txt)",
        "\ufffd.warc": "no WARC header",
    }
    with pytest.raises(FieldError, match="paths holds ''"):
        Warc(paths=[""]).found()
