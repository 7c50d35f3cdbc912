"""Pages drawn from a crawl's index and read at their places."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablate.errors import ConfigError, DataError
from ablate.pool.crawl_index import CrawlIndex
from ablate.pool.source import Document, Skipped

Row = dict[str, Any]


def page(number: int) -> bytes:
    body = f"<html><body><p>Page {number} of the crawl.</p></body></html>".encode()
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/{number}\r\nContent-Type: application/http\r\n"
    return head.encode() + f"Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


@pytest.fixture
def crawl(tmp_path: Path) -> list[Row]:
    """Two files of a hundred pages each, gzip member by member, and what an index says of them."""
    rows = []
    for file in range(2):
        name = f"crawl-data/segment/{file}.warc.gz"
        path = tmp_path / "crawl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for number in range(100 * file, 100 * file + 100):
                member = gzip.compress(page(number))
                rows.append(
                    {
                        "url": f"https://a.example/{number}",
                        "url_host_name": f"{number // 4}.example",
                        "content_digest": f"D{number // 2}",
                        "fetch_status": 200,
                        "content_mime_detected": "text/html",
                        "warc_filename": name,
                        "warc_record_offset": out.tell(),
                        "warc_record_length": len(member),
                    }
                )
                out.write(member)
    return rows


def read(folder: Path, rows: list[Row], **settings: Any) -> list[Document | Skipped]:
    pq.write_table(pa.Table.from_pylist(rows), folder / "index.parquet")
    source = CrawlIndex(
        **{"paths": [str(folder / "index.parquet")], "root": str(folder / "crawl"), "rate": 1.0} | settings
    )
    return list(source.documents())


def numbers(items: list[Document | Skipped]) -> list[int]:
    return [int(one.text.split("Page ")[1].split()[0]) for one in items if isinstance(one, Document)]


def test_every_page_is_read_at_its_place(tmp_path: Path, crawl: list[Row]) -> None:
    found = read(tmp_path, crawl[::-1])
    assert numbers(found) == list(range(200)) and len(found) == 200, "in the order of files and offsets"
    assert (
        isinstance(found[0], Document) and found[0].url == "https://a.example/0" and found[0].kind == "html"
    )


@pytest.mark.parametrize(("by", "size"), [("digest", 2), ("host", 4), ("url", 1)])
def test_what_is_drawn_by_comes_together(tmp_path: Path, crawl: list[Row], by: str, size: int) -> None:
    found = read(tmp_path, crawl, by=by, rate=0.3)
    units = Counter(number // size for number in numbers(found))
    assert set(units.values()) == {size}
    assert (
        30 <= sum(units.values()) <= 95
    )  # 60 expected; hosts: 50 units, five standard errors are 65 documents
    left = found[-1]
    assert isinstance(left, Skipped) and left.reason.startswith(
        f"not in the sample: {200 - len(numbers(found))} of 200 captures"
    )


def test_what_is_no_page_is_not_drawn(tmp_path: Path, crawl: list[Row]) -> None:
    crawl[3]["fetch_status"], crawl[5]["content_mime_detected"] = 404, "image/png"
    assert set(range(200)) - set(numbers(read(tmp_path, crawl))) == {3, 5}
    for row in crawl:
        del row["fetch_status"], row["content_mime_detected"]
    assert len(numbers(read(tmp_path, crawl))) == 200, "older indexes have no such columns"


def test_what_is_not_at_its_place_is_named(tmp_path: Path, crawl: list[Row]) -> None:
    crawl[0]["warc_record_offset"] += 7
    crawl[1]["warc_filename"] = "crawl-data/gone.warc.gz"
    crawl[2]["warc_filename"] = "../../secret.warc.gz"
    crawl[4]["content_digest"] = None
    found = read(tmp_path, crawl)
    assert set(range(200)) - set(numbers(found)) == {0, 1, 2}
    reasons = sorted(one.reason for one in found if isinstance(one, Skipped))
    assert [reason.split(":")[0] for reason in reasons] == [
        "no page at this place",
        "outside of pool.root",
        "unreadable from here",
    ]


def test_a_file_of_something_else_is_refused(tmp_path: Path, crawl: list[Row]) -> None:
    with pytest.raises(DataError, match=r"warc_record_offset.* is not there"):
        read(tmp_path, [{"url": "a", "content_digest": "b", "warc_filename": "c"}])
    (tmp_path / "x.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match="no readable Parquet file"):
        list(
            CrawlIndex(
                paths=[str(tmp_path / "x.parquet")], root=str(tmp_path / "crawl"), rate=1.0
            ).documents()
        )
    for settings, message in (
        ({"by": "page"}, "by must be"),
        ({"rate": 0.0}, "rate must be"),
        ({"root": "nowhere"}, "is no folder"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            read(tmp_path, crawl, **settings)
