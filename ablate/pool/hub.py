"""`pool=hf`: a data set through the `datasets` library, from the hub or a local folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from ablate.errors import ConfigError, DataError, nearest
from ablate.plain import Plain
from ablate.pool.source import NO_TEXT, Document, Skipped, Source, file_stamps, scalars
from ablate.reading.encoding import decode
from ablate.reading.paths import shown

UNLIKE = re.compile("column names|Schema at index|Failed to parse string|changed from|Couldn't cast")
"""What pyarrow and the library say of files that do not fit together."""
LONGEST = 400
"""Characters of an error of the library that are shown."""


@dataclass(frozen=True, kw_only=True)
class Hub(Source):
    """Rows of a data set.

    Attributes:
        path: hub name or local folder, as `datasets.load_dataset` takes it.
        name: configuration, e.g. "sample-10BT".
        split: split name or slice.
        revision: commit, tag or branch; pin a commit to make a study repeatable.
        streaming: read rows as they come instead of downloading everything first; wants `limit`.
        limit: at most this many rows; null for all.
        text_column, url_column, language_column: names of the fields.
        kind: "text" or "html": what the text field holds.
    """

    libraries: ClassVar[tuple[str, ...]] = ("datasets", "pyarrow")
    path: str
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = False
    limit: int | None = None
    text_column: str = "text"
    url_column: str = "url"
    language_column: str = "language"
    kind: str = "text"

    def __post_init__(self) -> None:
        if self.streaming and self.limit is None:
            raise ConfigError("streaming=true needs limit=<number of rows>, a stream has no end")
        if self.kind not in ("text", "html"):
            raise ConfigError(f"kind must be text or html, got {self.kind!r}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be 1 or more, got {self.limit}")

    def request(self) -> dict[str, Plain]:
        """Every parameter, and the files of a local folder; a moving revision is found once and then kept."""
        local = Path(self.path)
        files = [path for path in sorted(local.rglob("*")) if path.is_file()] if local.is_dir() else []
        return {"hf": dict(vars(self)), "files": file_stamps([local] if local.is_file() else files)}

    @contextmanager
    def _cache(self) -> Iterator[str | None]:
        """Where the library keeps what it read. Of a local folder it would find that again by size and time of
        change, so there it is kept for this one reading only; None for the library's own place."""
        if not Path(self.path).exists():
            yield None
            return
        import datasets

        root = Path(datasets.config.HF_DATASETS_CACHE)
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".once-", ignore_cleanup_errors=True) as folder:
            yield folder

    def documents(self) -> Iterator[Document | Skipped]:
        """Every row, in the data set's order.

        Raises:
            DataError: for whatever the library cannot load or read on, in one line that says what to do.
        """
        import datasets

        level, bars = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it logs, its error says too
        if Path(self.path).exists():  # else they say how a download goes on
            datasets.disable_progress_bars()
        try:
            with self._cache() as cache:
                yield from self._documents(cache)
        finally:
            datasets.logging.set_verbosity(level)
            if not bars:
                datasets.enable_progress_bars()

    def _documents(self, cache: str | None) -> Iterator[Document | Skipped]:
        rows = self._rows(cache)
        yield from self._left_out(cache)
        number = 0
        while True:
            try:
                if self.limit is not None and number >= self.limit:
                    return
                row = next(rows)
            except StopIteration:
                return
            except Exception as error:
                raise DataError(self._worded(error, f"row {number:,}")) from error
            if self.text_column not in row:
                raise DataError(
                    f"{self.path} has no column {self.text_column!r}: {nearest(self.text_column, row)}. "
                    "Set pool.text_column"
                )
            try:
                yield self._document(row, number)
            except Exception as error:  # whatever one record holds, the others count
                yield Skipped(self.path, number, f"unreadable record: {type(error).__name__}: {error}")
            number += 1

    def _left_out(self, cache: str | None) -> Iterator[Skipped]:
        """Files of a local folder that the library does not read: it takes those of one format."""
        import datasets

        folder = Path(self.path)
        if not folder.is_dir():
            return
        config = datasets.load_dataset_builder(self.path, self.name, cache_dir=cache).config
        taken = {Path(file).resolve() for files in (config.data_files or {}).values() for file in files}
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden and path.resolve() not in taken:
                name = shown(path.relative_to(folder).as_posix())
                yield Skipped(name, 0, f"not read ({path.suffix.lower() or 'no ending'})")

    def _rows(self, cache: str | None) -> Iterator[Mapping[str, object]]:
        import datasets

        try:
            rows = datasets.load_dataset(
                self.path,
                self.name,
                split=self.split,
                revision=self.revision,
                streaming=self.streaming,
                cache_dir=cache,
            )
        except Exception as error:
            raise DataError(self._worded(error, "it cannot be loaded")) from error
        if isinstance(rows, dict):
            raise DataError(
                f"{self.path} has the splits {', '.join(map(str, rows))}: set pool.split to one of them"
            )
        return iter(rows)

    def _worded(self, error: BaseException, where: str) -> str:
        """An error of the library in one line: its first cause, and what may be done about it."""
        kinds = [type(error).__name__]
        while cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
            error = cause
            kinds.append(type(error).__name__)
        said = " ".join(f"{error}".split()).rstrip(".")
        said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
        if "save_to_disk" in said:
            hint = "write it as Parquet (Dataset.to_parquet) and give that folder"
        elif "CastError" in kinds or UNLIKE.search(said):
            hint = "its files have different columns, or values of different types in one; pool.name=<configuration>"
            hint += " takes those of one kind"
        elif Path(self.path).exists():
            hint = "check pool.name, pool.split and the files in pool.path"
        else:
            hint = (
                "check pool.path, pool.name, pool.split and pool.revision, and that its host can be reached"
            )
        local = "pool=files 'pool.paths=[<folder>]' reads local files one by one, whatever columns each has"
        return (
            f"data set {self.path!r} (pool.name {self.name}, pool.split {self.split}), {where}: "
            f"{said or kinds[-1]}. What to do: {hint}; {local}"
        )

    def _document(self, row: Mapping[str, object], number: int) -> Document | Skipped:
        text = row[self.text_column]
        if isinstance(text, bytes):
            text = decode(text)
        if not isinstance(text, str):
            return Skipped(self.path, number, f"no text in column {self.text_column!r}")
        if not text.strip():
            return Skipped(self.path, number, NO_TEXT)
        return Document(
            text,
            self.kind,
            str(row.get(self.url_column) or ""),
            self.path.rstrip("/").split("/")[-1],
            str(row.get(self.language_column) or ""),
            scalars(row, (self.text_column, self.url_column, self.language_column)),
        )
