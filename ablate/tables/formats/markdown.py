"""A table in GitHub's Markdown."""

from __future__ import annotations

import re

from ablate.tables.model import Cell, Column, Table, tame

SPECIAL = re.compile(r"([\\`*\[\]|$~])|(?<!\w)_|_(?!\w)")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    plain = tame(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(lambda match: f"\\{match[0]}", plain)


def write(table: Table) -> str:
    """Write a table; its notes stand below it."""
    head = [escape(_title(column)) for column in table.columns]
    bars = [":--" if column.words else "--:" for column in table.columns]
    lines = [head, bars, *([_cell(cell) for cell in row] for row in table.rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    parts = [f"**{escape(table.caption)}**", body, *(escape(note) for note in table.notes)]
    parts += [f"<!-- {escape(line).replace('--', '- -')} -->" for line in table.origin]
    return "\n\n".join(parts) + "\n"


def _title(column: Column) -> str:
    return f"{column.over}: {column.title}" if column.over else column.title


def _cell(cell: Cell) -> str:
    if cell.text is not None:
        shown = escape(cell.text)
    elif cell.interval:
        shown = escape(cell.interval)
    else:
        shown = cell.number + (f" ± {cell.spread}" if cell.spread else "")
    shown = f"**{shown}**" if cell.bold else shown
    return shown + escape(cell.mark) + (f"<sup>{cell.note}</sup>" if cell.note else "")
