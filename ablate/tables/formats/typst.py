"""A table in Typst: text only, no package needed."""

from __future__ import annotations

from ablate.tables.model import Cell, Table, groups, tame


def escape(text: str) -> str:
    """Text as a string of Typst's, which it prints as it is."""
    return '#"' + tame(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def write(table: Table) -> str:
    """Write a table as a figure, its notes below it."""
    left = ", ".join("left" if column.words else "right" for column in table.columns)
    lines = [f"// {tame(line)}" for line in table.origin]
    lines += ["#figure(", f"  caption: [{escape(table.caption)}],", "  kind: table,", "  block["]
    lines += [
        "    #table(",
        f"      columns: {len(table.columns)}, align: ({left},), stroke: none,",
        "      table.hline(),",
    ]
    if table.grouped:
        lines.append(
            "      "
            + " ".join(
                f"table.cell(colspan: {span}, align: center)[{escape(name) if name else ''}],"
                for name, span in groups(table.columns)
            )
        )
    lines.append("      " + " ".join(f"[*{escape(column.title)}*]," for column in table.columns))
    lines.append("      table.hline(stroke: 0.5pt),")
    for number, row in enumerate(table.rows):
        if number in table.rules:
            lines.append("      table.hline(stroke: 0.5pt),")
        lines.append("      " + " ".join(f"[{_cell(cell)}]," for cell in row))
    lines += ["      table.hline(),", "    )"]
    lines += [f"    #align(left, text(size: 0.8em)[{escape(note)}])" for note in table.notes]
    lines += ["  ],", f") <{table.label}>"]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    if cell.text is not None:
        shown = escape(cell.text)
    elif cell.interval:
        shown = escape(cell.interval.replace("-", "−"))
    else:
        shown = escape(cell.number.replace("-", "−") + (f" ± {cell.spread}" if cell.spread else ""))
    shown = f"#strong[{shown}]" if cell.bold else shown
    return (
        shown
        + (escape(cell.mark) if cell.mark else "")
        + (f"#super[{escape(cell.note)}]" if cell.note else "")
    )
