"""Hashes of the words or tokens of many texts at once, a few array operations for each character.

The hash of a span is a polynomial in its characters, taken from running sums over all of them, so a word
never seen costs no more than one seen before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

BATCH = 1 << 16
"""Characters worked on together: what a core's cache holds."""
FACTOR = 0x9E3779B97F4A7C15
INVERSE = pow(FACTOR, -1, 2**64)

HashText = Callable[[str], tuple[np.ndarray, np.ndarray]]
"""Hash and first character of every span of a text, or of the line that it is in, ascending: shapes (n,)."""


def hash_many(
    texts: Sequence[str], hash_text: HashText, between: re.Pattern[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the spans of all texts in order, and where each text's begin.

    Args:
        hash_text: no span holds a line break, and none depends on what is beyond one.
        between: a character that is in no span and ends any; long texts are cut there.
    Returns:
        Hashes, shape (n,), uint64, and bounds, shape (len(texts) + 1,), int64: those of text i are
        `hashes[bounds[i]:bounds[i + 1]]`.
    """
    found, counts = [np.zeros(0, dtype=np.uint64)], [np.zeros(1, dtype=np.int64)]
    for batch in _batches(texts):
        if len(batch) == 1:
            hashes = [hash_text(piece)[0] for piece in _pieces(batch[0], between)]
            counts.append(np.array([sum(map(len, hashes))]))
            found += hashes
        else:
            hashed, starts = hash_text("\n".join(batch))
            begins = np.cumsum([0, *(len(text) + 1 for text in batch)])
            counts.append(np.diff(np.searchsorted(starts, begins)))
            found.append(hashed)
    return np.concatenate(found), np.cumsum(np.concatenate(counts))


def polynomials(codes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """One number for codes[starts[i]:ends[i]], wherever they stand: shape (n,), uint64.

    Args:
        codes: shape (m,), what the characters count as.
    """
    bits = max(codes.size, BATCH).bit_length()
    sums = np.zeros(codes.size + 1, dtype=np.uint64)
    np.cumsum(codes * _powers(FACTOR, bits)[: codes.size], out=sums[1:])
    found: np.ndarray = (sums[ends] - sums[starts]) * _powers(INVERSE, bits)[starts]
    return found


@cache
def _powers(factor: int, bits: int) -> np.ndarray:
    powers = np.full(1 << bits, factor, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in a row of together at most `BATCH` characters; a longer one alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch


def _pieces(text: str, between: re.Pattern[str]) -> Iterator[str]:
    """A long text cut between spans, where there is such a place."""
    begin = 0
    while len(text) - begin > BATCH and (cut := between.search(text, begin + BATCH)):
        yield text[begin : cut.start()]
        begin = cut.start()
    yield text[begin:]
