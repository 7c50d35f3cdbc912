"""How a machine's cores are shared out among the runs of a sweep: decided by measuring, briefly."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablate.config import make
from ablate.errors import DataError
from ablate.shape import from_json, to_json
from ablate.store import read_json, whole, write_json

WORTH_MEASURING_S = 60.0
"""A sweep that would train for less is not measured: it would take longer to find out."""
LOCKSTEP = (2, 4, 8, 16)
GAIN = 1.1
"""Runs are put in lockstep only where that is faster by this factor; a few slow ones must not hold up many."""


@dataclass(frozen=True)
class Layout:
    """Who trains what.

    Attributes:
        processes: that train side by side.
        threads: of each; None leaves them alone.
        stacked_runs: in lockstep in each.
        tokens_per_s: measured for all of them; None where nothing was measured.
    """

    processes: int = 1
    threads: int | None = None
    stacked_runs: int = 1
    tokens_per_s: float | None = None


def choose_layout(
    path: Path, config: Mapping[str, Any], vocab_size: int, runs: int, say: Callable[[str], None]
) -> Layout:
    """Measure the fastest of a few ways to share the machine, by tokens per second of training steps.

    Kept in `path`, so that a sweep that was interrupted goes on in the same way.

    Args:
        config: of the reference arm; `train.threads` and `train.stacked_runs` are kept where they are given.
        vocab_size: of the tokenizer.
        runs: that are to be trained.
    """
    if (kept := _kept(path)) is not None:
        train = config["train"]
        if train["threads"] in (None, kept.threads) and train["stacked_runs"] in (None, kept.stacked_runs):
            return kept
    layout = _measure(config, vocab_size, runs, say)
    write_json(path, to_json(layout), seal=True)
    return layout


def _kept(path: Path) -> Layout | None:
    """What was found before; None where nothing was, or another version of ablate wrote it, which costs a measurement."""
    if not whole(path):
        return None
    try:
        return from_json(Layout, read_json(path), str(path))
    except DataError:
        return None


def _measure(config: Mapping[str, Any], vocab_size: int, runs: int, say: Callable[[str], None]) -> Layout:
    from ablate.train.config import pick_device
    from ablate.train.loop import measure_speed

    proxy, train = make(config["proxy"], "proxy"), make(config["train"], "train")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    on_cpu = pick_device(train.device).type == "cpu"
    fewest = train.threads or 1
    alone = Layout(1, (train.threads or cores) if on_cpu else train.threads, train.stacked_runs or 1)
    if runs == 1:
        return alone
    speed = measure_speed(
        proxy, replace(train, threads=alone.threads), vocab_size, stacked_runs=alone.stacked_runs
    )
    tried = [replace(alone, tokens_per_s=speed)]
    if runs * train.tokens / speed < WORTH_MEASURING_S:
        return tried[0]
    if on_cpu:
        for threads in sorted({fewest, *(2**n for n in range(1, cores.bit_length()) if 2**n > fewest)}):
            processes = min(cores // threads, runs, _fit_memory())
            if processes > 1 and (train.threads is None or threads == train.threads):
                tried.append(
                    _concurrent(proxy, train, vocab_size, Layout(processes, threads, alone.stacked_runs))
                )
    best = max(tried, key=_speed)
    for stacked in LOCKSTEP if train.stacked_runs is None else ():
        if stacked * best.processes > runs:
            break
        wider = _concurrent(proxy, train, vocab_size, replace(best, stacked_runs=stacked))
        tried.append(wider)
        if _speed(wider) < GAIN * _speed(best):
            break
        best = wider
    for layout in tried:
        mark = "  <- this" if layout is best else ""
        say(
            f"measured: {layout.processes} x {layout.threads or 'all'} threads, {layout.stacked_runs} in lockstep: "
            f"{_speed(layout):,.0f} tokens/s{mark}"
        )
    return best


def _speed(layout: Layout) -> float:
    return layout.tokens_per_s or 0.0


def _concurrent(proxy: Any, train: Any, vocab_size: int, layout: Layout) -> Layout:
    """Return a layout with its speed: that of all its processes at the same time."""
    from ablate.train.loop import measure_speed

    train = replace(train, threads=layout.threads)
    if layout.processes == 1:
        speeds = [measure_speed(proxy, train, vocab_size, stacked_runs=layout.stacked_runs)]
    else:
        # These are the processes that joblib's launcher will use, so their start is not lost.
        from joblib import Parallel, delayed

        probe = delayed(measure_speed)(proxy, train, vocab_size, stacked_runs=layout.stacked_runs)
        try:
            Parallel(layout.processes)(delayed(_import)() for _ in range(layout.processes))
            speeds = Parallel(layout.processes)(probe for _ in range(layout.processes))
        except BrokenExecutor:  # one of them died: this machine has not the memory for so many
            speeds = []
    return replace(layout, tokens_per_s=math.fsum(speeds))


def _import() -> None:
    import ablate.train.loop  # noqa: F401  # so that the processes measure at the same time


def _fit_memory() -> int:
    """Processes like this one that fit the memory which is free."""
    from ablate.train.config import pick_device
    from ablate.train.device import peak_memory_bytes

    if "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return os.cpu_count() or 1
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, int(0.8 * free / peak_memory_bytes(pick_device("cpu"))))
