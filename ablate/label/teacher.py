"""What a teacher is: something that scores documents; the ones that are asked with a prompt."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ablate.errors import AblateError, DataError
from ablate.fingerprint import digest
from ablate.label.score import parse_score
from ablate.reading.records import read_text

RUBRIC = Path(__file__).parent / "data" / "educational.txt"
PLACE = "{text}"
MOST_TOKENS = 10**9
"""No answer reads or writes more; a number beyond is no count."""


@dataclass(frozen=True)
class Document:
    """A document to be labelled.

    Attributes:
        id: the origin's own, or the pool's key.
        text: as the classifier will see it.
        url: address, or "".
    """

    id: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Answer:
    """What a teacher said about a document.

    Attributes:
        text: the answer as it came.
        input_tokens, output_tokens: what was charged for; None where the teacher does not say, or says what is
            no count (a text, a fraction, below 0, beyond `MOST_TOKENS`).
        lost: earlier answers to the same question that did not arrive whole and may have been charged for.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    lost: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"text is {type(self.text).__name__}")
        for name in ("input_tokens", "output_tokens"):
            object.__setattr__(self, name, _count(getattr(self, name)))
        object.__setattr__(self, "lost", _count(self.lost) or 0)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


class NoAnswer(AblateError):
    """A teacher has no answer for one document; the others may go on.

    Attributes:
        lost: answers that did not arrive whole and may have been charged for.
    """

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost


@dataclass(frozen=True, kw_only=True)
class Teacher(ABC):
    """Scores documents from 0 to 5. Built from a `conf/teacher/*.yaml`.

    Attributes:
        name: which kind of teacher.
        concurrency: batches asked at the same time.
        batch: documents in one question.
    """

    name: ClassVar[str]
    concurrency: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        for name in ("concurrency", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What names its answers: the same identity and document give a label that need not be bought again."""

    @abstractmethod
    def key(self, document: Document) -> str:
        """What names a document to this teacher."""

    @abstractmethod
    def ask(self, documents: Sequence[Document]) -> list[Answer]:
        """One answer for each document; called from several threads.

        Raises:
            NoAnswer: when these documents got none.
            AblateError: when no document would get one.
        """

    def score(self, answer: Answer) -> float | None:
        """The score that an answer states, or None."""
        return parse_score(answer.text)

    def check(self) -> None:
        """Raise what would go wrong with every document, such as a missing key, before any is asked for."""
        return

    def stop(self) -> None:
        """Make waiting `ask` calls give up soon."""
        return

    def cost(self, answer: Answer) -> float:
        """What an answer cost; NaN where that is not known."""
        return 0.0

    def most(self, document: Document) -> float:
        """What an answer can cost at most; NaN where that is not known."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Prompted(Teacher):
    """A language model that reads a rubric and the beginning of a document.

    Attributes:
        model: its name, or its folder.
        prompt: text file with `{text}` where the document goes; null for our educational rubric, after
            FineWeb-Edu (Penedo et al. 2024, arXiv 2406.17557, section 4 and appendix F), in our own words.
        max_characters: of a document that are shown.
        max_tokens: of an answer.
        price_input, price_output: per million tokens, in the currency of `label.max_cost`; null if unknown.
    """

    model: str
    prompt: str | None = None
    max_characters: int = 4000
    max_tokens: int = 400
    price_input: float | None = None
    price_output: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (
            ("max_characters", 1),
            ("max_tokens", 1),
            ("price_input", 0),
            ("price_output", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")
        if PLACE not in self.template:
            raise ValueError(f"prompt: {self.prompt} has no {PLACE}, the place where the document goes")

    @cached_property
    def template(self) -> str:
        """The prompt file's text."""
        path = Path(self.prompt) if self.prompt else RUBRIC
        try:
            return read_text(path, "prompt")
        except DataError as error:
            raise ValueError(str(error)) from error

    def settings(self) -> dict[str, Any]:
        """Whatever else shapes an answer."""
        return {}

    def identity(self) -> dict[str, Any]:
        """The model, and a digest of the prompt with all that shapes the question."""
        prompt = [self.template, self.max_characters, self.max_tokens, self.settings()]
        return {"teacher": self.name, "model": self.model, "prompt": digest(prompt)}

    def excerpt(self, document: Document) -> str:
        """What is shown of a document."""
        return document.text[: self.max_characters]

    def key(self, document: Document) -> str:
        """By the text shown, so that repeats of a text are asked for once."""
        return hashlib.blake2b(self.excerpt(document).encode(), digest_size=16).hexdigest()

    def question(self, document: Document) -> str:
        """The prompt with the document in its place."""
        return self.template.replace(PLACE, self.excerpt(document))

    def cost(self, answer: Answer) -> float:
        """By the tokens that the answer says it used."""
        if answer.input_tokens is None or answer.output_tokens is None:
            return math.nan
        return self._price(answer.input_tokens, answer.output_tokens)

    def most(self, document: Document) -> float:
        """As if each byte of the question were a token, and the answer as long as allowed."""
        return self._price(len(self.question(document).encode()) + 100, self.max_tokens)

    def _price(self, input_tokens: int, output_tokens: int) -> float:
        if self.price_input is None or self.price_output is None:
            return math.nan
        return (input_tokens * self.price_input + output_tokens * self.price_output) / 1e6
