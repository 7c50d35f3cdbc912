"""Tables as CSV, where they are no frames of a study (those write themselves, see `ablate.summary.frames`)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from ablate.spreadsheet import cell_text


def csv_text(header: Iterable[str], rows: Iterable[Iterable[object]], floats: str = ".6g") -> str:
    """Return a header and rows as CSV, lines ending in a newline alone.

    Args:
        header: names of the columns.
        rows: of cells; None and NaN, which stand for what was not measured, are left empty.
        floats: format of every float, e.g. ".6g"; "" for as many digits as tell it from all others.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell_text(name) for name in header])
    for row in rows:
        writer.writerow([_cell(cell, floats) for cell in row])
    return out.getvalue()


def _cell(cell: object, floats: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else format(float(cell), floats)
    return cell_text(str(cell))
