"""Normal form of a text for matching: what deduplication and decontamination compare.

In the spirit of datatrove's `simplify_text`: lower case, numbers to 0, punctuation to blanks, accents
removed. Canonically equivalent texts (Unicode's NFC and NFD) have the same words. Combining marks belong to the
word of the letter that they follow: accents and the points of Arabic and Hebrew are left out, vowel signs, viramas
and tone marks of other scripts stay, since a word without them is another one. Where a script is written without
blanks, each character, with the marks on it, stands for a word: n-grams of words are character n-grams there, and
blanks make no difference. Words are strings (`words`) or 64-bit hashes (`word_hashes`), which equal words share. Hashes are
made of many texts at once, a few array operations for each character, so a word never seen costs no more
than one seen before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import cache

import numpy as np

from ablate.fingerprint import mix64
from ablate.text.running_hash import hash_many, polynomials
from ablate.text.scripts import IGNORED, IGNORED_SET, SIGN_SET, SIGNS, UNSPACED_SET, unspaced

LETTERS = rf"[^\W\d_{UNSPACED_SET}{IGNORED_SET}]"
MARKS = f"[{IGNORED_SET}{SIGN_SET}]"
WORD = re.compile(
    rf"\d+(?:[.,]\d+)*|[^\W\d_](?<=[{UNSPACED_SET}]){MARKS}*"
    rf"|(?:{LETTERS}+|[{SIGN_SET}]{LETTERS}*)(?:{MARKS}+{LETTERS}*)*"
)
NEVER_IN_A_WORD = re.compile(rf"[^\w.,{IGNORED_SET}{SIGN_SET}]")
OTHER, LETTER, DIGIT, JOINER, MARK, SIGN, SINGLE, TAIL, LOOSE = range(9)
"""`MARK`: ignored behind a letter. `SINGLE`: a word of its own, with the `TAIL` of signs behind it. `LOOSE`: a letter
that NFC may join with others or takes apart. Texts without what comes after `JOINER` take the short way."""
GRAM_FACTOR = np.uint64(0xD1342543DE82EF95)


def normal_word(word: str) -> str:
    """One word in normal form: lower case, without accents; "0" for a number."""
    if word[0].isdecimal():
        return "0"
    return word.lower() if word.isascii() else unicodedata.normalize("NFC", word).translate(_changes())


def words(text: str) -> list[str]:
    """Words in normal form, punctuation left out."""
    return [normal_word(word) for word in WORD.findall(text)]


def said(words: Sequence[str]) -> float:
    """How many words of a script with blanks say as much as these do."""
    characters = unspaced()[np.fromiter((ord(word[0]) for word in words), dtype=np.int64)]
    return float(np.divide(1.0, characters, out=np.ones(len(words)), where=characters > 0).sum())


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


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Of every code point: its kind, and the code point it becomes in normal form.

    A letter that is more than one code point without its accents (a Korean syllable) stays as it is.
    """
    characters = np.arange(0x110000, dtype=np.uint32).view("U1")
    kind = np.zeros(characters.size, dtype=np.uint8)
    kind[np.char.isalnum(characters)] = LETTER
    kind[0x1100:0x1200] = LOOSE  # Korean letters that make a syllable
    kind[
        [code for code in np.flatnonzero(kind).tolist() if len(unicodedata.normalize("NFC", chr(code))) > 1]
    ] = LOOSE
    kind[np.char.isdecimal(characters)] = DIGIT
    kind[((kind == LETTER) | (kind == LOOSE)) & (unspaced() > 0)] = SINGLE
    kind[[ord("."), ord(",")]] = JOINER
    kind[SIGNS] = SIGN
    kind[IGNORED] = MARK
    normal = np.arange(characters.size, dtype=np.uint32)
    ignored = dict.fromkeys(IGNORED)
    for number in np.flatnonzero((kind == LETTER) | (kind == SINGLE) | (kind == LOOSE)).tolist():
        lower = chr(number).lower()
        if ord(lower[0]) != number or unicodedata.decomposition(lower[0]):
            plain = unicodedata.normalize("NFD", lower).translate(ignored)
            normal[number] = ord(plain) if len(plain) == 1 else ord(lower[0])
    normal[ord("ς")] = ord("σ")
    return kind, normal


@cache
def _changes() -> dict[int, int | None]:
    normal = _tables()[1]
    changed = np.flatnonzero(normal != np.arange(normal.size))
    return {**dict(zip(changed.tolist(), normal[changed].tolist(), strict=True)), **dict.fromkeys(IGNORED)}


@cache
def _ascii_tables() -> tuple[bytes, bytes]:
    kind, normal = _tables()
    return bytes(kind[:256]), bytes(normal[:128].astype(np.uint8)) + bytes(128)


