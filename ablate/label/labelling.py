"""Label documents: ask for what is not known yet, within a budget, and keep every answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, ConfigError
from ablate.label.background import begin
from ablate.label.journal import Journal, open_journal
from ablate.label.teacher import Answer, Document, NoAnswer, Teacher
from ablate.progress import watch
from ablate.store import say

FAILURES_IN_A_ROW = 10
"""Documents without an answer, one after another, after which labelling stops."""
UNSCORED_IN_A_ROW = 20
"""Answers without a score, one after another, after which no more are paid for."""


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

    def summary(self) -> dict[str, Any]:
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
    documents: Sequence[Document], teacher: Teacher, folder: Path, max_cost: float | None = None
) -> Labelling:
    """Label documents, asking only for answers that `folder` does not hold yet.

    Answers are written the moment they arrive. A question is only asked when what it can cost at most
    still fits, so `max_cost` is kept however many times this is called. An answer that was lost on the way (a
    time-out) may have been charged for and counts at its most: for good where the document got an answer in
    the end, else in this call.

    Args:
        folder: of this teacher's answers.
        max_cost: of all answers used, in the currency of the teacher's prices.
    Raises:
        ConfigError: when there is a `max_cost` but no price.
        AblateError: when the teacher refuses everything, or has had no answer, or none with a score, many
            times in a row.
    """
    teacher.check()
    if max_cost is not None and documents and math.isnan(teacher.most(documents[0])):
        raise ConfigError("label.max_cost needs prices: give teacher.price_input and teacher.price_output")
    with open_journal(folder) as journal:
        wanted = {teacher.key(document): document for document in reversed(documents)}
        known = len(journal.answers)
        run = _Run(teacher, journal, math.inf if max_cost is None else max_cost)
        for key, document in wanted.items():
            if key in journal.answers:
                run.pay(document, journal.answers[key])
        todo = [wanted[key] for key in reversed(wanted) if key not in journal.answers]
        with watch(lambda: len(journal.answers) - known, len(todo), "labelling", "doc"):
            run.ask(todo)
        answers = tuple(journal.answers.get(teacher.key(document)) for document in documents)
        return Labelling(
            answers,
            tuple(None if answer is None else teacher.score(answer) for answer in answers),
            run.failures,
            len(journal.answers) - known,
            run.spent,
            run.lost,
            run.unmetered,
            run.capped,
        )


class _Run:
    """The state of one call."""

    def __init__(self, teacher: Teacher, journal: Journal, max_cost: float) -> None:
        self.teacher, self.journal, self.max_cost = teacher, journal, max_cost
        self.spent, self.unmetered, self.lost, self.capped = 0.0, 0, 0, False
        self.failures: dict[str, str] = {}
        self._in_a_row = self._unscored = 0
        self._pending: dict[Future[list[Answer]], tuple[list[Document], float]] = {}

    def pay(self, document: Document, answer: Answer) -> None:
        """Count an answer's cost."""
        cost = self.teacher.cost(answer)
        if math.isnan(cost):
            self.unmetered += answer.input_tokens is None or answer.output_tokens is None
            cost = self.teacher.most(document)
        self.spent += cost
        self.lose([document], answer.lost)

    def lose(self, documents: Sequence[Document], times: int) -> None:
        """Count answers that did not arrive, each at its most."""
        if times:
            self.lost += times * len(documents)
            self.spent += times * sum(self.teacher.most(document) for document in documents)

    def ask(self, documents: Sequence[Document]) -> None:
        """Ask for all that the budget allows."""
        try:
            for batch in _batches(documents, self.teacher.batch):
                most = sum(self.teacher.most(document) for document in batch)
                while self._pending and (self._full() or not self._affordable(most)):
                    self._collect()
                if not self._affordable(most):
                    self.capped = True
                    break
                self._pending[begin(partial(self._ask, batch))] = (batch, most)
            while self._pending:
                self._collect()
        except BaseException:
            self.teacher.stop()
            # Questions already on their way are paid for: their answers are waited for and kept.
            if asked := sum(not future.done() for future in self._pending):
                say(
                    f"stopping: {asked} answers that are on their way are waited for; Ctrl-C leaves without them"
                )
            wait(self._pending)
            raise

    def _ask(self, batch: list[Document]) -> list[Answer]:
        answers = self.teacher.ask(batch)
        for document, answer in zip(batch, answers, strict=True):
            self.journal.add(self.teacher.key(document), answer)
        return answers

    def _full(self) -> bool:
        return len(self._pending) >= self.teacher.concurrency

    def _affordable(self, most: float) -> bool:
        # Without prices costs are NaN, and there is no budget to keep.
        promised = sum(reserved for _, reserved in self._pending.values())
        return not self.spent + promised + most > self.max_cost

    def _collect(self) -> None:
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in done:
            batch, _ = self._pending.pop(future)
            try:
                for document, answer in zip(batch, future.result(), strict=True):
                    self.pay(document, answer)
                    self._unscored = self._unscored + 1 if self.teacher.score(answer) is None else 0
                self._in_a_row = 0
            except NoAnswer as error:
                self.lose(batch, error.lost)
                self.failures |= dict.fromkeys((document.id for document in batch), str(error))
                self._in_a_row += len(batch)
                if self._in_a_row >= FAILURES_IN_A_ROW:
                    raise AblateError(
                        f"{self._in_a_row} documents in a row got no answer; the last: {error}. "
                        "What was answered is kept; mend the cause and run the same command again"
                    ) from error
            if self._unscored >= UNSCORED_IN_A_ROW:
                raise AblateError(
                    f"{self._unscored} answers in a row state no score; the last: {answer.text[-200:]!r}. Does the "
                    "prompt ask to end with 'Score: <0 to 5>', and is teacher.max_tokens enough to get there? "
                    "Run the same command again to go on all the same"
                )


def _batches(documents: Sequence[Document], size: int) -> Iterator[list[Document]]:
    for first in range(0, len(documents), size):
        yield list(documents[first : first + size])
