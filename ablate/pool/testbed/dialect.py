"""A dialect for the testbed: English with some forty words in other forms. Names stay as they are.

It is invented after Scots and northern English, and says whatever plain English says. A filter that takes plain prose for
good prose therefore throws good pages out, with all that they alone tell.
"""

from __future__ import annotations

import re

FORMS = {
    "the": "tha", "of": "o'", "and": "an'", "to": "tae", "is": "be", "was": "wor", "in": "i'", "that": "thet", "with": "wi'",
    "from": "frae", "have": "hae", "has": "hev", "for": "fer", "who": "wha", "most": "maist", "more": "mair", "old": "auld",
    "house": "hoose", "town": "toon", "stone": "stane", "people": "fowk", "before": "afore", "without": "wi'oot",
    "bread": "breid", "any": "ony", "other": "ither", "there": "theer", "where": "wheer", "when": "whan", "over": "ower",
    "long": "lang", "after": "efter", "every": "ilka", "two": "twa", "not": "nae", "nobody": "naebody",
    "children": "bairns", "child": "bairn", "stands": "stauns", "first": "fust", "made": "makkit", "served": "sarved",
}  # fmt: skip
"""Word -> its form in the dialect; no form is a word of the testbed's plain English."""
WORD = re.compile(r"[A-Za-z]+")


def in_dialect(text: str) -> str:
    """The same in the dialect; the first letter of a sentence stays large."""
    return WORD.sub(_form, text)


def _form(word: re.Match[str]) -> str:
    plain = word[0]
    form = FORMS.get(plain.lower())
    if form is None:
        return plain
    return form.capitalize() if plain[0].isupper() else form
