"""`pool=synthetic`: the documents that `ablate generate` made, with what is known of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import DataError
from ablate.fingerprint import NOT_IDENTITY, file_digest
from ablate.pool.digital_source import COLUMNS, SYNTHETIC, TERM
from ablate.pool.source import NO_TEXT, Document, Skipped, Source
from ablate.reading.records import read_rows

READER = 1
"""Raise it when the same file gives other documents."""


@dataclass(frozen=True, kw_only=True)
class Synthetic(Source):
    """Generated documents: a line of JSON each, with `text`, `source`, `language` and the columns of `digital_source`.

    Nothing is left out here, whatever is wrong with a document: its defects stand in its metadata, and stages drop. Only an
    answer without any text cannot be a document; it is listed among what was skipped.

    Attributes:
        path: `synthetic.jsonl` in the folder of a generation.
        limit: at most this many documents; null for all.
    """

    path: str = field(metadata=NOT_IDENTITY)
    limit: int | None = None

    def request(self) -> dict[str, Any]:
        """By what the file holds, wherever it lies."""
        return {"synthetic": file_digest(self.path), "reader": READER, "limit": self.limit}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every document in the order of the questions.

        Raises:
            DataError: for a line that is no document, or does not say that it is synthetic.
        """
        count = 0
        for place, row in read_rows(self.path, "pool.path"):
            if not isinstance(text := row.get("text"), str):
                raise DataError(f"{place}: no text; expected a file that `ablate generate` wrote")
            if row.get(TERM) not in SYNTHETIC:
                raise DataError(
                    f"{place}: {TERM} is {row.get(TERM)!r}, expected one of {', '.join(SYNTHETIC)}"
                )
            if not text.strip():
                yield Skipped(place.name, place.number, f"{NO_TEXT}: {row.get('defects') or 'empty answer'}")
                continue
            if self.limit is not None and count >= self.limit:
                return
            count += 1
            # JSON as it was written: whatever a column holds is plain data.
            said: dict[str, Any] = {name: row[name] for name in COLUMNS if row.get(name) not in (None, "")}
            source, language = str(row.get("source") or "synthetic"), str(row.get("language") or "")
            yield Document(text, "text", str(row.get("url") or ""), source, language, said)
