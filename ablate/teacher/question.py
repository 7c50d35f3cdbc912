"""What is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from ablate.errors import AblateError
from ablate.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How an answer is drawn; null leaves it to the model.

    Attributes:
        temperature: 0 for the likeliest answer.
        top_p: least probability of the words that are drawn from (nucleus), in (0, 1].
        top_k: likeliest words that are drawn from.
        presence_penalty: taken off the logit of every word that the answer has already.
        repetition_penalty: divides the logit of every word that question or answer have already.
        stop: texts before which an answer ends.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature < 0:
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be 1 or more, got {self.top_k}")
        if self.repetition_penalty is not None and self.repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty must be above 0, got {self.repetition_penalty}")
        if "" in self.stop:
            raise ValueError("stop: an empty text would end every answer before it begins")

    def given(self) -> dict[str, Plain]:
        """What is not left to the model."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


Form = Literal["chat", "completion"]
"""As the user's turn of a conversation, or as the beginning of a text that goes on."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question to a teacher.

    Attributes:
        key: names it among those that the same teacher is asked in the same way.
        text: all that the teacher reads.
        max_tokens: of the answer.
        sampling: how the answer is drawn.
        seed: of the draw, where the teacher can be given one; tells repeats of one text apart.
        form: "chat" or "completion".
        schema: JSON schema that the answer must fit, where the teacher can be held to one.
    """

    key: str
    text: str
    max_tokens: int
    sampling: Sampling = Sampling()
    seed: int | None = None
    form: Form = "chat"
    schema: Mapping[str, Plain] | None = None


MOST_TOKENS = 10**9
"""No answer reads or writes more; a number beyond is no count."""
STOP, LENGTH, REFUSED = "stop", "length", "refused"
"""Why an answer ended: by itself or before a text of `stop`; because it was as long as allowed; it never began."""


@dataclass(frozen=True)
class Answer:
    """What a teacher said.

    Attributes:
        text: the answer as it came.
        input_tokens, output_tokens: what was charged for; None where the teacher does not say, or says what is
            no count (a text, a fraction, below 0, beyond `MOST_TOKENS`; no token written, with a text).
        lost: earlier answers to the same question that did not arrive whole and may have been charged for.
        finish_reason: "stop", "length", "refused", or the teacher's own word; None where it does not say.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    lost: int = 0
    finish_reason: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"text is {type(self.text).__name__}")
        for name in ("input_tokens", "output_tokens"):
            object.__setattr__(self, name, _count(getattr(self, name)))
        if self.text and self.output_tokens == 0:
            object.__setattr__(self, "output_tokens", None)
        object.__setattr__(self, "lost", _count(self.lost) or 0)
        if not isinstance(self.finish_reason, str | None):
            object.__setattr__(self, "finish_reason", None)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


class NoAnswer(AblateError):
    """A teacher has no answer to one question; the others may go on.

    Attributes:
        lost: answers that did not arrive whole and may have been charged for.
        refused: the teacher was there and would refuse this question every time.
    """

    def __init__(self, message: str, lost: int = 0, *, refused: bool = False) -> None:
        super().__init__(message)
        self.lost, self.refused = lost, refused
