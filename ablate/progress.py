"""Progress bars on a terminal, silence elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
CHILD = "ABLATE_CHILD"
"""Set in the environment of processes whose progress another process shows."""


def _quiet() -> bool:
    return not sys.stderr.isatty() or CHILD in os.environ


def track(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Iterate with a bar that names the work; no output when standard error is not a terminal."""
    yield from tqdm(items, desc=what, total=total, unit=unit, disable=_quiet(), leave=False)


@contextmanager
def watch(done: Callable[[], int], total: int, what: str, unit: str, every: float = 1.0) -> Iterator[None]:
    """For the block, show a bar of work that other processes do.

    Args:
        done: how much of `total` is done, asked every `every` seconds.
    """
    stop = threading.Event()
    with tqdm(desc=what, total=total, unit=unit, disable=_quiet()) as bar:

        def follow() -> None:
            while not stop.wait(every):
                bar.update(done() - bar.n)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            bar.update(done() - bar.n)
