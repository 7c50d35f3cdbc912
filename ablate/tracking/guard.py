"""A tracker that fails costs a warning, never a run."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable

from ablate.tracking.shown import TrackedRun
from ablate.tracking.tracker import LIMIT_S, NoTracker, Tracker


class Guard:
    """Shows runs in a tracker: whatever it raises is told once and not raised, and it may take `limit_s` for each call.

    The tracker is built and called in a thread of its own, which no process waits for at its end.

    Args:
        build: makes the tracker.
    """

    def __init__(self, build: Callable[[], Tracker]) -> None:
        self.told: set[str] = set()
        self.jobs: queue.SimpleQueue[tuple[TrackedRun, queue.SimpleQueue[BaseException | None]]] = (
            queue.SimpleQueue()
        )
        self.tracker: Tracker | None = None
        try:
            self.tracker = build()
        except Exception as error:
            self.warn(error)
        self.silent = self.tracker is None or type(self.tracker) is NoTracker
        if not self.silent:
            threading.Thread(target=self._work, name="tracker", daemon=True).start()

    def show(self, run: TrackedRun) -> bool:
        """Show a run; returns whether the tracker has it now."""
        if self.silent:
            return self.tracker is not None
        answer: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        limit_s = float(getattr(self.tracker, "limit_s", LIMIT_S))
        self.jobs.put((run, answer))
        try:
            problem = answer.get(timeout=limit_s)
        except queue.Empty:
            self.tracker, self.silent = None, True
            self.warn(
                TimeoutError(f"no answer within {limit_s:g} s (tracker.limit_s); it is not asked again")
            )
            return False
        if problem is not None:
            self.warn(problem)
        return problem is None

    def warn(self, error: BaseException) -> None:
        """Say once what is wrong with the tracker."""
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if said not in self.told:
            self.told.add(said)
            print(
                f"ablate: the tracker failed ({said}); the study folder has everything, `ablate track` shows it again",
                file=sys.stderr,
                flush=True,
            )

    def _work(self) -> None:
        while self.tracker is not None:
            run, answer = self.jobs.get()
            try:
                self.tracker.show(run)
                answer.put(None)
            except BaseException as error:  # SystemExit too: it is the tracker's, not the run's
                answer.put(error)
