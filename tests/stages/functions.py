"""Functions that the tests of the stage `python` name."""

from __future__ import annotations


def longest_word(text: str) -> int | None:
    """Characters of the longest word; None without any."""
    return max(map(len, text.split()), default=None)


def has_full_stop(text: str) -> bool:
    """Whether a sentence ends."""
    return "." in text


def without_bars(text: str) -> str:
    """The text without the bars of a menu."""
    return text.replace(" | ", " ")


def word_counts(texts: list[str]) -> list[int]:
    """Words of each text."""
    return [len(text.split()) for text in texts]
