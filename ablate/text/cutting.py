"""Chunks cut into words as spaCy's blank English tokenizer cuts them, most of them without asking it.

A chunk is a run of characters without a blank. What spaCy does at its ends hangs on the marks there and on the kind of
letter beside them, never on which letters stand between, unless one of its special rules knows those (don't, 10am,
Mr.). So what becomes of marks before and behind a word is looked up in tables, which spaCy itself fills with a word in
the middle that no rule knows. Chunks of any other shape are asked for, all in one call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ablate.text.scripts import IGNORED_SET, SIGN_SET, ranges

LONGEST_CHUNK = 2_000
"""Characters. spaCy's time on a chunk grows with the square of its marks; longer ones are cut by `RUN`."""
RUN = re.compile(rf"[\w{IGNORED_SET}{SIGN_SET}]+|[^\w\s]")
MOST_ENDS = 20_000
"""Marks before words, and as many behind, that are remembered; 5,088 documents of all scripts have 596 and 1,611."""
APOSTROPHE, HYPHEN, DIGITS = re.compile("['’]"), re.compile("(-)"), re.compile("[0-9]+")
KINDS: dict[tuple[bool, ...], str] = {
    (True, True, False): "q", (True, False, True): "Q", (True, True, True): "א", (True, False, False): "ƻ",
    (False, False, False): "ǁ",
}  # fmt: skip
"""Letter, lower case, upper case to spaCy's rules -> a letter of that kind; of four of it no rule knows a word."""


def cut_many(chunks: Iterable[str]) -> list[list[str]]:
    """The words of each chunk."""
    found: list[list[str]] = []
    places: list[int] = []
    asked: list[str] = []
    listed, shaped = _rules(), _cut_by_shape
    for chunk in chunks:
        words = [chunk] if chunk.isalpha() and chunk not in listed else shaped(chunk)
        if not words:
            places.append(len(found))
            asked.append(chunk)
        found.append(words)
    for place, words in zip(places, _ask(asked), strict=True):
        found[place] = words
    return found


def _cut_by_shape(chunk: str) -> list[str]:
    """The words of a chunk of a common shape; none when spaCy must be asked."""
    if (match := _shape().fullmatch(chunk)) is None:
        return RUN.findall(chunk) if len(chunk) > LONGEST_CHUNK else []
    before, letters, hyphened, digits, after = match.groups()
    known = _known()
    # spaCy looks a chunk up without the marks at its ends: one part that no rule knows is enough.
    if letters is not None:
        words, ends = [letters], (letters[0] + letters[-2:]).translate(_kinds)
        unknown = (letters if letters.isalpha() else APOSTROPHE.split(letters)[-1]) not in known
    elif hyphened is not None:
        words, ends = HYPHEN.split(hyphened), (hyphened[0] + hyphened[-2:]).translate(_kinds)
        unknown = known.isdisjoint(words)
    else:
        words, ends = [digits], "777"
        unknown = not known.issuperset(DIGITS.findall(digits))
    if not unknown:
        return []
    if before:
        *ahead, joined = _ahead[before + ends[0]]
        words = [*ahead, joined + words[0], *words[1:]]
    if after:
        joined, *behind = _behind[ends[1:] + after]
        words = [*words[:-1], words[-1] + joined, *behind]
    return words


class _Kinds(dict[int, str]):
    """Code point -> a letter of its kind: to spaCy's rules some are lower case, upper case, both or none of it."""

    def __missing__(self, code: int) -> str:
        from spacy.lang.char_classes import ALPHA, ALPHA_LOWER, ALPHA_UPPER

        kind = tuple(bool(re.match(f"[{some}]", chr(code))) for some in (ALPHA, ALPHA_LOWER, ALPHA_UPPER))
        self[code] = KINDS[kind]
        return self[code]


class _Ahead(dict[str, list[str]]):
    """Marks and the kind of letter behind them -> words, the last of which goes on with what is behind."""

    def __missing__(self, key: str) -> list[str]:
        middle = 4 * key[-1]
        *words, last = _ask([key[:-1] + middle])[0]
        return _remember(self, key, [*words, last.removesuffix(middle)])


class _Behind(dict[str, list[str]]):
    """The kinds of two letters and the marks behind them -> words, the first of which goes on with what is before."""

    def __missing__(self, key: str) -> list[str]:
        middle = 3 * key[0] + key[1]
        first, *words = _ask([middle + key[2:]])[0]
        return _remember(self, key, [first.removeprefix(middle), *words])


def _remember(ends: dict[str, list[str]], key: str, words: list[str]) -> list[str]:
    if len(ends) >= MOST_ENDS:
        ends.clear()
    ends[key] = words
    return words


_kinds, _ahead, _behind = _Kinds(), _Ahead(), _Behind()


def _ask(chunks: list[str]) -> list[list[str]]:
    """The words of each chunk by spaCy, in one text, where a line end keeps each apart from the next."""
    if not chunks:
        return []
    from spacy.attrs import LENGTH

    text = "\n".join(chunks)
    with english().memory_zone():  # in which spaCy forgets new strings again
        lengths = english().tokenizer(text).to_array([LENGTH])
    ends = np.cumsum(lengths).tolist()
    words: list[list[str]] = [[]]
    for begin, end in pairwise([0, *ends]):
        word = text[begin:end]
        if word == "\n":
            words.append([])
        else:
            words[-1].append(word)
    return words


@cache
def _letter() -> str:
    """The inside of a character class: the letters of every script."""
    return ranges([code for code in range(0x110000) if chr(code).isalpha()])


@cache
def _shape() -> re.Pattern[str]:
    """Marks, then letters, words with hyphens between, or a number, then marks."""
    letter, marks = _letter(), f"{IGNORED_SET}{SIGN_SET}"
    word, mark = f"[{letter}][{letter}{marks}]+", rf"[^\w\s{marks}]"
    return re.compile(
        rf"({mark}{{,8}})(?:((?:(?:{word}|[{letter}])['’])?{word})|([A-Za-z]{{2,}}(?:-[A-Za-z]{{2,}})+)|([0-9]+(?:[.,:][0-9]+)*))"
        rf"((?:['’][sS])?{mark}{{,8}})"
    )


@cache
def english() -> Any:
    """spaCy's blank English pipeline."""
    import spacy

    english: Any = spacy.blank("en")
    english.vocab.lex_attr_getters = {}  # of each new word: shape, prefix, like_url, ...; nothing we ask for
    english.tokenizer("\n")  # is remembered from here on: nothing else is in a memory zone
    return english


@cache
def _rules() -> frozenset[str]:
    """Chunks with a treatment of their own: don't, cannot, Mr., :-)"""
    return frozenset(english().tokenizer.rules)


@cache
def _known() -> frozenset[str]:
    """The letters and digits of the special rules, and those of currencies (US$)."""
    from spacy.lang.char_classes import LIST_CURRENCY

    run = re.compile(f"[{_letter()}]+|[0-9]+")
    return frozenset(part for rule in (*_rules(), *LIST_CURRENCY) for part in run.findall(rule))
