"""A small curated pool, and teachers that say what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from ablate.generate.recipe import Seed
from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Form, Question


@dataclass(frozen=True, kw_only=True)
class Scripted(Teacher):
    """Says what a function of the question gives; what is asked is written down."""

    name: ClassVar[str] = "scripted"
    forms: ClassVar[tuple[Form, ...]] = ("chat", "completion")
    says: Callable[[Question], Answer]
    asked: list[Question] = field(default_factory=list)
    price: float = 0.0

    def identity(self) -> dict[str, Any]:
        return {"teacher": self.name}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked.extend(questions)
        return [self.says(question) for question in questions]

    def most(self, question: Question) -> float:
        return self.price

    def cost(self, answer: Answer) -> float:
        return self.price / 2


@pytest.fixture(scope="session")
def seeds() -> list[Seed]:
    return [
        Seed(f"s{number}", f"Seed task number {number} is about the {word}.")
        for number, word in enumerate(
            ["river", "mill", "bridge", "market", "tower", "garden", "harbour", "school", "bakery", "forest"]
        )
    ]
