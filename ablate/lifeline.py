"""A worker process ends with the process that it works for, however that one ends."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

EVERY_S = 2.0


@lru_cache(maxsize=1)
def end_with(parent: int, stop: Path | None = None) -> None:
    """Make this process end soon after the process `parent`, even when that one was killed; asked again, it is one watch.

    Args:
        stop: once this file is there, the process is asked to end (SIGTERM).
    """

    def watch() -> None:
        asked = False
        with suppress(ProcessLookupError):
            handle = _handle(parent)
            while _lives(parent, handle):
                if stop is not None and not asked and stop.exists():
                    asked = True
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _handle(process: int) -> int | None:
    """A handle that tells of a process's end even while nobody has waited for it; None where the system has none."""
    with suppress(AttributeError, PermissionError):
        return os.pidfd_open(process)
    return None


def _lives(process: int, handle: int | None) -> bool:
    """Whether a process has not ended; without a handle, one that has and that nobody has waited for counts as alive.

    Raises:
        ProcessLookupError: when it is gone.
    """
    os.kill(process, 0)
    return handle is None or not select.select([handle], [], [], 0)[0]
