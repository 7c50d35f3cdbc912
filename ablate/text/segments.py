"""Words, sentences and n-grams: the segmentation that the heuristic filters share.

Words are spaCy's (its blank English tokenizer), because the published filters ran on them. That
tokenizer looks at one run of non-blank characters at a time, so every such chunk is cut up once
(`cutting`) and remembered; a word is a number into a table of what the filters ask about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate, chain, pairwise
from unicodedata import category

import numpy as np

from ablate.text.chunks import Chunks, Numbered, with_room
from ablate.text.cutting import LONGEST_CHUNK, cut_many

MOST_WORDS = 400_000
"""When the table has more words than this it starts anew; about 150 MB."""
TERMINALS = frozenset(
    "!.?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡"
    + "".join(
        map(
            chr,
            chain.from_iterable(
                range(*ends)
                for ends in (
                    (0x10A56, 0x10A58),
                    (0x10F55, 0x10F5A),
                    (0x10F86, 0x10F8A),
                    (0x11047, 0x11049),
                    (0x110BE, 0x110C2),
                    (0x11141, 0x11144),
                    (0x111C5, 0x111C7),
                    (0x111CD, 0x111CE),
                    (0x111DE, 0x111E0),
                    (0x11238, 0x1123A),
                    (0x1123B, 0x1123D),
                    (0x112A9, 0x112AA),
                    (0x1144B, 0x1144D),
                    (0x115C2, 0x115C4),
                    (0x115C9, 0x115D8),
                    (0x11641, 0x11643),
                    (0x1173C, 0x1173F),
                    (0x11944, 0x11945),
                    (0x11946, 0x11947),
                    (0x11A42, 0x11A44),
                    (0x11A9B, 0x11A9D),
                    (0x11C41, 0x11C43),
                    (0x11EF7, 0x11EF9),
                    (0x11F43, 0x11F45),
                    (0x16A6E, 0x16A70),
                    (0x16AF5, 0x16AF6),
                    (0x16B37, 0x16B39),
                    (0x16B44, 0x16B45),
                    (0x16E98, 0x16E99),
                    (0x1BC9F, 0x1BCA0),
                    (0x1DA88, 0x1DA89),
                )
            ),
        )
    )
)
"""Unicode's sentence terminals, as the reference implementations use them; quotes do not count."""
SYMBOLS = TERMINALS | frozenset(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
    + "".join(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
)
"""CCNet's punctuation (Wenzek et al. 2020): a word of nothing else is no word to Gopher's rules."""


MOST_RECENT = 1_000_000
"""Words of the texts last seen that are kept for the next filter that asks; 16 MB."""
SYMBOL, LETTER, PUNCTUATION = 1, 2, 4


class Words:
    """The words of texts as numbers, and what is known of each word.

    Tables, one entry a word met so far: `length` in characters; `symbol`: nothing but `SYMBOLS`;
    `alphabetic`: has a letter; `ending`: ends a sentence; `mark`: punctuation (Unicode category P), which
    never begins a sentence. Filters that measure the same text one after another share its words.
    """

    def __init__(self) -> None:
        self._chunks = Chunks(self._cut, np.int64)
        self.clear()

    def clear(self) -> None:
        """Forget every word and text."""
        self._chunks.clear()
        self._recent: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._recent_words = 0
        self._numbers = Numbered()
        self._described = 0
        self.length = np.zeros(1024, dtype=np.int64)
        self.symbol, self.alphabetic, self.ending, self.mark = np.zeros((4, 1024), dtype=bool)

    def ids(self, text: str) -> np.ndarray:
        """Numbers of the words of a text in order: shape (n,), int64; valid until the next call."""
        return self._find(text)[0]

    def ids_and_lines(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The words' numbers, and of each the number of its line (of `splitlines`): shapes (n,)."""
        ids, count = self._find(text)
        chunks = [len(line.split()) for line in text.splitlines()]
        return ids, np.repeat(np.repeat(np.arange(len(chunks)), chunks), count)

    def _find(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        if (found := self._recent.get(text)) is None:
            if len(self._numbers) > MOST_WORDS:
                self.clear()
            if self._recent_words > MOST_RECENT:
                self._recent, self._recent_words = {}, 0
            found = self._recent[text] = self._chunks.with_counts(text)
            self._recent_words += found[0].size
        return found

    def _cut(self, chunks: list[str]) -> tuple[list[int], list[int]]:
        words = cut_many(chunks)
        numbers = list(map(self._numbers.__getitem__, chain.from_iterable(words)))
        self._describe(self._numbers.since(self._described))
        return list(map(len, words)), numbers

    def number(self, word: str) -> int:
        """The word's number; -1 when no text had it yet."""
        return self._numbers.get(word, -1)

    def _describe(self, words: list[str]) -> None:
        """Fill the tables for the words that came last."""
        if not words:
            return
        begin, end = self._described, len(self._numbers)
        for name in ("length", "symbol", "alphabetic", "ending", "mark"):
            setattr(self, name, with_room(getattr(self, name), end))
        length = np.array(list(map(len, words)))
        codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        traits, first = _traits()[codes], np.cumsum(length) - length
        every, some = np.bitwise_and.reduceat(traits, first), np.bitwise_or.reduceat(traits, first)
        self.length[begin:end] = length
        self.symbol[begin:end] = every & SYMBOL
        self.alphabetic[begin:end] = some & LETTER
        self.ending[begin:end] = list(map(_sentence_ends().__contains__, words))
        self.mark[begin:end] = every & PUNCTUATION
        self._described = end


WORDS = Words()
"""This process's."""


@cache
def _traits() -> np.ndarray:
    """Of every code point: `SYMBOL`, `LETTER` and `PUNCTUATION`, added up."""
    characters = np.arange(0x110000, dtype=np.uint32).view("U1")
    traits = np.where(np.char.isalpha(characters), LETTER, 0).astype(np.uint8)
    traits[[ord(symbol) for symbol in SYMBOLS]] |= SYMBOL
    traits[[i for i in range(0x20000) if category(chr(i))[0] == "P"]] |= (
        PUNCTUATION  # beyond it there is none
    )
    return traits


@cache
def _sentence_ends() -> frozenset[str]:
    from spacy.pipeline import Sentencizer

    return frozenset(Sentencizer.default_punct_chars)


def count_sentences(text: str) -> int:
    """Sentences in the lines of a text, as spaCy's sentencizer counts them in each: an end, then a word that is no mark."""
    ids, line = WORDS.ids_and_lines(text)
    if ids.size == 0:
        return 0
    ending, begins = WORDS.ending[ids], ~(WORDS.mark[ids] | WORDS.ending[ids])
    # Between an end and the next beginning there may be any number of other marks.
    relevant = np.flatnonzero(ending | begins)
    before, after = relevant[:-1], relevant[1:]
    turns = ending[before] & begins[after] & (line[before] == line[after])
    lines = 1 + np.count_nonzero(line[1:] != line[:-1])
    return int(lines + np.count_nonzero(turns))


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

    An end of a script other than Latin, Greek and Cyrillic needs no blank behind it: 。 । ။ ؟

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
    first = np.union1d(
        first, np.searchsorted(places, _unspaced_begins(codes, bounds, places[first[first < places.size]]))
    )
    first = first[first < places.size]
    last = np.append(first[1:], places.size) - 1
    return list(zip(places[first].tolist(), (places[last] + 1).tolist(), strict=True))


def _unspaced_begins(codes: np.ndarray, bounds: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Where sentences begin behind an end of another script, that do not begin there already: shape (n,).

    Args:
        codes: the text's code points.
        bounds: where the lines begin, and the text's end.
        begins: where sentences are known to begin, ascending.
    """
    ends = np.flatnonzero(_other_ends()[codes])
    if ends.size == 0:
        return ends
    solid = np.flatnonzero(~_no_begin()[codes])
    ends = ends[: np.searchsorted(ends, solid[-1])] if solid.size else ends[:0]
    begin = solid[np.searchsorted(solid, ends)]
    same_line = np.searchsorted(bounds, ends, side="right") == np.searchsorted(bounds, begin, side="right")
    known = np.searchsorted(begins, ends) != np.searchsorted(begins, begin, side="right")
    return np.unique(begin[same_line & ~known])


@cache
def _other_ends() -> np.ndarray:
    """Which code points end a sentence in scripts other than Latin, Greek and Cyrillic: shape (0x110000,), bool."""
    ends = np.zeros(0x110000, dtype=bool)
    ends[[ord(end) for end in _sentence_ends() | TERMINALS]] = True
    ends[:0x0589] = ends[0x2000:0x3000] = False
    return ends


@cache
def _no_begin() -> np.ndarray:
    """Which code points never begin a sentence: punctuation and blanks; shape (0x110000,), bool."""
    found = (_traits() & PUNCTUATION) > 0
    found[: _blank().size] |= _blank()
    found[[ord(end) for end in _sentence_ends()]] = True
    return found


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


def repeated_ngrams(ids: np.ndarray, longest: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The n-grams that occur more than once, n = 2 .. `longest`: n, where they begin, which they are.

    An n-gram can only come again where both (n-1)-grams in it do, so ever fewer places are looked at.

    Args:
        ids: shape (m,): numbers of the words.
    Yields:
        n; places, shape (k,), ascending; grams, shape (k,), int64: equal numbers, equal n-grams.
    """
    gram, counts = _numbered(ids)
    again = counts[gram] > 1
    for n in range(2, longest + 1):
        places = np.flatnonzero(again[:-1] & again[1:])
        which, counts = _numbered(gram[places] * ids.size + gram[places + 1])
        repeats = counts[which] > 1
        places, which = places[repeats], which[repeats]
        again = np.zeros(max(0, ids.size - n + 1), dtype=bool)
        again[places] = True
        gram[places] = which
        yield n, places, which


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each value among all there are, shape (n,), and how often each of them occurs: as `np.unique` has it."""
    order = np.argsort(values)
    ascending = values[order]
    begins = np.empty(values.size, dtype=bool)
    begins[:1] = True
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    which = np.empty(values.size, dtype=np.int64)
    which[order] = np.cumsum(begins) - 1
    return which, np.bincount(which)
