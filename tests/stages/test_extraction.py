"""Extraction: what each method keeps of a page, and pages that no method can read."""

from __future__ import annotations

import pickle
import random
import time
from itertools import islice

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from ablate.stages.extraction import METHODS, Extraction

SENTENCES = " ".join(
    f"The river rose by {n} metres in the spring of that year, and the village had to be moved."
    for n in range(12)
)
PAGE = f"""<html><head><title>Floods</title><style>p {{color: red}}</style><script>track()</script></head><body>
<nav><ul><li><a href="/">Home page</a></li><li><a href="/shop">Web shop</a></li></ul></nav>
<article><h1>Floods</h1><p>{SENTENCES}</p><p>Later the <b>valley</b> was drained &amp; dried.</p></article>
<footer><p>Copyright and cookie settings</p></footer></body></html>"""


def extract(method: str, html: str) -> str:
    return Extraction(method=method).transform(html)


@pytest.mark.parametrize("method", METHODS)
def test_markup_scripts_and_styles_never_come_through(method):
    text = extract(method, PAGE)
    assert "village had to be moved" in text and "drained & dried" in text
    assert not any(trace in text for trace in ("<", "track()", "color: red", "&amp;"))


def test_raw_keeps_everything_visible():
    text = extract("raw", PAGE)
    assert all(piece in text for piece in ("Home page", "Web shop", "cookie settings", "valley"))


@pytest.mark.parametrize("method", ["resiliparse", "trafilatura"])
def test_main_content_leaves_the_boilerplate_out(method):
    text = extract(method, PAGE)
    assert "Web shop" not in text and "cookie settings" not in text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "html", ["", " ", "\n", "\x00", "<html></html>", "<script>a()</script>", "<!-- only this -->"], ids=repr
)
def test_a_page_without_text_gives_none(method, html):
    assert extract(method, html).strip("\x00 ") == ""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "html",
    [
        "<p>" * 5000 + "x",
        "<div" * 1000,
        "<![CDATA[" + "]" * 99,
        "<a href='" + "x" * 10**6,
        "<table><tr><td>" * 500,
    ],
    ids=["open", "broken", "cdata", "long", "tables"],
)
def test_hostile_markup_does_not_raise(method, html):
    assert isinstance(extract(method, html), str)


@pytest.mark.parametrize("method", METHODS)
def test_deep_nesting_takes_bounded_time(method):
    html = "<div>" * 60_000 + "text" + "</div>" * 60_000
    start = time.process_time()
    assert extract(method, html) in ("", "text")
    assert time.process_time() - start < 10


def test_a_page_over_the_limit_is_given_up_and_one_at_the_limit_is_not():
    html = "<p>" + "word " * 100
    assert Extraction(method="raw", max_bytes=len(html)).transform(html) != ""
    assert Extraction(method="raw", max_bytes=len(html) - 1).transform(html) == ""


@pytest.mark.parametrize("method", METHODS)
def test_the_result_does_not_depend_on_the_pages_before(method):
    # trafilatura's own deduplication remembers paragraphs of earlier pages; ours must not.
    stage = pickle.loads(pickle.dumps(Extraction(method=method)))
    pages = [PAGE, PAGE.replace("river", "lake"), PAGE.replace("valley", "marsh")] * 4
    alone = [Extraction(method=method).transform(page) for page in pages]
    order = list(range(len(pages)))
    random.Random(0).shuffle(order)
    shuffled = stage.transform_many([pages[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(pages))] == alone


def test_real_pages(shared):
    with open(shared / "web" / "train-00000.warc.gz", "rb") as stream:
        records = ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True)
        bodies = [record.reader.read() for record in islice(records, 40)]
    pages = [bytes_to_str(body, detect_encoding(body)) for body in bodies]
    length = {method: sum(map(len, Extraction(method=method).transform_many(pages))) for method in METHODS}
    assert 0.02 < length["raw"] / sum(map(len, pages)) < 0.5  # most of a page is markup
    assert length["raw"] > length["resiliparse"] > 0.1 * length["raw"]
    assert length["raw"] > length["trafilatura"] > 0.1 * length["raw"]


def test_only_html_is_touched_and_an_unknown_method_is_refused():
    assert Extraction.kinds == ("html",)
    with pytest.raises(ValueError, match="method must be one of raw, resiliparse, trafilatura"):
        Extraction(method="jsoup")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_a_page_are_those_of_html(method, end):
    """The HTML standard, section 13.2.3.5: CR LF and CR are LF before anything is read."""
    page = (
        "<html>\n<body>\n<article>\n<h1>The\nheron</h1>\n"
        + "<p>It stood on one leg\nbeside the mill pond, said the keeper of the mill.</p>\n" * 5
        + "<pre>one\n\n  two</pre>\n</article>\n</body>\n</html>\n"
    )
    text = Extraction(method=method).transform(page)
    assert "one" in text and "\r" not in text
    assert Extraction(method=method).transform(page.replace("\n", end)) == text
