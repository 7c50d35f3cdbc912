"""What a format is: how some documents of a corpus become files, and how others read them."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ablate.errors import ConfigError, nearest
from ablate.user_file import run_file

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""Columns of exported texts; `metadata` is a JSON object."""
DATA = "data"
"""Folder of the documents in an export."""


@dataclass(frozen=True)
class Finished:
    """A shard of an export, with all its files there.

    Attributes:
        stem: what its files' names begin with.
        documents: in it.
    """

    stem: str
    documents: int


class Format(ABC):
    """How an export is written: one file of `ablate/export/formats` each, or a file of the user's, with its `FORMAT`.

    Attributes:
        name: what it is called.
        endings: of the files of one shard; the first is the one that readers are given.
        with_tokenizer: whether the tokenizer is put beside the documents.
    """

    name: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]
    with_tokenizer: ClassVar[bool] = False

    def finish(self, data: Path, shards: Sequence[Finished]) -> None:
        """Write what readers want beside the shards' files; nothing by default."""
        return None

    @abstractmethod
    def read_by(self, folder: str) -> str:
        """Say how an export in a folder is read: lines of code or of a command, for the card."""


class TextFormat(Format):
    """A format of texts, with what is said of each document."""

    @abstractmethod
    def write(self, documents: pa.Table, paths: Sequence[Path]) -> None:
        """Write one shard.

        Args:
            documents: of `SCHEMA`, in order.
            paths: one for each of `endings`.
        """


class TokenFormat(Format):
    """A format of token ids, end-of-text behind each document."""

    with_tokenizer = True

    @abstractmethod
    def write(self, ids: np.ndarray, counts: np.ndarray, paths: Sequence[Path]) -> None:
        """Write one shard.

        Args:
            ids: of all documents one after another: uint16 where the vocabulary has at most 65,536 entries, else uint32.
            counts: tokens of each document: int64.
            paths: one for each of `endings`.
        """


def formats() -> list[str]:
    """Names of the formats that ship."""
    return sorted(path.stem for path in (Path(__file__).parent / "formats").glob("[!_]*.py"))


def format_of(name: str) -> TextFormat | TokenFormat:
    """The format of a name, or the `FORMAT` of a file of the user's that ends in .py.

    Raises:
        ConfigError: for an unknown one (names the nearest), and for a file without a format.
    """
    if name.endswith(".py"):
        found = getattr(run_file(Path(name), "export.format"), "FORMAT", None)
    elif name in formats():
        found = importlib.import_module(f"ablate.export.formats.{name}").FORMAT
    else:
        raise ConfigError(
            f"export.format={name}: {nearest(name, formats())}; one of your own is a file, NAME.py"
        )
    if not isinstance(found, (TextFormat, TokenFormat)):
        raise ConfigError(
            f"export.format={name}: its FORMAT is no TextFormat and no TokenFormat, got {found!r}"
        )
    return found
