"""What a tracker is shown of a study: a run as a value, the same from the same records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from ablate.fingerprint import digest

Value = str | float | int | bool | None
RUNNING, DONE, FAILED = "running", "done", "failed"
TRAIN, REPORT = "train", "report"


@dataclass(frozen=True, kw_only=True)
class Point:
    """What is known of a run at a number of tokens: `train/loss`, `facts/acc`, ...; no value is NaN or infinite."""

    tokens: int
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Attached:
    """A file of a run: `kind` is what trackers call an artifact's type, `text` what is in it."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a run; every row has a value for each column."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run of a study, or its report, as a tracker is to have it.

    Attributes:
        id: the same for the same arm under the same seed of a study, however often it is shown.
        study: name of the study.
        name: to be read, one of its study.
        group: runs that are replicates of one another: the seeds of an arm.
        kind: "train" for a run, "report" for the effects of the study.
        status: "running", "done" or "failed"; a run that ended is shown whole.
        tags: to find it by.
        notes: the study's question.
        config: what differs between arms first.
        points: tokens ascending.
        summary: what is known at the end.
        tables, files: of the report, and what a run was trained on.
    """

    id: str
    study: str
    name: str
    group: str
    kind: str
    status: str
    tags: tuple[str, ...]
    notes: str
    config: Mapping[str, Value]
    points: tuple[Point, ...] = ()
    summary: Mapping[str, Value]
    tables: tuple[Table, ...] = ()
    files: tuple[Attached, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status != RUNNING

    @cached_property
    def content(self) -> str:
        """32 hex digits that name all that is shown: a tracker that has them already has nothing to do."""
        return digest(asdict(self))


def news(before: Point | None, points: tuple[Point, ...]) -> list[Point]:
    """Return what points say beyond those that end at `before`: later ones, and more values at its tokens.

    Args:
        before: the last point that was shown; None where none was.
        points: of the run, tokens ascending.
    """
    found = []
    for point in points:
        if before is None or point.tokens > before.tokens:
            found.append(point)
        elif point.tokens == before.tokens:
            more = {name: value for name, value in point.values.items() if name not in before.values}
            if more:
                found.append(Point(tokens=point.tokens, values=more))
    return found


def shortened(text: str, most: int) -> str:
    """Return a name of at most so many characters; one that was cut ends in digits of its digest."""
    return text if len(text) <= most else f"{text[: most - 9]}~{digest(text)[:8]}"
