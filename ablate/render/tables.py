"""Tables and numbers: for the terminal, for Markdown and for LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

Cells = Sequence[Sequence[str]]


VERDICT = "verdict"
"""Heading of a column of words, which is aligned to the left wherever it stands."""


def aligned(header: Sequence[str], rows: Cells, left: int = 1) -> str:
    """Plain text columns; the first `left` are aligned to the left, as are the last and verdicts."""
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if i < left or i == len(row) - 1 or header[i] == VERDICT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown(header: Sequence[str], rows: Cells, left: int = 1, remark: bool = True) -> str:
    """A Markdown table; the first `left` columns are aligned to the left, as are verdicts and a last one that is a `remark`."""
    last = len(header) - 1 if remark else len(header)
    bars = [":--" if i < left or i == last or name == VERDICT else "--:" for i, name in enumerate(header)]
    lines = [header, bars, *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


CODE_OR_TAG = re.compile(r"(`[^`\n]*`)|<(?=[A-Za-z/!?])")


def without_tags(page: str) -> str:
    """A page of Markdown in which no name of an arm, a task or a study is HTML."""
    return CODE_OR_TAG.sub(lambda found: found[1] or "\\<", page)


def signed(value: float, digits: int = 4) -> str:
    """With a sign; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}"


def unsigned(value: float, digits: int = 4) -> str:
    """Without a sign; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def p_text(value: float) -> str:
    """A p-value."""
    return "–" if math.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(low: float, high: float) -> str:
    """[low, high], or a dash where no spread was measured."""
    return "–" if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"


LATEX = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": "$\\pm$",
    "×": "$\\times$",
    "°": "$^{\\circ}$",
    "↑": "$\\uparrow$",
    "↓": "$\\downarrow$",
    "→": "$\\rightarrow$",
    "≤": "$\\leq$",
    "≥": "$\\geq$",
    "−": "$-$",
    "–": "\\textendash{}",
    "—": "\\textemdash{}",
    "✓": "$\\surd$",
    "…": "\\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    '"': "\\char34{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
LAST_LATIN = "\u017f"
"""Letters up to here are in the fonts that LaTeX comes with."""


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is; letters that pdflatex has no font for are written by their number."""
    shown = "".join(
        LATEX.get(character, character if character <= LAST_LATIN else f"{{[}}U+{ord(character):04X}{{]}}")
        for character in text
    )
    return shown.replace("--", "-{}-")
