"""Pools: what is read, what is skipped and why, and what names a pool."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablate.errors import DataError, FieldError
from ablate.pool.files import Files
from ablate.pool.hub import Hub
from ablate.pool.mixed import Mixed
from ablate.pool.pool import build_pool
from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped
from ablate.pool.warc import read_warc
from ablate.store import Store


def record(body: bytes, *, content_type: str = "text/html", status: int = 200, extra: str = "") -> bytes:
    """One WARC response record, its own gzip member."""
    http = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{extra}\r\n".encode() + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/p\r\n"
        "WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:x>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + b"\r\n\r\n")


def split(items: Any) -> tuple[list[Document], list[Skipped]]:
    items = list(items)
    return [i for i in items if isinstance(i, Document)], [i for i in items if isinstance(i, Skipped)]


def test_pages_are_read_and_everything_else_is_skipped_with_a_reason(tmp_path: Path) -> None:
    huge = b"<p>" + b"x" * (MAX_DOCUMENT_BYTES + 1)
    parts = [
        record(b"<p>one</p>"),
        record(b"\x89PNG", content_type="image/png"),
        record(b"<p>gone</p>", status=404),
        record(huge),
        record(gzip.compress(huge), extra="Content-Encoding: gzip\r\n"),
        record(b"plain", content_type="text/plain; charset=utf-8"),
    ]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(parts))
    documents, skipped = split(read_warc(path))
    assert [(d.text, d.kind, d.url) for d in documents] == [
        ("<p>one</p>", "html", "https://a.example/p"),
        ("plain", "text", "https://a.example/p"),
    ]
    assert [s.reason.split(":")[0] for s in skipped] == [
        "content type image/png",
        "status 404",
        f"larger than {MAX_DOCUMENT_BYTES:,} bytes",
        f"larger than {MAX_DOCUMENT_BYTES:,} bytes",
    ]
    assert skipped[0].offset == len(parts[0]), "the offset is where the record begins in the file"


def test_a_truncated_file_costs_only_what_is_cut_off(tmp_path: Path) -> None:
    whole = record(b"<p>one</p>") + record(b"<p>two</p>" * 1000)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(whole[:-40])
    documents, skipped = split(read_warc(path))
    assert [d.text for d in documents] == ["<p>one</p>"]
    assert len(skipped) == 1 and ("truncated" in skipped[0].reason or "unreadable" in skipped[0].reason)


def test_files_of_every_format(tmp_path: Path) -> None:
    rows = [{"text": "one", "url": "u", "language": "en", "stars": 3}, {"text": "two"}]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(map(json.dumps, rows)) + "\nnot json\n[1]\n" + '{"body": "x"}\n'
    )
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(json.dumps({"text": "three"}) + "\n")
    pq.write_table(pa.table({"text": ["four", None]}), tmp_path / "c.parquet")
    (tmp_path / "d.txt").write_text("five\nsix")
    (tmp_path / "e.jpg").write_bytes(b"")
    documents, skipped = split(Files(paths=[str(tmp_path)]).documents())
    assert [d.text for d in documents] == ["one", "two", "three", "four", "five\nsix"]
    assert (documents[0].url, documents[0].language, documents[0].metadata) == ("u", "en", {"stars": 3})
    assert [(s.file, s.offset) for s in skipped] == [
        ("e.jpg", 0),
        ("a.jsonl", 3),
        ("a.jsonl", 4),
        ("a.jsonl", 5),
        ("c.parquet", 1),
    ]
    every_second, _ = split(Files(paths=[str(tmp_path)], every=2).documents())
    assert [d.text for d in every_second] == ["one", "three", "five\nsix"]
    limited, _ = split(Files(paths=[str(tmp_path)], limit=2).documents())
    assert [d.text for d in limited] == ["one", "two"]


def test_a_broken_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(
        ("\n".join(json.dumps({"text": f"t{i} " + "x" * 500}) for i in range(2000))).encode(), mtime=0
    )
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    documents, skipped = split(Files(paths=[str(tmp_path / "a.jsonl.gz")]).documents())
    assert 0 < len(documents) < 2000
    assert "unreadable from here" in skipped[-1].reason


def test_hub_reads_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(
        "\n".join(json.dumps({"text": f"t{i}", "url": f"u{i}"}) for i in range(5))
    )
    documents, _ = split(Hub(path=str(tmp_path / "data"), limit=3).documents())
    assert [(d.text, d.url) for d in documents] == [("t0", "u0"), ("t1", "u1"), ("t2", "u2")]
    streamed, _ = split(Hub(path=str(tmp_path / "data"), limit=3, streaming=True).documents())
    assert streamed == documents
    with pytest.raises(DataError, match="has no column 'content'"):
        list(Hub(path=str(tmp_path / "data"), text_column="content").documents())


def test_the_pool_is_named_by_its_content(tmp_path: Path, store: Store, make_pool: Any) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    first = build_pool(Files(paths=[str(tmp_path / "a.jsonl")]), store)
    (tmp_path / "moved").mkdir()
    (tmp_path / "a.jsonl").rename(tmp_path / "moved" / "a.jsonl")
    moved = build_pool(Files(paths=[str(tmp_path / "moved" / "a.jsonl")]), store)
    assert moved.digest == first.digest, "where the files lie is not part of the name"
    (tmp_path / "moved" / "a.jsonl").write_text('{"text": "one"}\n{"text": "2wo"}\n')
    assert build_pool(Files(paths=[str(tmp_path / "moved" / "a.jsonl")]), store).digest != first.digest


def test_repeats_are_documents_of_their_own(store: Store, make_pool: Any) -> None:
    pool = make_pool(store, [Document("same", url="u")] * 3 + [Document("\ud800 lone surrogate")])
    assert len(pool) == 4 and len(set(pool.keys.tolist())) == 4
    assert pool.column("text").to_pylist()[3] == "\ufffd lone surrogate"


def test_mixed_reads_its_parts_in_order(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    parts = {name: Files(paths=[str(tmp_path / f"{name}.txt")]) for name in "ba"}
    documents, _ = split(Mixed(parts=parts).documents())
    assert [d.text for d in documents] == ["b", "a"]


def test_a_file_that_is_named_is_read_or_refused_and_one_beside_others_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.JSONL.GZ").write_bytes(gzip.compress(b'{"text": "one"}\n'))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b'{"text": "two"}\n{"text": null}\n{"text": 3}\n'))
    (tmp_path / "c.md").write_text("x")
    (tmp_path / "d.jsonl").symlink_to(tmp_path / "nowhere")
    documents, skipped = split(Files(paths=[str(tmp_path)]).documents())
    assert [d.text for d in documents] == ["one", "two"]
    assert [(s.file, s.reason.split("(")[0]) for s in skipped] == [
        ("c.md", "not read "),
        ("d.jsonl", "not read "),
        ("b.json.gz", "no text in field 'text': known: "),
        ("b.json.gz", "no text in field 'text': known: "),
    ]
    for named in ("c.md", "d.jsonl", "nothing", ""):
        with pytest.raises(DataError, match="paths"):
            list(Files(paths=[str(tmp_path / "a.JSONL.GZ"), named and str(tmp_path / named)]).documents())


def test_hidden_files_are_no_documents(tmp_path: Path, monkeypatch: Any) -> None:
    """Spark's checksums, editors' copies and macOS's halves of files bear the endings of the files beside them."""
    line = '{"text": "%s"}\n'
    (tmp_path / ".git").mkdir()
    for name in (".a.jsonl", "._a.jsonl", ".git/a.jsonl", "a.jsonl"):
        (tmp_path / name).write_text(line % name)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name in ("b.jsonl", "__MACOSX/._b.jsonl", "__MACOSX/b.txt"):
            archive.writestr(name, line % name)
    monkeypatch.chdir(tmp_path / ".git")
    for path in (str(tmp_path), "..", "../.git/.."):
        documents, skipped = split(Files(paths=[path]).documents())
        assert [d.text for d in documents] == ["a.jsonl", "b.jsonl"]
        assert sorted((s.file, s.reason) for s in skipped) == [
            ("._a.jsonl", "not read (hidden)"),
            (".a.jsonl", "not read (hidden)"),
            ("a.jsonl", "not read (hidden)"),
            ("b.zip/__MACOSX/._b.jsonl", "not read (hidden)"),
            ("b.zip/__MACOSX/b.txt", "not read (hidden)"),
        ]
    documents, _ = split(Files(paths=["../.a.jsonl", "."]).documents())
    assert [d.text for d in documents] == [".a.jsonl", ".git/a.jsonl"], (
        "a file or folder that is named is read"
    )


