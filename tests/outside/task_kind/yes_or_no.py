"""A task kind of one's own: questions about a passage that are answered by yes or no (BoolQ)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.benchmarks.task_kind import Asked, TaskKind, a_text, choice
from ablate.reading.records import Row


@dataclass(frozen=True, kw_only=True)
class YesOrNo(TaskKind):
    """A passage, a question, and whether its answer is yes.

    Attributes:
        positive, negative: the two endings of the prompt.
    """

    fields: ClassVar = ("passage", "question", "answer")
    positive: str = "yes"
    negative: str = "no"

    def read(self, row: Row) -> Asked:
        """Ask which of the two ends the question likelier."""
        if not isinstance(row["answer"], bool):
            raise ValueError(f"answer must be true or false, got {row['answer']!r}")
        passage, question = a_text("passage", row["passage"]), a_text("question", row["question"])
        return choice(
            f"{passage}\nQuestion: {question}?\nAnswer:", [self.negative, self.positive], int(row["answer"])
        )
