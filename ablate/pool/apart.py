"""Files read side by side in other processes, and handed on in their order: what is made of them is as if read in turn."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from ablate.errors import DataError
from ablate.lifeline import end_with
from ablate.pool.source import Document, Item, Read, in_turn

AHEAD = 2
"""Files beyond one for each process whose documents may wait on the disk to be taken."""
WORTH_BYTES = 16_000_000
"""Fewer bytes of files are read before processes have started."""
BATCH_BYTES = 8_000_000
"""Documents are written and read in batches of about this much text."""


@dataclass(frozen=True)
class SideBySide:
    """Reads files by several processes.

    Attributes:
        workers: processes.
        folder: where documents wait to be taken, in a folder that goes with the end of the reading.
    """

    workers: int
    folder: Path

    def __call__(self, read: Read, paths: Sequence[Path]) -> Iterator[Iterator[Item]]:
        """Read every file; what `read` gives of each, in the order of the files.

        Raises:
            DataError: when a process dies, or no room is left for what was read.
        """
        if len(paths) < 2 or sum(map(_size, paths)) < WORTH_BYTES:
            yield from in_turn(read, paths)
            return
        waiting: deque[tuple[Path, Path, Future[None]]] = deque()
        left = iter(enumerate(paths))
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".reading-") as name:
            pool = ProcessPoolExecutor(
                self.workers, mp_context=get_context("forkserver"), initializer=partial(end_with, os.getpid())
            )
            try:
                while True:
                    while len(waiting) < self.workers + AHEAD and (following := next(left, None)):
                        number, path = following
                        kept = Path(name, str(number))
                        waiting.append((path, kept, pool.submit(_keep, read, path, kept)))
                    if not waiting:
                        break
                    path, kept, done = waiting.popleft()
                    done.result()
                    yield _kept(kept)
                    kept.unlink()
            except BrokenProcessPool:
                those = ", ".join(
                    str(one) for one, _, _ in [(path, kept, done), *waiting][: self.workers + 1]
                )
                raise DataError(
                    f"a process that reads the pool died, at one of {those} (no memory, or a fault in a library); workers=1 "
                    "reads file after file in one process"
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # reading it says so
        return 0


def _keep(read: Callable[[Path], Iterator[Item]], path: Path, kept: Path) -> None:
    """Read a file and write what it gives, batch by batch."""
    try:
        with kept.open("wb") as file:
            batch: list[Item] = []
            size = 0
            for item in read(path):
                batch.append(item)
                size += len(item.text) if isinstance(item, Document) else 0
                if size >= BATCH_BYTES:
                    pickle.dump(batch, file, pickle.HIGHEST_PROTOCOL)
                    batch, size = [], 0
            pickle.dump(batch, file, pickle.HIGHEST_PROTOCOL)
    except OSError as error:
        raise DataError(
            f"what was read of {path} cannot be written to {kept.parent}: {error.strerror or error}"
        ) from None


def _kept(kept: Path) -> Iterator[Item]:
    """Take what `_keep` wrote."""
    with kept.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while file.tell() < end:
            yield from pickle.load(file)
