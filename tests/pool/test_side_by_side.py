"""Files read by several processes give the pool that one process reads: same digest, same name, same bytes."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.errors import DataError
from ablate.pool import apart
from ablate.pool.apart import SideBySide
from ablate.pool.files import Files
from ablate.pool.pool import Pool, build_pool
from ablate.pool.source import Document, FileSource, Item
from ablate.pool.warc import Warc
from ablate.store import Store


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read side by side however small, in batches of a few documents."""
    monkeypatch.setattr(apart, "WORTH_BYTES", 0)
    monkeypatch.setattr(apart, "BATCH_BYTES", 500)


def contents(pool: Pool) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pool.folder.iterdir() if not path.name.startswith(".")}


def pages(rng: random.Random, count: int) -> list[str]:
    """Texts of a few sorts, so that many occur again in the same file and in others."""
    return [f"Page {rng.randrange(12)} of the town. " * rng.randint(1, 9) for _ in range(count)]


def jsonl(folder: Path, rng: random.Random) -> FileSource:
    """Files of records, some with lines that are none."""
    for number in range(7):
        lines = [
            json.dumps({"text": text, "url": f"https://h{number % 3}.example/"}) for text in pages(rng, 20)
        ]
        lines.insert(rng.randrange(len(lines)), "{" if number % 2 else '{"text": "\\ud800 alone"}')
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "b.txt").write_text("A text of its own.")
    (folder / "c.odd").write_text("no format")
    return Files(paths=[str(folder)], every=rng.choice([1, 2, 3]))


def warc(folder: Path, rng: random.Random) -> FileSource:
    """Archives, one of them cut off and one that is none."""
    for number in range(5):
        made = b""
        for page in pages(rng, 15):
            block = f"HTTP/1.1 {rng.choice([200, 200, 404])} OK\r\nContent-Type: text/html\r\n\r\n<p>{page}</p>".encode()
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://x.example/{rng.randrange(9)}\r\n"
            )
            head += (
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
            )
            made += gzip.compress(head.encode() + block + b"\r\n\r\n")
        (folder / f"{number}.warc.gz").write_bytes(made[:-100] if number == 2 else made)
    (folder / "9.warc").write_bytes(b"no archive")
    return Warc(paths=[str(folder)])


@pytest.mark.parametrize("make", [jsonl, warc])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_pool_with_any_number_of_processes(tmp_path: Path, make: object, seed: int) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    source = make(folder, random.Random(seed))  # type: ignore[operator]
    read = {
        workers: build_pool(source, Store(tmp_path / f"store-{workers}"), 17, workers=workers)
        for workers in (1, 2, 3)
    }
    alone = read[1]
    assert len(alone) > 17 and alone.summary["skipped"]
    for pool in (read[2], read[3]):
        assert (pool.digest, pool.name, pool.bounds) == (alone.digest, alone.name, alone.bounds)
        assert contents(pool) == contents(alone)


def doomed(path: Path) -> Iterator[Item]:
    """Ends its process at one file, as a fault in a parser does."""
    if path.name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    yield Document(path.name)


def test_a_process_that_dies_is_told_with_its_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    with pytest.raises(DataError, match=rf"died, at one of .*{tmp_path / 'b'}"):
        for items in SideBySide(2, tmp_path)(doomed, paths):
            list(items)
    assert list(tmp_path.iterdir()) == [], "nothing stays"


def named(path: Path) -> Iterator[Item]:
    """A document that says which file it is of."""
    yield Document(path.name)


def test_who_takes_no_more_ends_the_reading(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(50)]
    reading = SideBySide(2, tmp_path)(named, paths)
    assert list(next(reading)) == [Document("0")] and list(next(reading)) == [Document("1")]
    reading.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
