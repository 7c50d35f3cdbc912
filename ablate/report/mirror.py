"""A whole study in a tracker: every run that ended, and the report under an id of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ablate.errors import AblateError
from ablate.fingerprint import digest
from ablate.page.build import page as html_page
from ablate.store import lock
from ablate.study.results import Study
from ablate.study.run import show_run
from ablate.study.run_state import lock_path
from ablate.summary.frames import FILES, csv_files, csv_text, funnel
from ablate.summary.model import read_summary, to_json
from ablate.tables.copies import with_copies
from ablate.tracking.guard import Guard
from ablate.tracking.shown import DONE, REPORT, Attached, Table, TrackedRun, Value


@dataclass(frozen=True)
class Mirrored:
    """How many runs a tracker has now, how many of the plan's it has not, and whether it has the report."""

    runs: int
    left: int
    report: bool


def mirror_study(study: Study, tracker: Guard) -> Mirrored:
    """Show every run that ended, and the report that lies in the study's folder.

    A run that a process is just doing is left to that process.
    """
    if tracker.silent:
        return Mirrored(0, len(study.plan.runs), False)
    shown = 0
    for arm, seed in study.plan.runs:
        try:
            with lock(lock_path(study.folder, arm, seed), f"run {arm}, seed {seed}"):
                shown += show_run(tracker, study.plan, study.folder, arm, seed)
        except (AblateError, OSError) as error:  # it is being done, or the folder cannot be written
            tracker.warn(error)
    try:
        reported = tracker.show(report_of(study))
    except (AblateError, OSError) as error:
        tracker.warn(error)
        reported = False
    return Mirrored(shown, len(study.plan.runs) - shown, reported)


def report_of(study: Study) -> TrackedRun:
    """The report as trackers show it: effects as a table, and the files that `ablate report` wrote.

    Raises:
        DataError: when there is no report.
    """
    plan, summary = study.plan, read_summary(study.folder)
    make, less, _ = FILES["effects.csv"]
    effects = make(summary).drop(columns=list(less))
    rows = tuple(tuple(_value(one) for one in row) for row in effects.itertuples(index=False, name=None))
    texts = {**csv_files(summary), "funnel.csv": csv_text(funnel(summary))}
    for name in ("REPORT.md", "table.tex", "plan.json"):
        if (study.folder / name).exists():
            texts[name] = (study.folder / name).read_text(encoding="utf-8")
    without = replace(
        summary, dropped_texts={}
    )  # a tracker is another's machine: texts of the pool stay here
    texts |= {"study.json": to_json(without), "report.html": html_page([with_copies(without)])}
    return TrackedRun(
        id=digest([plan.study, "report"])[:16],
        study=plan.study,
        name="report",
        group=f"{plan.study}/report",
        kind=REPORT,
        status=DONE,
        tags=(plan.study, plan.design),
        notes=plan.question,
        config={
            "study": plan.study,
            "design": plan.design,
            "prediction": plan.prediction,
            "plan": plan.digest,
        },
        summary={"runs": len(study.records), "planned": len(plan.runs), "complete": summary.head.complete},
        tables=(Table(name="effects", columns=tuple(map(str, effects.columns)), rows=rows),),
        files=tuple(Attached(name=name, kind="report", text=text) for name, text in texts.items()),
    )


def _value(value: Any) -> Value:
    """A cell of a frame; None for what was not measured."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) else str(value)
