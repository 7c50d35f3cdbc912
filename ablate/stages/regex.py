"""Drop, or keep, documents in which patterns of the user's own occur.

Patterns are those of the `regex` library, a superset of Python's `re`; flags stand in them, such as (?i) and (?m).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ablate.errors import ConfigError, DocumentError
from ablate.stages.base import Filter, Table, Verdict
from ablate.text.lines import plain_lines

SECONDS = 10.0
"""That one pattern may take on one document. Patterns such as (?:a|aa)+$ take time exponential in a text's length."""


@dataclass(frozen=True, kw_only=True)
class Regex(Filter):
    """Decide by how often patterns match, and how much of a document they match.

    Lines end in LF, without blanks before it, whatever ends they came with. Matches of nothing do not count.

    Attributes:
        patterns: regular expressions; a document's matches are those of all of them.
        on_match: "drop" documents that match, or "keep" only those.
        min_count: matches that a document needs to count as one that does.
        min_share: least share of its characters that stand in a match, in [0, 1].
    """

    name: ClassVar[str] = "regex"
    libraries: ClassVar[tuple[str, ...]] = ("regex",)
    decide_only: ClassVar[tuple[str, ...]] = ("on_match", "min_count", "min_share")
    counts: ClassVar[tuple[str, ...]] = ("matches",)
    patterns: tuple[str, ...] = ()
    on_match: str = "drop"
    min_count: int = 1
    min_share: float = 0.0

    def __post_init__(self) -> None:
        if self.on_match not in ("drop", "keep"):
            raise ValueError(f"on_match must be drop or keep, got {self.on_match!r}")
        if self.min_count < 1:
            raise ValueError(f"min_count must be 1 or more, got {self.min_count}")
        if not 0 <= self.min_share <= 1:
            raise ValueError(f"min_share must be in [0, 1], got {self.min_share}")
        for pattern in self.patterns:
            if _compiled(pattern).search(""):
                raise ValueError(
                    f"patterns: {pattern!r} matches the empty text, so every document; ask for a character"
                )

    def check(self) -> None:
        """Refuse a filter without a pattern: it would be taken for one without effect."""
        if not self.patterns:
            raise ConfigError("patterns: none is given, e.g. patterns=['(?i)lorem ipsum']")

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `matches`, int64, and `share` of the characters, float64.

        Raises:
            DocumentError: for a pattern that does not come to an end.
        """
        found = [self._found(plain_lines(text), position) for position, text in enumerate(texts)]
        return {
            "matches": np.array([count for count, _ in found], dtype=np.int64),
            "share": np.array([share for _, share in found], dtype=np.float64),
        }

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `match`, or `no_match`."""
        matches = (measured["matches"] >= self.min_count) & (measured["share"] >= self.min_share)
        return (
            Verdict.first_of(match=matches)
            if self.on_match == "drop"
            else Verdict.first_of(no_match=~matches)
        )

    def _found(self, text: str, position: int) -> tuple[int, float]:
        """How many matches, and the share of the text that stands in any."""
        spans = []
        for pattern in self.patterns:
            try:
                spans += [match.span() for match in _compiled(pattern).finditer(text, timeout=SECONDS)]
            except TimeoutError:
                raise DocumentError(
                    position,
                    f"pattern {pattern!r} found no end within {SECONDS:g} s on {len(text):,} characters; write it so that a "
                    "repetition can match a text in one way only, or possessive, (?:a|aa)++",
                ) from None
        spans = sorted((begin, end) for begin, end in spans if end > begin)
        covered = reached = 0
        for begin, end in spans:
            covered += max(0, end - max(begin, reached))
            reached = max(reached, end)
        return len(spans), covered / len(text) if text else 0.0


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import regex

    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(
            f"patterns: {pattern!r} is no regular expression: {error.msg} at position {error.pos}"
        ) from None
