"""What a recipe of generation is: it makes questions, is given their answers, and makes documents of those."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import yaml

from ablate.errors import DataError
from ablate.fingerprint import digest
from ablate.pool.digital_source import MODEL_MADE
from ablate.reading.records import read_text
from ablate.teacher.question import LENGTH, REFUSED, Answer, Form, Question, Sampling
from ablate.text.rouge import rouge_l, rouge_words

DATA = Path(__file__).parent / "data"
SEEDS_APART = 1_000_000
"""Questions of one `seed` before those of the next."""
ECHO = 0.8
"""ROUGE-L F between an answer and its question above which it only repeats it."""

Asks = Generator[list[Question], Sequence[Answer | None], None]
"""A recipe at work: yields questions that may be asked at the same time, is sent their answers in order (None where there is
none), and ends."""


@dataclass(frozen=True)
class Seed:
    """A text that a teacher is shown.

    Attributes:
        key: names it.
        text: all of it.
        task: of a seed task, its fields.
    """

    key: str
    text: str
    task: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """A document made of an answer, whatever is wrong with it.

    Attributes:
        text: of the document; "" for an answer without any.
        question: that was answered.
        part: the how-manieth item of its answer; the instances of one instruction share it.
        number: the how-manieth question.
        round: of a bootstrap.
        finish_reason: of the answer.
        defects: what is wrong with it, in the words of `digital_source.DEFECTS`.
        seeds: keys of what the teacher was shown.
        shown: those texts.
        compared: what of it is compared with them.
    """

    text: str
    question: str
    number: int
    part: int = 0
    round: int = 0
    finish_reason: str | None = None
    defects: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    compared: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """How texts are asked for. Built from a `conf/generate/*.yaml`.

    Attributes:
        name: documents have the source `synthetic/<name>`.
        needs: what `Seed`s are: "documents" of the pool, "tasks" of `seeds`, or "" for none.
        term: the digital source type of its documents.
        questions: how many are asked; more of them begin with fewer of them.
        seed: of all draws.
        prompts: YAML file with the texts that questions are made of; null for ours.
        max_tokens: of an answer.
        form: "chat" or "completion".
        sampling: how answers are drawn.
    """

    name: ClassVar[str]
    needs: ClassVar[str] = ""
    term: ClassVar[str] = MODEL_MADE
    questions: int = 100
    seed: int = 0
    prompts: str | None = None
    max_tokens: int = 1000
    form: Form = "chat"
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if not 1 <= self.questions <= SEEDS_APART:
            raise ValueError(f"questions must be in [1, {SEEDS_APART:,}], got {self.questions}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, got {self.max_tokens}")
        _ = self.texts

    @cached_property
    def texts(self) -> dict[str, Any]:
        """What the prompts' file holds: `prompt` and lists that are drawn from."""
        path = Path(self.prompts) if self.prompts else DATA / f"{self.name}.yaml"
        try:
            found = yaml.safe_load(read_text(path, "prompts"))
        except (DataError, yaml.YAMLError) as error:
            raise ValueError(f"prompts: {error}") from error
        ours = yaml.safe_load((DATA / f"{self.name}.yaml").read_text(encoding="utf-8"))
        lacking = sorted(set(ours) - set(found)) if isinstance(found, dict) else sorted(ours)
        if lacking or not isinstance(found, dict):
            raise ValueError(f"prompts: {path} lacks {', '.join(lacking)}; see {DATA / f'{self.name}.yaml'}")
        return found

    def identity(self) -> dict[str, Any]:
        """What names the way in which it asks, beside the questions themselves."""
        return {
            "recipe": self.name,
            "form": self.form,
            "max_tokens": self.max_tokens,
            "texts": digest(self.texts),
        }

    @abstractmethod
    def ask(self, seeds: Sequence[Seed], drafts: list[Draft]) -> Asks:
        """Ask, and add the documents to `drafts` in the order of the questions.

        Args:
            seeds: what may be shown, at least one where the recipe needs any.
        """

    def random(self, *parts: object) -> Random:
        """A generator of its own for each thing that is drawn."""
        return Random("\0".join(map(str, (self.name, self.seed, *parts))))

    def question(self, text: str, number: int, **changes: Any) -> Question:
        """The question `number`: named by its text, the number's seed and all that is changed."""
        seed = self.seed * SEEDS_APART + number
        asked = Question(
            key="", text=text, max_tokens=self.max_tokens, sampling=self.sampling, seed=seed, form=self.form
        )
        asked = replace(asked, **changes)
        name = digest(
            {
                "text": text,
                "seed": seed,
                **{k: v for k, v in changes.items() if k != "sampling"},
                **({"sampling": changes["sampling"].given()} if "sampling" in changes else {}),
            }
        )
        return replace(asked, key=name)


@dataclass(frozen=True, kw_only=True)
class OneByOne(Recipe):
    """A recipe whose questions do not depend on one another, with one document for each answer."""

    @abstractmethod
    def prompt(self, number: int, seeds: Sequence[Seed]) -> tuple[str, tuple[Seed, ...]]:
        """The text of question `number`, and what it shows."""

    def ask(self, seeds: Sequence[Seed], drafts: list[Draft]) -> Asks:
        """All questions at once."""
        made = [self.prompt(number, seeds) for number in range(self.questions)]
        questions = [self.question(text, number) for number, (text, _) in enumerate(made)]
        answers = yield questions
        for number, (question, (_, shown), answer) in enumerate(zip(questions, made, answers, strict=True)):
            if answer is not None:
                drafts.append(self.draft(number, question, answer, shown))

    def draft(self, number: int, question: Question, answer: Answer, shown: Sequence[Seed]) -> Draft:
        """The document of an answer."""
        text = answer.text.strip()
        return Draft(
            text,
            question.key,
            number,
            finish_reason=answer.finish_reason,
            defects=defects(question, answer),
            seeds=tuple(seed.key for seed in shown),
            shown=tuple(seed.text for seed in shown),
            compared=text,
        )

    def drawn(self, number: int, seeds: Sequence[Seed]) -> Seed:
        """The seed of question `number`: each once in their own order, then again and again in orders that are drawn."""
        round_, place = divmod(number, len(seeds))
        if not round_:
            return seeds[place]
        order = sorted(
            range(len(seeds)),
            key=lambda i: hashlib.blake2b(
                f"{self.seed} {round_} {seeds[i].key}".encode(), digest_size=8
            ).digest(),
        )
        return seeds[order[place]]


def defects(question: Question, answer: Answer) -> tuple[str, ...]:
    """What is wrong with an answer in prose, as far as only its maker can know."""
    text = answer.text.strip()
    if answer.finish_reason == REFUSED:
        return ("refused",)
    if not text:
        return ("empty",)
    found = []
    if answer.finish_reason == LENGTH:
        found.append("cut_off")
    if text[0] in "{[" or text.startswith("```"):
        found.append("unparsed")
    if echoes(question.text, text):
        found.append("echo")
    return tuple(found)


def echoes(question: str, text: str) -> bool:
    """Whether a text is its question, or as good as that."""
    asked, said = rouge_words(question), rouge_words(text)
    return rouge_l(asked, said) > ECHO


def fill(template: str, **values: str) -> str:
    """A template with {name} replaced by each value, whatever braces those have."""
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def extract(text: str, characters: int) -> str:
    """The beginning of a text, to the last blank within so many characters."""
    text = text.strip()
    if len(text) <= characters:
        return text
    head = text[:characters]
    return head[: head.rfind(" ")].rstrip() if " " in head else head
