"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "linear", "constant")


def lr_factor(step: int, steps: int, *, schedule: str, warmup_fraction: float, min_ratio: float) -> float:
    """Share of the peak learning rate that step `step` (from 0) of `steps` uses.

    Linear warm-up to 1 (at least one step, which is then at the peak), then cosine or linear decay that
    would reach `min_ratio` at step `steps`, or 1.

    Raises:
        ValueError: for an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {SCHEDULES}, got {schedule!r}")
    warmup = max(1, round(steps * warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, steps - warmup)
    decayed = 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else 1 - progress
    return min_ratio + (1 - min_ratio) * decayed
