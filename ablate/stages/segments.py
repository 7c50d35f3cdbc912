"""Words, sentences and n-grams: the segmentation that the heuristic filters share.

Words are spaCy's (its blank English tokenizer), because the published filters ran on them. That
tokenizer looks at one run of non-blank characters at a time, so every such chunk is cut up once and
remembered; a word is a number into a table of what the filters ask about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate, chain, pairwise
from typing import Any
from unicodedata import category

import numpy as np

from ablate.stages.chunks import Chunks

LONGEST_CHUNK = 2_000
"""Characters. spaCy's time on a chunk grows with the square of its marks; longer ones are cut by `RUN`."""
MOST_WORDS = 400_000
"""When the table has more words than this it starts anew; about 150 MB."""
LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
RUN = re.compile(r"\w+|[^\w\s]")
TERMINALS = frozenset(
    "!.?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡"
    + "".join(
        map(chr, chain.from_iterable(range(*ends) for ends in (
            (0x10A56, 0x10A58), (0x10F55, 0x10F5A), (0x10F86, 0x10F8A), (0x11047, 0x11049), (0x110BE, 0x110C2),
            (0x11141, 0x11144), (0x111C5, 0x111C7), (0x111CD, 0x111CE), (0x111DE, 0x111E0), (0x11238, 0x1123A),
            (0x1123B, 0x1123D), (0x112A9, 0x112AA), (0x1144B, 0x1144D), (0x115C2, 0x115C4), (0x115C9, 0x115D8),
            (0x11641, 0x11643), (0x1173C, 0x1173F), (0x11944, 0x11945), (0x11946, 0x11947), (0x11A42, 0x11A44),
            (0x11A9B, 0x11A9D), (0x11C41, 0x11C43), (0x11EF7, 0x11EF9), (0x11F43, 0x11F45), (0x16A6E, 0x16A70),
            (0x16AF5, 0x16AF6), (0x16B37, 0x16B39), (0x16B44, 0x16B45), (0x16E98, 0x16E99), (0x1BC9F, 0x1BCA0),
            (0x1DA88, 0x1DA89),
        )))
    )
)  # fmt: skip
"""Unicode's sentence terminals, as the reference implementations use them; quotes do not count."""
SYMBOLS = TERMINALS | frozenset(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
    + "".join(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
)
"""CCNet's punctuation (Wenzek et al. 2020): a word of nothing else is no word to Gopher's rules."""


class Words:
    """The words of texts as numbers, and what is known of each word.

    Tables, one entry a word met so far: `length` in characters; `symbol`: nothing but `SYMBOLS`;
    `alphabetic`: has a letter; `ending`: ends a sentence; `mark`: punctuation (Unicode category P), which
    never begins a sentence.
    """

    def __init__(self) -> None:
        self._chunks = Chunks(self._cut, np.int64)
        self._clear()

    def _clear(self) -> None:
        self._chunks.clear()
        self._numbers: dict[str, int] = {}
        self.length = np.zeros(1024, dtype=np.int64)
        self.symbol, self.alphabetic, self.ending, self.mark = np.zeros((4, 1024), dtype=bool)

    def ids(self, text: str) -> np.ndarray:
        """Numbers of the words of a text in order: shape (n,), int64; valid until the next call."""
        if len(self._numbers) > MOST_WORDS:
            self._clear()
        return self._chunks(text)

    def _cut(self, chunks: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
        with _english().memory_zone():  # in which spaCy forgets new strings again
            for chunk in chunks:
                yield chunk, [self._learn(word) for word in _cut(chunk)]

    def number(self, word: str) -> int:
        """The word's number; -1 when no text had it yet."""
        return self._numbers.get(word, -1)

    def _learn(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._numbers))
        if self.length.size == number:
            self.length = np.concatenate([self.length, np.zeros_like(self.length)])
            for name in ("symbol", "alphabetic", "ending", "mark"):
                table = getattr(self, name)
                setattr(self, name, np.concatenate([table, np.zeros_like(table)]))
        self.length[number] = len(word)
        self.symbol[number] = SYMBOLS.issuperset(word)
        self.alphabetic[number] = any(map(str.isalpha, word))
        self.ending[number] = word in _sentence_ends()
        self.mark[number] = all(category(character)[0] == "P" for character in word)
        return number


WORDS = Words()
"""This process's."""


@cache
def _english() -> Any:
    import spacy

    return spacy.blank("en")


@cache
def _contractions() -> frozenset[str]:
    """Chunks with a treatment of their own: don't, cannot, Mr., :-)"""
    return frozenset(_english().tokenizer.rules)


@cache
def _sentence_ends() -> frozenset[str]:
    from spacy.pipeline import Sentencizer

    return frozenset(Sentencizer.default_punct_chars)


def _cut(chunk: str) -> list[str]:
    """The words of a chunk; the two commonest shapes without asking spaCy, to the same result."""
    listed = _contractions()
    if chunk.isalpha() and chunk not in listed:
        return [chunk]
    body, mark = chunk[:-1], chunk[-1]
    if (
        body.isalpha()
        and chunk not in listed
        and body not in listed
        and (mark in ",;!?)" or (mark == "." and body[-1] in LOWER))
    ):
        return [body, mark]
    if len(chunk) > LONGEST_CHUNK:
        return RUN.findall(chunk)
    return [token.text for token in _english().tokenizer(chunk)]


def count_sentences(ids: np.ndarray) -> int:
    """Sentences in a text, as spaCy's sentencizer counts them: an end, then a word that is no mark.

    Args:
        ids: numbers of its words.
    """
    ending, begins = WORDS.ending[ids], ~(WORDS.mark[ids] | WORDS.ending[ids])
    relevant = ending | begins
    # Between an end and the next beginning there may be any number of other marks.
    return int(ids.size > 0) + int((ending[relevant][:-1] & begins[relevant][1:]).sum())


def stripped(text: str, begin: int, end: int) -> tuple[int, int] | None:
    """Where text[begin:end] stands without the blanks at its ends; None when it is blank."""
    part = text[begin:end]
    body = part.lstrip()
    begin = end - len(body)
    return (begin, begin + len(body.rstrip())) if body else None


def line_spans(text: str) -> list[tuple[int, int]]:
    """Where the lines that are not blank stand, without the blanks at their ends."""
    ends = accumulate(map(len, text.splitlines(keepends=True)), initial=0)
    return [span for begin, end in pairwise(ends) if (span := stripped(text, begin, end))]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences stand: as `count_sentences` counts them in each line; none crosses a line.

    Only chunks near a possible end are cut into words: a chunk that has no end and does not follow one
    cannot begin a sentence, unless it begins a line.
    """
    chunks = text.split()
    if not chunks:
        return []
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    places = np.flatnonzero(~_blank()[np.minimum(codes, _blank().size - 1)])
    near = np.fromiter(map(_may_end, chunks), bool, len(chunks))
    near[1:] |= near[:-1].copy()
    some = np.flatnonzero(near)
    ids = WORDS.ids(" ".join([chunks[number] for number in some.tolist()]))
    behind = np.cumsum([len(chunks[number]) for number in some.tolist()], dtype=np.int64)
    at = np.cumsum(WORDS.length[ids]) - WORDS.length[ids]
    chunk = np.searchsorted(behind, at, side="right")
    opens = places[np.diff(places, prepend=-2) != 1]  # where the chunks begin
    begins = opens[some[chunk]] + at - np.concatenate([[0], behind])[chunk]
    bounds = np.cumsum([0, *map(len, text.splitlines(keepends=True))])
    line = np.searchsorted(bounds, begins, side="right")
    ending = WORDS.ending[ids]
    relevant = np.flatnonzero(ending | ~WORDS.mark[ids])
    before, after = relevant[:-1], relevant[1:]
    after = after[ending[before] & ~ending[after] & (line[before] == line[after])]
    first = np.union1d(np.searchsorted(places, bounds[:-1]), np.searchsorted(places, begins[after]))
    first = first[first < places.size]
    last = np.append(first[1:], places.size) - 1
    return list(zip(places[first].tolist(), (places[last] + 1).tolist(), strict=True))


class _MayEnd(dict[str, bool]):
    """Chunk -> may it hold the end of a sentence, or nothing but marks? All are forgotten when there are many."""

    def __missing__(self, chunk: str) -> bool:
        found = not _sentence_ends().isdisjoint(chunk) or not any(map(str.isalnum, chunk))
        if len(self) >= MOST_WORDS:
            self.clear()
        if len(chunk) <= LONGEST_CHUNK:
            self[chunk] = found
        return found


_may_end = _MayEnd().__getitem__


@cache
def _blank() -> np.ndarray:
    """Which characters `str.split` splits at: shape (0x3002,), bool; none lies beyond."""
    return np.array([chr(code).isspace() for code in range(0x3002)])


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


def next_gram_ids(gram_ids: np.ndarray, ids: np.ndarray, n: int) -> np.ndarray:
    """Ids of n-grams from those of (n-1)-grams and of words; equal ids, equal n-grams.

    Args:
        gram_ids: shape (m - n + 2,): ids of the (n-1)-grams, 0 .. their number.
        ids: shape (m,): ids of the words.
        n: 2 or more, at most m.
    """
    pairs = gram_ids[:-1] * (int(ids.max()) + 1) + ids[n - 1 :]
    return np.unique(pairs, return_inverse=True)[1].astype(np.int64)