def word_hashes(text: str) -> np.ndarray:
    """Hash of every one of `words(text)`: shape (n,), uint64."""
    return word_hashes_many([text])[0]


def word_hashes_many(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the words of all texts in order, and where each text's begin.

    Returns:
        Hashes, shape (n,), uint64, and bounds, shape (len(texts) + 1,), int64: the words of text i are
        `hashes[bounds[i]:bounds[i + 1]]`.
    """
    return hash_many(texts, _hash_words, NEVER_IN_A_WORD)


def _hash_words(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Hash and first character of every word of a text, or that of its line: shapes (n,)."""
    if text.isascii():
        kinds, normal = _ascii_tables()
        raw = text.encode()
        kind = np.frombuffer(bytearray(raw.translate(kinds)), dtype=np.uint8)
        codes = np.frombuffer(raw.translate(normal), dtype=np.uint8)
    else:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        kind, codes = (table[points] for table in _tables())
    places, marked = None, bool(kind.max(initial=OTHER) > JOINER)
    if marked:
        if (composed := _composed(text)) != text:
            hashes, starts = _hash_words(composed)
            return hashes, _line_begins(text)[
                np.searchsorted(_line_begins(composed), starts, side="right") - 1
            ]
        kind[kind == LOOSE] = LETTER
    if marked and (marks := np.flatnonzero(kind == MARK)).size:
        ignored = marks[np.isin(_kind_before(kind, marks), (LETTER, SIGN, SINGLE))]
        places = np.delete(np.arange(kind.size), ignored)
        kind, codes = kind[places], codes[places]
    if marked and (signs := np.flatnonzero(kind == SIGN)).size:
        kind[signs] = np.where(_kind_before(kind, signs) == SINGLE, TAIL, LETTER)
    joiners = np.flatnonzero(kind == JOINER)
    within = joiners[(joiners > 0) & (joiners < kind.size - 1)]
    between = within[(kind[within - 1] == DIGIT) & (kind[within + 1] == DIGIT)]
    kind[joiners] = OTHER
    kind[between] = DIGIT
    edge = kind[1:] != kind[:-1]
    if marked:
        edge = (edge & (kind[1:] != TAIL)) | (kind[1:] == SINGLE)
    edges = np.flatnonzero(edge) + 1
    starts, ends = np.concatenate([[0], edges]), np.append(edges, kind.size)
    kind = np.append(kind, OTHER)[starts]
    real = np.flatnonzero((kind == LETTER) | (kind == DIGIT) | (kind == SINGLE))
    starts, ends, kind = starts[real], ends[real], kind[real]
    hashes = polynomials(codes, starts, ends)
    hashes[kind == DIGIT] = ord("0")
    return mix64(hashes, 0), starts if places is None else places[starts]


def _composed(text: str) -> str:
    """The text in NFC; line by line, as most lines are so already, which is seen faster than it is made."""
    return "\n".join([unicodedata.normalize("NFC", line) for line in text.split("\n")])


def _line_begins(text: str) -> np.ndarray:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.append(0, np.flatnonzero(points == ord("\n")) + 1)


def _kind_before(kind: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What stands before the run that each of the places is in; `OTHER` at the beginning of the text: shape (n,)."""
    begins = np.diff(places, prepend=-2) != 1
    before = places[begins][np.cumsum(begins) - 1] - 1
    return np.where(before >= 0, kind[before], OTHER)


def ngram_hashes(words: np.ndarray, n: int) -> np.ndarray:
    """Hash of every n words in a row, given the words' hashes: shape (max(0, words - n + 1),), uint64."""
    count = max(0, words.size - n + 1)
    combined = np.zeros(count, dtype=np.uint64)
    for first in range(n):
        combined *= GRAM_FACTOR
        combined += words[first : first + count]
    return mix64(combined, n)


def gram_hashes(text: str, n: int) -> np.ndarray:
    """Hash of every word n-gram in order: shape (max(0, words - n + 1),), uint64."""
    return ngram_hashes(word_hashes(text), n)


def grams_of(text: str, lengths: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(n, hash of every n-gram in order) for each n of `lengths`, ascending, as long as the text has n words."""
    hashes = word_hashes(text)
    combined = np.zeros(hashes.size + 1, dtype=np.uint64)
    for n in range(1, min(max(lengths, default=0), hashes.size) + 1):
        combined = combined[:-1] * GRAM_FACTOR + hashes[n - 1 :]
        if n in lengths:
            yield n, mix64(combined, n)


def grams_up_to(text: str, longest: int) -> Iterator[tuple[int, np.ndarray]]:
    """`grams_of` the lengths 1 .. `longest`."""
    return grams_of(text, range(1, longest + 1))
