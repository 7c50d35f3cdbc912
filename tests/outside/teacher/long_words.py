"""A teacher of one's own: a rule that counts long words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Question


@dataclass(frozen=True, kw_only=True)
class LongWords(Teacher):
    """Gives a point for each long word of a question, five at most.

    Attributes:
        letters: that make a word a long one.
    """

    name: ClassVar[str] = "long_words"
    letters: int = 7

    def identity(self) -> dict[str, Any]:
        """Its name and what counts as long."""
        return {"teacher": self.name, "letters": self.letters}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Count."""
        counts = [sum(len(word) >= self.letters for word in question.text.split()) for question in questions]
        return [Answer(f"Score: {min(5, count)}") for count in counts]
