"""Generate: ask what a recipe asks, within a budget, and write every answer as a document with its provenance."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError
from ablate.fingerprint import digest
from ablate.generate.recipe import Draft, Recipe, Seed
from ablate.pool.digital_source import RULE_MADE, TERM
from ablate.progress import watch
from ablate.reading.records import clean_text
from ablate.teacher.asking import Asking
from ablate.teacher.base import Teacher
from ablate.teacher.journal import Journal, open_journal
from ablate.teacher.question import REFUSED, Answer, Question
from ablate.text.model_text import is_refusal
from ablate.text.rouge import nearest, rouge_words

LONG = 50
"""Characters from which on the same answer again and again is no coincidence."""

NAMED_BY_WEIGHTS = ("local_model", "proxy")
"""Teachers on this machine, whose `model` is what names their weights, whatever their folder is called."""


@dataclass(frozen=True)
class Generation:
    """What came of generating.

    Attributes:
        rows: a line of `synthetic.jsonl` for each document, in the order of the questions.
        asked: questions that came up.
        answered: of those, the ones with an answer.
        new: answers that this call added.
        failures: key of a question -> why it got no answer; questions of one recipe may end alike.
        input_tokens, output_tokens: of all answers used.
        cost: of all answers used, those of earlier calls included; NaN without prices. Lost ones count at their most.
        lost: answers that did not arrive whole and may have been charged for.
        unmetered: answers without usage numbers, whose cost is taken at its upper bound.
        capped: the budget ended it.
    """

    rows: tuple[dict[str, Any], ...]
    asked: int
    answered: int
    new: int
    failures: dict[str, str]
    input_tokens: int
    output_tokens: int
    cost: float
    lost: int
    unmetered: int
    capped: bool

    @property
    def complete(self) -> bool:
        """Whether every question that came up has an answer."""
        return self.answered == self.asked

    def defects(self) -> dict[str, int]:
        """Defect -> documents that have it, the most frequent first; one document may have several."""
        counts = Counter(name for row in self.rows for name in row.get("defects", "").split())
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def identity(recipe: Recipe, teacher: Teacher) -> dict[str, Any]:
    """What names a folder of answers: who answers, how answers are drawn, and how questions are put."""
    return {"teacher": teacher.identity(), "settings": teacher.settings(recipe.sampling), **recipe.identity()}


def generate(
    recipe: Recipe,
    teacher: Teacher,
    seeds: Sequence[Seed],
    folder: Path,
    max_cost: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Generation:
    """Ask for what `folder` does not hold yet, and make documents of all answers.

    The documents depend on the recipe, the seeds and the answers alone: not on what was interrupted, on retries, or on how many
    questions were asked at a time. After a question without an answer, which later ones may depend on, no further round is asked.

    Args:
        seeds: what the teacher may be shown.
        folder: of these answers, see `identity`.
        max_cost: of all answers used, in the currency of the teacher's prices.
        say: is told what asking can cost, before anything is asked.
    Raises:
        ConfigError: when there is a `max_cost` but no price, or a price but no `max_cost`.
        AblateError: when the teacher refuses everything, or has had no answer, or none of use, many times in a row.
    """
    teacher.check()
    teacher.check_form(recipe.form, "generate.form")
    drafts: list[Draft] = []
    questions: dict[str, Question] = {}
    with open_journal(folder) as journal:
        known = len(journal.answers)
        asking = Asking(
            teacher, journal, math.inf if max_cost is None else max_cost, _Useless(), refusals=True
        )
        run, stopped = recipe.ask(seeds, drafts), False
        batch: list[Question] | None = next(run, None)
        if batch:
            _tell_cost(recipe, teacher, batch, journal, max_cost, say)
        while batch is not None:
            questions |= {question.key: question for question in batch}
            with watch(lambda: len(journal.answers) - known, len(batch), "generating", "question"):
                answers = (
                    [journal.answers.get(question.key) for question in batch]
                    if stopped
                    else asking.ask(batch)
                )
            stopped |= None in answers
            try:
                batch = run.send(answers)
            except StopIteration:
                batch = None
        used = [journal.answers[key] for key in questions if key in journal.answers]
        return Generation(
            _rows(recipe, teacher, drafts),
            len(questions),
            len(used),
            len(journal.answers) - known,
            dict(asking.failures),
            sum(answer.input_tokens or 0 for answer in used),
            sum(answer.output_tokens or 0 for answer in used),
            asking.spent,
            asking.lost,
            asking.unmetered,
            asking.capped,
        )


class _Useless:
    """Says of an answer that it is of no use: a refusal, nothing at all, or the one before it over again."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, answer: Answer) -> str | None:
        text = answer.text.strip()
        again, self._last = len(text) >= LONG and text == self._last, text
        if answer.finish_reason == REFUSED:
            return "were refused by the server: it does not take the questions. Look at what it says of one."
        if not text or is_refusal(text):
            return f"are refusals or have no text; the last: {text[:200]!r}. Is this the right model for generate.form?"
        return (
            f"are the same: {text[:200]!r}. Does the teacher draw at all (generate.sampling.temperature)?"
            if again
            else None
        )


