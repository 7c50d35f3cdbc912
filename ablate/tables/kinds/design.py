"""DataComp-LM's style (table 17): a row per arm, a tick per stage that it has, text removed, score and difference."""

from __future__ import annotations

import math

from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.common import (
    arrow,
    caption,
    higher_is_better,
    label,
    leading_task,
    mean,
    metric_of,
    origin,
    rows_of,
    scores,
    spread_note,
)
from ablate.tables.model import MISSING, Column, Table, number, text

TICK = "✓"


def table(summary: Summary, asked: Asked) -> Table:
    """Levels of each factor, and the difference to the reference arm over the seeds that both have."""
    metric = metric_of(summary, asked)
    task = leading_task(summary, asked)
    names, found = list(summary.arms["arm"]), scores(summary, task, metric)
    usual, sign = (
        found[names.index(summary.head.reference)],
        1.0 if higher_is_better(summary, metric) else -1.0,
    )
    ends: dict[str, list[int]] = {}
    for row in rows_of(summary.funnel):
        ends.setdefault(row["arm"], []).append(row["bytes"])
    columns = [
        Column(head="arm", words=True),
        *(Column(head=factor, words=True) for factor in summary.factors),
        *([Column(head="text removed", unit="%")] if ends else []),
        Column(head="score", unit=metric, direction=arrow(summary, metric)),
        Column(head="difference", unit=metric),
    ]
    cells, seeds = [], set()
    for arm, levels, values in zip(names, summary.arms["levels"], found, strict=True):
        told = mean(summary, values)
        seeds |= {told.n} - {0}
        apart = mean(summary, [sign * (mine - theirs) for mine, theirs in zip(values, usual, strict=True)])
        line = [
            text(arm),
            *(text(_level(levels.get(factor), known)) for factor, known in summary.factors.items()),
        ]
        if ends:
            sizes = ends.get(arm)
            line.append(
                number(100 * (1 - sizes[-1] / sizes[0]) if sizes and sizes[0] else math.nan, decimals=1)
            )
        line.append(number(told.value, error=told.error, n=told.n))
        same = arm == summary.head.reference
        cells.append(
            [*line, text("") if same else number(apart.value, error=apart.error, signed=True, n=apart.n)]
        )
    notes = [
        spread_note(summary, seeds),
        f"Difference to {summary.head.reference}, paired by seed, turned so that plus is better; its interval and p-value are in table=gains.",
    ]
    return Table(
        label=label(summary, "design"),
        caption=caption(summary, f"{metric} on {task} of every arm of the design"),
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        notes=tuple(notes),
        origin=origin(summary, "design"),
    )


def _level(level: str | None, known: list[str]) -> str:
    """A tick for on, a dash for off or what is not known, else the level's name."""
    if level is None or level == "off":
        return MISSING
    return TICK if level == "on" and set(known) <= {"on", "off"} else level
