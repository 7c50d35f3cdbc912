"""What a teacher is: something that answers questions, and can say what names its answers and what they cost."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.errors import ConfigError
from ablate.plain import Plain
from ablate.teacher.question import Answer, Form, Question, Sampling


@dataclass(frozen=True, kw_only=True)
class Teacher(ABC):
    """Answers questions. Built from a `conf/teacher/*.yaml`.

    Attributes:
        name: which kind of teacher.
        takes: the fields of `Sampling` that it can be given; it draws by the others as it will.
        forms: the forms of a question that it understands.
        concurrency: batches asked at the same time.
        batch: questions asked together.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[tuple[Form, ...]] = ("chat",)
    concurrency: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        for name in ("concurrency", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")

    @abstractmethod
    def identity(self) -> dict[str, Plain]:
        """Return what names it: the same identity, settings and question give an answer that need not be bought again."""

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """Whatever else than question and identity shapes an answer."""
        return {name: value for name, value in sampling.given().items() if name in self.takes}

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return one answer for each question; called from several threads.

        Raises:
            NoAnswer: when these questions got none.
            AblateError: when no question would get one.
        """

    def check(self) -> None:
        """Raise what would go wrong with every question, such as a missing key, before any is asked."""
        return

    def check_form(self, form: Form, where: str) -> None:
        """Raise ConfigError for a form that it does not understand; `where` is the key that asks for it."""
        if form not in self.forms:
            raise ConfigError(
                f"{where}={form}: teacher {self.name} only understands {', '.join(self.forms)}; give {where}={self.forms[0]} "
                "(and a prompt that reads well so), or another teacher"
            )

    def stop(self) -> None:
        """Make waiting `ask` calls give up soon."""
        return

    def cost(self, answer: Answer) -> float:
        """What an answer cost; NaN where that is not known."""
        return 0.0

    def most(self, question: Question) -> float:
        """What an answer can cost at most; NaN where that is not known."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Model(Teacher):
    """A language model that is charged by the token.

    Attributes:
        model: its name, or where it lies.
        price_input, price_output: per million tokens, in the currency of `max_cost`; null if unknown.
    """

    model: str
    price_input: float | None = None
    price_output: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("price_input", "price_output"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must be 0 or more, got {value}")

    def identity(self) -> dict[str, Plain]:
        """Return the kind of teacher and the model."""
        return {"teacher": self.name, "model": self.model}

    def cost(self, answer: Answer) -> float:
        """By the tokens that the answer says it used."""
        if answer.input_tokens is None or answer.output_tokens is None:
            return math.nan
        return self._price(answer.input_tokens, answer.output_tokens)

    def most(self, question: Question) -> float:
        """As if each byte of the question were a token, and the answer as long as allowed."""
        return self._price(len(question.text.encode("utf-8", "replace")) + 100, question.max_tokens)

    def _price(self, input_tokens: int, output_tokens: int) -> float:
        if self.price_input is None or self.price_output is None:
            return math.nan
        return (input_tokens * self.price_input + output_tokens * self.price_output) / 1e6
