"""The first lines of a report: which stages are said to do something, in the headline and in bits per byte."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.effects.verdict import Kind
from ablate.report.effects_table import SMOOTH, claimed_alone, headline, in_bits
from ablate.report.row import Row, by_estimand
from ablate.report.tables import direction
from ablate.study.results import AGGREGATE, Study

SAID = (Kind.HELPS, Kind.HURTS, Kind.MAY_HELP, Kind.MAY_HURT)


def in_short(study: Study, rows: Sequence[Row]) -> str:
    """One paragraph about the plan's first estimand."""
    first = next(iter(by_estimand(rows).values()))
    lead, bits = headline(first, study), in_bits(first, study)
    on = ", ".join(study.aggregated(study.primary)) or lead[0].task
    told = [f"In {study.primary} on {on}, {direction(study.primary, study)}: {_said(lead)}."]
    for row in claimed_alone(first, study):
        told.append(f"On {row.task} alone: {_said([row])}.")
    smooth = [bits[key] for row in lead if (key := (row.task, row.number)) in bits]
    if smooth:
        over = ", ".join(study.aggregated(SMOOTH)) if lead[0].task == AGGREGATE else on
        told.append(f"In bits per byte of the right answers on {over}, lower is better: {_said(smooth)}.")
    return "**In short.** " + " ".join(told)


def _said(rows: Sequence[Row]) -> str:
    """Stages by what is said of them; of the others nothing is, after the correction."""
    by_kind = {kind: [row.name for row in rows if row.verdict.kind == kind] for kind in SAID}
    found = [f"*{kind.value}* {', '.join(names)}" for kind, names in by_kind.items() if names]
    quiet = len(rows) - sum(map(len, by_kind.values()))
    if not found:
        return (
            f"none of {quiet} is said to help or hurt" if quiet > 1 else f"{rows[0].name}: {rows[0].verdict}"
        )
    return "; ".join(found) + (f"; nothing of {quiet} more" if quiet else "")


def smooth_caption(study: Study) -> str:
    """What the columns in bits per byte are, and what they do not show."""
    tasks, lead = study.aggregated(SMOOTH), study.aggregated(study.primary)
    over = "" if tasks == lead else f" of {', '.join(tasks)}"
    return (
        f"Beside it, bits per byte of the right answers{over} (lower is better), which move before answers become right. They "
        "are exploration, corrected apart. Part of such a difference is format: text that is written like the "
        "questions makes every answer cheaper, right or wrong."
    )
