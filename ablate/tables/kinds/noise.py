"""How much noise each task has: seed spread, range of the arms, the effect that would be seen, believed or not."""

from __future__ import annotations

import math

from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.common import arrow, caption, label, metric_of, origin, rows_of
from ablate.tables.model import Column, Table, decimals_of, interval, number, text


def table(summary: Summary, asked: Asked) -> Table:
    """One row per task that has the metric."""
    metric = metric_of(summary, asked)
    believed = {row["task"]: row["believed"] for row in rows_of(summary.screening) if row["metric"] == metric}
    seen: dict[str, float] = {}
    for row in rows_of(summary.effects):
        if row["metric"] == metric and row["mde"] is not None:
            seen.setdefault(row["task"], row["mde"])
    cells = []
    for row in rows_of(summary.noise):
        if row["metric"] != metric or (asked.tasks and row["task"] not in asked.tasks):
            continue
        sd, spread = row["seed_sd"], row["range_of_arms"]
        places = decimals_of(sd)
        ratio = spread / sd if sd and spread is not None else math.nan
        cells.append(
            (
                text(row["task"]),
                number(sd, decimals=places),
                interval(low=row["ci_low"], high=row["ci_high"], decimals=places, signed=False),
                number(spread, decimals=places),
                number(ratio, decimals=1),
                number(seen.get(row["task"]), decimals=places),
                text(believed.get(row["task"], "")),
            )
        )
    columns = (
        Column(head="task", words=True),
        Column(head="sd of a run", unit=metric),
        Column(head="95 % interval"),
        Column(head="range of arms", unit=metric),
        Column(head="range / sd"),
        Column(head="would be seen", unit=metric),
        Column(head="believed", words=True),
    )
    notes = (
        "sd between seeds of one arm; range: best arm less worst. Would be seen: the effect that 80 % of repeats would call.",
        "Believed: passes FineWeb2's criteria on these runs' own curves.",
    )
    what = f"noise in {metric} ({arrow(summary, metric)} is better)"
    return Table(
        label=label(summary, "noise"),
        caption=caption(summary, what),
        columns=columns,
        rows=tuple(cells),
        notes=notes,
        origin=origin(summary, "noise"),
    )
