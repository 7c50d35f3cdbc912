"""Kinds of table: each file has `table(summary, asked)`, found by its name; the first line of the file says what it is."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ablate.errors import ConfigError, nearest
from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.model import Table

Make = Callable[[Summary, Asked], Table]


def kinds() -> list[str]:
    """Names of the kinds."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def make_table(kind: str, summary: Summary, asked: Asked | None = None) -> Table:
    """Make a table of a study.

    Args:
        kind: name of a file here.
        summary: of the study.
        asked: what it shows; None for the headline.
    Raises:
        ConfigError: for an unknown kind, or one that this study has no numbers for.
    """
    if kind not in kinds():
        raise ConfigError(f"table={kind}: {nearest(kind, kinds())}")
    make: Make = importlib.import_module(f"{__name__}.{kind}").table
    asked = asked or Asked()
    return _only(make(summary, asked), asked.columns) if asked.columns else make(summary, asked)


def _only(table: Table, heads: Sequence[str]) -> Table:
    """A table with its first column and those of some heads.

    Raises:
        ConfigError: for a head that it has not; names the nearest.
    """
    known = [column.head for column in table.columns]
    if unknown := [head for head in heads if head not in known]:
        raise ConfigError(
            f"paper.columns: no column {unknown[0]!r}: {nearest(unknown[0], known)} (there are: {', '.join(known)})"
        )
    kept = [place for place, head in enumerate(known) if place == 0 or head in heads]
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(line[place] for place in kept) for line in table.rows),
    )
