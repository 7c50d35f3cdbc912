"""Files that a user gives: whole records are read, and whatever is not is a fault in its place."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ablate.errors import AblateError, DataError
from ablate.reading.records import Fault, parts, read_lines, read_rows, read_text, records, texts
from ablate.reading.unpack import UNPACK_ERRORS, Damaged

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "near",
    "the",
    "old",
    "stone",
    "bridge",
    "at",
    "noon",
]


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    choose = random.Random(seed)
    return [{"text": " ".join(choose.choices(WORDS, k=40)), "id": number} for number in range(count)]


def as_lines(some: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in some).encode()


def zipped(name: str) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        return out.getvalue()

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped("a.jsonl"),
}


def read(path: Path) -> tuple[list[Any], list[str]]:
    """Records, and the reasons of faults."""
    found: list[Any] = []
    faults: list[str] = []
    try:
        for part in parts(path):
            for _, row in records(part, ("text",)):
                faults.append(row.reason) if isinstance(row, Fault) else found.append(row)
    except Damaged as error:
        faults.append(str(error))
    return found, faults


@pytest.mark.parametrize("ending", ["", *PACKERS])
@pytest.mark.parametrize("name", ["a.jsonl", "B.NDJSON", "c.json"])
def test_json_lines_are_read_under_every_name_and_packing(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"{name}{ending.upper() if name[0] == 'B' else ending}"
    path.write_bytes(PACKERS.get(ending, bytes)(as_lines(rows(50))))
    assert read(path) == (rows(50), [])


@pytest.mark.parametrize("ending", PACKERS)
def test_what_is_whole_of_a_file_that_is_cut_off_is_kept_and_the_rest_is_one_fault(
    tmp_path: Path, ending: str
) -> None:
    content = rows(3000)
    packed = PACKERS[ending](as_lines(content))
    path = tmp_path / f"a.jsonl{ending}"
    for share in (0.35, 0.6, 0.999):
        path.write_bytes(packed[: int(share * len(packed))])
        found, faults = read(path)
        assert found == content[: len(found)], "no half record, none twice, none left out"
        assert len(faults) == 1 and "unreadable from here" in faults[0]
    if ending not in (".bz2", ".zst"):  # whose blocks are larger than this file
        path.write_bytes(packed[: len(packed) // 2])
        assert len(read(path)[0]) > 1000


@pytest.mark.parametrize("ending", PACKERS)
def test_half_a_text_is_no_text(tmp_path: Path, ending: str) -> None:
    packed = (zipped("a.txt") if ending == ".zip" else PACKERS[ending])(as_lines(rows(500)))
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(packed[: 2 * len(packed) // 3])
    found = [text for part in parts(path) for text in texts(part)]
    assert found and all(isinstance(text, Fault) for text in found)


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ".xz"])
def test_members_one_behind_the_other_are_one_file(tmp_path: Path, ending: str) -> None:
    pack, content = PACKERS[ending], rows(60)
    members = [pack(as_lines(content[n : n + 20])) for n in (0, 20, 40)]
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(b"".join(members) + b"\0" * 5000)  # padding of a tape or a block
    assert read(path) == (content, [])
    path.write_bytes(members[0] + members[1][: len(members[1]) // 2])
    found, faults = read(path)
    assert found[:20] == content[:20] and len(faults) == 1
    path.write_bytes(pack(as_lines(content).rstrip()) + b"something else")
    found, faults = read(path)
    assert found == content, "the last line is whole, though no line feed ends it"
    assert faults == ["unreadable from here: 14 bytes of something else stand behind its end"]


def test_a_wrong_checksum_is_said(tmp_path: Path) -> None:
    content = rows(100)
    packed = bytearray(gzip.compress(as_lines(content)))
    packed[-7] ^= 1  # of the CRC (RFC 1952: the last eight bytes are CRC and length)
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    found, faults = read(tmp_path / "a.jsonl.gz")
    assert found == content and len(faults) == 1 and "incorrect data check" in faults[0]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr("a.jsonl", as_lines(content))
            entry = archive.getinfo("a.jsonl")
        broken = out.getvalue().replace(entry.CRC.to_bytes(4, "little"), b"abcd")
        (tmp_path / "a.zip").write_bytes(broken)
        found, faults = read(tmp_path / "a.zip")
        assert found == content and len(faults) == 1 and "checksum" in faults[0]


def test_damage_in_the_middle_keeps_every_record_before_it(tmp_path: Path) -> None:
    """Blocks that were flushed are whole whatever follows, so their records must come out."""
    out, first = io.BytesIO(), rows(400)
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        file.write(as_lines(first))
        file.flush()
        place = out.tell()
        file.write(as_lines(rows(400, seed=1)))
    packed = bytearray(out.getvalue())
    packed[place : place + 8] = b"\xff" * 8  # block type 3 is reserved (RFC 1951, 3.2.3)
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    found, faults = read(tmp_path / "a.jsonl.gz")
    assert found == first and len(faults) == 1 and "damaged near byte" in faults[0]


def test_an_archive_holds_files_of_any_kind(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sub/b.jsonl", '{"text": "one"}\n')
        archive.writestr("c.csv", "text\ntwo\n")
        archive.writestr("d.pdf", "x")
    assert [(part.name, part.format) for part in parts(tmp_path / "a.zip")] == [
        ("a.zip/sub/b.jsonl", ".jsonl"),
        ("a.zip/c.csv", ".csv"),
        ("a.zip/d.pdf", ".pdf"),
    ]


@pytest.mark.parametrize(
    "mark", [b"\xef\xbb\xbf", b"", "utf-16", "utf-32", "utf-16-be", "bare utf-16-le", "bare utf-16-be"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_at_line_feeds_only_and_a_mark_costs_nothing(tmp_path: Path, mark: Any, end: str) -> None:
    content = [{"text": f"a{odd}b"} for odd in "\u2028\u2029\x85\x0b\x0c\x1c"] + [{"text": "ä€"}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + end for row in content).replace("\x0b", "\\u000b")
    lines = lines.replace("\x0c", "\\u000c").replace("\x1c", "\\u001c") + end + "  " + end
    encoded = lines.encode() if isinstance(mark, bytes) else lines.encode(mark.removeprefix("bare "))
    marked = mark if isinstance(mark, bytes) else (b"\xfe\xff" if mark == "utf-16-be" else b"")
    (tmp_path / "a.jsonl").write_bytes(marked + encoded)
    assert read(tmp_path / "a.jsonl") == (content, [])


def test_files_that_were_joined_keep_their_marks_without_loss(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + as_lines(rows(2))
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + marked + marked + b"\xef\xbb\xbf\n")
    assert read(tmp_path / "a.jsonl") == (rows(2) * 2, [])
    (tmp_path / "b.jsonl").write_bytes(
        ("\ufeff" + as_lines(rows(2)).decode()).encode("utf-16") + marked.decode().encode("utf-16-le")
    )
    assert read(tmp_path / "b.jsonl") == (rows(2) * 2, [])


def test_odd_lines_cost_themselves_only(tmp_path: Path) -> None:
    odd = [
        b'{"text": "\\ud800", "\\udfff": 1}',
        b"[" * 100_000,
        b'{"text": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"text": "caf\xe9"}',
        b"\0" * 512,
        b"9" * 5000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"null",
        b'"text"',
    ]
    good = as_lines(rows(1)).strip()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(line for one in odd for line in (one, good)))
    found, faults = read(tmp_path / "a.jsonl")
    assert [row for row in found if "id" in row] == rows(1) * len(odd)
    assert found[0] == {"text": "\ufffd", "\ufffd": 1} and {"text": "café"} in found
    assert len(found) + len(faults) == 2 * len(odd)


def test_json_files_that_are_no_lines(tmp_path: Path) -> None:
    content = rows(3)
    path = tmp_path / "a.json"
    for text in (json.dumps(content), json.dumps(content, indent=2), "\ufeff" + json.dumps(content)):
        path.write_text(text, encoding="utf-8")
        assert read(path) == (content, [])
    path.write_text(json.dumps(content[0], indent=1))
    assert read(path) == (content[:1], [])
    path.write_text(json.dumps(content, indent=2)[:-40])
    found, faults = read(path)
    assert found == content[:2] and len(faults) == 1 and "unreadable from here" in faults[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_as_people_and_spreadsheets_write_them(tmp_path: Path, encoding: str, end: str) -> None:
    body = end.join(["text,n", f'"café{end}two ""lines""",1', "", "x\xa0y,2", ""])
    (tmp_path / "a.csv").write_bytes(body.encode(encoding))
    assert read(tmp_path / "a.csv") == (
        [{"text": f'café{end}two "lines"', "n": "1"}, {"text": "x\xa0y", "n": "2"}],
        [],
    )
    (tmp_path / "a.tsv").write_bytes(f"text\tn{end}a, b\t1{end}".encode(encoding))
    assert read(tmp_path / "a.tsv") == ([{"text": "a, b", "n": "1"}], [])


