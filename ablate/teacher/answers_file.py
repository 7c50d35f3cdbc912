"""Teacher: answers that were given elsewhere or before; nothing is asked of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ablate.errors import ConfigError, DataError, nearest
from ablate.fingerprint import digest, file_digest
from ablate.plain import Plain
from ablate.reading.records import Place, Row, read_rows
from ablate.store import JOURNAL, read_json
from ablate.teacher.base import Teacher
from ablate.teacher.journal import read_answers
from ablate.teacher.question import Answer, Form, NoAnswer, Question, Sampling

IDENTITY = "identity.json"


@dataclass(frozen=True, kw_only=True)
class AnswersFile(Teacher):
    """Looks answers up: in a folder of a generation's answers by the question's key, or in a file by the question's text.

    A folder with `answers.jsonl` and the `identity.json` that `ablate generate` keeps beside it stands for the teacher that
    gave the answers, weights included, so it gives the same documents as that teacher, without it.

    Attributes:
        path: that folder; or a file of records: .jsonl, .csv, .parquet, ..., packed or not.
        question_column, answer_column: of a file: the whole text asked, and the answer.
        model: of a file: who answered, for the documents' provenance.
    """

    name: ClassVar[str] = "answers_file"
    takes: ClassVar[tuple[str, ...]] = (
        "temperature", "top_p", "top_k", "presence_penalty", "repetition_penalty", "stop",
    )  # fmt: skip
    forms: ClassVar[tuple[Form, ...]] = ("chat", "completion")
    path: str
    question_column: str = "question"
    answer_column: str = "answer"
    model: str | None = None
    batch: int = 100

    @cached_property
    def recorded(self) -> dict[str, Any] | None:
        """What a folder says of its answers; None for a file.

        Raises:
            DataError: for a folder that no generation was kept in.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            return None
        for name in (JOURNAL, IDENTITY):
            if not (folder / name).is_file():
                raise DataError(
                    f"teacher.path: {folder} has no {name}; expected a folder of answers of `ablate generate`"
                )
        found = read_json(folder / IDENTITY)
        if not isinstance(found, dict) or not isinstance(found.get("teacher"), dict):
            raise DataError(f"{folder / IDENTITY} does not say which teacher answered")
        return found

    def identity(self) -> dict[str, Plain]:
        """Of the teacher that answered; of a file, its content, and its columns where they are not the usual ones."""
        if self.recorded is not None:
            teacher: dict[str, Any] = self.recorded["teacher"]
            return teacher
        columns = (self.question_column, self.answer_column)
        others: dict[str, Plain] = {} if columns == ("question", "answer") else {"columns": list(columns)}
        return {
            "teacher": self.name,
            "model": self.model or "unknown",
            "answers": file_digest(self.path),
            **others,
        }

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """As recorded; of a file nothing is known."""
        return dict(self.recorded["settings"]) if self.recorded is not None else {}

    def check(self) -> None:
        """Answers must be readable."""
        _ = self._by_key if self.recorded is not None else self._by_text

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers as they were given.

        Raises:
            NoAnswer: for a question that is not among them.
        """
        found = []
        for question in questions:
            answer = (
                self._by_key.get(question.key)
                if self.recorded is not None
                else self._by_text.get(question.text)
            )
            if answer is None:
                raise NoAnswer(
                    f"{self.path} has no answer to the question {question.text[-80:]!r}; it was made by another recipe, with "
                    "other parameters or from other seeds, or holds fewer questions"
                )
            found.append(answer)
        return found

    @cached_property
    def _by_key(self) -> dict[str, Answer]:
        answers, _ = read_answers(Path(self.path) / JOURNAL)
        return answers

    def _text(self, place: Place, row: Row, column: str) -> str:
        text = row.get(column)
        if not isinstance(text, str):
            raise DataError(f"{place}: no text in {column!r}: {nearest(column, map(str, row))}")
        return text

    @cached_property
    def _by_text(self) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for place, row in read_rows(self.path, "teacher.path"):
            question, said = (
                self._text(place, row, name) for name in (self.question_column, self.answer_column)
            )
            why = row.get("finish_reason")
            answer = Answer(said, finish_reason=why if isinstance(why, str) else None)
            if found.setdefault(question, answer) != answer:
                raise DataError(f"{place}: a question has two answers; keep one")
        if not found:
            raise ConfigError(f"path: {self.path} holds no answers")
        return found


def named(identity: dict[str, Any]) -> str:
    """A short name of a teacher for tables: its kind and model, or what stands for it."""
    return " ".join(str(identity[name]) for name in ("teacher", "model") if identity.get(name)) or digest(
        identity
    )
