"""`check_teacher`: whether the labels of a teacher are kept under a name that names all they depend on."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ablate.errors import AblateError
from ablate.label.teacher import Answer, Document, Teacher
from ablate.testing.contract import check_canonical, is_frozen, require, same, variations

MOST = 3
"""Values tried of a field: each is a round of questions."""
WAITING = ("concurrency", "batch")
"""Fields of every teacher that say how it is asked, and change no answer."""


def usual_documents() -> list[Document]:
    """Documents to be labelled: short, long, of several scripts, one text under two names."""
    texts = [
        "Water boils at 100 degrees.",
        "It rained. " * 400,
        "雨が降った。",
        "École, Straße, ברית",
        "{text} Score: 5",
    ]
    return [Document(f"d{number}", text) for number, text in enumerate([*texts, texts[0]])]


def check_teacher(
    teacher: Teacher,
    *,
    documents: Sequence[Document] = (),
    values: Mapping[str, Sequence[object]] | None = None,
    aside: Sequence[str] = (),
) -> None:
    """Ask a teacher several times, with other values of its fields.

    Answers are kept under the teacher's identity and a document's key, and bought once. So where both stay, answers
    must; each must belong to its document, be read the same after it was stored, and cost no more than was
    reserved for it. A teacher that asks a server is checked against one that stands in for it.

    Args:
        teacher: one that answers the same question the same way.
        documents: that it knows; some usual ones where none are given.
        values: field -> values worth trying beside the usual ones.
        aside: fields that change no answer and are not to be tried, such as an address or how long to wait.
    Raises:
        ContractError: names the field, or the document, and what differs.
    """
    what, asked = type(teacher).__name__, list(documents or usual_documents())
    require(
        is_frozen(type(teacher)),
        f"{what} must be a frozen dataclass: its fields are its parameters",
    )
    require(isinstance(teacher.name, str) and teacher.name, f"{what}.name must be a word")
    require(
        teacher.concurrency >= 1 and teacher.batch >= 1,
        f"{what} must ask one document and one batch at least",
    )
    check_canonical(teacher.identity(), f"the identity of {what}")
    require(same(teacher.identity(), teacher.identity()), f"{what} has another identity the second time")
    teacher.check()
    keys = [teacher.key(document) for document in asked]
    for document, key in zip(asked, keys, strict=True):
        require(isinstance(key, str) and key, f"{what}.key must give a text, got {key!r:.60}")
        require(
            teacher.key(document) == key, f"{what} names document {document.id} otherwise the second time"
        )
    answers = _ask(teacher, asked)
    for document, answer in zip(asked, answers, strict=True):
        _check_answer(teacher, document, answer)
    by_key: dict[str, str] = {}
    for document, key, answer in zip(asked, keys, answers, strict=True):
        require(
            by_key.setdefault(key, answer.text) == answer.text,
            f"{what} gives document {document.id} the key of another one, and another answer: one of the two would be lost",
        )
    backwards = _ask(teacher, asked[::-1])[::-1]
    with ThreadPoolExecutor(4) as threads:
        alone = list(threads.map(lambda document: _ask(teacher, [document])[0], asked))
    for document, *several in zip(asked, answers, backwards, alone, strict=True):
        require(
            len({answer.text for answer in several}) == 1,
            f"{what} answers document {document.id} otherwise alone, in another order or from several threads",
        )
    identity, aside = teacher.identity(), (*WAITING, *aside)
    tried: dict[str, int] = {}
    for name, value, changed in variations(teacher, values):
        if name in aside or not same(changed.identity(), identity):
            continue
        tried[name] = tried.get(name, 0) + 1
        if tried[name] > MOST + len((values or {}).get(name, ())):
            continue
        if [changed.key(document) for document in asked] != keys:
            continue
        try:
            others = _ask(changed, asked)
        except AblateError:  # a value with which nothing is answered says nothing
            continue
        told = [(answer.text, changed.score(answer)) for answer in others]
        require(
            same(told, [(answer.text, teacher.score(answer)) for answer in answers]),
            f"{what}.{name}={value!r} changes the labels, and identity and keys stay: those that the other value gave "
            "would be taken",
        )


def _ask(teacher: Teacher, documents: Sequence[Document]) -> list[Answer]:
    answers: list[Answer] = []
    for first in range(0, len(documents), teacher.batch):
        batch = list(documents[first : first + teacher.batch])
        found = teacher.ask(batch)
        require(
            len(found) == len(batch) and all(isinstance(answer, Answer) for answer in found),
            f"{type(teacher).__name__}.ask was given {len(batch)} documents and must give as many answers, got {found!r:.80}",
        )
        answers += found
    return answers


def _check_answer(teacher: Teacher, document: Document, answer: Answer) -> None:
    what = f"the answer of {type(teacher).__name__} to document {document.id}"
    require(isinstance(answer.text, str), f"{what} must be a text, got {answer.text!r:.60}")
    for name in ("input_tokens", "output_tokens"):
        count = getattr(answer, name)
        require(
            count is None or (type(count) is int and count >= 0),
            f"{what}: {name} must be a count, got {count!r}",
        )
    stored = Answer(**json.loads(json.dumps(dataclasses.asdict(answer))))
    require(stored == answer, f"{what} is not the same after it was stored")
    score = teacher.score(answer)
    require(score is None or math.isfinite(score), f"{what} must state a number or none, got {score!r}")
    cost, most = teacher.cost(answer), teacher.most(document)
    require(
        (math.isnan(cost) or cost >= 0) and (math.isnan(cost) or math.isnan(most) or cost <= most),
        f"{what} costs {cost:g}, and `most` reserved {most:g} for it: label.max_cost would not hold",
    )
