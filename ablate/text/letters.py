"""Letters by script, for rules that must know where a word of ASCII ends beside another script.

In Python's regular expressions every letter and digit of every script is `\\w`, and no combining mark is; what
stands between ASCII and a Chinese or Cyrillic letter is no border to it. The sets here are the insides of
character classes: `[{LATIN}]`.
"""

from __future__ import annotations

import re
from unicodedata import category

from ablate.text.scripts import IGNORED_SET, SIGN_SET, ranges

LATIN_BLOCKS = (
    (0x00AA, 0x0250), (0x0250, 0x02B0), (0x0300, 0x0370), (0x1E00, 0x1F00), (0x2C60, 0x2C80), (0xA720, 0xA800),
    (0xAB30, 0xAB70), (0xFB00, 0xFB07),
)  # fmt: skip
"""Latin letters beyond ASCII, and the accents that combine with them."""
WIDE = dict(zip(range(0xFF10, 0xFF1A), range(0x30, 0x3A), strict=True)) | {
    wide: wide - 0xFEE0 for wide in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), *map(ord, "＠．＿－＋"))
}
"""Full-width letters, digits and the marks of addresses -> the same in ASCII, one character for one."""
HAS_WIDE = re.compile(f"[{''.join(map(chr, WIDE))}]")


def _is_letter(code: int) -> bool:
    return category(chr(code))[0] in "LM"


_LATIN = {code for block in LATIN_BLOCKS for code in range(*block) if _is_letter(code)}
LATIN = "A-Za-z" + ranges(sorted(_LATIN))
OTHER = ranges(
    [
        code
        for code in (
            *range(0x370, 0x10000),
            *range(0x10000, 0x14700),
            *range(0x1E000, 0x1F000),
            *range(0x20000, 0x34000),
        )
        if code not in _LATIN and code not in WIDE and _is_letter(code)
    ]
)
"""Letters and combining marks of every script but Latin."""
WORD = re.compile(rf"(?:[^\W_]|[{IGNORED_SET}{SIGN_SET}])+")
"""A word: letters and digits, with the marks that stand on them."""
