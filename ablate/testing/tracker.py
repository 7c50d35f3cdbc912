"""`check_tracker`: whether a study can be shown by a tracker."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Sequence

from ablate.testing.contract import require
from ablate.tracking.guard import Guard
from ablate.tracking.shown import DONE, FAILED, REPORT, RUNNING, TRAIN, Attached, Point, Table, TrackedRun
from ablate.tracking.tracker import Tracker


def example(arm: str, seed: int, *, status: str = DONE, points: int = 3) -> TrackedRun:
    """A run of a small study, of which so many points are known."""
    known = [
        Point(tokens=5 * n, values={"train/loss": 4.0 / n, "facts/acc": 0.25 * n})
        for n in range(1, points + 1)
    ]
    return TrackedRun(
        id=f"check-{arm}-{seed}",
        study="check",
        name=f"{arm}-seed{seed}",
        group=f"check/{arm}",
        kind=TRAIN,
        status=status,
        tags=("check",),
        notes="Why?",
        config={"stages.language.enabled": None, "arm": arm, "seed": seed},
        points=tuple(known),
        summary={} if status == RUNNING else {"facts/acc": 0.75},
        files=(Attached(name="corpus.json", kind="corpus", text="{}"),),
    )


def report() -> TrackedRun:
    """The report of that study: a table with a missing value, and a page."""
    rows = (("language", 0.125, "helps"), ("url_filter", None, ""))
    return TrackedRun(
        id="check-report",
        study="check",
        name="report",
        group="check/report",
        kind=REPORT,
        status=DONE,
        tags=(),
        notes="",
        config={},
        summary={},
        tables=(Table(name="effects", columns=("factor", "estimate", "verdict"), rows=rows),),
        files=(Attached(name="report.html", kind="report", text="<p>a page</p>"),),
    )


def _begun_and_killed(make: Callable[[], Tracker]) -> None:
    """Show the beginning of a run in a process that ends as by kill -9: whatever still writes for a tracker ends with it."""
    child = os.fork()
    if not child:
        try:
            tracker = make()
            for points in (1, 2):
                tracker.show(example("without_a", 0, status=RUNNING, points=points))
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def check_tracker(make: Callable[[], Tracker], runs: Callable[[], Sequence[str]] | None = None) -> None:
    """Show a study by a tracker: runs side by side, one that fails, one whose process is killed and that another goes on with, the report.

    Args:
        make: builds the tracker, one that needs no network; every call stands for another process, and one is made in a
            forked process, which is killed.
        runs: returns the ids of all that is shown at the moment, read from where the tracker keeps it; None where it
            cannot be read, and what is shown is then not checked.
    Raises:
        ContractError: for one that changes what it is shown, has no room for runs side by side, shows a run twice, or
            takes a run's place for longer than its `limit_s`.
    """
    tracker = make()
    what = type(tracker).__name__
    require(dataclasses.is_dataclass(tracker), f"{what} must be a dataclass: its fields are its parameters")
    before = [example("full", 0), example("full", 1, status=FAILED), example("without_a", 0), report()]
    given = copy.deepcopy(before)
    _begun_and_killed(make)
    for points in (1, 2):
        tracker.show(example("full", 0, status=RUNNING, points=points))
        tracker.show(example("full", 1, status=RUNNING, points=points))
    for run in given[:2]:
        tracker.show(run)
    other = make()  # `without_a` goes on here, from an earlier checkpoint
    other.show(example("without_a", 0, status=RUNNING, points=1))
    for run in given[2:]:
        other.show(run)
    require(given == before, f"{what} changes the runs that it is shown")
    wanted = sorted(run.id for run in before)
    for times in ("once", "twice", "three times"):
        if runs is not None:
            found = sorted(runs())
            require(
                found == wanted, f"{what}: after the study was shown {times}, {found} are there, not {wanted}"
            )
        again = make()
        for run in given:
            again.show(run)
    guard = Guard(make)
    require(
        guard.show(given[0]), f"{what} fails for a run that it has: {', '.join(guard.told) or 'no tracker'}"
    )
