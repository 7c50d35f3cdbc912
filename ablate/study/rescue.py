"""Pieces of work in other processes, each done or failed in the end, whatever happens to the processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ablate.store import abandoned

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Rescue(Generic[T]):
    """How pieces of work are started, and what can be known of them from outside.

    A launcher loses all its work when one of its processes dies. What the process was working on may have killed it (it
    may be too large for the memory), so it is tried once more by itself; all else goes on in new processes.

    Attributes:
        start: begins pieces of work and waits for them; raises when a process is lost.
        ended: whether a piece is done, or left word that it failed.
        lock: the file that a process holds locked while it works on a piece.
        lost: told of a piece whose process died twice, or that could not be begun, and why.
        say: told in one line what is tried again.
    """

    start: Callable[[list[T]], None]
    ended: Callable[[T], bool]
    lock: Callable[[T], Path]
    lost: Callable[[T, Exception], None]
    say: Callable[[str], None]

    def run(self, pieces: Sequence[T]) -> None:
        """Start all pieces, and again what was not to blame when processes are lost."""
        for piece in pieces:
            abandoned(self.lock(piece))  # by an earlier command, which is forgotten
        left = list(pieces)
        while left and (problem := self._try(left)):
            before, left = left, [piece for piece in left if not self.ended(piece)]
            suspects = [piece for piece in left if abandoned(self.lock(piece))]
            if len(left) == len(before) and not suspects:  # not one could begin: neither will the next
                for piece in left:
                    self.lost(piece, problem)
                return
            if suspects:
                self.say(
                    f"a process died ({type(problem).__name__}); what it may have been working on is tried once more by "
                    f"itself: {len(suspects)} of {len(pieces)}"
                )
            for piece in suspects:
                if (again := self._try([piece])) and not self.ended(piece):
                    self.lost(piece, again)
            left = [piece for piece in left if piece not in suspects]

    def _try(self, pieces: list[T]) -> Exception | None:
        try:
            self.start(pieces)
        except Exception as problem:
            return problem
        return None
