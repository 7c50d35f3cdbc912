"""What the page's copy buttons give: the texts that `ablate table` prints, written beforehand for every metric and estimand."""

from __future__ import annotations

from typing import Any

from ablate.errors import ConfigError
from ablate.summary.model import Summary, as_dict
from ablate.tables.asked import Asked
from ablate.tables.formats import writer
from ablate.tables.kinds import make_table

KINDS, FORMATS = ("gains", "tasks"), ("latex", "markdown")
NAMES = ("kind", "format", "metric", "estimand", "task", "text")


def with_copies(summary: Summary) -> dict[str, Any]:
    """What `study.json` holds, and the table `copies` of `NAMES`; `task` is the one whose gains a text has, or ""."""
    copies: dict[str, list[str]] = {name: [] for name in NAMES}
    for metric in dict.fromkeys(summary.effects.get("metric", ())):
        for estimand in dict.fromkeys(summary.contrasts["estimand"]):
            for kind in KINDS:
                for form in FORMATS:
                    try:
                        made = make_table(kind, summary, Asked(metric=metric, estimand=estimand))
                    except ConfigError:  # this metric has none of these gains
                        continue
                    task = _task(summary, metric) if kind == "gains" else ""
                    row = (kind, form, metric, estimand, task, writer(form)(made))
                    for name, value in zip(NAMES, row, strict=True):
                        copies[name].append(value)
    return {**as_dict(summary), "copies": copies}


def _task(summary: Summary, metric: str) -> str:
    """The task whose gains the table `gains` has."""
    from ablate.tables.common import tasks_of

    return (
        summary.head.headline
        if metric == summary.head.primary
        else tasks_of(summary, Asked(metric=metric))[0]
    )
