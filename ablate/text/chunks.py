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
        chunks = text.split()
        known: list[int | None] = list(map(self._row.get, chunks))
        if None in known:
            self._learn({chunk: None for chunk, row in zip(chunks, known, strict=True) if row is None})
            known = list(map(self._row.get, chunks))
        rows = np.array(known, dtype=np.int64)
        count = self._count[rows]
        before = np.cumsum(count) - count
        places = np.repeat(self._first[rows] - before, count) + np.arange(count.sum())
        return self._numbers[places], count

    def _learn(self, chunks: Iterable[str]) -> None:
        row = begin = len(self._row)
        counts: list[int] = []
        numbers: list[int] = []
        for chunk, some in self.work(chunks):
            self._row[chunk] = row
            row += 1
            counts.append(len(some))
            numbers += some
            self._characters += len(chunk)
        end = self._used + len(numbers)
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
