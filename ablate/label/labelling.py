"""Label documents: ask for what is not known yet, within a budget, and keep every answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ablate.errors import ConfigError
from ablate.label.rubric import Document, Grader, Rubric
from ablate.progress import watch
from ablate.teacher.asking import Asking
from ablate.teacher.base import Teacher
from ablate.teacher.journal import open_journal
from ablate.teacher.question import Answer


class Summary(TypedDict):
    """Counts of labelling.

    Attributes:
        documents: to be labelled; `answered` of them have an answer, `labelled` a score, `failed` none, and
            `not_asked` were left out (`stopped_by_max_cost`).
        unparsed, unparsed_share: answers that state no score; the share is None where there is no answer.
        new_answers: that this call asked for.
        distribution: score -> documents.
        input_tokens, output_tokens: of all answers.
        cost: None where it is not known.
        answers_lost, answers_without_usage: counted at their most.
        failures: document id -> why it got no answer.
    """

    documents: int
    answered: int
    labelled: int
    unparsed: int
    unparsed_share: float | None
    failed: int
    not_asked: int
    stopped_by_max_cost: bool
    new_answers: int
    distribution: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost: float | None
    answers_lost: int
    answers_without_usage: int
    failures: dict[str, str]


@dataclass(frozen=True)
class Labelling:
    """What came of labelling.

    Attributes:
        answers: of each document in order, or None where there is none.
        scores: that the answers state; None for an answer that states none, and without an answer.
        failures: document id -> why it got no answer.
        asked: answers that this call added.
        cost: of all answers used, those of earlier calls included; NaN without prices. Lost ones count at their most.
        lost: answers that did not arrive whole and may have been charged for.
        unmetered: answers without usage numbers, whose cost is taken at its upper bound.
        capped: the budget ended it.
    """

    answers: tuple[Answer | None, ...]
    scores: tuple[float | None, ...]
    failures: dict[str, str]
    asked: int
    cost: float
    lost: int
    unmetered: int
    capped: bool

    def summary(self) -> Summary:
        """Counts, label distribution, share that could not be parsed, tokens and cost; plain data."""
        answered = [answer for answer in self.answers if answer is not None]
        counts = Counter(score for score in self.scores if score is not None)
        unparsed = len(answered) - counts.total()
        return {
            "documents": len(self.answers),
            "answered": len(answered),
            "labelled": counts.total(),
            "unparsed": unparsed,
            "unparsed_share": unparsed / len(answered) if answered else None,
            "failed": len(self.failures),
            "not_asked": len(self.answers) - len(answered) - len(self.failures),
            "stopped_by_max_cost": self.capped,
            "new_answers": self.asked,
            "distribution": {f"{score:g}": counts[score] for score in sorted(counts)},
            "input_tokens": sum(answer.input_tokens or 0 for answer in answered),
            "output_tokens": sum(answer.output_tokens or 0 for answer in answered),
            "cost": None if math.isnan(self.cost) else self.cost,
            "answers_lost": self.lost,
            "answers_without_usage": self.unmetered,
            "failures": self.failures,
        }


def label_documents(
    documents: Sequence[Document],
    teacher: Teacher,
    folder: Path,
    max_cost: float | None = None,
    rubric: Rubric | None = None,
) -> Labelling:
    """Label documents, asking only for answers that `folder` does not hold yet.

    Answers are written the moment they arrive, and `max_cost` is kept however many times this is called, see `Asking`.

    Args:
        folder: of this teacher's answers.
        max_cost: of all answers used, in the currency of the teacher's prices.
        rubric: what is asked; None for ours. A teacher that is a grader itself goes by its own.
    Raises:
        ConfigError: when there is a `max_cost` but no price.
        AblateError: when the teacher refuses everything, or has had no answer, or none with a score, many
            times in a row.
    """
    grader: Grader = teacher if isinstance(teacher, Grader) else rubric or Rubric()
    teacher.check()
    questions = [grader.question(document) for document in documents]
    if max_cost is not None and questions and math.isnan(teacher.most(questions[0])):
        raise ConfigError("label.max_cost needs prices: give teacher.price_input and teacher.price_output")

    def useless(answer: Answer) -> str | None:
        if grader.score(answer) is not None:
            return None
        return (
            f"state no score; the last: {answer.text[-200:]!r}. Does the prompt ask to end with 'Score: <0 to 5>', and is "
            "label.max_tokens enough to get there?"
        )

    with open_journal(folder) as journal:
        known = len(journal.answers)
        asking = Asking(teacher, journal, math.inf if max_cost is None else max_cost, useless)
        todo = {question.key for question in questions} - set(journal.answers)
        with watch(lambda: len(journal.answers) - known, len(todo), "labelling", "doc"):
            answers = tuple(asking.ask(questions))
        return Labelling(
            answers,
            tuple(None if answer is None else grader.score(answer) for answer in answers),
            {
                document.id: asking.failures[question.key]
                for document, question in reversed(list(zip(documents, questions, strict=True)))
                if question.key in asking.failures
            },
            len(journal.answers) - known,
            asking.spent,
            asking.lost,
            asking.unmetered,
            asking.capped,
        )
