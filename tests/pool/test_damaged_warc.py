"""Damaged archives, built by hand, so it is known which pages are whole: each comes out, each lost byte is named."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard
from fastwarc.stream_io import Lz4Writer, ZstdWriter

from ablate.pool.records import Lost, Record, records
from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped
from ablate.pool.warc import read_warc

WORDS = [
    "market",
    "bread",
    "family",
    "house",
    "light",
    "garden",
    "street",
    "window",
    "mountain",
    "letter",
    "river",
    "winter",
]


def text(number: int) -> str:
    rng = random.Random(number)
    return f"<html><body><p>Page {number}: {' '.join(rng.choices(WORDS, k=150))}.</p></body></html>"


def record(
    number: int,
    *,
    length: str | None = None,
    kind: str = "response",
    newline: bytes = b"\r\n",
    version: str = "WARC/1.0",
    digest: bool = False,
    extra: str = "",
) -> bytes:
    """One record with a page of its own; `length` is what its Content-Length says instead of the truth."""
    block = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{text(number)}".encode()
    head = f"{version}\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://x.example/{number}\r\n{extra}"
    head += "WARC-Date: 2020-01-01T00:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
    if digest:
        head += f"WARC-Block-Digest: sha1:{base64.b32encode(hashlib.sha1(block).digest()).decode()}\r\n"
    if length != "":
        head += f"Content-Length: {len(block) if length is None else length}\r\n"
    return head.encode().replace(b"\r\n", newline) + newline + block + newline * 2


def lz4(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = Lz4Writer(out)
    writer.write(data)
    writer.finish()
    writer.flush()
    return out.getvalue()


def checked_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "zst": checked_zstd,
    "lz4": lz4,
}


def read(tmp_path: Path, data: bytes, name: str = "a.warc") -> tuple[list[int], list[Skipped]]:
    """Numbers of the pages that came out, each checked to be whole, and what was skipped."""
    path = tmp_path / name
    path.write_bytes(data)
    with path.open("rb") as stream:
        stretches = [(item.begin, item.end) for item in records(stream, MAX_DOCUMENT_BYTES)]
    place = 0
    for begin, end in stretches:
        assert begin == place and end >= begin, "every byte of the file belongs to one item"
        place = end
    assert place == len(data), "bytes of the file = bytes read + bytes lost"
    numbers, skipped = [], []
    for item in read_warc(path):
        if isinstance(item, Document):
            numbers.append(int(item.url.rsplit("/", 1)[1]))
            assert item.text == text(numbers[-1])
        else:
            skipped.append(item)
    return numbers, skipped


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(1, length="999999999"), None),
        (record(1, length="1500"), None),
        (record(1, length="20"), "Content-Length"),
        (record(1, length=""), "no Content-Length"),
        (record(1, length="-5"), "Content-Length"),
        (record(1, length="12a"), "Content-Length"),
        (record(1, length="9" * 40), "Content-Length"),
        (record(1).replace(b"WARC/1.0", b"WARX/1.0"), "no WARC header"),
        (record(1).replace(b"\r\n\r\nHTTP", b"HTTP", 1), None),
        (b"JUNK/9.9\r\nfoo: bar\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n", "no WARC header"),
        (b"\0" * 512, "no WARC header"),
    ],
    ids=[
        "far too long",
        "too long",
        "too short",
        "no length",
        "negative",
        "no number",
        "huge",
        "no version",
        "no blank line",
        "junk",
        "zeros",
    ],
)
def test_a_bad_record_costs_itself_and_is_named_with_its_bytes(
    tmp_path: Path, packing: str, bad: bytes, reason: str | None
) -> None:
    pack = PACKINGS[packing]
    parts = [pack(record(0)), pack(bad), *(pack(record(i)) for i in range(2, 6))]
    numbers, skipped = read(tmp_path, b"".join(parts))
    assert numbers == [0, 2, 3, 4, 5]
    assert [(s.offset, s.lost_bytes) for s in skipped] == [(len(parts[0]), len(parts[1]))]
    assert reason is None or skipped[0].reason.startswith(reason)


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_one_flipped_bit_of_a_packed_record(tmp_path: Path, packing: str) -> None:
    parts = [PACKINGS[packing](record(i)) for i in range(4)]
    for place in range(4, len(parts[1]), 3):
        if packing == "gz" and place < 10:
            continue  # time, system and flags of a gzip header are no part of the content
        damaged = bytearray(parts[1])
        damaged[place] ^= 4
        numbers, skipped = read(tmp_path, parts[0] + bytes(damaged) + parts[2] + parts[3])
        assert [n for n in numbers if n != 1] == [0, 2, 3]
        if 1 not in numbers:
            assert (skipped[0].offset, skipped[-1].offset) <= (len(parts[0]), len(parts[0]) + len(parts[1]))
            assert sum(s.lost_bytes for s in skipped) == len(parts[1])


def test_junk_before_the_first_record_and_behind_the_last(tmp_path: Path) -> None:
    for pack in PACKINGS.values():
        good = pack(record(0)) + pack(record(1))
        numbers, skipped = read(tmp_path, b"some junk\r\n" + good + b"\0" * 700)
        assert numbers == [0, 1]
        assert [(s.offset, s.lost_bytes) for s in skipped] == [(0, 11), (11 + len(good), 700)]


def test_archives_of_several_kinds_one_behind_the_other(tmp_path: Path) -> None:
    kinds = [pack(record(i)) for i, pack in enumerate(PACKINGS.values())]
    assert read(tmp_path, b"".join(kinds + kinds[:1])) == ([0, 1, 2, 3, 0], [])


def test_a_file_packed_as_a_whole_or_cut_anywhere(tmp_path: Path) -> None:
    whole = b"".join(record(i) for i in range(40))
    for name in ("gz", "zst", "lz4"):
        assert read(tmp_path, PACKINGS[name](whole)) == (list(range(40)), [])
        pieces = [PACKINGS[name](whole[i : i + 1_000]) for i in range(0, len(whole), 1_000)]
        assert read(tmp_path, b"".join(pieces)) == (list(range(40)), [])
    damaged = bytearray(gzip.compress(whole, mtime=0))
    damaged[-6] ^= 1  # the checksum of all of it
    numbers, skipped = read(tmp_path, bytes(damaged))
    assert numbers == list(range(39)) and "no checksum vouches for the 39 records" in skipped[0].reason


def test_a_zstd_archive_with_its_dictionary(tmp_path: Path) -> None:
    """As IIPC's warc-zstd puts it: a skippable frame first, packed or not; FastWARC writes it."""
    dictionary = zstandard.train_dictionary(2048, [record(i) for i in range(200)]).as_bytes()
    for packed in (False, True):
        out = io.BytesIO()
        writer = ZstdWriter(out, dictionary=dictionary, compress_dictionary_frame=packed)
        for number in range(3):
            writer.write(record(number))
            writer.finish()
            writer.flush()
        assert read(tmp_path, out.getvalue(), "a.warc.zst") == ([0, 1, 2], [])


