"""A table as HTML: a figure with caption and notes, no script, no style of its own."""

from __future__ import annotations

from html import escape as escaped

from ablate.tables.model import Cell, Table, groups, tame


def escape(text: str) -> str:
    """Text that a browser shows as it is; the direction of its letters stays inside it."""
    shown = escaped(tame(text), quote=True)
    return shown if text.isascii() else f"<bdi>{shown}</bdi>"


def write(table: Table) -> str:
    """Write a table."""
    lines = [f'<figure class="ablate-table" id="{escaped(table.label)}">', "<table>"]
    lines += [f"<caption>{escape(table.caption)}</caption>", "<thead>"]
    if table.grouped:
        over = "".join(
            f'<th colspan="{span}" scope="colgroup">{escape(name)}</th>'
            for name, span in groups(table.columns)
        )
        lines.append(f"<tr>{over}</tr>")
    heads = "".join(f'<th scope="col">{escape(column.title)}</th>' for column in table.columns)
    lines += [f"<tr>{heads}</tr>", "</thead>", "<tbody>"]
    for number, row in enumerate(table.rows):
        kind = ' class="rule"' if number in table.rules else ""
        cells = "".join(
            f'<th scope="row">{_cell(cell)}</th>' if place == 0 else f"<td>{_cell(cell)}</td>"
            for place, cell in enumerate(row)
        )
        lines.append(f"<tr{kind}>{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    if table.notes or table.origin:
        said = [*table.notes, *table.origin]
        lines += ["<figcaption>", *(f"<p>{escape(line)}</p>" for line in said), "</figcaption>"]
    return "\n".join([*lines, "</figure>", ""])


def _cell(cell: Cell) -> str:
    if cell.text is not None:
        shown = escape(cell.text)
    elif cell.interval:
        shown = cell.interval.replace("-", "−")
    else:
        shown = cell.number.replace("-", "−") + (f" ± {cell.spread}" if cell.spread else "")
    shown = f"<b>{shown}</b>" if cell.bold else shown
    return shown + cell.mark + (f"<sup>{escaped(cell.note)}</sup>" if cell.note else "")
