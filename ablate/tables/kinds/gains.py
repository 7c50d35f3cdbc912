"""What each stage is worth: gain with its interval, corrected p, text removed, cost and verdict."""

from __future__ import annotations

import math

from ablate.render.tables import p_text
from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.beside import beside_columns
from ablate.tables.common import (
    AGGREGATE,
    IDENTICAL,
    SAME_TEXTS,
    Row,
    caption,
    gain,
    gains,
    label,
    metric_of,
    origin,
    removed,
    rows_of,
)
from ablate.tables.model import MARKED, MISSING, Cell, Column, Table, decimals_of, interval, number, text


def table(summary: Summary, asked: Asked) -> Table:
    """One row per stage, in the design's order; published gains of the same stages beside it where asked for."""
    metric, found = metric_of(summary, asked), gains(summary, asked)
    task = found[0]["task"]
    gone = removed(summary)
    spent = {row["stage"]: row["cpu_s"] for row in rows_of(summary.curation)}
    columns = [
        Column(head="stage", words=True),
        Column(head="gain", unit=metric),
        Column(head="95 % interval"),
        Column(head="p adj."),
        *([Column(head="text removed", unit="%")] if gone else []),
        *([Column(head="curation", unit="CPU s")] if spent else []),
        Column(head="verdict", words=True),
    ]
    cells = []
    for row in found:
        line = [
            text(row["stage"]),
            gain(row, error=False),
            _interval(row),
            text(p_text(math.nan if row["p_adjusted"] is None else row["p_adjusted"])),
        ]
        line += [number(gone.get(row["factor"]), decimals=1)] if gone else []
        line += [number(spent.get(row["factor"]), decimals=1)] if spent else []
        cells.append([*line, text(row["verdict"])])
    notes = [
        f"Gains are turned so that plus is better; {'mean over tasks' if task == AGGREGATE else task}, "
        f"{found[0]['estimand'].replace('_', ' ')}. Intervals are over seeds. {MARKED}"
    ]
    notes += (
        [f"p adjusted by {found[0]['correction']} over {found[0]['tests']} tests."]
        if found[0]["tests"]
        else []
    )
    seen = [row["mde"] for row in found if row["mde"] is not None]
    notes += [f"An effect of {max(seen):.2g} would be called in 80 % of repeats."] if seen else []
    notes += ["Text removed: share of the bytes that reached the stage, full recipe."] if gone else []
    if asked.published:
        more, beside, said = beside_columns(summary, asked, found)
        columns[-1:-1], notes = more, [*notes, *said]
        for line, added in zip(cells, beside, strict=True):
            line[-1:-1] = added
    if any(row["kind"] == IDENTICAL for row in found):
        notes.append(SAME_TEXTS)
    return Table(
        label=label(summary, "gains"),
        caption=caption(summary, f"gain of each stage in {metric}"),
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        notes=tuple(notes),
        origin=origin(summary, "gains"),
    )


def _interval(row: Row) -> Cell:
    if row["kind"] == IDENTICAL:
        return text(MISSING)
    return interval(low=row["turned_low"], high=row["turned_high"], decimals=decimals_of(row["seed_error"]))