def test_line_ends_versions_and_case_of_the_header(tmp_path: Path) -> None:
    lf = record(0, newline=b"\n")
    text_mode = (record(1) + record(2)).replace(b"\r\n", b"\n")  # the stated lengths are too long now
    odd = record(3, version="WARC/0.18") + record(4, version="WARC/1.1", kind="Response")
    lower = record(5).replace(b"WARC-Type", b"warc-type").replace(b"Content-Length", b"CONTENT-LENGTH")
    folded = record(6, extra="X-Note: one\r\n  two: three\r\n\tfour\r\n")
    bare = record(7).rstrip(b"\r\n") + record(8)
    assert read(tmp_path, lf + text_mode + odd + lower + folded + bare) == (list(range(9)), [])


def test_a_wrong_length_with_a_right_digest_is_mended(tmp_path: Path) -> None:
    wrong = [record(1, length="100", digest=True), record(2, length="5000", digest=True)]
    for pack in PACKINGS.values():
        assert read(tmp_path, b"".join(map(pack, [record(0), *wrong, record(3)]))) == ([0, 1, 2, 3], [])


def test_a_length_that_ends_where_a_later_record_ends(tmp_path: Path) -> None:
    """It swallows whole records; an archive that was archived itself begins right where the page would."""
    block = len(record(1).split(b"\r\n\r\n", 1)[1]) - 4
    behind = record(2) + record(3)
    swallowing = record(1, length=str(block + 4 + len(behind) - 4)) + behind
    numbers, skipped = read(tmp_path, record(0) + swallowing + record(4))
    assert numbers == [0, 2, 3, 4] and [s.lost_bytes for s in skipped] == [len(swallowing) - len(behind)]
    inner = b"HTTP/1.1 200 OK\r\nContent-Type: application/warc\r\n\r\n" + record(8) + record(9)
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(inner)}"
    )
    archived = head.encode() + b"\r\n\r\n" + inner + b"\r\n\r\n"
    numbers, skipped = read(tmp_path, record(0) + archived + record(1))
    assert numbers == [0, 1] and [s.reason for s in skipped] == ["content type application/warc"]


