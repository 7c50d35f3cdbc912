"""A table as CSV: numbers as they are shown, errors, intervals and marks in columns of their own."""

from __future__ import annotations

import csv
import io

from ablate.spreadsheet import cell_text
from ablate.tables.model import MISSING, Table


def write(table: Table) -> str:
    """Write a table; an empty cell is a value that was not measured. Caption and notes are left out."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    heads, columns = [], []
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        name = f"{column.over}: {column.head}" if column.over else column.head
        if any(cell.interval for cell in cells):
            for end in ("low", "high"):
                heads.append(f"{name}, {end}")
                ends = [getattr(cell, end) for cell in cells]
                columns.append(
                    [
                        "" if value is None else f"{value:.{cell.decimals}f}"
                        for value, cell in zip(ends, cells, strict=True)
                    ]
                )
            continue
        heads.append(name)
        columns.append(
            [
                ("" if cell.text == MISSING else cell.text) if cell.text is not None else cell.number
                for cell in cells
            ]
        )
        if any(cell.spread for cell in cells):
            heads.append(f"{name}, error")
            columns.append([cell.spread for cell in cells])
        if any(cell.mark for cell in cells):
            heads.append(f"{name}, mark")
            columns.append([cell.mark for cell in cells])
        if any(cell.bold for cell in cells):
            heads.append(f"{name}, bold")
            columns.append(["yes" if cell.bold else "" for cell in cells])
    lines.writerow(map(cell_text, heads))
    lines.writerows(map(cell_text, row) for row in zip(*columns, strict=True))
    return out.getvalue()
