"""A worker process ends with the process that it works for, however that one ends."""

from __future__ import annotations

import os
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
            while True:
                os.kill(parent, 0)
                if stop is not None and not asked and stop.exists():
                    asked = True
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
