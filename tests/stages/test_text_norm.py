"""The normal form of a text: the short cut gives what the definition gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.stages import text_norm
from ablate.stages.text_norm import normal_text, words

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
