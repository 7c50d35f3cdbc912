"""ROUGE-L of two texts: the share of words that they have in common in the same order.

Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries, section 3. Words and F are those of the package
rouge-score (without stemming), which Self-Instruct's gate uses: letters and digits of ASCII in lower case. Where most of a
text's letters are others, that rule would leave nothing to compare, and the words are those of `text_norm`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from ablate.text.text_norm import words

ASCII_WORDS = re.compile(r"[a-z0-9]+")
BLOCK = 256
"""Texts compared with all others at a time."""


def rouge_words(text: str) -> list[str]:
    """The words that are compared."""
    lower = text.lower()
    letters = sum(character.isalpha() for character in lower)
    plain = sum("a" <= character <= "z" for character in lower)
    return words(text) if letters > 2 * plain else ASCII_WORDS.findall(lower)


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """F of two lists of words, in [0, 1]: 2 LCS / (words of both); 0 where one has none."""
    total = len(one) + len(other)
    return 2 * int(LCSseq.similarity(one, other)) / total if one and other else 0.0


def nearest(text: str, others: Sequence[Sequence[str]]) -> float:
    """Largest F between a text and any of some lists of words; 0 where there are none."""
    mine = rouge_words(text)
    return max((rouge_l(mine, other) for other in others), default=0.0)


def alike(texts: Sequence[Sequence[str]], threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of different texts whose F is above `threshold`, some at a time: positions (i, j), each pair once.

    Args:
        texts: lists of words, none empty.
        threshold: in (0, 1).
    """
    counts = Counter(word for text in texts for word in text)
    # Words are handed over as characters; rapidfuzz is fastest on those below 256, which the frequent ones are.
    codes = {word: chr(number % 0x110000) for number, (word, _) in enumerate(counts.most_common())}
    coded = ["".join(codes[word] for word in text) for text in texts]
    sizes = np.array([len(text) for text in coded])
    order = np.argsort(sizes, kind="stable")
    ordered, lengths = [coded[i] for i in order], sizes[order]
    # LCS is at most the shorter length, so F > t needs shorter / longer > t / (2 - t).
    reach = np.searchsorted(lengths, lengths * (2 - threshold) / threshold, side="left")
    for first in range(0, len(ordered), BLOCK):
        last = min(first + BLOCK, len(ordered))
        end = int(reach[last - 1]) if last else 0
        common = cdist(ordered[first:last], ordered[first:end], scorer=LCSseq.similarity, dtype=np.int32)
        total = lengths[first:last, None] + lengths[None, first:end]
        one, other = np.nonzero(2 * common > threshold * total)
        above = other > one
        yield order[first + one[above]], order[first + other[above]]