def _tell_cost(
    recipe: Recipe,
    teacher: Teacher,
    batch: Sequence[Question],
    journal: Journal,
    max_cost: float | None,
    say: Callable[[str], None],
) -> None:
    """Say what asking can cost; refuse to ask a paid teacher without a cap."""
    unknown = [question for question in batch if question.key not in journal.answers]
    most = sum(teacher.most(question) for question in unknown)
    each = most / len(unknown) if unknown else 0.0
    if not unknown or each == 0:
        return
    if math.isnan(each):
        if max_cost is not None:
            raise ConfigError(
                "generate.max_cost needs prices: give teacher.price_input and teacher.price_output"
            )
        say(f"cost: {len(unknown):,} questions are asked; unknown, since the teacher has no prices")
        return
    ahead = (
        ""
        if len(batch) >= recipe.questions
        else f", and as much for each further {len(batch)} of {recipe.questions:,}"
    )
    told = f"at most {most:.4f} for the {len(unknown):,} questions to ask{ahead}"
    if max_cost is None:
        raise ConfigError(
            f"this teacher is paid: {told} (prices: {_prices(teacher)}). Nothing was asked; give generate.max_cost=<most to "
            "spend> to go on, and a smaller generate.questions to try it out"
        )
    say(
        f"cost: {told} (prices: {_prices(teacher)}); asking ends before generate.max_cost = {max_cost:g} is passed"
    )


def _prices(teacher: Teacher) -> str:
    prices = (getattr(teacher, "price_input", None), getattr(teacher, "price_output", None))
    return "{} and {} per million tokens read and written".format(*prices)


def _rows(recipe: Recipe, teacher: Teacher, drafts: Sequence[Draft]) -> tuple[dict[str, Any], ...]:
    """A line for each document; fields without a value are left out."""
    who = teacher.identity()
    local = who["teacher"] in NAMED_BY_WEIGHTS  # whoever holds its answers now
    said = {"teacher": who["teacher"] if local else f"{who['teacher']} {who.get('model', '')}".strip()}
    said |= {"weights": who["model"]} if local else {}
    prompt = digest({"settings": teacher.settings(recipe.sampling), **recipe.identity()})
    shown: dict[tuple[str, ...], list[list[str]]] = {}
    rows = []
    for draft in drafts:
        if draft.shown not in shown:
            shown[draft.shown] = [rouge_words(text) for text in draft.shown]
        overlap = nearest(draft.compared, shown[draft.shown]) if draft.shown and draft.compared else None
        row = {
            "text": clean_text(draft.text),
            "source": f"synthetic/{recipe.name}",
            TERM: RULE_MADE if who["teacher"] == "testbed" else recipe.term,
            "recipe": recipe.name,
            **said,
            "prompt": prompt,
            "question": draft.question,
            "number": draft.number,
            "part": draft.part,
            "seeds": " ".join(draft.seeds),
            "round": draft.round,
            "generation": 0,
            "finish_reason": draft.finish_reason,
            "defects": " ".join(draft.defects),
            "shown_overlap": overlap,
        }
        rows.append({name: value for name, value in row.items() if value not in (None, "") or name == "text"})
    return tuple(rows)


def lines(rows: Sequence[dict[str, Any]]) -> str:
    """`synthetic.jsonl`."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
