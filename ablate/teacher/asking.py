"""Ask questions: what is not known yet, within a budget, several at a time, each answer kept the moment it arrives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from ablate.errors import AblateError
from ablate.store import say
from ablate.teacher.background import begin
from ablate.teacher.base import Teacher
from ablate.teacher.journal import Journal
from ablate.teacher.question import REFUSED, Answer, NoAnswer, Question

FAILURES_IN_A_ROW = 10
"""Questions without an answer, one after another, after which no more are asked."""
USELESS_IN_A_ROW = 20
"""Answers of no use, one after another, after which no more are paid for."""


class Asking:
    """Asks one teacher, and counts what that costs.

    A question is only asked when what its answer can cost at most still fits into the budget, so that is kept however often
    questions are asked. An answer that was lost on the way (a time-out) may have been charged for and counts at its most: for
    good where the question got an answer in the end, else in this process.

    Args:
        teacher: who is asked.
        journal: of its answers.
        max_cost: of all answers used; infinite for no cap.
        useless: why an answer is of no use, or None; after many in a row asking ends.
        refusals: keep the word of a teacher that refuses a question for good as an answer without text; on disk once it has
            answered any.

    Attributes:
        spent: cost of all answers used, earlier ones included; NaN without prices.
        unmetered: answers without usage, whose cost is taken at its most.
        lost: answers that did not arrive whole.
        capped: the budget ended it.
        failures: key of a question -> why it has no answer.
    """

    def __init__(
        self,
        teacher: Teacher,
        journal: Journal,
        max_cost: float,
        useless: Callable[[Answer], str | None],
        *,
        refusals: bool = False,
    ) -> None:
        self.teacher, self.journal, self.max_cost = teacher, journal, max_cost
        self.spent, self.unmetered, self.lost, self.capped = 0.0, 0, 0, False
        self.failures: dict[str, str] = {}
        self._useless, self._refusals = useless, refusals
        self._in_a_row = self._useless_in_a_row = 0
        self._pending: dict[Future[list[Answer]], tuple[list[Question], float]] = {}
        self._paid: set[str] = set()

    def ask(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The answer to each question; None where it got none, or the budget ends.

        Questions of one key are asked once. Those that are asked together are the same whatever is known already.

        Raises:
            AblateError: when the teacher refuses everything, or many questions in a row got no answer or none of use.
        """
        unique = list({question.key: question for question in reversed(questions)}.values())[::-1]
        for question in unique:
            if question.key in self.journal.answers:
                self._pay(question, self.journal.answers[question.key])
        try:
            for batch in _batches(unique, self.teacher.batch):
                unknown = [question for question in batch if question.key not in self.journal.answers]
                if not unknown:
                    continue
                most = sum(self.teacher.most(question) for question in batch)
                while self._pending and (self._full() or not self._affordable(most)):
                    self._collect()
                if not self._affordable(most):
                    self.capped = True
                    break
                self._pending[begin(partial(self._ask, batch))] = (unknown, most)
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
        return [self.journal.answers.get(question.key) for question in questions]

    def _pay(self, question: Question, answer: Answer) -> None:
        if question.key in self._paid:
            return
        self._paid.add(question.key)
        if answer.finish_reason == REFUSED:
            return
        cost = self.teacher.cost(answer)
        if math.isnan(cost):
            self.unmetered += answer.input_tokens is None or answer.output_tokens is None
            cost = self.teacher.most(question)
        self.spent += cost
        self._lose([question], answer.lost)

    def _lose(self, questions: Sequence[Question], times: int) -> None:
        """Count answers that did not arrive, each at its most."""
        if times:
            self.lost += times * len(questions)
            self.spent += times * sum(self.teacher.most(question) for question in questions)

    def _ask(self, batch: list[Question]) -> list[Answer]:
        try:
            answers = self.teacher.ask(batch)
        except NoAnswer as refusal:
            if not (self._refusals and refusal.refused and len(batch) == 1):
                raise
            answers = [Answer("", lost=refusal.lost, finish_reason=REFUSED)]
            # Of a teacher that has answered nothing yet, the cause may be another than the question, and be mended.
            if all(answer.finish_reason == REFUSED for answer in list(self.journal.answers.values())):
                self.journal.answers.setdefault(batch[0].key, answers[0])
                return answers
        self.journal.add_all({question.key: answer for question, answer in zip(batch, answers, strict=True)})
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
            why = None
            try:
                future.result()
                for question in batch:
                    answer = self.journal.answers[question.key]
                    self._pay(question, answer)
                    why = self._useless(answer)
                    self._useless_in_a_row = 0 if why is None else self._useless_in_a_row + 1
                self._in_a_row = 0
            except NoAnswer as error:
                self._lose(batch, error.lost)
                self.failures |= dict.fromkeys((question.key for question in batch), str(error))
                self._in_a_row += len(batch)
                if self._in_a_row >= FAILURES_IN_A_ROW:
                    raise AblateError(
                        f"{self._in_a_row} questions in a row got no answer; the last: {error}. "
                        "What was answered is kept; mend the cause and run the same command again"
                    ) from error
            if why is not None and self._useless_in_a_row >= USELESS_IN_A_ROW:
                raise AblateError(
                    f"{self._useless_in_a_row} answers in a row {why} Run the same command again to go on all the same"
                )


def _batches(questions: Sequence[Question], size: int) -> Iterator[list[Question]]:
    for first in range(0, len(questions), size):
        yield list(questions[first : first + size])
