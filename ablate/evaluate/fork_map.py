"""Pieces of work shared among copies of this process, one thread each.

A small model's operations are too short to be shared by threads: with two, HFLM can be slower than with one.
Whole batches can be shared, but Python runs one thread at a time, so the other cores get forked copies of the process
(as a DataLoader's workers are). A copy has the model and the batches already, does nothing but arithmetic on
one thread, and leaves nothing but what it writes to shared memory. One that dies or gets stuck costs time, not results:
its pieces are done again here.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

PATIENCE_S, PATIENCE = 5.0, 5.0
"""A copy is given up after so many seconds, and so many times what this process took for its own share."""


def processes_for(pieces: int) -> int:
    """Return how many processes should share pieces of work: one per thread of torch, but no fewer than two pieces each.

    One where processes cannot be copied (Windows) or copies may not compute (macOS).
    """
    return min(torch.get_num_threads(), pieces // 2) if sys.platform == "linux" and pieces > 1 else 1


def shared_array(count: int, dtype: Any) -> np.ndarray:
    """Return `count` zeros that copies of this process write to as well."""
    size = np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, count * size)), dtype, count)


def fork_map(work: Callable[[Any], None], pieces: Sequence[Any], processes: int) -> None:
    """Do `work(piece)` for every piece, by whichever process is free: this one or a fork of it.

    Args:
        work: writes to arrays of `shared_array`; twice the same piece gives the same.
        processes: this one and its copies.
    """
    if processes == 1:
        for piece in pieces:
            work(piece)
        return
    done, threads, maker = shared_array(len(pieces), np.bool_), torch.get_num_threads(), os.getpid()
    copies: list[int] = []
    # A file whose place all processes share: each takes the next number from it.
    with tempfile.TemporaryFile(buffering=0) as numbers:
        numbers.write(np.arange(len(pieces), dtype=np.int32).tobytes())
        numbers.seek(0)

        def some() -> None:
            torch.set_num_threads(1)  # a copy has no other, and this process shares the cores with them
            # A copy whose maker was killed works for nobody.
            while maker in (os.getpid(), os.getppid()) and (number := numbers.read(4)):
                piece = int.from_bytes(number, sys.byteorder)
                work(pieces[piece])
                done[piece] = True

        try:
            for _ in range(1, processes):
                with suppress(OSError):  # no room for another: fewer share the work
                    copies.append(_copy(some))
            begun = time.monotonic()
            some()
            until = time.monotonic() + PATIENCE_S + PATIENCE * (time.monotonic() - begun)
            while copies:
                _end(copies.pop(), until)
            for piece in np.flatnonzero(~done).tolist():
                work(pieces[piece])
        finally:
            torch.set_num_threads(threads)
            for copy in copies:  # an exception here: nobody wants their results
                _end(copy, 0.0)


def _copy(work: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of locks that other threads hold: arithmetic takes none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        number = os.fork()
    if number:
        return number
    try:
        work()
    finally:
        os._exit(0)


def _end(copy: int, until: float) -> None:
    """Wait for a copy to end, and end it if it has not by then."""
    while os.waitpid(copy, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, 0)
            return
        time.sleep(0.0005)
