"""A function of the user's own as a stage: text in; true or false, a score or another text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, TypeVar

import numpy as np

from ablate.errors import ConfigError, DocumentError
from ablate.fingerprint import library_versions
from ablate.plain import Plain
from ablate.stages.base import Step, Table, Transform, Verdict
from ablate.stages.thresholds import Scored, scores
from ablate.stages.user_function import Function, check_function, load

T = TypeVar("T")
GIVES = ("keep", "score", "text")
AGAIN = 4
"""Texts of each batch that the function is given a second time."""


@dataclass(frozen=True, kw_only=True)
class Python(Scored):
    """Keep documents by what a function says of their text, or rewrite them by it.

    The function must say the same of the same text whenever and wherever it is asked. Some texts of each batch are
    given to it twice, and a function that says something else is refused.

    Attributes:
        function: `path/to/file.py:name`, or `package.module:name` of something installed. The source counts for
            identity, its place does not. A file stands alone: it imports what is installed, no file beside it.
        gives: "keep" (true or false), "score" (a number, or None where there is none; `min`, `max` and
            `keep_fraction` decide) or "text".
        batched: whether it takes a list of texts and gives a list as long.
        uses: distributions, as pip names them, that it imports: their versions are part of identity.
    """

    name: ClassVar[str] = "python"
    function: str | None = None
    gives: str = "score"
    batched: bool = False
    uses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gives not in GIVES:
            raise ValueError(f"gives must be one of {', '.join(GIVES)}, got {self.gives!r}")
        if self.gives != "score" and self.cuts:
            raise ValueError(f"min, max and keep_fraction are for gives=score, got gives={self.gives}")

    def check(self) -> None:
        """Require that the function can be loaded, says what it imports, and says the same twice and in another process."""
        check_function(self._function, self.uses)
        if self.gives == "score":
            super().check()

    def parameters(self) -> dict[str, Plain]:
        """Name the function by its name and source."""
        return super().parameters() | {"function": self._function.identity()}

    def versions(self) -> dict[str, str]:
        """Return versions of what the function uses."""
        return library_versions(self.uses)

    def steps(self) -> tuple[Step, ...]:
        """Return a filter, or a transform."""
        if self.gives != "text":
            return (self,)
        return (PythonText(function=self.function, batched=self.batched, uses=self.uses),)

    def removes_documents(self) -> bool:
        """Tell whether it drops documents: not where it rewrites."""
        return self.gives != "text"

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `score` (float64; of "keep" 1 and 0) and `missing`."""
        return scores(_twice(self._function, texts, self._score))

    def decide(self, measured: Table) -> Verdict:
        """Decide as `Scored`; of "keep", drop for reason `not_kept`."""
        if self.gives == "keep":
            return Verdict.first_of(not_kept=measured["score"] == 0)
        return super().decide(measured)

    def _score(self, value: Any, position: int) -> float:
        is_bool = isinstance(value, (bool, np.bool_))
        if self.gives == "keep" and is_bool:
            return float(value)
        if self.gives == "score" and not is_bool:
            if value is None:
                return math.nan
            if isinstance(value, Real):
                return float(value)
        wanted = "true or false" if self.gives == "keep" else "a number or None"
        raise DocumentError(
            position, f"{self.function} gave {value!r:.60}, expected {wanted} (gives={self.gives})"
        )

    @property
    def _function(self) -> Function:
        return _function_of(self)


@dataclass(frozen=True, kw_only=True)
class PythonText(Transform):
    """The transform of `Python`."""

    name: ClassVar[str] = "python"
    function: str | None
    batched: bool
    uses: tuple[str, ...]

    def parameters(self) -> dict[str, Plain]:
        """Name the function by its name and source."""
        return super().parameters() | {"function": _function_of(self).identity()}

    def versions(self) -> dict[str, str]:
        """Return versions of what the function uses."""
        return library_versions(self.uses)

    def transform_many(self, texts: Sequence[str]) -> list[str]:
        """Return what the function makes of each."""
        return _twice(_function_of(self), texts, self._text)

    def _text(self, value: Any, position: int) -> str:
        if not isinstance(value, str):
            raise DocumentError(position, f"{self.function} gave {value!r:.60}, expected a text (gives=text)")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DocumentError(
                position, f"{self.function} gave a text that UTF-8 cannot hold (a lone surrogate)"
            ) from None
        return value


def _function_of(stage: Python | PythonText) -> Function:
    if stage.function is None:
        raise ConfigError("function: none is given, e.g. function=my_stages.py:is_prose")
    return load(stage.function, batched=stage.batched)


def _twice(function: Function, texts: Sequence[str], read: Callable[[Any, int], T]) -> list[T]:
    """What a function says of each text; some are asked about again, the last first.

    Args:
        read: of an answer and its place; refuses one of the wrong type.
    """
    said = [read(value, place) for place, value in enumerate(function(texts))]
    some = range(0, len(texts), max(1, len(texts) // AGAIN))[::-1]
    for place, value in zip(some, function([texts[place] for place in some], some), strict=True):
        again = read(value, place)
        if repr(again) != repr(said[place]):
            raise DocumentError(
                place,
                f"{function.named} is not deterministic: it gave {said[place]!r:.60}, and of the same text {again!r:.60}. "
                "What it gives must depend on the text alone: no random numbers, clock, or memory of other texts",
            )
    return said