def test_faults_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,n\na,1\nb\nc,3\n")
    assert read(path) == (
        [{"text": "a", "n": "1"}, {"text": "c", "n": "3"}],
        ["expected 2 cells: text, n; got 1"],
    )
    path.write_text("text,n,text\na,1,b\n")
    assert read(path) == ([], ["columns of one name: 'text' stands twice in the header"])
    path.write_text('text,n\na,1\n"b,2\nc,3\n')
    found, faults = read(path)
    assert found == [{"text": "a", "n": "1"}] and len(faults) == 1 and "never closed" in faults[0]
    path.write_text(f"text\n{'x' * 1_000_000}\n")
    assert len(read(path)[0][0]["text"]) == 1_000_000
    packed = gzip.compress(
        b'text,n\na,1\n"' + bytes(random.Random(0).choices(range(97, 123), k=50_000)) + b'",2\n'
    )
    (tmp_path / "b.csv.gz").write_bytes(packed[:-5000])
    found, faults = read(tmp_path / "b.csv.gz")
    assert found == [{"text": "a", "n": "1"}] and len(faults) == 1


def test_of_a_parquet_file_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    odd = pa.array([2**62, 0, 1], pa.timestamp("us"))
    text = pa.Array.from_buffers(
        pa.string(), 3, pa.array([b"one", b"caf\xe9", b"three"], pa.binary()).buffers()
    )
    pq.write_table(pa.table({"when": odd, "text": text, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == (
        [{"text": "one", "n": 1}, {"text": "café", "n": 2}, {"text": "three", "n": 3}],
        [],
    )


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    path, content = tmp_path / "a.parquet", rows(300)
    pq.write_table(
        pa.Table.from_pylist(content), path, row_group_size=100, compression="zstd", use_dictionary=False
    )
    place = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + b"\xff" * 300 + whole[place + 300 :])
    found, faults = read(path)
    assert found == content[:100] + content[200:] and len(faults) == 1 and "100 rows" in faults[0]
    path.write_bytes(whole[:-200])
    found, faults = read(path)
    assert found == [] and len(faults) == 1 and "unreadable from here" in faults[0]


def test_a_file_that_must_be_whole_is_an_error_that_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for content, said in (
        (b'{"a": 1}\nnope\n', "a.jsonl, line 2: not JSON"),
        (b'{"a": 1}\n{"a": 1, "a": 2}\n', "a.jsonl, line 2: a field is named twice: 'a'"),
        (b"\n\n[1]\n", "a.jsonl, line 3: expected an object, got list"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=said):
            list(read_rows(path, "key"))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(as_lines(rows(20)))[:-9])
    with pytest.raises(DataError, match=r"b\.jsonl\.gz, line \d+: unreadable from here"):
        list(read_rows(tmp_path / "b.jsonl.gz", "key"))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"some text")[:-3])
    with pytest.raises(DataError, match=r"key: cannot read .*c\.txt\.gz: unreadable from here"):
        read_text(tmp_path / "c.txt.gz", "key")
    (tmp_path / "d.txt").write_bytes(b"\x89PNG\0\0\0\0")
    with pytest.raises(DataError, match="binary"):
        read_text(tmp_path / "d.txt", "key")
    (tmp_path / "texts.zip").write_bytes(zipped("a/one.txt")(b"some text"))
    with pytest.raises(
        DataError, match=r"key: .*texts\.zip/a/one\.txt is a text: expected an archive of records"
    ):
        list(read_rows(tmp_path / "texts.zip", "key"))
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("nowhere.txt", "pipe.txt", "."):
        with pytest.raises(DataError, match="key: cannot read"):
            read_text(tmp_path / name, "key")
    assert list(map(str, (place for place, _ in read_rows(_parquet(tmp_path), "key")))) == [
        f"{tmp_path / 'e.parquet'}, row 0"
    ]


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"a": [[1, 2]]}), folder / "e.parquet")
    return folder / "e.parquet"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_lines_of_a_list(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("é\u2028x\r\ntwo\rthree\n".replace("\u2028", "\xa0").encode(encoding))
    assert read_lines(tmp_path / "a.txt", "key") == ["é\xa0x", "two", "three"]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_an_endless_line_costs_bounded_memory(tmp_path: Path, ending: str) -> None:
    """One line of 671 MB in a small file: to hold it as bytes and as text would take twice that."""
    zeros = b"0" * (1 << 24)
    member, line = PACKERS[ending](zeros), PACKERS[ending](b'\n{"text": "behind"}\n')
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(member * 40 + line)
    script = (
        "import sys; from pathlib import Path; from ablate.reading.records import parts, records, Fault\n"
        "found = [row for part in parts(Path(sys.argv[1])) for _, row in records(part)]\n"
        "assert isinstance(found[0], Fault) and found[1:] == [{'text': 'behind'}], found\n"
        "print(*[line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM')])"
    )
    # Of its own memory alone: what wait4 and getrusage say counts the process that it was forked from.
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 900_000, "KiB"


FILES = {
    "a.jsonl": as_lines(rows(40)),
    "a.json": json.dumps(rows(40), indent=1).encode(),
    "a.csv": ("text,id\n" + "".join(f'"{row["text"]}",{row["id"]}\n' for row in rows(40))).encode(),
    **{f"b.jsonl{ending}": pack(as_lines(rows(40))) for ending, pack in PACKERS.items()},
    **{f"c.txt{ending}": pack(b"some text " * 50) for ending, pack in PACKERS.items() if ending != ".zip"},
}


def _spoilt(content: bytes, choose: random.Random) -> bytes:
    place = choose.randrange(len(content))
    kind = choose.randrange(6)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes([content[place] ^ 1 << choose.randrange(8)]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + bytes(choose.randrange(64)) + content[place:]
    if kind == 3:
        return content[:place] + choose.randbytes(16) + content[place + 16 :]
    if kind == 4:
        return content[:place] + content[choose.randrange(len(content)) :]
    return content[place:]


@pytest.mark.parametrize("name", [*FILES, "d.parquet"])
def test_a_spoilt_file_gives_records_and_faults_and_nothing_else(tmp_path: Path, name: str) -> None:
    path, choose = tmp_path / name, random.Random(name)
    if name == "d.parquet":
        pq.write_table(pa.Table.from_pylist(rows(40)), path, row_group_size=10)
    content = FILES.get(name) or path.read_bytes()
    plain = name in ("a.jsonl", "a.csv")
    for _ in range(120):
        path.write_bytes(spoilt := _spoilt(content, choose))
        try:
            for part in parts(path):
                if part.format == ".txt":
                    list(texts(part))
                    continue
                found = [row for _, row in records(part, ("text",))]
                if plain:
                    agree = next((n for n, (a, b) in enumerate(zip(content, spoilt)) if a != b), len(spoilt))  # noqa: B905
                    same = max(0, spoilt[:agree].count(b"\n") - (name == "a.csv"))
                    assert [row["text"] for row in found[:same]] == [row["text"] for row in rows(same)]  # type: ignore[index]
        except (Damaged, *UNPACK_ERRORS):
            continue  # of an archive that cannot be opened at all
        with contextlib.suppress(AblateError):
            list(read_rows(path, "key")) if ".txt" not in name else read_text(path, "key")
