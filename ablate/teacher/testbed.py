"""Teacher: writes of the testbed's world with planted defects, and knows which; a control for gates, not a model.

What it writes is decided by the seed of a question, so truth can be told again at any time and is in no document's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import ClassVar

from ablate.fingerprint import LATER, naming_fields
from ablate.plain import Plain
from ablate.pool.testbed import prose
from ablate.pool.testbed.world import PHRASINGS, World
from ablate.teacher.base import Teacher
from ablate.teacher.question import LENGTH, STOP, Answer, Form, Question

FENCED = re.compile(r'"""\n(.*?)\n"""', re.DOTALL)
"""What a prompt shows."""
LISTED = re.compile(r"^\d+\. (.+)$", re.MULTILINE)
CONTINUES = re.compile(r"\n\d+\.\s*$")
"""How a prompt of completion ends that wants more tasks."""
SEEDS_APART = 1_000_000
BACK = 200
"""Questions before this one of which a near-copy may be made."""
KINDS = ("wrong", "malformed", "cut_off", "loop", "seed_copy", "near_copy", "refusal", "benchmark")
REFUSALS = (
    "I'm sorry, but I can't help with that request. Is there anything else you would like to know?",
    "As an AI language model, I am not able to write about this place.",
    "I cannot provide a text on this topic because I have no reliable information about it.",
)
TASKS = (
    "Name the {a} of {e} and say why it matters to the people there.",
    "Write a letter from {e} to a friend who has never heard of its {a}.",
    "Explain to a visitor of {e} what he should know about its {a}.",
    "Compare the {a} of {e} with that of the next town.",
    "Make a riddle whose answer is the {a} of {e}.",
    "Which {a} would you think of first if somebody spoke of {e}?",
    "List three questions about the {a} of {e} that children might ask.",
)


@dataclass(frozen=True, kw_only=True)
class PlantedDefects(Teacher):
    """Articles, or tasks where a list of tasks is to go on, with defects at known rates.

    Attributes:
        seed: of its draws.
        world_seed, towns, values, islands: the world that it writes of, see `World`.
        wrong: share of answers whose facts are wrong, which no form gives away.
        malformed: answers that are not of the kind asked for: structured data, the question again, nothing.
        cut_off: answers that end in the middle, as long as allowed.
        loop: answers that say one sentence again and again.
        seed_copy: answers that are the text shown, all but word for word; where none is shown they are as they should be.
        near_copy: answers that are one of the 200 before, with a word in twenty changed.
        refusal: answers that decline.
        benchmark: answers that recite questions of the testbed's benchmark `leaked`.
        misbelieved: share of the facts that it has wrong, each always in the same way: no vote among its answers mends that.
    """

    name: ClassVar[str] = "testbed"
    forms: ClassVar[tuple[Form, ...]] = ("chat", "completion")
    seed: int = 0
    world_seed: int = 0
    towns: int = 60
    values: int = 16
    islands: int = 40
    wrong: float = 0.2
    malformed: float = 0.05
    cut_off: float = 0.05
    loop: float = 0.1
    seed_copy: float = 0.1
    near_copy: float = 0.1
    refusal: float = 0.03
    benchmark: float = 0.02
    misbelieved: float = field(default=0.0, metadata=LATER)
    concurrency: int = field(default=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = {kind: getattr(self, kind) for kind in KINDS}
        for kind, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ValueError(f"{kind} must be in [0, 1], got {rate}")
        if sum(rates.values()) > 1:
            raise ValueError(f"wrong: the rates of {', '.join(KINDS)} must not add up to more than 1")
        if not 0 <= self.misbelieved <= 1:
            raise ValueError(f"misbelieved must be in [0, 1], got {self.misbelieved}")

    @cached_property
    def world(self) -> World:
        """What it knows, or believes to know."""
        world = World(self.world_seed, self.towns, self.values, self.islands)
        return (
            world.misbelieved(self.misbelieved, Random(f"beliefs {self.seed}")) if self.misbelieved else world
        )

    def identity(self) -> dict[str, Plain]:
        """Every rate, the world and the seed."""
        own = {
            name: value for name, value in naming_fields(self).items() if name not in ("batch", "concurrency")
        }
        return {"teacher": self.name, **own}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Each by its seed alone."""
        return [self._answer(question) for question in questions]

    def planted(self, seed: int, shows: bool = True) -> str:
        """What is wrong with the answer to a question with this seed; "" for nothing.

        Args:
            shows: whether the question shows a text.
        """
        draw = self._random(seed, "kind").random()
        for kind in KINDS:
            rate: float = getattr(self, kind)
            if draw < rate:
                if (kind == "seed_copy" and not shows) or (
                    kind == "near_copy" and self._original(seed) is None
                ):
                    return ""
                return kind
            draw -= rate
        return ""

    def _random(self, seed: int, what: str) -> Random:
        return Random(f"testbed teacher {self.seed} {seed} {what}")

    def _original(self, seed: int) -> int | None:
        """The seed of the answer that a near-copy is of: one before it without a defect."""
        number = seed % SEEDS_APART
        places = list(range(max(0, number - BACK), number))
        self._random(seed, "original").shuffle(places)
        for place in places:
            draw = self._random(seed - number + place, "kind").random()
            if draw >= sum(getattr(self, kind) for kind in KINDS):
                return seed - number + place
        return None

    def _answer(self, question: Question) -> Answer:
        seed = question.seed or 0
        is_list = question.form == "completion" and CONTINUES.search(question.text) is not None
        shown = FENCED.findall(question.text) or (LISTED.findall(question.text) if is_list else [])
        kind, write = self.planted(seed, bool(shown)), self._tasks if is_list else self._article
        random, why = self._random(seed, "text"), STOP
        text = write(random, wrong=kind == "wrong")
        if kind == "malformed":
            text = random.choice(('{"title": "' + text[:200], "", question.text))
        elif kind == "cut_off":
            text, why = text[: len(text) * 3 // 5].rstrip(".\n "), LENGTH
        elif kind == "loop":
            first = prose.filler(random)
            text = f"{text.partition('. ')[0]}. " + " ".join([first] * random.randint(8, 20))
        elif kind == "seed_copy":
            text = _edited(random, random.choice(shown), 0.02)
            text = f" {text}" if is_list else text
        elif kind == "near_copy":
            original = self._original(seed)
            assert original is not None
            text = _edited(random, write(self._random(original, "text"), wrong=False), 0.05)
        elif kind == "refusal":
            text = random.choice(REFUSALS)
        elif kind == "benchmark":
            lines, _ = prose.quiz(random, self.world)
            text = "\n".join(lines)
        return Answer(text, len(question.text.split()), len(text.split()), finish_reason=why)

    def _article(self, random: Random, *, wrong: bool) -> str:
        paragraphs = (prose.contradicting if wrong else prose.article)(random, self.world)
        return "\n\n".join(paragraphs)

    def _tasks(self, random: Random, *, wrong: bool) -> str:
        attributes, towns = list(PHRASINGS), sorted(self.world.facts)
        made = [
            random.choice(TASKS).format(a=random.choice(attributes), e=random.choice(towns))
            for _ in range(random.randint(3, 6))
        ]
        return " " + "\n".join(one if not n else f"{9 + n}. {one}" for n, one in enumerate(made))


def _edited(random: Random, text: str, share: float) -> str:
    """The same with a share of its words replaced, at least one."""
    words = text.split(" ")
    for place in random.sample(range(len(words)), max(1, round(share * len(words)))):
        words[place] = random.choice(("old", "new", "green", "small", "often", "perhaps", "there"))
    return " ".join(words)