def test_a_type_that_is_none_is_named(tmp_path: Path) -> None:
    parts = [record(0), record(1, kind="respXnse"), record(2, kind="request"), record(3)]
    parts.append(record(4).replace(b"WARC-Type: response\r\n", b""))
    numbers, skipped = read(tmp_path, b"".join(parts))
    assert numbers == [0, 3]
    assert [s.reason for s in skipped] == ["WARC-Type respxnse", "WARC-Type missing"]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_cut_anywhere_names_what_is_missing(tmp_path: Path, packing: str) -> None:
    parts = [PACKINGS[packing](record(i)) for i in range(3)]
    whole = b"".join(parts)
    first, last = len(parts[0]) + len(parts[1]), len(whole)
    for cut in (*range(first, last - 30, 11), *range(last - 30, last)):  # near a record's start and end, all
        numbers, skipped = read(tmp_path, whole[:cut])
        missing = cut - len(parts[0]) - len(parts[1])
        separator_only = packing == "plain" and len(whole) - cut <= 4
        assert numbers == [0, 1, 2] if separator_only else [0, 1]
        assert sum(s.lost_bytes for s in skipped) == (0 if separator_only else missing)


def test_longer_than_a_document_may_be_and_claims_of_it(tmp_path: Path) -> None:
    large = b"x" * (MAX_DOCUMENT_BYTES + 1)
    honest = (
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: %d\r\n\r\n" % len(large) + large + b"\r\n\r\n"
    )
    for data in (
        record(0) + honest + record(1),
        gzip.compress(record(0) + honest + record(1), mtime=0),
        gzip.compress(record(0), mtime=0) + gzip.compress(honest + record(1), mtime=0),
    ):
        numbers, skipped = read(tmp_path, data)
        assert numbers == [0, 1] and skipped[0].reason.startswith("larger than") and not skipped[0].lost_bytes
    lying = record(0) + record(1, length="10000001") + b"".join(record(i) for i in range(2, 9))
    for data in (lying, gzip.compress(lying, mtime=0)):
        assert read(tmp_path, data)[0] == [0, 2, 3, 4, 5, 6, 7, 8]


def test_a_file_that_is_no_archive_vanished_or_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path, b"")[0] == []
    numbers, skipped = read(tmp_path, gzip.compress(b'{"text": "no archive"}\n' * 100, mtime=0), "a.jsonl.gz")
    assert numbers == [] and skipped[0].reason == "no WARC header" and skipped[0].lost_bytes > 0
    (gone,) = read_warc(tmp_path / "gone.warc.gz")
    assert isinstance(gone, Skipped) and gone.reason.startswith("unreadable from here")


