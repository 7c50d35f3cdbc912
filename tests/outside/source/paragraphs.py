"""A source of one's own: the paragraphs of a text file, each a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.plain import Plain
from ablate.pool.source import NO_TEXT, Document, Skipped, Source, file_stamps


@dataclass(frozen=True, kw_only=True)
class Paragraphs(Source):
    """What stands between the blank lines of a file.

    Attributes:
        path: of the file, in UTF-8.
    """

    path: str

    def documents(self) -> Iterator[Document | Skipped]:
        """Every paragraph in order; empty ones are skipped."""
        path = Path(self.path)
        for number, text in enumerate(path.read_text(encoding="utf-8").split("\n\n")):
            if text.strip():
                yield Document(text, source=path.stem, metadata={"paragraph": number})
            else:
                yield Skipped(path.name, number, NO_TEXT)

    def request(self) -> dict[str, Plain]:
        """The file, with what changes when it does."""
        return {"paragraphs": file_stamps([Path(self.path)])}
