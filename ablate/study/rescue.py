"""Pieces of work in other processes, each done or failed in the end, whatever happens to the processes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ablate.errors import AblateError

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Rescue(Generic[T]):
    """How pieces of work are started, and what can be known of them from outside.

    A launcher loses all its work when one of its processes dies. What the process was working on may have killed it (it
    may be too large for the memory), so it is tried once more, by itself where processes share a machine; all else goes
    on in new processes.

    Attributes:
        start: begins pieces of work and waits for them; raises when a process is lost.
        ended: whether a piece is done, or left word that it failed.
        suspected: whether a process began with a piece and died; what earlier commands left is forgotten by asking.
        lost: told of a piece whose process died twice, or that could not be begun, and why.
        say: told in one line what is tried again.
        apart: whether what is tried again is tried with nothing beside it.
    """

    start: Callable[[list[T]], None]
    ended: Callable[[T], bool]
    suspected: Callable[[T], bool]
    lost: Callable[[T, Exception], None]
    say: Callable[[str], None]
    apart: bool = True

    def run(self, pieces: Sequence[T]) -> None:
        """Start all pieces, and again what was not to blame when processes are lost."""
        if self.apart:
            for piece in pieces:
                self.suspected(piece)  # by an earlier command, which is forgotten
        left, tried = list(pieces), set[T]()
        while left and (problem := self._try(left)):
            before, left = left, [piece for piece in left if not self.ended(piece)]
            suspects = [piece for piece in left if self.suspected(piece)]
            if len(left) == len(before) and not suspects:  # not one could begin: neither will the next
                for piece in left:
                    self.lost(piece, problem)
                return
            again = [piece for piece in suspects if piece not in tried]
            if again:
                by_itself = " by itself" if self.apart else ""
                self.say(
                    f"a process died ({_named(problem)}); what it may have been working on is tried once more{by_itself}: "
                    f"{len(again)} of {len(pieces)}"
                )
            for piece in suspects:
                if piece in tried:
                    self.lost(piece, problem)
                elif self.apart and (second := self._try([piece])) and not self.ended(piece):
                    self.lost(piece, second)
            over = [piece for piece in suspects if self.apart or piece in tried]
            tried.update(suspects)
            left = [piece for piece in left if piece not in over]

    def _try(self, pieces: list[T]) -> Exception | None:
        try:
            self.start(pieces)
        except Exception as problem:
            return problem
        return None


def _named(problem: Exception) -> str:
    return str(problem) if isinstance(problem, AblateError) else type(problem).__name__
