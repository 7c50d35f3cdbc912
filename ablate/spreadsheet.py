"""Names in a CSV that a spreadsheet would take for a formula.

Excel and others compute a cell that begins with = + - or @ (also behind a tab or a carriage return), so an arm named `=cmd|...` could run
a program. As OWASP has it ("CSV Injection"), such a text gets an apostrophe before it; numbers stay as they are.
"""

from __future__ import annotations

import re

NUMERIC = re.compile(r"[+-][\d.,eE+±%°*\[\]() -]*")
"""A number with its sign, interval, error or mark: digits alone run nothing."""


def cell_text(text: str) -> str:
    """A text as a cell of a CSV, with an apostrophe before what would be a formula.

    Line breaks of all systems become one, since Python's writer does not quote a carriage return alone.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text[:1] in ("=", "@", "\t", "\n") or (text[:1] in ("+", "-") and not NUMERIC.fullmatch(text)):
        return f"'{text}"
    return text
