"""The tables of a report: for the terminal, for Markdown and for LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ablate.effects.verdict import CLAIMS
from ablate.render.tables import Cells, aligned, interval, p_text, signed, unsigned
from ablate.report.effects_table import claimed_alone, headline, in_bits
from ablate.report.row import Row, by_estimand, sees
from ablate.study.results import AGGREGATE, Study

EFFECT_HEADER = ("stage", "gain", "95 % interval", "seed error", "item error", "p", "p adj.", "verdict")


def effect_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Cells of the gains table."""
    return [
        [
            row.name,
            signed(row.estimate),
            interval(row.ci_low, row.ci_high),
            unsigned(row.seed_error),
            unsigned(row.item_error),
            p_text(row.p_value),
            p_text(row.p_adjusted),
            str(row.verdict),
        ]
        for row in rows
    ]


BITS_HEADER = ("bits per byte", "95 % interval", "in bits per byte")


def with_bits(
    header: Sequence[str], cells: Cells, rows: Sequence[Row], bits: Mapping[tuple[str, int], Row]
) -> tuple[list[str], list[list[str]]]:
    """A gains table with what the same contrasts show in bits per byte beside it, where any has them.

    Args:
        header, cells: of the table.
        rows: that it shows.
        bits: (task, contrast) -> row in bits per byte.
    """
    plain = [list(line) for line in cells]
    beside = [bits.get((row.task, row.number)) for row in rows]
    if not any(beside):
        return list(header), plain
    more = [
        ["–"] * len(BITS_HEADER)
        if row is None
        else [signed(row.estimate), interval(row.ci_low, row.ci_high), str(row.verdict)]
        for row in beside
    ]
    return [*header, *BITS_HEADER], [[*line, *added] for line, added in zip(plain, more, strict=True)]


def direction(metric: str, study: Study) -> str:
    """Which way a metric is better, in words."""
    return "higher is better" if study.metrics[metric] else "lower is better"


def scale(study: Study) -> str:
    """What the aggregate of the primary metric is, in words."""
    members = study.aggregated(study.primary)
    known = bool(members) and study.chances(members, study.primary) is not None
    return "mean over tasks of (score - chance) / (1 - chance)" if known else "mean over tasks"


def terminal_table(study: Study, rows: Sequence[Row]) -> str:
    """What a sweep ends with: the gains, or the scores when the design has no contrast."""
    if not study.records:
        return f"{study.plan.title}: no run has finished yet"
    if not rows:
        header, cells = arm_table(study, study.primary)
        return f"\n{study.plan.title}: {study.primary}, {direction(study.primary, study)}\n" + aligned(
            header, cells
        )
    groups = by_estimand(rows)
    return "\n".join(_estimand_table(study, group) for group in groups.values())


def _estimand_table(study: Study, rows: Sequence[Row]) -> str:
    lead = headline(rows, study)
    on = ", ".join(study.aggregated(study.primary)) or lead[0].task
    title = (
        f"\n{study.plan.title}\n{lead[0].kind} in {study.primary} ({direction(study.primary, study)}) "
        f"on {on}: {scale(study)}"
    )
    table = with_bits(effect_header(lead), effect_cells(lead), lead, in_bits(rows, study))
    text = f"{title}\n{aligned(*table)}"
    text += "".join(f"\n{line}" for line in dict.fromkeys(map(sees, lead)) if line)
    others = [
        row for row in rows if row.metric == study.primary and row.task not in (AGGREGATE, lead[0].task)
    ]
    named = {(row.task, row.number) for row in claimed_alone(rows, study)}
    found = [row for row in others if row.verdict.kind in CLAIMS or (row.task, row.number) in named]
    if found:
        cells = [[row.task, *line] for row, line in zip(found, effect_cells(found), strict=True)]
        text += (
            f"\n\nSingle tasks with an effect, or claimed by name (after {found[0].correction}):\n"
            f"{aligned(('task', *effect_header(found)), cells, left=2)}"
        )
    return text


def effect_header(rows: Sequence[Row]) -> tuple[str, ...]:
    """The header, with the name of the correction."""
    name = "p Holm" if rows[0].claim else "p BH"
    return tuple(name if cell == "p adj." else cell for cell in EFFECT_HEADER)


def _mean_error(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if values.size == 0:
        return math.nan, math.nan
    error = float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else math.nan
    return float(values.mean()), error


def arm_table(study: Study, metric: str) -> tuple[list[str], list[list[str]]]:
    """Arms in rows, tasks in columns: mean over seeds, and the standard error where there are two."""
    tasks = [task for task, info in study.tasks.items() if metric in info.higher_is_better]
    scores = {task: study.scores(task, metric) for task in tasks}
    rows = []
    for number, arm in enumerate(study.arms):
        cells = []
        for task in tasks:
            mean, error = _mean_error(scores[task][number])
            cells.append(
                "missing"
                if math.isnan(mean)
                else unsigned(mean) + ("" if math.isnan(error) else f" ± {error:.4f}")
            )
        rows.append([arm, *cells, ""])
    return ["arm", *tasks, ""], rows
