"""Normal form of a text for matching: what deduplication and decontamination compare.

In the spirit of datatrove's `simplify_text`: lower case, numbers to 0, punctuation to blanks, accents
removed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np

from ablate.fingerprint import mix64
from ablate.stages.chunks import Chunks

WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[\u0300-\u036f]+[^\W\d_]*)*")
MARKS = re.compile(r"[\u0300-\u036f]+")


def normal_word(word: str) -> str:
    """One word in normal form: lower case, without accents; "0" for a number."""
    if word[0].isdigit():
        return "0"
    lower = word.lower()
    return lower if lower.isascii() else MARKS.sub("", unicodedata.normalize("NFD", lower))


def words(text: str) -> list[str]:
    """Words in normal form, punctuation left out."""
    return [normal_word(word) for word in WORD.findall(text)]


class _Remembered(dict[str, str]):
    """Chunk -> its words; all are forgotten when there are many, and long ones are not kept: some 30 MB."""

    most, longest = 200_000, 64

    def __missing__(self, chunk: str) -> str:
        plain = chunk.isascii() and chunk.isalpha()
        made = chunk.lower() if plain else " ".join(words(chunk))
        if len(chunk) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[chunk] = made
        return made


normal_chunks = _Remembered()


def normal_text(text: str) -> str:
    """`words(text)` with blanks between them; two to three times faster, as runs of non-blanks are remembered."""
    return " ".join(filter(None, map(normal_chunks.__getitem__, text.split())))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each of `words(text)` stands in the text: begin and end, in characters."""
    return [match.span() for match in WORD.finditer(text)]


def _hash_words(chunks: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
    for chunk in chunks:
        digests = (hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words(chunk))
        yield chunk, [int.from_bytes(digest, "little") for digest in digests]


word_hashes = Chunks(_hash_words, np.uint64)
"""Hash of every one of `words(text)`: shape (n,), uint64."""


def gram_hashes(text: str, n: int) -> np.ndarray:
    """Hash of every word n-gram in order: shape (max(0, words - n + 1),), uint64."""
    hashed = dict(grams_up_to(text, n))
    return hashed.get(n, np.zeros(0, dtype=np.uint64))


def grams_up_to(text: str, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    """(n, hash of every n-gram in order) for n = 1 .. `longest`, as long as the text has n words."""
    hashes = word_hashes(text)
    combined = np.zeros(hashes.size + 1, dtype=np.uint64)
    for n in range(1, min(longest, hashes.size) + 1):
        with np.errstate(over="ignore"):
            combined = mix64(combined[:-1] + hashes[n - 1 :], n)
        yield n, combined
