"""Normal form: short cuts and hashes made of many texts at once give what the definition gives."""

from __future__ import annotations

import re
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.text import running_hash, text_norm
from ablate.text.text_norm import (
    gram_hashes,
    grams_up_to,
    normal_text,
    normal_word,
    word_hashes,
    word_hashes_many,
    word_spans,
    words,
)

PIECES = ["The", "the", "THE", "école", "e\u0301cole", "\u0301", "12", "1,234.5", ".5", "7.", ",", "_", "a_b", "x\u0302\u0301y", "1\u03012", "ß", "ΟΔΟΣ", "οδος",
          "²", "½a", "٣٤", "한국어", "日本", "か\u3099", "क़", "\u0929", "कि\u094d\u200dष", "ที่", "ကြောင်း", "\u064e", "كِتـاب", "\u05d0\u05b0", "\u0928\u093c", "\u1112\u1161\u11ab", "\u200d", "\u200b", "\ufe0f", "İstanbul", "ISTANBUL", "\ud800", "\x00", " ", "\n", "-", "’s", "😀", "ﬁ", "Ⅷ"]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXTS, max_size=6))
@example(["", "", "a"])
@example(["12.", "5"])  # a number does not go on in the next text
def test_hashes_stand_for_the_words_of_each_text(texts: list[str]) -> None:
    hashes, bounds = word_hashes_many(texts)
    expected = [words(text) for text in texts]
    assert np.diff(bounds).tolist() == [len(some) for some in expected]
    named: dict[str, int] = {}
    for word, number in zip([word for some in expected for word in some], hashes.tolist(), strict=True):
        assert named.setdefault(word, number) == number, word
    assert len(set(named.values())) == len(named)
    for number, text in enumerate(texts):
        np.testing.assert_array_equal(word_hashes(text), hashes[bounds[number] : bounds[number + 1]])
        assert len(word_spans(text)) == len(expected[number])


def test_long_texts_are_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Ein Wort, 1.234,5 mal e\u0301te\u0301 " * 50 + "x" * 300 + " und. Ende"
    whole = word_hashes(text)
    for batch in (1, 7, 64):
        monkeypatch.setattr(running_hash, "BATCH", batch)
        hashes, bounds = word_hashes_many(["kurz", text, "", "1.", "2"])
        np.testing.assert_array_equal(hashes[1:-2], whole)
        assert np.diff(bounds).tolist() == [1, whole.size, 0, 1, 1]


def test_a_code_point_is_what_the_pattern_takes_it_for() -> None:
    """Every code point between two letters, and between two digits."""
    points = [chr(number) for number in range(sys.maxunicode + 1)]
    for left, right in ("ab", "12"):
        joined = "\n".join(f"{left}{point}{right}" for point in points if point != "\n")
        assert word_hashes(joined).size == len(text_norm.WORD.findall(joined))


def test_normal_form_is_lower_case_without_accents() -> None:
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if letter.isalpha() and letter != "\u0640":  # which only draws out a word
            plain = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", letter.lower()))
            if len(plain) == 1:
                assert normal_word(letter) == plain.replace("ς", "σ")
    assert words("Émile’s ΟΔΟΣ, 1.5%") == ["emile", "s", "οδοσ", "0"]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_equal_grams_have_equal_hashes(n: int) -> None:
    text = "to be or not to be or not to be that is the question to be"
    listed = text.split()
    grams = [tuple(listed[i : i + n]) for i in range(len(listed) - n + 1)]
    hashes = gram_hashes(text, n).tolist()
    assert len(hashes) == len(grams) and len(set(hashes)) == len(set(grams))
    assert len(set(zip(grams, hashes, strict=True))) == len(set(grams))
    assert dict(grams_up_to(text, n))[n].tolist() == hashes
    assert gram_hashes("to be", 3).size == 0


def test_word_order_counts_in_grams_and_letter_order_in_words() -> None:
    assert len(set(gram_hashes("a b a", 2).tolist())) == 2
    assert len(set(word_hashes("abc acb bac bca cab cba aabc abcc").tolist())) == 8


ODD = "aB3.,_- \n\u00a0\u0301\u00e9\u00bd\u0661\u00df\u0130\u03a3\u03c3\x1c\u2028\u4e2dz\U0001f600"


def test_words_by_hand() -> None:
    assert words("Caf\u00e9 no. 1,234.5 isn't\tBIG_thing2") == [
        "cafe",
        "no",
        "0",
        "isn",
        "t",
        "big",
        "thing",
        "0",
    ]


@given(st.text() | st.text(ODD) | st.text(ODD).map(lambda text: text * 40))
def test_the_short_cut_gives_the_same_words(text: str) -> None:
    assert normal_text(text) == " ".join(words(text))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = text_norm._Remembered()
    monkeypatch.setattr(text_norm._Remembered, "most", 10)
    for number in range(1000):
        assert memory[f"Word{number}"] == "word 0"
        assert len(memory) <= 10
    assert memory["x" * 65] == "x" * 65 and "x" * 65 not in memory
