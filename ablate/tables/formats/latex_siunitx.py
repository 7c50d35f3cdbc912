"""A table in LaTeX with siunitx 3 besides: numbers stand with their points below each other."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.tables.formats.latex import MARKS, escape, framed
from ablate.tables.model import Cell, Table

NEEDS = "Needs \\usepackage{booktabs,etoolbox,graphicx,siunitx} with siunitx 3, and \\robustify\\bfseries in the preamble."
SETUP = (
    "\\sisetup{uncertainty-mode=separate, table-align-uncertainty=true, detect-all, retain-explicit-plus, "
    "table-align-text-after=false}"
)


def write(table: Table) -> str:
    """Write a table; columns without any number stay plain ones."""
    specs = [
        _spec([row[place] for row in table.rows], column.words) for place, column in enumerate(table.columns)
    ]
    return framed(table, NEEDS, specs, _cell, lambda column: f"{{{escape(column.title)}}}", [SETUP])


def _spec(cells: Sequence[Cell], words: bool) -> str:
    numbers = [cell for cell in cells if cell.value is not None]
    if not numbers:
        return "l" if words else "r"
    signs = "+" if any(cell.number[0] in "+-" for cell in numbers) else ""
    whole = max(len(cell.number.lstrip("+-").split(".")[0]) for cell in numbers)
    decimals = max(cell.decimals for cell in numbers)
    errors = [_uncertainty(cell) for cell in numbers if cell.spread]
    after = max((_after(cell) for cell in numbers), key=len)
    room = f", table-space-text-post={{{after}}}" if after else ""
    return f"S[table-format={signs}{whole}.{decimals}{f'({max(map(len, errors))})' if errors else ''}{room}]"


def _after(cell: Cell) -> str:
    """What stands behind a number: its mark and the letter of its footnote."""
    mark = f"$^{MARKS[cell.mark]}$" if cell.mark else ""
    return mark + (f"\\textsuperscript{{{escape(cell.note)}}}" if cell.note else "")


def _uncertainty(cell: Cell) -> str:
    """The error in units of the last digit, as it stands in brackets."""
    return cell.spread.replace(".", "").lstrip("0") or "0"


def _cell(cell: Cell) -> str:
    mark = f"^{MARKS[cell.mark]}" if cell.mark else ""
    note = f"\\textsuperscript{{{escape(cell.note)}}}" if cell.note else ""
    if cell.text is not None:
        shown = escape(cell.text)
        return (
            f"{{{f'{chr(92)}textbf{{{shown}}}' if cell.bold else shown}{f'${mark}$' if mark else ''}{note}}}"
        )
    if cell.interval:
        return f"{{${cell.interval}{mark}$}}" + note
    number = cell.number + (f"({_uncertainty(cell)})" if cell.spread else "")
    after = _after(cell)
    return ("\\bfseries " if cell.bold else "") + number + (f" {{{after}}}" if after else "")
