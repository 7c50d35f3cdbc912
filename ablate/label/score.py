"""The score in a teacher's answer; an answer without a clear one has none."""

from __future__ import annotations

import re

HIGHEST = 5
STATED = re.compile(
    r"""score[s"'*_\s]*[:=][\s"'*_<(\[]*   # Educational score: **4**, "score": 4, Score: <4>
        (?P<points>[+-]?\d+(?:[.,]\d+)?)
        (?P<more>\s*(?:/\s*\d+|[-–—]\s*\d+|\s+(?:to|or|out\ of)\s+\d+))?""",
    re.IGNORECASE | re.VERBOSE,
)
BARE = re.compile(r"[\s*_]*(?P<points>\d+)[\s*_.]*")
OUT_OF_FIVE = re.compile(r"\s*(?:/|out of)\s*5")


def parse_score(answer: str) -> float | None:
    """The whole number from 0 to 5 that an answer ends on, as in `Score: 4` or `Educational score: 4/5`.

    The last statement of a score counts; an answer that is nothing but a number counts as one.

    Returns:
        None when no score is stated, or when it is a range, a fraction, or out of the scale: nothing is
        rounded or guessed.
    """
    if bare := BARE.fullmatch(answer):
        return _on_scale(bare["points"])
    stated = list(STATED.finditer(answer))
    if not stated:
        return None
    more = stated[-1]["more"]
    if more and not OUT_OF_FIVE.fullmatch(more):
        return None
    return _on_scale(stated[-1]["points"])


def _on_scale(points: str) -> float | None:
    value = float(points.replace(",", "."))
    return value if value.is_integer() and 0 <= value <= HIGHEST else None
