"""Texts as numbers, by runs of non-blank characters: each run is worked on once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

Work = Callable[[list[str]], tuple[Sequence[int], Sequence[int]]]
MOST_CHUNKS, MOST_CHARACTERS = 400_000, 20_000_000
"""When more are remembered than this, all are forgotten; some 100 MB."""


class Numbered(dict[str, int]):
    """String -> its number; one that is asked for the first time gets the next number."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number

    def since(self, number: int) -> list[str]:
        """The strings that have this number or a later one, in order."""
        return list(islice(reversed(self), len(self) - number))[::-1]


class Chunks:
    """Turns texts into arrays of numbers, where what a chunk gives does not depend on its neighbours.

    Args:
        work: chunks -> how many numbers each has, and the numbers of all in order.
        dtype: of the numbers.
    """

    def __init__(self, work: Work, dtype: type[np.generic]) -> None:
        self.work, self.dtype = work, dtype
        self.clear()

    def clear(self) -> None:
        """Forget every chunk."""
        self._row = Numbered()
        self._first, self._count = np.zeros((2, 1024), dtype=np.int64)
        self._numbers = np.zeros(1024, dtype=self.dtype)
        self._used = self._characters = 0

    def __call__(self, text: str) -> np.ndarray:
        """The numbers of a text's chunks in order: shape (n,)."""
        return self.with_counts(text)[0]

    def with_counts(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of a text's chunks in order, shape (n,), and how many each has, shape (chunks,)."""
        if len(self._row) > MOST_CHUNKS or self._characters > MOST_CHARACTERS:
            self.clear()
        chunks, known = text.split(), len(self._row)
        rows = np.fromiter(map(self._row.__getitem__, chunks), np.int64, len(chunks))
        if len(self._row) > known:
            try:
                self._learn(known)
            except BaseException:
                self.clear()  # rows without numbers must not stay
                raise
        count = self._count[rows]
        before = np.cumsum(count) - count
        places = np.repeat(self._first[rows] - before, count) + np.arange(count.sum())
        return self._numbers[places], count

    def _learn(self, begin: int) -> None:
        """Work on the chunks from row `begin` on."""
        chunks = self._row.since(begin)
        counts, numbers = self.work(chunks)
        self._characters += sum(map(len, chunks))
        row, end = len(self._row), self._used + len(numbers)
        self._first, self._count = with_room(self._first, row), with_room(self._count, row)
        self._numbers = with_room(self._numbers, end)
        self._count[begin:row] = counts
        self._first[begin:row] = self._used + np.cumsum(counts) - counts
        self._numbers[self._used : end] = numbers
        self._used = end


def with_room(array: np.ndarray, size: int) -> np.ndarray:
    """The array, or a copy of twice the size or more that has `size` places."""
    if array.size >= size:
        return array
    return np.concatenate([array, np.zeros(max(array.size, size - array.size), dtype=array.dtype)])
