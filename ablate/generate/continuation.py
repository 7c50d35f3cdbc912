"""Real pages continued by a model from their first words.

Sources: Shumailov et al. 2024 (Nature 631, 755: blocks of 64 tokens, each continued by the model), Drayson et al. 2025
(EMNLP: the second half of blocks of 512 tokens is generated).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.generate.recipe import Draft, OneByOne, Seed, extract
from ablate.pool.digital_source import MODEL_REWORKED
from ablate.teacher.question import LENGTH, REFUSED, Answer, Form, Question


@dataclass(frozen=True, kw_only=True)
class Continuation(OneByOne):
    """One continuation for each draw of a document; an answer as long as allowed is whole, since nothing says where to end.

    Attributes:
        start_characters: of a document that the teacher goes on from.
        with_start: whether the document begins with them.
    """

    name: ClassVar[str] = "continuation"
    needs: ClassVar[str] = "documents"
    term: ClassVar[str] = MODEL_REWORKED
    form: Form = "completion"
    start_characters: int = 256
    with_start: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start_characters < 1:
            raise ValueError(f"start_characters must be 1 or more, got {self.start_characters}")

    def prompt(self, number: int, seeds: Sequence[Seed]) -> tuple[str, tuple[Seed, ...]]:
        """The beginning of a document; in chat form behind a line that says what to do."""
        seed = self.drawn(number, seeds)
        start = extract(seed.text, self.start_characters)
        asked = start if self.form == "completion" else self.texts["prompt"].replace("{start}", start)
        return asked, (Seed(seed.key, start),)

    def draft(self, number: int, question: Question, answer: Answer, shown: Sequence[Seed]) -> Draft:
        """The continuation, behind its beginning where that is wanted."""
        made = super().draft(number, question, answer, shown)
        kept = tuple(one for one in made.defects if one != "cut_off" or answer.finish_reason != LENGTH)
        text = made.text
        if self.with_start and text and answer.finish_reason != REFUSED:
            text = f"{shown[0].text} {text}"
        return Draft(
            text,
            made.question,
            number,
            finish_reason=made.finish_reason,
            defects=kept,
            seeds=made.seeds,
            shown=made.shown,
            compared=made.compared,
        )
