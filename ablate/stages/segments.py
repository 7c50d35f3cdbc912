"""Words, lines and n-grams: the segmentation that the heuristic filters share."""

from __future__ import annotations

import re

import numpy as np

WORD = re.compile(
    r"https?://[^\s<>\"]+|www\.[^\s<>\"]+|[\w.+-]+@[\w-]+\.[\w.-]+"  # addresses are one word
    r"|(?:[^\W\d_]\.){2,}|\d+(?:[.,:/]\d+)*\w*|\w+(?:\xad+\w+)*|['’][^\W\d_]+"  # U.S., 9:30pm, don 't
    r"|(\S)\1+|\S"  # a run of the same mark is one
)
SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]?[A-Z0-9À-Þ]|\s*$)")


def words(text: str) -> tuple[str, ...]:
    """Words, and punctuation marks one by one, as the tokenizers do that the published filters used."""
    return tuple(match.group() for match in WORD.finditer(text))


def count_sentences(line: str) -> int:
    """Sentences in a line that is not blank; at least one."""
    return max(1, len(SENTENCE_END.findall(line)))


def repeated(pieces: list[str]) -> tuple[int, int]:
    """How many pieces repeat an earlier one, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    for piece in pieces:
        if piece in seen:
            count += 1
            characters += len(piece)
        else:
            seen.add(piece)
    return count, characters


def word_ids(tokens: tuple[str, ...]) -> np.ndarray:
    """Each word as the number of its first occurrence's distinct form: shape (n,), int64."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(token, len(numbers)) for token in tokens), np.int64, len(tokens))


def next_gram_ids(gram_ids: np.ndarray, ids: np.ndarray, n: int) -> np.ndarray:
    """Ids of n-grams from those of (n-1)-grams and of words; equal ids, equal n-grams.

    Args:
        gram_ids: shape (m - n + 2,): ids of the (n-1)-grams, 0 .. their number.
        ids: shape (m,): ids of the words.
        n: 2 or more, at most m.
    """
    pairs = gram_ids[:-1] * (int(ids.max()) + 1) + ids[n - 1 :]
    return np.unique(pairs, return_inverse=True)[1].astype(np.int64)
