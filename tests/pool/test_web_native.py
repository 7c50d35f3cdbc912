"""Real archives, edge cases included: every response is a document or is listed with its reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from ablate.pool.source import Document
from ablate.pool.warc import Warc, read_warc

HTML_PAGES = {
    "commoncrawl-16-pages.warc.gz": 16, "commoncrawl-1-page.warc.gz": 1, "commoncrawl-1-page.warc.wet.gz": 0,
    "commoncrawl-1-page.warc.wat.gz": 0, "commoncrawl-1-record.warc.gz": 1, "wget-crawl-1.warc.gz": 15,
    "heritrix-magazine-2013.warc.gz": 63, "heritrix-archive-org-2008.warc.gz": 94, "heritrix-gov-uk-2014.warc.gz": 32,
    "heritrix-gov-uk-2014-revisits.warc.gz": 6, "iana-2014.warc.gz": 16, "edge-chunked.warc": 1,
    "edge-wrong-chunks.warc.gz": 1, "edge-truncated.warc": 1, "edge-brotli-body.warc.gz": 1,
    "edge-gzip-chunked-hungarian.warc.gz": 1, "edge-clipped.warc.gz": 1,
}  # fmt: skip
"""HTML pages with status 200, as the collection's README counts them."""
CLIPPED = {"edge-clipped.warc.gz": "truncated: the file ends in it"}
"""Pages that are there in part only: listed, never read by half."""
LENGTH_WRONG = {"edge-truncated.warc"}
"""A response's Content-Length is two bytes short of a block whose digest is right; FastWARC stops there."""
RECORDS = (
    WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
)


@pytest.mark.parametrize("name", HTML_PAGES)
def test_every_page_is_read_and_everything_else_is_listed(shared: Path, name: str) -> None:
    path = shared / "web_native" / name
    items = list(read_warc(path))
    documents = [item for item in items if isinstance(item, Document)]
    reasons = [item.reason for item in items if not isinstance(item, Document)]
    pages = sum(document.kind == "html" for document in documents)
    assert pages == HTML_PAGES[name] - (name in CLIPPED)
    clipped = [reason for reason in reasons if reason.startswith("truncated")]
    assert clipped == [why for file, why in CLIPPED.items() if file == name]
    assert [reason for reason in reasons if reason.startswith(("unreadable", "no WARC header"))] == []
    if name in LENGTH_WRONG:
        return
    with path.open("rb") as stream:
        expected = sum(1 for _ in ArchiveIterator(stream, record_types=RECORDS, parse_http=False))
    listed = 1 if ".wat." in name else 0  # metadata of pages, listed once for the whole file
    assert len(items) == expected + listed, "no record vanishes"


def test_texts_come_out_whole(shared: Path) -> None:
    def only(name: str) -> Document:
        (document,) = (d for d in read_warc(shared / "web_native" / name) if isinstance(d, Document))
        return document

    assert "könyvtár" in only("edge-gzip-chunked-hungarian.warc.gz").text
    assert only("edge-brotli-body.warc.gz").text.rstrip().endswith("</html>")
    assert only("edge-wrong-chunks.warc.gz").text == only("edge-truncated.warc").text
    wet = only("commoncrawl-1-page.warc.wet.gz")
    assert wet.kind == "text" and "enciclopedia" in wet.text
    garbled = Counter(
        document.text.count("\ufffd")
        for name in HTML_PAGES
        for document in read_warc(shared / "web_native" / name)
        if isinstance(document, Document)
    )
    assert garbled.keys() == {0, 1}, "one page of 2008 holds one byte that is neither UTF-8 nor anything else"


def test_the_collection_of_real_pages_is_read_whole(shared: Path) -> None:
    items = list(Warc(paths=[str(shared / "web" / "train-00007.warc.gz")]).documents())
    assert len(items) > 50 and all(isinstance(item, Document) for item in items)
