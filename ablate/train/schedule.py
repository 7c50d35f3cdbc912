"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "linear", "constant")


def warmup_steps(steps: int, fraction: float) -> int:
    """Steps of warm-up, at least one."""
    return max(1, round(steps * fraction))


def lr_factor(
    step: int, steps: int, *, schedule: str, warmup_fraction: float, min_ratio: float, hold: int = 0
) -> float:
    """Share of the peak learning rate that step `step` (from 0) of `steps` uses.

    Linear warm-up to 1 (at least one step, which is then at the peak), 1 until step `hold`, then cosine or
    linear decay that would reach `min_ratio` at step `steps`, or 1.

    Raises:
        ValueError: for an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {SCHEDULES}, got {schedule!r}")
    warmup = warmup_steps(steps, warmup_fraction)
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant" or step < hold:
        return 1.0
    begin = max(warmup, hold)
    progress = (step - begin) / max(1, steps - begin)
    decayed = 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else 1 - progress
    return min_ratio + (1 - min_ratio) * decayed
