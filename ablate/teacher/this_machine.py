"""What teachers share that run in this process: they are free, take a batch at a time and have a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from ablate.teacher.base import Model
from ablate.teacher.question import NoAnswer, Question


@dataclass(frozen=True, kw_only=True)
class OnThisMachine(Model):
    """A model in this process's memory.

    Attributes:
        device: "auto" takes a GPU where there is one.
    """

    device: str = "auto"
    price_input: float | None = 0.0
    price_output: float | None = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.concurrency != 1:
            raise ValueError(f"concurrency must be 1 for a local model, got {self.concurrency}; raise batch")

    @property
    def place(self) -> str:
        """The device that is meant, as PyTorch names it."""
        import torch

        return self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def _alone(self) -> Lock:
        return Lock()


def too_long(questions: Sequence[Question], *, longest: int, most: int, context: int) -> NoAnswer:
    """What is said of questions of `longest` tokens whose answers of `most` a model of this context cannot hold."""
    return NoAnswer(
        f"a question of {longest} tokens and an answer of {most} are more than the {context} that the model reads",
        refused=len(questions) == 1,
    )


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of some texts begins in another; None where it holds none of them."""
    return min((at for one in stop if (at := text.find(one)) >= 0), default=None)
