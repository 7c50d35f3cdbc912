"""`pool=crawl_index`: pages of a crawl that are drawn from its index, before a byte of a page is read.

Common Crawl's columnar index (Parquet) names address, digest of the body, and file, offset and length of every capture. Drawing
by a hash of the digest keeps exact copies together, by the address the captures of a page in several crawls. The records are then
read at their places from WARC files below a folder that mirrors the crawl's; nothing is downloaded.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import xxhash

from ablate.errors import ConfigError, DataError, FieldError
from ablate.plain import Plain
from ablate.pool.drawn import check_rate, is_drawn, left_out, said_of
from ablate.pool.records import Record, records
from ablate.pool.source import MAX_DOCUMENT_BYTES, Document, Skipped, Source, file_stamps
from ablate.pool.warc import HTML_TYPES, READER, read_record
from ablate.progress import track
from ablate.reading.paths import Found, find_files, shown

PLACE = ("warc_filename", "warc_record_offset", "warc_record_length")
BY = {"digest": "content_digest", "url": "url", "host": "url_host_name"}
"""What is drawn -> the column of the index."""
STATUS, MIME = "fetch_status", "content_mime_detected"
"""Columns by which captures that are no page are left out, where the index has them."""


@dataclass(frozen=True, kw_only=True)
class CrawlIndex(Source):
    """Pages that an index names, each drawn with the same probability; file by file, in the order of their offsets.

    Attributes:
        paths: Parquet files of the index, globs or folders.
        root: folder below which `warc_filename` lies.
        by: "digest", "url" or "host": what is drawn together. A capture without it is drawn by its place.
        rate: probability, in (0, 1].
        seed: of the draw.
    """

    libraries: ClassVar[tuple[str, ...]] = ("fastwarc", "resiliparse")
    paths: Sequence[str]
    root: str
    by: str = "digest"
    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise ConfigError(f"by must be {', '.join(BY)}, got {self.by!r}")
        check_rate(self.rate)

    def _found(self) -> Found:
        if not Path(self.root).is_dir():
            raise FieldError(
                f"root: {self.root} is no folder; expected the one below which the crawl's files lie"
            )
        return find_files(
            self.paths, lambda path: path.name.endswith(".parquet"), "Parquet files of a crawl's index"
        )

    def request(self) -> dict[str, Plain]:
        """The index with what changes when it does, and how is drawn from it; a crawl's files do not change."""
        drawn: dict[str, Plain] = {
            "by": self.by,
            "rate": self.rate,
            "seed": self.seed,
            "root": str(Path(self.root).resolve()),
        }
        return {"reader": READER, "crawl_index": file_stamps(self._found().files), "drawn": drawn}

    def documents(self) -> Iterator[Document | Skipped]:
        """The pages that are drawn, with `sample_rate` and `sample_unit` in their metadata; then how many were not."""
        found, total, places = self._found(), 0, list[tuple[str, int, int, int]]()
        for other, why in found.others:
            yield Skipped(shown(other.name), 0, f"not read ({why})")
        for path in track(found.files, "drawing from the index", unit="file"):
            for batch in self._rows(path):
                total += batch.num_rows
                names = [name for name in (*PLACE, BY[self.by])]
                files, offsets, lengths, drawn_by = (batch.column(name).to_pylist() for name in names)
                keys = [key or f"{file} {at}" for key, file, at in zip(drawn_by, files, offsets, strict=True)]
                units = np.array([xxhash.xxh3_64_intdigest(key.encode()) for key in keys], dtype=np.uint64)
                for row in np.flatnonzero(is_drawn(units, self.rate, self.seed)).tolist():
                    places.append((files[row], int(offsets[row]), int(lengths[row]), int(units[row])))
        for name, some in groupby(sorted(places), itemgetter(0)):
            yield from self._read(name, list(some))
        yield from left_out("the index", total, len(places), what="captures", by=self.by)

    def _rows(self, path: Path) -> Iterator[Any]:
        """Batches of captures of pages: places, and what is drawn by."""
        try:
            file = pq.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no readable Parquet file of a crawl's index: {error}") from None
        wanted, there = [*PLACE, BY[self.by]], set(file.schema_arrow.names)
        if missing := [name for name in wanted if name not in there]:
            raise DataError(
                f"{path}: a crawl's index has the columns {', '.join(wanted)}; {', '.join(missing)} is not there"
            )
        for batch in file.iter_batches(
            columns=[*wanted, *(name for name in (STATUS, MIME) if name in there)]
        ):
            keep = np.ones(batch.num_rows, dtype=bool)
            if STATUS in there:
                keep &= np.array(
                    [status in (None, 200) for status in batch.column(STATUS).to_pylist()], dtype=bool
                )
            if MIME in there:
                mimes = (*HTML_TYPES, "text/plain", None)
                keep &= np.array([mime in mimes for mime in batch.column(MIME).to_pylist()], dtype=bool)
            yield batch.take(np.flatnonzero(keep))

    def _read(self, name: str, places: Sequence[tuple[str, int, int, int]]) -> Iterator[Document | Skipped]:
        """The records of one file."""
        path = Path(self.root) / name
        if not path.resolve().is_relative_to(Path(self.root).resolve()):
            yield Skipped(name, 0, f"outside of pool.root: {len(places)} captures")
            return
        try:
            stream = path.open("rb")
        except OSError as error:
            yield Skipped(name, 0, f"unreadable from here: {len(places)} captures: {error.strerror}")
            return
        with stream:
            for _, offset, length, unit in places:
                stream.seek(offset)
                held = [
                    one
                    for one in records(io.BytesIO(stream.read(length)), MAX_DOCUMENT_BYTES)
                    if isinstance(one, Record)
                ]
                read = read_record(held[0], shown(path.name)) if held else None
                if isinstance(read, Document):
                    yield replace(read, metadata={**read.metadata, **said_of(unit, self.rate)})
                else:
                    yield Skipped(shown(path.name), offset, read.reason if read else "no page at this place")
