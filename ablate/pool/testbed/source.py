"""`pool=testbed`: the generated web as real WARC files, with its benchmark beside it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ablate.fingerprint import NOT_IDENTITY, naming_fields
from ablate.plain import Plain
from ablate.pool.source import Document, Skipped, Source
from ablate.pool.testbed.pages import Page, TestbedConfig, generate, heldout
from ablate.pool.warc import read_warc
from ablate.progress import track
from ablate.store import atomic, once_files, write_json, write_table, write_text

FORMAT = 2
PAGES_PER_FILE = 20_000


@dataclass(frozen=True, kw_only=True)
class Testbed(Source):
    """The generated web; its pages go through the same door as any other WARC file.

    Attributes:
        folder: where the files are kept: `pages-*.warc.gz`, `truth.parquet` (which no stage reads),
            `tasks/` (a task snapshot) and `heldout.jsonl`.
        world: what is generated.
    """

    folder: str = field(metadata=NOT_IDENTITY)
    world: TestbedConfig

    def request(self) -> dict[str, Plain]:
        """The generator's parameters; makes the files when they are not there."""
        self._ensure()
        return {"testbed": FORMAT, **naming_fields(self.world)}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every page, read from the WARC files."""
        self._ensure()
        for path in sorted(Path(self.folder).glob("pages-*.warc.gz")):
            yield from read_warc(path)

    def _ensure(self) -> None:
        made = {"format": FORMAT, **naming_fields(self.world)}

        def write(folder: Path) -> None:
            write_testbed(self.world, folder)
            write_json(folder / "testbed.json", made)

        once_files(Path(self.folder), "generating the testbed", write, of=made)


def write_testbed(config: TestbedConfig, folder: Path) -> None:
    """Write pages, truth, task snapshot and held-out text."""
    truth: list[dict[str, Any]] = []
    pages = track(generate(config), "generating pages", total=config.pages, unit="page")
    for number, first in enumerate(range(0, config.pages, PAGES_PER_FILE)):
        count = min(PAGES_PER_FILE, config.pages - first)
        with atomic(folder / f"pages-{number:03d}.warc.gz") as part, part.open("wb") as file:
            for _ in range(count):
                page = next(pages)
                file.write(_record(page))
                truth.append({"url": page.url, **page.truth})
    write_table(folder / "truth.parquet", pa.Table.from_pylist(truth))
    for task, items in config.world.tasks().items():
        write_text(folder / "tasks" / task / "test.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    write_text(
        folder / "heldout.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in heldout(config))
    )


def _record(page: Page) -> bytes:
    """A WARC/1.0 response record as a gzip member of its own (ISO 28500)."""
    body = page.html.encode()
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    block = http.encode() + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: {page.url}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:testbed:{page.url.rsplit('/', 1)[-1]}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", compresslevel=1, mtime=0)
