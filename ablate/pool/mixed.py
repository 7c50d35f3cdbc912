"""`pool=mixed`: several pools read one after another, each with a limit of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ablate.errors import ConfigError, under
from ablate.plain import Plain
from ablate.pool.source import Document, Skipped, Source


@dataclass(frozen=True, kw_only=True)
class Mixed(Source):
    """Documents of every part, in the order in which the parts are named.

    Attributes:
        parts: name -> source, e.g. `{pages: {_target_: ..Warc, paths: [..]}, books: ..}`.
    """

    parts: Mapping[str, Source]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("parts is empty: name at least one pool, see conf/pool/mixed.yaml")

    def request(self) -> dict[str, Plain]:
        """The request of every part, in order."""
        requests = []
        for name, part in self.parts.items():
            with under(f"parts.{name}"):
                requests.append(part.request())
        return {"mixed": requests}

    def versions(self) -> dict[str, str]:
        """Of the libraries of every part."""
        return {name: version for part in self.parts.values() for name, version in part.versions().items()}

    def documents(self) -> Iterator[Document | Skipped]:
        """Every part's documents."""
        for name, part in self.parts.items():
            with under(f"parts.{name}"):
                yield from part.documents()
