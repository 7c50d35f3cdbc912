"""The benchmark items that decontamination looks for, as hashed n-grams that know whose they are."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ablate.fingerprint import digest, file_stamp
from ablate.text.text_norm import gram_hashes, grams_of, said, words

MATCHES = ("question", "question_answer", "both")
SMALLEST_BLOCK = 5
"""Characters; a match must be longer to count in `matched_share` (Cosmopedia's code)."""


@dataclass(frozen=True, eq=False)
class Grams:
    """The n-grams of all references for one n.

    Attributes:
        hashes: shape (m,), uint64, ascending, one entry for each place where an n-gram stands.
        reference: shape (m,), int64: whose it is.
        place: shape (m,), int64: its first word there.
    """

    hashes: np.ndarray
    reference: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """One item met in a text.

    Attributes:
        reference: its number.
        hits: n-grams of the text that are its own.
        words: where they begin in the text, in words.
        share: how much of the item the text gives away, in [0, 1].
    """

    reference: int
    hits: int
    words: np.ndarray
    share: float


@dataclass(frozen=True, eq=False)
class References:
    """Items to look for.

    Attributes:
        digest: names them.
        names: (task, item) of each reference; an item that is looked for with and without its answer has two.
        texts: their texts.
        grams: n -> n-grams; n is `ngram`, and the length of each shorter reference.
        origin: how to load them again in another process; None for references made of texts.
    """

    digest: str
    names: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    grams: dict[int, Grams]
    origin: tuple[Any, ...] | None = None

    @classmethod
    def of(
        cls, texts: Sequence[str], ngram: int, min_words: int, names: Sequence[tuple[str, str]] | None = None
    ) -> References:
        """Cut texts into n-grams; whole texts where they are shorter; none shorter than `min_words`.

        Both are counted in words; where a script is written without blanks, in as many characters as say as much.
        """
        found: dict[int, list[tuple[np.ndarray, int]]] = {}
        kept: list[int] = []
        for number, text in enumerate(texts):
            found_words = words(text)
            count, worth = len(found_words), said(found_words)
            if count and worth >= min_words:
                n = min(count, round(ngram * count / worth))
                found.setdefault(n, []).append((gram_hashes(text, n), len(kept)))
                kept.append(number)
        grams = {}
        for n, entries in sorted(found.items()):
            hashes = np.concatenate([some for some, _ in entries])
            reference = np.repeat([number for _, number in entries], [some.size for some, _ in entries])
            place = np.concatenate([np.arange(some.size) for some, _ in entries])
            order = np.argsort(hashes, kind="stable")
            grams[n] = Grams(hashes[order], reference[order], place[order])
        normal = sorted(" ".join(words(texts[number])) for number in kept)
        content = hashlib.blake2b("\n".join(normal).encode(), digest_size=16).hexdigest()
        owners = names if names is not None else [("", str(number)) for number in range(len(texts))]
        return cls(
            digest([3, ngram, min_words, content]),
            tuple(owners[number] for number in kept),
            tuple(texts[number] for number in kept),
            grams,
        )

    def __reduce__(self) -> Any:
        """Shipped to worker processes as the way to load them; they are read there once."""
        if self.origin is not None:
            return load_references, self.origin
        return References, (self.digest, self.names, self.texts, self.grams)

    @cached_property
    def n_words(self) -> np.ndarray:
        """Shape (references,), int64."""
        return np.array([len(words(text)) for text in self.texts], dtype=np.int64)

    def hits(self, text: str) -> np.ndarray:
        """Return ascending (first word, words) of every matching n-gram of the normalised text: shape (m, 2)."""
        spans = []
        for n, _, at, _ in self._matches(text):
            unique = np.unique(at)
            spans.append(np.stack([unique, np.full(unique.size, n)], axis=1))
        together = np.concatenate(spans) if spans else np.zeros((0, 2), dtype=np.int64)
        return together[np.argsort(together[:, 0], kind="stable")]

    def covered(self, text: str) -> list[Found]:
        """Return items met; the share is that of their words which stand in a matching n-gram."""
        pairs = []
        for n, entry, at, grams in self._matches(text):
            offsets = np.arange(n)
            pairs.append(
                np.stack(
                    [
                        np.repeat(grams.reference[entry], n),
                        (grams.place[entry][:, None] + offsets).ravel(),
                        np.repeat(at, n),
                    ]
                )
            )
        if not pairs:
            return []
        reference, place, at = np.concatenate(pairs, axis=1)
        found = []
        for number in np.unique(reference).tolist():
            mine = reference == number
            first = np.unique(at[mine])
            share = np.unique(place[mine]).size / int(self.n_words[number])
            found.append(Found(number, int(first.size), first, share))
        return found

    def matched(self, text: str) -> list[Found]:
        """Return items met; the share is that of their characters in blocks that the text has in the same order."""
        found = self.covered(text)
        if not found:
            return []
        tokens = words(text)
        return [Found(one.reference, one.hits, one.words, self._matched_share(one, tokens)) for one in found]

    def _matched_share(self, one: Found, tokens: list[str]) -> float:
        """Cosmopedia's ratio, against the text within one length of the item around its hits."""
        item = " ".join(words(self.texts[one.reference]))
        reach = int(self.n_words[one.reference])
        near = np.zeros(len(tokens), dtype=bool)
        for first in one.words.tolist():
            near[max(0, first - reach) : first + 2 * reach] = True
        around = " ".join(tokens[i] for i in np.flatnonzero(near))
        blocks = difflib.SequenceMatcher(None, around, item, autojunk=False).get_matching_blocks()
        parts = [around[b.a : b.a + b.size] for b in blocks if b.size > SMALLEST_BLOCK]
        return min(1.0, len(" ".join("".join(parts).split())) / len(item)) if item else 0.0

    def _matches(self, text: str) -> list[tuple[int, np.ndarray, np.ndarray, Grams]]:
        """(n, entries of `grams`, first word in the text of each, grams) for every n with a match."""
        found = []
        for n, hashed in grams_of(text, self.grams):
            grams = self.grams[n]
            low = np.searchsorted(grams.hashes, hashed, side="left")
            met = np.flatnonzero(
                (low < grams.hashes.size) & (grams.hashes[np.minimum(low, grams.hashes.size - 1)] == hashed)
            )
            if met.size:
                count = np.searchsorted(grams.hashes, hashed[met], side="right") - low[met]
                at = np.repeat(met, count)
                entry = np.repeat(low[met] - (np.cumsum(count) - count), count) + np.arange(count.sum())
                found.append((n, entry, at, grams))
        return found


def load_references(
    snapshot: str | None, tasks: tuple[str, ...], ngram: int, min_words: int, match: str
) -> References:
    """Return the items of a snapshot's tasks; unchanged files are read once per process."""
    root = Path(snapshot) if snapshot else None
    folders = sorted({task.partition("/")[0] for task in tasks}) if root else []
    files = [file for folder in folders if root for file in sorted((root / folder).glob("*.jsonl"))]
    stamps = tuple((str(file), *file_stamp(file)) for file in files)
    return _load(snapshot, tasks, ngram, min_words, match, stamps)


@lru_cache(maxsize=4)
def _load(
    snapshot: str | None, tasks: tuple[str, ...], ngram: int, min_words: int, match: str, _: object
) -> References:
    from ablate.benchmarks.snapshot import references

    texts, names = [], []
    for item in references(snapshot, tasks):
        chosen = {"question": [item.question], "question_answer": [item.with_answer]}
        for text in dict.fromkeys(chosen.get(match, [item.question, item.with_answer])):
            texts.append(text)
            names.append((item.task, item.item))
    made = References.of(texts, ngram, min_words, names)
    return References(
        made.digest, made.names, made.texts, made.grams, (snapshot, tasks, ngram, min_words, match)
    )
