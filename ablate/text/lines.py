"""Lines, cut in one way wherever a rule speaks of them.

A line ends where Unicode's newline guidelines (The Unicode Standard, section 5.8) and `str.splitlines` say: LF,
CR, CR LF, VT, FF, FS, GS, RS, NEL, U+2028 and U+2029, the last of which ends a line like the others. Neither how
a line ends nor blanks at its end are content, so a line of blanks is an empty one. Texts are measured in this
form; what a model is trained on keeps the line ends that it came with.
"""

from __future__ import annotations

import re

ONE_END = r"(?>\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])"
"""Pattern of one line end; CR LF is never taken apart."""
LINE_END = re.compile(ONE_END)


def plain_lines(text: str) -> str:
    """The text with LF as its line ends and without blanks before them or at its end; often the text itself."""
    plain = "\n".join(map(str.rstrip, text.splitlines()))
    return f"{plain}\n" if text[-1:].splitlines() == [""] else plain


def line_ends(text: str) -> int:
    """How many line ends stand in a text."""
    return len(LINE_END.findall(text))


def one_line(text: str) -> str:
    """A text as one line that fastText reads whole: it ends a line at a word `</s>` of its own accord."""
    return " ".join(word for word in text.replace("\0", " ").split() if word != "</s>")
