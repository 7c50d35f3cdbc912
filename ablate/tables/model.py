"""The one model of a table: typed cells, columns with unit and direction, caption, footnotes and where it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HOLDS, ALONE = "*", "°"
"""Marks of a gain that holds after the correction for multiplicity, and of one that holds only alone."""
MARKED = f"{HOLDS} holds after the correction for multiplicity; {ALONE} alone only."
MISSING = "–"
UP, DOWN = "↑", "↓"
MOST_DECIMALS = 8


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: text, a number with or without its error, or an interval.

    Attributes:
        text: shown as it is, escaped; for a number, None.
        value: the number, in its column's unit; None where it was not measured.
        error: what stands behind ±; None for none.
        low, high: an interval, shown in the place of a number.
        n: from how many runs; for CSV and the footnotes.
        decimals: digits behind the point.
        signed: whether plus is written.
        mark: `HOLDS`, `ALONE` or "".
        bold: whether it is among the best, by the rule that a footnote states.
        note: letter of a footnote; "" for none.
    """

    text: str | None = None
    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    decimals: int = 4
    signed: bool = False
    mark: str = ""
    bold: bool = False
    note: str = ""

    @property
    def number(self) -> str:
        """The value in ASCII digits; "" where the cell has none."""
        return "" if self.value is None else written(self.value, self.decimals, signed=self.signed)

    @property
    def spread(self) -> str:
        """The error in ASCII digits; "" where the cell has none."""
        return "" if self.error is None or self.value is None else f"{self.error:.{self.decimals}f}"

    @property
    def interval(self) -> str:
        """[low, high] in ASCII; "" where the cell is none."""
        if self.low is None or self.high is None:
            return ""
        ends = (written(end, self.decimals, signed=self.signed) for end in (self.low, self.high))
        return f"[{', '.join(ends)}]"


def written(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with so many decimals; zero has no minus."""
    shown = f"{value:{'+' if signed else ''}.{decimals}f}"
    return shown.replace("-", "+" if signed else "") if float(shown) == 0 else shown


def text(shown: object, *, note: str = "") -> Cell:
    """A cell of words."""
    return Cell(text=str(shown), note=note)


def number(
    value: float | None,
    *,
    error: float | None = None,
    decimals: int | None = None,
    signed: bool = False,
    n: int | None = None,
    mark: str = "",
    bold: bool = False,
    note: str = "",
) -> Cell:
    """A cell of a number, a dash where it was not measured.

    Args:
        value, error: None or NaN for not measured.
        decimals: None for those at which the error has two significant digits; four without an error.
        signed, n, mark, bold, note: as in `Cell`.
    """
    if value is None or math.isnan(value):
        return Cell(text=MISSING, note=note)
    known = error is not None and math.isfinite(error)
    places = decimals if decimals is not None else decimals_of(error) if known and error else 4
    return Cell(
        value=value,
        error=error if known else None,
        decimals=places,
        signed=signed,
        n=n,
        mark=mark,
        bold=bold,
        note=note,
    )


def interval(*, low: float | None, high: float | None, decimals: int = 4, signed: bool = True) -> Cell:
    """A cell of an interval, a dash where no spread was measured."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return Cell(text=MISSING)
    return Cell(low=low, high=high, decimals=decimals, signed=signed)


def decimals_of(error: float | None, most: int = MOST_DECIMALS) -> int:
    """Decimals at which an error has two significant digits: 0.0123 has three, 3.4 one, 120 none."""
    if error is None or not math.isfinite(error) or error <= 0:
        return 4
    return min(max(1 - math.floor(math.log10(float(f"{error:.2g}"))), 0), most)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's head.

    Attributes:
        head: its name.
        unit: in which its numbers are; "" for none.
        direction: `UP` or `DOWN` for which is better; "" for neither.
        words: whether it is of words, aligned to the left.
        over: heading of the group of columns that it stands in; "" for none.
    """

    head: str
    unit: str = ""
    direction: str = ""
    words: bool = False
    over: str = ""

    @property
    def title(self) -> str:
        """Name, unit and direction in one line."""
        return " ".join(
            part for part in (self.head, f"({self.unit})" if self.unit else "", self.direction) if part
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, ready to be written in any format.

    Attributes:
        label: for references to it, letters, digits and hyphens.
        caption: question, scale and design in sentences.
        columns: heads.
        rows: cells, as many as columns.
        rules: numbers of rows that a line stands above.
        notes: footnotes, in order; a cell refers to one by its letter.
        origin: where it came from, as comments: command, plan.
    """

    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rules: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in self.rows:
            if len(line) != len(self.columns):
                raise ValueError(f"a row has {len(line)} cells, the table {len(self.columns)} columns")

    @property
    def grouped(self) -> bool:
        """Whether any columns stand under a common heading."""
        return any(column.over for column in self.columns)


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Headings over neighbouring columns and how many columns each spans."""
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and found[-1][0] == column.over:
            found[-1] = (column.over, found[-1][1] + 1)
        else:
            found.append((column.over, 1))
    return found


HIDDEN = {chr(code) for code in (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Characters that turn the direction of what follows, so that a name could rewrite its neighbours."""


def tame(shown: str) -> str:
    """Foreign text on one line, with characters that cannot be seen or turn the line written by their number."""
    out = []
    for character in shown:
        code = ord(character)
        if character in "\t\n\r\v\f\x85\u2028\u2029":
            out.append(" ")
        elif character in HIDDEN or code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
            out.append(f"[U+{code:04X}]")
        else:
            out.append(character)
    return "".join(out)
