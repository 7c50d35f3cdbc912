"""Formats of a table: each file has `write(table)`, found by its name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ablate.errors import ConfigError, nearest
from ablate.tables.model import Table

Write = Callable[[Table], str]


def formats() -> list[str]:
    """Names of the formats."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def writer(name: str) -> Write:
    """What writes a table in a format.

    Raises:
        ConfigError: for an unknown format; names the nearest.
    """
    if name not in formats():
        raise ConfigError(f"format={name}: {nearest(name, formats())}")
    write: Write = importlib.import_module(f"{__name__}.{name}").write
    return write
