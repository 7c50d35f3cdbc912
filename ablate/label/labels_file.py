"""Teacher: a file of labels made elsewhere, by people or by a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, SupportsFloat, SupportsIndex

from ablate.errors import DataError, nearest
from ablate.fingerprint import digest
from ablate.label.rubric import Document
from ablate.plain import Plain
from ablate.reading.records import read_rows
from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Question


@dataclass(frozen=True, kw_only=True)
class LabelsFile(Teacher):
    """Looks labels up by a document's id.

    Attributes:
        path: of records: .jsonl, .csv, .parquet, ..., packed or not.
        id_column: names the document: the `id` of its origin where it has one, else the pool's key.
        score_column: a number.
    """

    name: ClassVar[str] = "labels_file"
    path: str
    id_column: str = "id"
    score_column: str = "score"
    batch: int = 100

    def identity(self) -> dict[str, Plain]:
        """By what the labels are, not where they lie."""
        return {"teacher": self.name, "labels": digest(self.scores)}

    def question(self, document: Document) -> Question:
        """Named by the document's id."""
        return Question(key=document.id, text="", max_tokens=1)

    def check(self) -> None:
        """The file must be readable."""
        _ = self.scores

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The labels as texts.

        Raises:
            DataError: for an id that the file does not have.
        """
        for question in questions:
            if question.key not in self.scores:
                raise DataError(
                    f"{self.path} has no label for document {question.key!r}: "
                    f"{nearest(question.key, list(self.scores)[:10_000])}. "
                    "Label it, or take it out of what is labelled (pool, recipe, label.sample)"
                )
        return [Answer(repr(self.scores[question.key])) for question in questions]

    def score(self, answer: Answer) -> float | None:
        """The number."""
        return float(answer.text)

    @cached_property
    def scores(self) -> dict[str, float]:
        """Id -> score."""
        found: dict[str, float] = {}
        for where, row in read_rows(self.path, "teacher.path"):
            for column in (self.id_column, self.score_column):
                if row.get(column) in (None, ""):
                    raise DataError(f"{where}: no {column!r}: {nearest(column, map(str, row))}")
            name, given = str(row[self.id_column]), row[self.score_column]
            try:
                if not isinstance(given, (str, bytes, SupportsFloat, SupportsIndex)):
                    raise TypeError
                score = float(given)
                if not math.isfinite(score):
                    raise ValueError
            except (TypeError, ValueError):
                raise DataError(
                    f"{where}: expected a number in {self.score_column!r}, got {row[self.score_column]!r}"
                ) from None
            if found.setdefault(name, score) != score:
                raise DataError(f"{where}: id {name!r} has two scores, {found[name]:g} and {score:g}")
        if not found:
            raise DataError(f"{self.path} holds no labels")
        return found
