"""Signals: work that asked for it comes to a good end, all else stops at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from ablate.stopping import SIGNALS, Stopped, held, listen


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_stops_at_once(number: signal.Signals) -> None:
    with pytest.raises(Stopped, match=number.name):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_held_work_goes_on_to_its_end(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    done, told = [], []
    with pytest.raises(Stopped, match=number.name), held(lambda: told.append(1)) as work:
        signal.raise_signal(number)
        done.append(work.asked)
    assert done == [number] and told == [1]
    assert f"{number.name}: saving, then stopping" in capsys.readouterr().err


def test_a_second_signal_stops_held_work_too() -> None:
    done = []
    with pytest.raises(Stopped, match="SIGTERM"), held():
        signal.raise_signal(signal.SIGINT)
        done.append("on")
        signal.raise_signal(signal.SIGTERM)
        done.append("never")
    assert done == ["on"]


def test_released_work_is_stopped_at_once_by_what_came_before_too() -> None:
    with pytest.raises(Stopped), held() as work, work.released():
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it goes on")
    with pytest.raises(Stopped), held() as work:
        signal.raise_signal(signal.SIGTERM)
        with work.released():
            raise AssertionError("it goes on")


def test_without_a_signal_nothing_happens() -> None:
    with held() as work, work.released():
        assert work.asked is None