# Seeded damage to archives whose pages are known: see `damage` for the kinds.
KINDS = (
    "bit",
    "byte",
    "zeros",
    "noise",
    "cut",
    "remove",
    "insert",
    "insert zeros",
    "repeat",
    "swap",
    "drop",
    "digits",
)


def damage(rng: random.Random, parts: Sequence[bytes], kind: str) -> tuple[bytes, set[int]]:
    """The damaged file, and the records whose bytes are all there, unchanged, in one piece.

    Every kind changes bytes of one record only, or bytes between two, or whole records.
    """
    parts = list(parts)
    intact = set(range(len(parts)))
    hit = rng.randrange(len(parts))
    part = parts[hit]
    at = rng.randrange(len(part))
    span = rng.randrange(1, max(2, len(part) - at))
    if kind == "bit":
        parts[hit] = part[:at] + bytes([part[at] ^ 1 << rng.randrange(8)]) + part[at + 1 :]
    elif kind == "byte":
        parts[hit] = part[:at] + bytes([part[at] ^ rng.randrange(1, 256)]) + part[at + 1 :]
    elif kind == "zeros":
        parts[hit] = part[:at] + b"\0" * span + part[at + span :]
    elif kind == "noise":
        parts[hit] = part[:at] + rng.randbytes(span) + part[at + span :]
    elif kind == "cut":
        return b"".join(parts[:hit]) + part[:at], set(range(hit))
    elif kind == "remove":
        parts[hit] = part[:at] + part[at + span :]
    elif kind == "insert":
        parts[hit] = part[:at] + rng.randbytes(span) + part[at:]
    elif kind == "digits":
        parts[hit] = part.replace(b"Content-Length: ", b"Content-Length: %d" % rng.randrange(10**6), 1)
    else:
        if kind == "insert zeros":
            parts.insert(hit, b"\0" * rng.randrange(1, 2000))
        elif kind == "repeat":
            parts.insert(hit, part)
        elif kind == "drop":
            del parts[hit]
            intact -= {hit}
        else:
            other = rng.randrange(len(parts))
            parts[hit], parts[other] = parts[other], parts[hit]
        return b"".join(parts), intact
    return b"".join(parts), intact - {hit}


def fuzz(tmp_path: Path, seed: int, packing: str, tries: int) -> None:
    rng = random.Random(f"{seed} {packing}")
    for _ in range(tries):
        kind = rng.choice(KINDS)
        parts = [PACKINGS[packing](record(i)) for i in range(6)]
        data, intact = damage(rng, parts, kind)
        path = tmp_path / "a.warc"
        path.write_bytes(data)
        documents, lost = [], 0
        for item in read_warc(path):
            if isinstance(item, Document):
                documents.append(item.text)
            else:
                lost += item.lost_bytes
        missing = [i for i in intact if text(i) not in documents]
        assert missing == [], f"{kind}: {missing} of {sorted(intact)} are whole and did not come out"
        with path.open("rb") as stream:
            items = list(records(stream, MAX_DOCUMENT_BYTES))
        assert sum(i.end - i.begin for i in items) == len(data)
        assert sum(i.end - i.begin for i in items if isinstance(i, Lost)) == lost
        if packing in ("gz", "zst"):  # they carry checksums: nothing but whole pages comes out
            assert {d for d in documents} <= {text(i) for i in range(6)}, kind
        assert all(isinstance(i, (Record, Lost)) for i in items)


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_whole_record_of_a_damaged_file_comes_out(tmp_path: Path, packing: str) -> None:
    fuzz(tmp_path, 11, packing, 60)


@pytest.mark.slow
@pytest.mark.parametrize("packing", PACKINGS)
def test_every_whole_record_of_many_damaged_files_comes_out(tmp_path: Path, packing: str) -> None:
    fuzz(tmp_path, 12, packing, 5_000)
