"""Held-out texts: from a file of any kind that is read here, or an error that names it."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ablate.errors import DataError
from ablate.evaluate.evaluator import read_heldout

LINES = '\ufeff{"text": "a\u2028b"}\n\n{"text": "c"}\r\n'


def test_records_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES.encode())
    (tmp_path / "b.jsonl.zst").write_bytes(zstandard.compress(LINES.encode()))
    pq.write_table(pa.table({"text": ["a\u2028b", "c"]}), tmp_path / "c.parquet")
    for name in ("a.jsonl", "b.jsonl.zst", "c.parquet"):
        assert read_heldout(tmp_path / name) == ["a\u2028b", "c"]


def test_paragraphs(tmp_path: Path) -> None:
    for name, content in (
        ("a.txt", b"one\ntwo\n\nthree"),
        ("b.txt", b"one\r\ntwo\r\n  \r\nthree"),
        ("c.txt.gz", gzip.compress("one\ntwo\n\nthree".encode("utf-16"), mtime=0)),
    ):
        (tmp_path / name).write_bytes(content)
        assert read_heldout(tmp_path / name) == ["one\ntwo", "three"]


def test_files_of_an_archive_are_read_each_by_its_own_ending(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("__MACOSX/._b.jsonl", b"\x00\x05\x16\x07")
        archive.writestr("b.jsonl", '{"text": "one"}\n{"text": "two\\n\\nlines"}\n')
        archive.writestr("c.txt", "three\n\nfour")
    assert read_heldout(tmp_path / "a.zip") == ["one", "two\n\nlines", "three", "four"]


@pytest.mark.parametrize("line", ["null", '{"text": null}', '{"text": 5}', '{"body": "x"}', "[1]", "nope"])
def test_a_line_without_text_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl, line 2"):
        read_heldout(tmp_path / "a.jsonl")
