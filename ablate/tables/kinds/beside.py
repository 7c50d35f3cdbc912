"""Ours next to published: every published gain of a table, with ours of the same stage where there is one."""

from __future__ import annotations

from ablate.errors import ConfigError
from ablate.literature.source import published, tables
from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.beside import NOT, agreement, columns, match, notes, theirs_cells
from ablate.tables.common import caption, gain, gains, label, metric_of, origin, spread_words
from ablate.tables.model import MARKED, MISSING, Column, Table, text


def table(summary: Summary, asked: Asked) -> Table:
    """A row per published line, in the source's order, without replicates.

    Raises:
        ConfigError: when no table of published numbers was named.
    """
    if asked.published is None:
        raise ConfigError(f"table=beside needs published=..., one of {', '.join(tables())}")
    metric, theirs, found = metric_of(summary, asked), published(asked.published), gains(summary, asked)
    cells = []
    for row in theirs.rows:
        if row["design"] == "replicate":
            continue
        mine = next((one for one in found if row in match(one, theirs)), None)
        words = f"{row['level']} vs {row['versus']}" if row["versus"] else row["level"]
        ours = [text(MISSING), text(MISSING)] if mine is None else [text(mine["stage"]), gain(mine)]
        cells.append(
            (text(words), *theirs_cells(row), *ours, text(NOT if mine is None else agreement(mine, row)))
        )
    heads = (
        Column(head="published", words=True),
        *columns()[:-1],
        Column(head="stage", words=True, over="ours"),
        Column(head="gain", unit=metric, over="ours"),
        Column(head="agreement", words=True),
    )
    said = (
        f"Ours: turned so that plus is better; {spread_words(summary)}. {MARKED}",
        *notes(theirs),
    )
    return Table(
        label=label(summary, f"beside-{theirs.name.replace('_', '-')}"),
        caption=caption(summary, f"gains in {metric} beside published ones"),
        columns=heads,
        rows=tuple(cells),
        notes=said,
        origin=(*origin(summary, "beside"), f"published={theirs.name}"),
    )
