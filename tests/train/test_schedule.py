from __future__ import annotations

import math

import pytest

from ablate.train.schedule import lr_factor


def factors(schedule: str, steps: int = 10, warmup: float = 0.2, floor: float = 0.1) -> list[float]:
    return [
        lr_factor(step, steps, schedule=schedule, warmup_fraction=warmup, min_ratio=floor)
        for step in range(steps)
    ]


def test_linear_by_hand():
    expected = [0.5, 1.0, 1.0] + [0.1 + 0.9 * (1 - k / 8) for k in range(1, 8)]
    assert factors("linear") == pytest.approx(expected)


def test_cosine_by_hand():
    got = factors("cosine")
    assert got[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert got[6] == pytest.approx(0.55)  # half-way: the mean of 1 and 0.1
    assert got[4] == pytest.approx(0.1 + 0.45 * (1 + math.sqrt(0.5)))  # a quarter of the way


def test_constant_stays_at_the_peak():
    assert factors("constant") == [0.5] + [1.0] * 9


def test_no_warm_up_starts_at_the_peak():
    assert factors("cosine", warmup=0.0)[0] == 1.0


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="cosine"):
        factors("step")