def test_one_bad_record_costs_itself(tmp_path: Path, store: Store, make_pool: Any) -> None:
    bad = Document("text", metadata={"no JSON": object()})
    pool = make_pool(
        store, [Document("a", url="\ud800", source="\udfff", language="\udc00"), bad, Document("b")]
    )
    assert pool.column("url").to_pylist() == ["\ufffd", ""]
    assert [record.reason.split(":")[0] for record in pool.skipped()] == ["unreadable record"]


@pytest.mark.parametrize(
    "files",
    [
        {"a.csv": "text,url\none,u\n", "b.csv": "text,url,stars\ntwo,u,1\n"},
        {"a.jsonl": '{"text": "one", "id": 1}\n', "b.jsonl": '{"text": "two", "id": "x"}\n'},
    ],
)
def test_files_that_do_not_fit_together_are_told_so(tmp_path: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="its files have different columns, or values of different types"):
        list(Hub(path=str(tmp_path)).documents())


def test_files_that_the_library_leaves_out_are_listed(tmp_path: Path) -> None:
    for name in ("train-0.jsonl", "train-1.jsonl", "test.jsonl"):
        (tmp_path / name).write_text('{"text": "one"}\n')
    (tmp_path / "train-2.csv").write_text("text\ntwo\n")
    documents, skipped = split(Hub(path=str(tmp_path)).documents())
    assert [d.text for d in documents] == ["one", "one"]
    assert [(s.file, s.reason) for s in skipped] == [("train-2.csv", "not read (.csv)")]


