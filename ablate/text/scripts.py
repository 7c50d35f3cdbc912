"""What the characters of the world's scripts are to words: accents and points, vowel signs, scripts without blanks.

Names and ranges are those of the Unicode Standard 16; `Line_Break` is its Annex 14.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import category

import numpy as np

HAN, KANA, SOUTH_EAST = 1.5, 3.0, 4.0
"""Characters, with what stands on them, that say as much as a word of English: as many as the Universal Declaration
of Human Rights has in Chinese (1.5), Japanese (2.1, of which half kana), Thai, Lao, Khmer and Burmese (3.5 to 4.4)
for each of its English words."""
UNSPACED = (
    *(
        (first, end, HAN)
        for first, end in (
            (0x3005, 0x3008),
            (0x3021, 0x302A),
            (0x3038, 0x303D),
            (0x3400, 0x4DC0),
            (0x4E00, 0xA000),
            (0xF900, 0xFB00),
            (0x16FE0, 0x16FE4),
            (0x20000, 0x34000),  # Han
            (0x3100, 0x3130),
            (0x31A0, 0x31C0),  # Bopomofo
            (0xA000, 0xA4D0),
            (0x17000, 0x18D80),
            (0x1B170, 0x1B300),  # Yi; Tangut and Khitan; Nushu
        )
    ),
    *(
        (first, end, KANA)
        for first, end in (
            (0x3031, 0x3036),
            (0x3041, 0x3100),
            (0x31F0, 0x3200),
            (0xFF66, 0xFFA0),
            (0x1AFF0, 0x1B170),
        )
    ),
    *(
        (first, end, SOUTH_EAST)
        for first, end in (
            (0x0E00, 0x0F00),
            (0x1780, 0x1800),
            (0x19E0, 0x1A00),  # Thai and Lao; Khmer
            (0x1000, 0x10A0),
            (0xA9E0, 0xAA00),
            (0xAA60, 0xAA80),
            (0x116D0, 0x11700),  # Burmese
            (0x1950, 0x19E0),
            (0x1A20, 0x1AB0),
            (0xAA80, 0xAAE0),
            (0x11700, 0x11750),  # Tai Le to Tai Viet; Ahom
            (0x1B00, 0x1B80),
            (0x1BC0, 0x1C00),
            (0xA980, 0xA9E0),
            (0xAA00, 0xAA60),  # Balinese, Batak, Javanese, Cham
            (0x11000, 0x11080),
            (0x11300, 0x11400),
            (0x11900, 0x11960),
            (0x11EE0, 0x11F60),
            (0x16100, 0x16140),
        )
    ),
)
"""(first, end, characters to a word) of the scripts that are written without blanks between words: `Line_Break` SA, AK
or AS, ideographs and kana. Tibetan is not among them, for its tsheg parts syllables as a blank does."""
POINTS = (
    (0x0300, 0x0370), (0x0483, 0x048A), (0x1AB0, 0x1B00), (0x1DC0, 0x1E00), (0x20D0, 0x2100), (0x2CEF, 0x2CF2),
    (0xA66F, 0xA673), (0xFE20, 0xFE30),  # accents
    (0x0591, 0x05C8), (0xFB1E, 0xFB1F),  # Hebrew
    (0x0610, 0x061B), (0x064B, 0x0660), (0x0670, 0x0671), (0x06D6, 0x06EE), (0x0897, 0x0900),  # Arabic
    (0x0711, 0x0712), (0x0730, 0x074B),  # Syriac
    (0x180B, 0x1810), (0xFE00, 0xFE10), (0xE0100, 0xE01F0),  # variation selectors
    (0x1D000, 0x1DB00),  # music and sign writing
)  # fmt: skip
"""Where combining marks stand that a text may have or leave out: accents, Hebrew and Arabic points, variants."""
JOINERS = (0x0640, 0x180E, 0x200C, 0x200D)
"""What ties letters without being one: the Arabic stroke that lengthens a word, zero-width (non-)joiners."""


def ranges(codes: list[int]) -> str:
    """Code points, ascending, as the inside of a regular expression's set."""
    begins = [code for before, code in zip([-2, *codes], codes, strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -2], strict=True) if after != code + 1]
    return "".join(f"\\U{begin:08x}-\\U{end:08x}" for begin, end in zip(begins, ends, strict=True))


@cache
def marks() -> list[int]:
    """Combining marks (general category M), ascending."""
    places = (*range(0x20000), *range(0xE0100, 0xE01F0))  # there is none elsewhere
    return [code for code in places if category(chr(code))[0] == "M"]


def _points() -> list[int]:
    there = {code for first, end in POINTS for code in range(first, end)}
    return sorted({code for code in marks() if code in there}.union(JOINERS))


IGNORED = _points()
"""Marks and joiners that belong to the word whose letter they follow, and make no difference to it."""
SIGNS = sorted(set(marks()).difference(IGNORED))
"""The other marks: vowel signs, viramas, tone marks. To leave one out makes another word."""
IGNORED_SET, SIGN_SET = ranges(IGNORED), ranges(SIGNS)
"""The same, as the inside of a regular expression's set."""
UNSPACED_SET = "".join(f"\\U{first:08x}-\\U{end - 1:08x}" for first, end, _ in UNSPACED)
HAS_UNSPACED = re.compile(f"[{UNSPACED_SET}]")


@cache
def unspaced() -> np.ndarray:
    """Of every code point, the characters to a word of its script; 0 where words have blanks: shape (0x110000,)."""
    found = np.zeros(0x110000)
    for first, end, characters in UNSPACED:
        found[first:end] = characters
    return found
