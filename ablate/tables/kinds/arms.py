"""Arms in rows, tasks in columns: mean over seeds with its standard error."""

from __future__ import annotations

from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.common import (
    RULES,
    WITHHELD,
    arrow,
    bold,
    caption,
    label,
    mean,
    metric_of,
    origin,
    rows_of,
    scores,
    spread_note,
    tasks_of,
)
from ablate.tables.model import Column, Table, number, text

SMOOTH = "bpb"
"""Bits per byte, shown beside another primary metric."""


def table(summary: Summary, asked: Asked) -> Table:
    """The metric of each task, and bits per byte beside it where no metric was asked for by name."""
    metric = metric_of(summary, asked)
    shown = [(metric, task) for task in tasks_of(summary, asked)]
    if asked.metric is None and metric != SMOOTH:
        having = {row["task"] for row in rows_of(summary.metrics) if row["metric"] == SMOOTH}
        shown += [
            (SMOOTH, row["task"])
            for row in rows_of(summary.metrics)
            if row["metric"] == SMOOTH
            and row["task"] in having
            and (not asked.tasks or row["task"] in asked.tasks)
        ]
    several = len({name for name, _ in shown}) > 1
    columns = [Column(head="Arm", words=True)]
    cells = [[text(arm)] for arm in summary.arms["arm"]]
    withheld, seeds = [], set()
    for name, task in shown:
        found = scores(summary, task, name)
        chosen, held = bold(summary, found, name, asked.bold)
        withheld += [f"{task} ({name})"] if held else []
        head = Column(head=task, direction=arrow(summary, name), over=name if several else "")
        columns.append(head)
        for line, values, best in zip(cells, found, chosen, strict=True):
            told = mean(summary, values)
            seeds |= {told.n} - {0}
            line.append(number(told.value, error=told.error, n=told.n, bold=best))
    some = withheld or any(cell.bold for line in cells for cell in line)
    notes = [spread_note(summary, seeds), RULES[asked.bold] if some else ""]
    notes += [WITHHELD.format(columns="; ".join(withheld))] if withheld else []
    return Table(
        label=label(summary, "arms"),
        caption=caption(summary, f"{metric} of each arm"),
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        notes=tuple(note for note in notes if note),
        origin=origin(summary, "arms"),
    )
