"""The question that a document becomes: a rubric and the document's beginning; and the score that the answer states."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from ablate.errors import DataError
from ablate.fingerprint import digest
from ablate.label.score import parse_score
from ablate.plain import Plain
from ablate.reading.records import read_text
from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Question, Sampling

RUBRIC = Path(__file__).parent / "data" / "educational.txt"
PLACE = "{text}"


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


@runtime_checkable
class Grader(Protocol):
    """How a document is asked about, and what its answer says."""

    def question(self, document: Document) -> Question:
        """What is asked about a document."""
        ...

    def score(self, answer: Answer) -> float | None:
        """The score that an answer states, or None."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """A rubric for a language model that reads the beginning of a document.

    Attributes:
        prompt: text file with `{text}` where the document goes; null for our educational rubric, after
            FineWeb-Edu (Penedo et al. 2024, arXiv 2406.17557, section 4 and appendix F), in our own words.
        max_characters: of a document that are shown.
        max_tokens: of an answer.
        temperature: 0 for the likeliest answer; null where the model does not let one choose.
    """

    prompt: str | None = None
    max_characters: int = 4000
    max_tokens: int = 400
    temperature: float | None = 0.0

    def __post_init__(self) -> None:
        for name in ("max_characters", "max_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
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

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        return Sampling(temperature=self.temperature)

    def identity(self, teacher: Teacher) -> dict[str, Plain]:
        """The teacher, and a digest of the prompt with all that shapes question and answer."""
        if isinstance(teacher, Grader):
            return teacher.identity()
        asked = [self.template, self.max_characters, self.max_tokens, teacher.settings(self.sampling)]
        return teacher.identity() | {"prompt": digest(asked)}

    def excerpt(self, document: Document) -> str:
        """What is shown of a document."""
        return document.text[: self.max_characters]

    def question(self, document: Document) -> Question:
        """The prompt with the document in its place; named by the text shown, so that repeats of a text are asked for once."""
        shown = self.excerpt(document)
        key = hashlib.blake2b(shown.encode(), digest_size=16).hexdigest()
        text = self.template.replace(PLACE, shown)
        return Question(key=key, text=text, max_tokens=self.max_tokens, sampling=self.sampling)

    def score(self, answer: Answer) -> float | None:
        """The score that an answer states, or None."""
        return parse_score(answer.text)