def test_a_file_that_is_named_in_two_ways_is_read_once(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    monkeypatch.chdir(tmp_path)
    paths = ["a.jsonl", str(tmp_path / "a.jsonl"), "sub/../a.jsonl", "*.jsonl"]
    documents, skipped = split(Files(paths=paths).documents())
    assert [d.text for d in documents] == ["one"] and not skipped


def test_what_is_not_read_is_named_by_its_whole_ending(tmp_path: Path) -> None:
    for name in ("a.parquet.gz", "b.tar.GZ"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(FieldError, match=r"'.*b\.tar\.GZ' is not read: \.tar\.gz"):
        list(Files(paths=[str(tmp_path / "b.tar.GZ")]).documents())
    with pytest.raises(FieldError, match=r"is read: \.parquet\.gz, \.tar\.gz"):
        list(Files(paths=[str(tmp_path)]).documents())


def test_a_blank_text_is_skipped_where_it_stands(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        '{"text": "one"}\n\n{"text": " \\u2028"}\n{"text": "two"}\n{"text": ""}\n'
    )
    (folder / "b.txt").write_text("\n")
    pool = build_pool(Files(paths=[str(folder)]), store)
    expected = [("a.jsonl", 3, "no text"), ("a.jsonl", 5, "no text"), ("b.txt", 0, "no text")]
    assert [(s.file, s.offset, s.reason) for s in pool.skipped()] == expected
    (folder / "b.txt").unlink()
    _, skipped = split(Hub(path=str(folder), split="train[:3]").documents())
    assert [(s.offset, s.reason) for s in skipped] == [(1, "no text")]


def test_columns_that_differ_end_in_one_line_that_says_what_to_do(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one", "id": 0}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "two", "id": 1, "extra": "x"}\n')
    for streaming in (False, True):
        with pytest.raises(DataError) as caught:
            list(Hub(path=str(tmp_path), streaming=streaming, limit=9).documents())
        assert "different columns" in str(caught.value) and "pool=files" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "the library says nothing beside"
    documents, _ = split(Files(paths=[str(tmp_path)]).documents())
    assert [d.text for d in documents] == ["one", "two"]
