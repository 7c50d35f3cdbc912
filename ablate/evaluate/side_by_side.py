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
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

PATIENCE_S, PATIENCE = 5.0, 5.0
"""A copy is given up after so many seconds, and so many times what this process took for its own share."""


def processes_for(pieces: int) -> int:
    """How many processes should share pieces of work: one per thread of torch, but no fewer than two pieces each.

    One where processes cannot be copied (Windows) or copies may not compute (macOS).
    """
    return min(torch.get_num_threads(), pieces // 2) if hasattr(os, "pidfd_open") and pieces > 1 else 1


def shared_array(count: int, dtype: Any) -> np.ndarray:
    """Zeros that copies of this process write to as well."""
    size = np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, count * size)), dtype, count)


def side_by_side(work: Callable[[Any], None], pieces: Sequence[Any], processes: int) -> None:
    """`work(piece)` for every piece.

    Args:
        work: writes to arrays of `shared_array`; twice the same piece gives the same.
        processes: this one and its copies.
    """
    threads = torch.get_num_threads()
    copies = [
        (_copy(work, share), share) for share in (pieces[first::processes] for first in range(1, processes))
    ]
    begun = time.monotonic()
    try:
        if copies:
            torch.set_num_threads(1)
        for piece in pieces[::processes]:
            work(piece)
        until = begun + PATIENCE_S + PATIENCE * (time.monotonic() - begun)
        while copies:
            if not _ended_well(copies[-1][0], until):
                for piece in copies[-1][1]:
                    work(piece)
            copies.pop()
    finally:
        torch.set_num_threads(threads)
        for number, _ in copies:  # an exception here: nobody wants their results
            _ended_well(number, 0.0)


def _copy(work: Callable[[Any], None], share: Sequence[Any]) -> int:
    number = os.fork()
    if number:
        return number
    failed = 1
    try:
        torch.set_num_threads(1)  # its parent's other threads are not there
        for piece in share:
            work(piece)
        failed = 0
    finally:
        os._exit(failed)


def _ended_well(number: int, until: float) -> bool:
    """Whether a copy has done its share by then; ends it otherwise."""
    handle = os.pidfd_open(number)
    try:
        if not select.select([handle], [], [], max(0.0, until - time.monotonic()))[0]:
            os.kill(number, signal.SIGKILL)
    finally:
        os.close(handle)
    return os.waitpid(number, 0)[1] == 0
