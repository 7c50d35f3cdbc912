"""A table in LaTeX with booktabs and graphicx; `latex_siunitx` aligns numbers at their points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ablate.render.tables import escape_latex
from ablate.tables.model import Cell, Column, Table, groups, tame

NEEDS = "Needs \\usepackage{booktabs,graphicx}."
FIT = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
"""Before a tabular: where it is wider than the text it is made as wide as the text, elsewhere it keeps its size."""
MARKS = {"*": "{*}", "°": "{\\circ}", "": ""}
Show = Callable[[Cell], str]


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return escape_latex(tame(text))


def write(table: Table) -> str:
    """Write a table as a float with caption, label and notes."""
    specs = ["l" if column.words else "r" for column in table.columns]
    return framed(table, NEEDS, specs, _cell, lambda column: escape(column.title))


def framed(
    table: Table,
    needs: str,
    specs: Sequence[str],
    show: Show,
    head: Callable[[Column], str],
    before: Sequence[str] = (),
) -> str:
    """A float around rows whose cells and heads are written by `show` and `head`.

    Args:
        table: to write.
        needs: which packages, as a comment.
        specs: of the columns, for tabular.
        show, head: write a cell, and the head of a column.
        before: lines before the tabular.
    """
    lines = [f"% {tame(line)}" for line in (needs, *table.origin)]
    lines += [
        "\\begin{table}[t]",
        "\\centering",
        f"\\caption{{{escape(table.caption)}}}",
        f"\\label{{tab:{table.label}}}",
    ]
    lines += [*before, FIT, "\\begin{tabular}{" + "".join(specs) + "}", "\\toprule"]
    if table.grouped:
        lines.append(_over(table.columns) + " \\\\")
    lines += [" & ".join(head(column) for column in table.columns) + " \\\\", "\\midrule"]
    for number, row in enumerate(table.rows):
        if number in table.rules:
            lines.append("\\midrule")
        lines.append(" & ".join(show(cell) for cell in row) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}}"]
    if table.notes:
        lines += ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright"]
        lines += [f"{escape(note)}\\par" for note in table.notes]
        lines.append("\\end{minipage}")
    return "\n".join([*lines, "\\end{table}", ""])


def _over(columns: Sequence[Column]) -> str:
    return " & ".join(
        f"\\multicolumn{{{span}}}{{c}}{{{escape(name)}}}" if name else " & ".join([""] * span)
        for name, span in groups(columns)
    )


def _cell(cell: Cell) -> str:
    mark = f"^{MARKS[cell.mark]}" if cell.mark else ""
    note = f"\\textsuperscript{{{escape(cell.note)}}}" if cell.note else ""
    if cell.text is not None:
        shown = escape(cell.text)
        return (f"\\textbf{{{shown}}}" if cell.bold else shown) + (f"${mark}$" if mark else "") + note
    if cell.interval:
        return f"${cell.interval}{mark}$" + note
    value = f"\\mathbf{{{cell.number}}}" if cell.bold else cell.number
    return f"${value}{mark}" + (f" \\pm {cell.spread}" if cell.spread else "") + "$" + note
