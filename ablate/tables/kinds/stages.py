"""FineWeb's style: stages in the recipe's order, the score after each (or without it), the difference, text removed."""

from __future__ import annotations

from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.beside import beside_columns
from ablate.tables.common import (
    IDENTICAL,
    SAME_TEXTS,
    arrow,
    caption,
    gain,
    gains,
    label,
    mean,
    metric_of,
    origin,
    removed,
    scores,
    sentence,
    spread_words,
)
from ablate.tables.model import MARKED, Column, Table, number, text

CUMULATIVE = "cumulative"


def table(summary: Summary, asked: Asked) -> Table:
    """One row per stage; a cumulative study tells the score after it, any other the score of the arm without it."""
    metric, found = metric_of(summary, asked), gains(summary, asked)
    task, estimand = found[0]["task"], found[0]["estimand"]
    after = estimand == CUMULATIVE
    order = {stage: number for number, stage in enumerate(summary.head.stages)}
    found = sorted(found, key=lambda row: order.get(row["factor"], len(order)))
    lines = dict(zip(summary.arms["arm"], scores(summary, task, metric), strict=True))
    gone, reference = removed(summary), mean(summary, lines[summary.head.reference])
    columns = [
        Column(head="stage", words=True),
        Column(
            head="score after it" if after else "score without it",
            unit=metric,
            direction=arrow(summary, metric),
        ),
        Column(head="gain", unit=metric),
        *([Column(head="text removed", unit="%")] if gone else []),
    ]
    cells = []
    if not after:
        cells.append(
            [
                text(summary.head.reference),
                number(reference.value, error=reference.error, n=reference.n),
                text(""),
            ]
        )
        cells[0] += [text("")] if gone else []
    for row in found:
        arms = [arm for arm, weight in row["weights"].items() if (weight > 0 if after else weight < 0)]
        told = mean(summary, lines[arms[0]] if len(arms) == 1 else ())
        line = [
            text(row["stage"]),
            number(told.value, error=told.error, n=told.n),
            gain(row),
        ]
        cells.append([*line, *([number(gone.get(row["factor"]), decimals=1)] if gone else [])])
    errors = spread_words(summary, "seeds, of a gain that of paired differences")
    notes = [f"{sentence(f'{errors}; plus is better')} {MARKED}"]
    notes += ["Text removed: share of the bytes that reached the stage, full recipe."] if gone else []
    if asked.published:
        more, beside, said = beside_columns(summary, asked, found)
        columns += more
        notes += said
        first = [[text("")] * len(more)] if not after else []
        cells = [[*line, *added] for line, added in zip(cells, [*first, *beside], strict=True)]
    if any(row["kind"] == IDENTICAL for row in found):
        notes.append(SAME_TEXTS)
    return Table(
        label=label(summary, "stages"),
        caption=caption(summary, f"{metric} stage by stage"),
        columns=tuple(columns),
        rows=tuple(map(tuple, cells)),
        rules=() if after else (1,),
        notes=tuple(notes),
        origin=origin(summary, "stages"),
    )
