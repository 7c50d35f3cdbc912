"""What the machine can do and how much of it a run used."""

from __future__ import annotations

import ctypes
import re
import resource
import sys
import time
from functools import lru_cache
from pathlib import Path

import torch

BF16_PEAK = {
    "GB200": 2.25e15, "B200": 2.25e15, "H200": 9.89e14, "H100 PCIe": 7.56e14, "H100 NVL": 8.35e14, "H100": 9.89e14,
    "A100": 3.12e14, "A40": 1.50e14, "A10": 1.25e14, "L40S": 3.62e14, "L4": 1.21e14, "RTX A6000": 1.55e14,
    "RTX 4090": 1.65e14, "RTX 3090": 0.71e14, "MI300X": 1.307e15, "MI250X": 3.83e14,
}  # fmt: skip
"""Dense bf16 FLOP/s of one device as its maker states it; the first name found in the device's name counts."""

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Let a training step find the memory that the one before it freed; nothing where glibc is absent.

    By default glibc hands large freed blocks back to the system, and each step of a small proxy has
    thousands of pages mapped and zeroed anew. From here on this process keeps up to 1 GiB of freed
    memory, and maps only blocks of 32 MiB (the most that glibc takes) or more on their own.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if mallopt := getattr(libc, "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, 2**25)
        mallopt(M_TRIM_THRESHOLD, 2**30)


def peak_flops(device: torch.device, precision: str) -> float | None:
    """FLOP/s that the device could do, None where unknown.

    GPUs: the table. CPU: the best of a few large matrix products, measured once per process and
    thread count in the run's own precision.
    """
    if device.type == "cuda" and precision == "bf16":
        name = torch.cuda.get_device_name(device)
        return next((peak for part, peak in BF16_PEAK.items() if re.search(rf"\b{part}\b", name)), None)
    if device.type == "cpu":
        return _matrix_flops(torch.get_num_threads(), precision)
    return None


@lru_cache(maxsize=8)
def _matrix_flops(threads: int, precision: str, size: int = 1024) -> float:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    best = float("inf")
    for _ in range(6):
        begin = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def reset_peak_memory(device: torch.device) -> None:
    """Begin anew to watch for the highest use of memory, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR.exists():
        try:
            CLEAR.write_text("5")
        except OSError:
            return


def peak_memory_bytes(device: torch.device) -> int:
    """Highest use since the last reset: of the GPU by tensors, else resident memory of the process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
