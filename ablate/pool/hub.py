"""`pool=hf`: a data set through the `datasets` library, from the hub or a local folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ablate.errors import ConfigError, DataError, nearest
from ablate.pool.source import Document, Skipped, Source, scalars


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

    def request(self) -> dict[str, Any]:
        """Every parameter; a moving revision is found once and then kept."""
        return {"hf": dict(vars(self))}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every row, in the data set's order."""
        import datasets

        try:
            rows = datasets.load_dataset(
                self.path, self.name, split=self.split, revision=self.revision, streaming=self.streaming
            )
        except (OSError, ValueError, ConnectionError) as error:
            raise DataError(
                f"cannot load data set {self.path!r} (config {self.name}, split {self.split}): {error}"
            ) from error
        rows = rows.take(self.limit) if self.streaming else rows
        for number, row in enumerate(rows):
            if self.limit is not None and number >= self.limit:
                return
            text = row.get(self.text_column)
            if self.text_column not in row:
                raise DataError(
                    f"{self.path} has no column {self.text_column!r}: {nearest(self.text_column, row)}"
                )
            if not isinstance(text, str):
                yield Skipped(self.path, number, f"no text in column {self.text_column!r}")
                continue
            yield Document(
                text,
                self.kind,
                str(row.get(self.url_column) or ""),
                self.path.rstrip("/").split("/")[-1],
                str(row.get(self.language_column) or ""),
                scalars(row, (self.text_column, self.url_column, self.language_column)),
            )
