"""One shard of an export: documents read from the store and handed to the format, in any process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.tokens import Tokenize, token_ids
from ablate.errors import DataError
from ablate.export.base import DATA, SCHEMA, Finished, TextFormat, format_of
from ablate.pool.pool import Pool, open_pool
from ablate.store import Store, atomic, whole


@dataclass(frozen=True)
class Corpus:
    """A stored corpus, as a process needs it to read documents.

    Attributes:
        pool, store: their folders.
        key: of the corpus in the store.
        version: of its texts.
        segments: that hold them.
        tokenizer: that its tokens are of.
    """

    pool: Path
    store: Path
    key: str
    version: str
    segments: tuple[str, ...]
    tokenizer: Tokenize

    @property
    def rows(self) -> np.ndarray:
        """Pool rows of its documents, ascending, memory-mapped."""
        return np.load(self.store / "corpora" / self.key / "rows.npy", mmap_mode="r")  # type: ignore[no-any-return]

    @property
    def texts(self) -> TextVersion:
        """The version of its texts, memory-mapped."""
        which = np.load(self.store / "corpora" / self.key / "which.npy", mmap_mode="r")
        return TextVersion(self.version, self.segments, which)


@lru_cache(maxsize=1)
def _open(corpus: Corpus) -> tuple[Pool, Annotations, TextVersion]:
    """Once a process."""
    pool = open_pool(corpus.pool)
    return pool, Annotations(pool, Store(corpus.store), workers=1), corpus.texts


def forget() -> None:
    """Open what corpora are read from anew: it may have been made again."""
    _open.cache_clear()


@dataclass(frozen=True, eq=False)
class Task:
    """Write one shard.

    Attributes:
        corpus: that it is a part of.
        rows: pool rows in the order in which they are written.
        format: name of it.
        folder: of the export.
        stem: what its files' names begin with.
    """

    corpus: Corpus
    rows: np.ndarray
    format: str
    folder: Path
    stem: str

    @property
    def paths(self) -> list[Path]:
        """Its files."""
        return [self.folder / DATA / f"{self.stem}{ending}" for ending in format_of(self.format).endings]

    @property
    def done(self) -> bool:
        """Whether all its files are there as they were written."""
        return all([whole(path) for path in self.paths])

    @property
    def finished(self) -> Finished:
        """What is said of it."""
        return Finished(self.stem, int(self.rows.size))

    def do(self) -> None:
        """Write it; each file takes its name when it is whole."""
        format = format_of(self.format)
        with ExitStack() as files:
            paths = [files.enter_context(atomic(path, seal=True)) for path in self.paths]
            if isinstance(format, TextFormat):
                format.write(texts_of(self.corpus, self.rows), paths)
            else:
                format.write(*tokens_of(self.corpus, self.rows), paths)


def hex_ids(keys: np.ndarray) -> list[str]:
    """The ids of documents: 16 hexadecimal digits of each key, as ledgers have them."""
    return [f"{key:016x}" for key in keys.tolist()]


def texts_of(corpus: Corpus, rows: np.ndarray) -> pa.Table:
    """The documents of some pool rows, in the order of `rows`, as a table of `SCHEMA`."""
    pool, annotations, version = _open(corpus)
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    texts = pa.array((text for _, text in annotations.texts(version, ascending)), pa.large_string())
    told = []
    for shard, some in pool.rows_by_shard(ascending):
        about = pool.shard(shard, "key", "url", "source", "language", "kind", "metadata")
        told.append(about.take(pa.array(some - pool.bounds[shard])))
    about = pa.concat_tables(told).combine_chunks()
    columns = {name: about.column(name) for name in about.column_names}
    columns |= {"id": pa.array(hex_ids(about.column("key").to_numpy()), pa.string()), "text": texts}
    table = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    if (ascending == rows).all():
        return table
    return table.take(pa.array(np.argsort(order))).combine_chunks()


def tokens_of(corpus: Corpus, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The token ids of some pool rows, in the order of `rows`, one document after another; tokens of each: int64."""
    _, annotations, version = _open(corpus)
    order = np.argsort(rows, kind="stable")
    ids, counts = token_ids(annotations, corpus.tokenizer, version, rows[order])
    if not counts.all():
        raise DataError(
            "a document of the corpus has no tokens, not even end-of-text; run the same command again"
        )
    if (rows[order] == rows).all():
        return ids, counts
    begins, back = np.cumsum(counts) - counts, np.argsort(order)
    pieces = [ids[begins[place] : begins[place] + counts[place]] for place in back.tolist()]
    return np.concatenate(pieces), counts[back]
