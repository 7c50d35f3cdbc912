"""`check_teacher`: whether the answers of a teacher are kept under a name that names all they depend on."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ablate.errors import AblateError
from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Question
from ablate.testing.contract import check_canonical, is_frozen, require, same, variations

MOST = 3
"""Values tried of a field: each is a round of questions."""
WAITING = ("concurrency", "batch")
"""Fields of every teacher that say how it is asked, and change no answer."""


def usual_questions() -> list[Question]:
    """Questions: short, long, of several scripts, one text asked under two keys."""
    texts = [
        "Water boils at 100 degrees.",
        "It rained. " * 400,
        "雨が降った。",
        "École, Straße, ברית",
        "Score: 5",
    ]
    return [Question(key=f"q{n}", text=text, max_tokens=50) for n, text in enumerate([*texts, texts[0]])]


def check_teacher(
    teacher: Teacher,
    *,
    questions: Sequence[Question] = (),
    values: Mapping[str, Sequence[object]] | None = None,
    aside: Sequence[str] = (),
) -> None:
    """Ask a teacher several times, with other values of its fields.

    Answers are kept under the teacher's identity, its settings and a question's key, and bought once. So where those
    stay, answers must; each must belong to its question, be the same after it was stored, and cost no more than was
    reserved for it. A teacher that asks a server is checked against one that stands in for it.

    Args:
        teacher: one that answers the same question the same way.
        questions: that it can answer; some usual ones where none are given.
        values: field -> values worth trying beside the usual ones.
        aside: fields that change no answer and are not to be tried, such as an address or how long to wait.
    Raises:
        ContractError: names the field, or the question, and what differs.
    """
    what, asked = type(teacher).__name__, list(questions or usual_questions())
    require(is_frozen(type(teacher)), f"{what} must be a frozen dataclass: its fields are its parameters")
    require(isinstance(teacher.name, str) and teacher.name, f"{what}.name must be a word")
    named = _named(teacher, asked)
    check_canonical(named, f"the identity of {what}")
    require(same(_named(teacher, asked), named), f"{what} has another identity the second time")
    teacher.check()
    answers = _ask(teacher, asked)
    for question, answer in zip(asked, answers, strict=True):
        _check_answer(teacher, question, answer)
    backwards = _ask(teacher, asked[::-1])[::-1]
    with ThreadPoolExecutor(4) as threads:
        alone = list(threads.map(lambda question: _ask(teacher, [question])[0], asked))
    for question, *several in zip(asked, answers, backwards, alone, strict=True):
        require(
            len({answer.text for answer in several}) == 1,
            f"{what} answers question {question.key} otherwise alone, in another order or from several threads",
        )
    tried: dict[str, int] = {}
    for name, value, changed in variations(teacher, values):
        if name in (*WAITING, *aside) or not same(_named(changed, asked), named):
            continue
        tried[name] = tried.get(name, 0) + 1
        if tried[name] > MOST + len((values or {}).get(name, ())):
            continue
        try:
            others = _ask(changed, asked)
        except AblateError:  # a value with which nothing is answered says nothing
            continue
        require(
            [other.text for other in others] == [answer.text for answer in answers],
            f"{what}.{name}={value!r} changes the answers, and identity and settings stay: those that the other value "
            "gave would be taken",
        )


def _named(teacher: Teacher, questions: Sequence[Question]) -> list[object]:
    return [teacher.identity(), *(teacher.settings(question.sampling) for question in questions)]


def _ask(teacher: Teacher, questions: Sequence[Question]) -> list[Answer]:
    answers: list[Answer] = []
    for first in range(0, len(questions), teacher.batch):
        batch = list(questions[first : first + teacher.batch])
        found = teacher.ask(batch)
        require(
            len(found) == len(batch) and all(isinstance(answer, Answer) for answer in found),
            f"{type(teacher).__name__}.ask was given {len(batch)} questions and must give as many answers, got {found!r:.80}",
        )
        answers += found
    return answers


def _check_answer(teacher: Teacher, question: Question, answer: Answer) -> None:
    what = f"the answer of {type(teacher).__name__} to question {question.key}"
    stored = Answer(**json.loads(json.dumps(dataclasses.asdict(answer))))
    require(stored == answer, f"{what} is not the same after it was stored")
    cost, most = teacher.cost(answer), teacher.most(question)
    require(
        math.isnan(cost) or (cost >= 0 and (math.isnan(most) or cost <= most)),
        f"{what} costs {cost:g}, and `most` reserved {most:g} for it: a cap on the cost would not hold",
    )
