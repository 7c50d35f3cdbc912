"""Stages in rows, tasks in columns: the gain on each, marked where the task cannot be believed at this scale."""

from __future__ import annotations

from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.common import (
    IDENTICAL,
    SAME_TEXTS,
    Row,
    caption,
    gain,
    gains,
    label,
    metric_of,
    origin,
    rows_of,
    spread_words,
    tasks_of,
)
from ablate.tables.model import MARKED, Cell, Column, Table, text


def table(summary: Summary, asked: Asked) -> Table:
    """Gain and its standard error over seeds."""
    metric, tasks = metric_of(summary, asked), tasks_of(summary, asked)
    blind = {
        row["task"]
        for row in rows_of(summary.screening)
        if row["metric"] == metric and row["believed"] == "no"
    }
    columns = [Column(head="stage", words=True)]
    cells: list[list[Cell]] = []
    found: list[Row] = []
    for task in tasks:
        columns.append(Column(head=f"{task} a" if task in blind else task, unit=metric))
        of_task = gains(summary, asked, task)
        found += of_task
        for place, row in enumerate(of_task):
            if len(cells) <= place:
                cells.append([text(row["stage"])])
            cells[place].append(gain(row))
    notes = [f"Gains are turned so that plus is better; {spread_words(summary)}. {MARKED}"]
    notes += ["a: did not pass screening: not to be believed at this scale."] if blind & set(tasks) else []
    if any(row["kind"] == IDENTICAL for row in found):
        notes.append(SAME_TEXTS)
    return Table(
        label=label(summary, "tasks"),
        caption=caption(summary, f"gain of each stage on each task in {metric}"),
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        notes=tuple(notes),
        origin=origin(summary, "tasks"),
    )
