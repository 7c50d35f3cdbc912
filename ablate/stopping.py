"""Ctrl-C, SIGTERM (a scheduler, a shutdown) and SIGUSR1 (a time limit that is near) stop a command in order.

They raise `Stopped` where the program is, except in work that asked to be let come to a good end: that is told, saves
what it has, and stops by itself. A second signal stops that too.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
HANDED_ON = tuple(getattr(signal, name) for name in ("SIGUSR2",) if hasattr(signal, name))
"""Beside those, what jobs of a scheduler are told a little before their time is up."""


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end; the message is the signal's name."""


class Held:
    """Work that comes to a good end before a signal stops it.

    Attributes:
        asked: the signal that came in the meantime; None while there was none.
        tell: called once when it comes, inside the handler.
        holds: False for as long as the work may be stopped anywhere.
    """

    def __init__(self, tell: Callable[[], object] = lambda: None) -> None:
        self.asked: signal.Signals | None = None
        self.tell = tell
        self.holds = True

    @contextmanager
    def released(self) -> Iterator[None]:
        """For the block, a signal stops at once, as it does elsewhere."""
        self.stop_if_asked()
        self.holds = False
        try:
            yield
        finally:
            self.holds = True

    def stop_if_asked(self) -> None:
        """Stop now, if a signal came.

        Raises:
            Stopped: names it.
        """
        if self.asked is not None:
            raise Stopped(self.asked.name)


_held: list[Held] = []
_quiet = False


def listen() -> None:
    """Stop in order from now on; only the main thread can, elsewhere nothing happens."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, _come)


@contextmanager
def listening_worker() -> Iterator[None]:
    """For the block, the same in a process that another one asks to stop (SIGTERM), and that is left alone when idle.

    Ctrl-C at a terminal comes to both; the other one will ask.
    """
    global _quiet
    _quiet = True
    listen()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def handing_on() -> Iterator[None]:
    """For the block, signals for which a scheduler's library has an answer (requeue this job) get it after work was saved.

    Only the main thread can; elsewhere nothing happens.
    """
    global _quiet
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    answers = {}
    for number in (*SIGNALS, *HANDED_ON):
        answer = signal.getsignal(number)
        if callable(answer) and answer not in (signal.default_int_handler, _come):
            answers[number] = answer
            signal.signal(number, _come)
    _quiet = True
    try:
        yield
    except Stopped as stop:
        number = signal.Signals[str(stop)]
        _give_back(answers)
        if number in answers:
            answers[number](number, None)
        raise
    finally:
        _give_back(answers)


def _give_back(answers: Mapping[int, Callable[[int, FrameType | None], object]]) -> None:
    for number, answer in answers.items():
        signal.signal(number, answer)


def _come(number: int, _: FrameType | None) -> None:
    sort = signal.Signals(number)
    held = _held[-1] if _held else None
    if held is None or not held.holds or held.asked is not None:
        raise Stopped(sort.name)
    held.asked = sort
    if not _quiet:
        print(
            f"\nablate: {sort.name}: saving, then stopping; once more stops at once",
            file=sys.stderr,
            flush=True,
        )
    held.tell()


@contextmanager
def held(tell: Callable[[], object] = lambda: None) -> Iterator[Held]:
    """For the block, a signal only asks; what comes after the block is stopped by it.

    Args:
        tell: called when one comes.
    Raises:
        Stopped: at the end of the block, when a signal came that nobody acted on.
    """
    work = Held(tell)
    _held.append(work)
    try:
        yield work
    finally:
        _held.remove(work)
    work.stop_if_asked()
