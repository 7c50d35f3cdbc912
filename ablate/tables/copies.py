"""What the page's copy buttons give: the texts that `ablate table` prints, written beforehand for every metric and estimand."""

from __future__ import annotations

from typing import Any

from ablate.errors import ConfigError
from ablate.summary.model import Summary, as_dict
from ablate.tables.asked import Asked
from ablate.tables.common import leading_task
from ablate.tables.formats import writer
from ablate.tables.kinds import make_table

KINDS, FORMATS = ("gains", "tasks"), ("latex", "markdown")
NAMES = ("kind", "format", "metric", "estimand", "task", "text")


def with_copies(summary: Summary) -> dict[str, Any]:
    """What `study.json` holds, and the table `copies` of `NAMES`; `task` is the one whose gains a text has, or ""."""
    copies: dict[str, list[str]] = {name: [] for name in NAMES}
    for metric in dict.fromkeys(summary.effects.get("metric", ())):
        for estimand in dict.fromkeys(summary.contrasts["estimand"]):
            asked = Asked(metric=metric, estimand=estimand)
            for kind in KINDS:
                try:
                    made = make_table(kind, summary, asked)
                except ConfigError:  # this metric has none of these gains
                    continue
                task = leading_task(summary, asked) if kind == "gains" else ""
                for form in FORMATS:
                    row = (kind, form, metric, estimand, task, writer(form)(made))
                    for name, value in zip(NAMES, row, strict=True):
                        copies[name].append(value)
    return {**as_dict(summary), "copies": copies}
