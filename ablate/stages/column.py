"""Keep documents by a column that came with them: a score, a language, a count, a label.

Published corpora ship what their own classifiers said of each page (FineWeb-Edu's `score`, FineWeb's `language_score`,
DCLM's `fasttext_..._prob`), so that their filter can be measured without running them. Columns named as such corpora
name them stand in `conf/stages/columns`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.errors import ConfigError, DocumentError, FieldError, nearest
from ablate.plain import Plain
from ablate.stages.base import Table, Verdict
from ablate.stages.thresholds import Scored, scores

OWN = ("language", "source", "url", "kind")
"""Columns that every pool has; all others are what the files said beside the text."""
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?inf", re.IGNORECASE)
SHOWN = 60
"""Characters of a value, and names of columns, in messages."""
Value = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Column(Scored):
    """Keep a document by its value in a column: a number by bounds or rank, or any value by membership in a set.

    A document without the column, with an empty text in it, null or NaN has no value. Text that reads as a number is
    one, since CSV has no others; in sets, 3, 3.0 and "3" are equal, and true is "true".

    Attributes:
        column: name of it, as in the files; `language`, `source`, `url` and `kind` are the pool's own.
        keep: values that are kept; empty for no such rule. Not together with a rule for numbers.
        drop: values that are dropped, likewise.
    """

    name: ClassVar[str] = "column"
    decide_only: ClassVar[tuple[str, ...]] = (*Scored.decide_only, "keep", "drop")
    column: str | None = None
    keep: tuple[Value, ...] = ()
    drop: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cuts and (self.keep or self.drop):
            raise ValueError(
                "keep and drop take values as they are, and min, max and keep_fraction take them as numbers: give "
                "rules of one kind here, and the others to a second stage"
            )
        if self.column in ("text", "key", "metadata"):
            raise ValueError(f"column: {self.column!r} is no value of a document that can be chosen by")

    @property
    def reads(self) -> str:  # type: ignore[override]  # of a class elsewhere; here it depends on the column
        """The pool's column that holds this one."""
        return self.column if self.column in OWN else "metadata"

    def check(self) -> None:
        """Refuse a stage without a column or a rule."""
        if self.column is None:
            raise ConfigError("column: no column is named, e.g. column=score")
        if not (self.cuts or self.keep or self.drop):
            raise ConfigError("column: no rule is given; give min, max, keep_fraction, keep or drop")

    def check_fields(self, fields: Iterable[str]) -> None:
        """Refuse a pool of which no document has the column."""
        if self.column in OWN or self.column is None:
            return
        there = []
        for name in fields:
            if name == self.column:
                return
            there.append(name)
        listed = ", ".join([*sorted(there)[:SHOWN], *OWN])
        raise FieldError(
            f"column: no document of the pool has {self.column!r}: {nearest(self.column, there)} (columns: {listed}). "
            "Numbers, true or false and texts up to 500 characters are taken from the files, lists and mappings are not"
        )

    def slow_identity(self) -> dict[str, Plain]:
        """Return whether values are read as numbers or as they are; the rule does not count."""
        return super().slow_identity() | {"as": "values" if self.keep or self.drop else "numbers"}

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `score` (float64) or `value` (uint64, a hash), and `missing`, int64.

        Raises:
            DocumentError: for a value that is no number where one is wanted.
        """
        found = [self._value(said) for said in texts]
        if not (self.keep or self.drop):
            return scores([self._number(value, position) for position, value in enumerate(found)])
        return {
            "value": np.array([_code(value) for value in found], dtype=np.uint64),
            "missing": np.array([value is None for value in found], dtype=np.int64),
        }

    def decide(self, measured: Table) -> Verdict:
        """Decide as `Scored`; of sets, drop for reasons `missing`, `not_listed`, `listed`."""
        if not (self.keep or self.drop):
            return super().decide(measured)
        missing = measured["missing"] > 0
        listed = [
            np.isin(measured["value"], np.array([_code(value) for value in values], dtype=np.uint64))
            for values in (self.keep, self.drop)
        ]
        return Verdict.first_of(
            missing=missing & (self.missing == "drop"),
            not_listed=~listed[0] & ~missing & bool(self.keep),
            listed=listed[1] & ~missing,
        )

    def _value(self, said: str) -> Value | None:
        """A document's value; `said` is the pool's column."""
        value: Value | None = said if self.column in OWN else json.loads(said).get(self.column)
        empty = value == "" or (isinstance(value, float) and math.isnan(value))
        return None if empty else value

    def _number(self, value: Value | None, position: int) -> float:
        if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")):
            return math.nan
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
            return float(value)
        if isinstance(value, (bool, str)):
            shown = json.dumps(value, ensure_ascii=False)[:SHOWN]
            raise DocumentError(
                position, f"{self.column} must be a number, got {shown}; choose values with keep or drop"
            )
        try:
            return float(value)
        except OverflowError:  # a whole number beyond 1.8e308 compares like an infinity
            return math.inf if value > 0 else -math.inf


def _code(value: Value | None) -> int:
    """64 bits of a value's text."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))
    else:
        text = "" if value is None else str(value)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
