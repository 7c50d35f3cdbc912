"""What a table is asked to show."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.errors import ConfigError, nearest

BOLD = ("group", "best", "none")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a table is asked to show.

    Attributes:
        metric: one of the study's; None for the primary.
        tasks: to show; empty for all that have the metric.
        estimand: which gains; None for the first that was planned.
        bold: "group" for the best and every arm that is not told from it, "best" for the best mean, "none".
        published: key of a table of published numbers to set beside; None for none.
        columns: heads of the columns to keep, in the table's order; empty for all. The first is always kept.
    """

    metric: str | None = None
    tasks: tuple[str, ...] = ()
    estimand: str | None = None
    bold: str = "group"
    published: str | None = None
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bold not in BOLD:
            raise ConfigError(f"bold={self.bold}: {nearest(self.bold, BOLD)}")
