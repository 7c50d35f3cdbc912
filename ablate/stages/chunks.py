"""Texts as numbers, by runs of non-blank characters: each run is worked on once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

Work = Callable[[Iterable[str]], Iterable[tuple[str, Sequence[int]]]]
MOST_CHUNKS, MOST_CHARACTERS = 400_000, 20_000_000
"""When more are remembered than this, all are forgotten; some 100 MB."""


class Chunks:
    """Turns texts into arrays of numbers, where what a chunk gives does not depend on its neighbours.

    Args:
        work: chunks -> (chunk, its numbers) of each.
        dtype: of the numbers.
    """

    def __init__(self, work: Work, dtype: type[np.generic]) -> None:
        self.work, self.dtype = work, dtype
        self.clear()

    def clear(self) -> None:
        """Forget every chunk."""
        self._row: dict[str, int] = {}
        self._first = np.zeros(1024, dtype=np.int64)
        self._count = np.zeros(1024, dtype=np.int64)
        self._numbers = np.zeros(1024, dtype=self.dtype)
        self._used = self._characters = 0

    def __call__(self, text: str) -> np.ndarray:
        """The numbers of a text's chunks in order: shape (n,)."""
        if len(self._row) > MOST_CHUNKS or self._characters > MOST_CHARACTERS:
            self.clear()
        chunks, known = text.split(), self._row
        if missing := {chunk: None for chunk in chunks if chunk not in known}:
            for chunk, numbers in self.work(missing):
                self._learn(chunk, numbers)
        rows = np.fromiter(map(known.__getitem__, chunks), np.int64, len(chunks))
        count = self._count[rows]
        before = np.cumsum(count) - count
        places = np.repeat(self._first[rows] - before, count) + np.arange(count.sum())
        found: np.ndarray = self._numbers[places]
        return found

    def _learn(self, chunk: str, numbers: Sequence[int]) -> None:
        row, end = len(self._row), self._used + len(numbers)
        while self._first.size <= row:
            self._first, self._count = _doubled(self._first), _doubled(self._count)
        while self._numbers.size < end:
            self._numbers = _doubled(self._numbers)
        self._first[row], self._count[row] = self._used, len(numbers)
        self._numbers[self._used : end] = numbers
        self._row[chunk] = row
        self._used, self._characters = end, self._characters + len(chunk)


def _doubled(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array)])
