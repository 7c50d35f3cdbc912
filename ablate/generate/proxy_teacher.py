"""Teacher: a trained proxy, a run of the store that kept its weights; it goes on from what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.corpus.tokenizer import load_tokenizer, tokenizer_digest
from ablate.errors import ConfigError, DataError
from ablate.plain import Plain
from ablate.teacher.question import LENGTH, STOP, Answer, Form, Question, Sampling
from ablate.teacher.this_machine import OnThisMachine, first_stop, too_long
from ablate.text.encoder import encode_texts
from ablate.train.kept import Kept

if TYPE_CHECKING:
    from ablate.evaluate.sampler import Decoding, Sampler


@dataclass(frozen=True, kw_only=True)
class ProxyTeacher(OnThisMachine):
    """A run that kept its weights (`train.keep_weights=true`), drawn from by the batched sampler.

    A question is the beginning of a text, which the answer goes on with; one that says nothing asks for a text from its
    start. What is drawn depends on the question and its seed alone, neither on the batch nor on its size.

    Attributes:
        model: folder of a run in the store, `store/runs/<key>`, or of the weights in it.
    """

    name: ClassVar[str] = "proxy"
    takes: ClassVar[tuple[str, ...]] = ("temperature", "top_p", "top_k", "stop")
    forms: ClassVar[tuple[Form, ...]] = ("completion",)
    batch: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            Kept.at(Path(self.model))
        except DataError as error:
            raise ValueError(f"model: {error}") from None

    def identity(self) -> dict[str, Plain]:
        """The run's key, and what its tokenizer does; where the weights lie does not count."""
        from ablate.evaluate.sampler import SAMPLER

        tokenizer = tokenizer_digest(self._kept.folder)
        return {**super().identity(), "model": self._kept.run, "tokenizer": tokenizer, "sampler": SAMPLER}

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """How an answer is drawn; temperature 1, where none is given."""
        given = super().settings(sampling)
        return {"temperature": 1.0, **given}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One batch; all of its questions have one sampling and length.

        Raises:
            NoAnswer: when a question with its answer is longer than the model reads.
        """
        tokenizer, sampler = self._loaded
        sampling, most = questions[0].sampling, max(question.max_tokens for question in questions)
        end = tokenizer.eos_token_id
        prompts = [[end, *ids] for ids in encode_texts(tokenizer, [question.text for question in questions])]
        longest = max(map(len, prompts))
        if longest + most - 1 > sampler.context:
            raise too_long(questions, longest=longest, most=most, context=sampler.context)
        seeds = [question.seed or 0 for question in questions]
        with self._alone:
            made = sampler.sample(prompts, seeds, tokens=most, end=end, decoding=decoding_of(sampling))
        return [
            _answer(tokenizer, ids, sampling, read=len(prompt), cut=len(ids) == most)
            for prompt, ids in zip(prompts, made, strict=True)
        ]

    @cached_property
    def _kept(self) -> Kept:
        return Kept.at(Path(self.model))

    @cached_property
    def _loaded(self) -> tuple[Any, Sampler]:
        from ablate.evaluate.sampler import Sampler

        model: Any = self._kept.load()
        return load_tokenizer(self._kept.folder), Sampler(model.to(self.place))


def decoding_of(sampling: Sampling) -> Decoding:
    """How the sampler draws what a recipe asks for.

    Raises:
        ConfigError: for penalties, which the sampler does not have.
    """
    from ablate.evaluate.sampler import Decoding

    for name in ("presence_penalty", "repetition_penalty"):
        if getattr(sampling, name) is not None:
            raise ConfigError(
                f"generate.sampling.{name} is not for teacher=proxy, which draws without penalties; give null"
            )
    temperature = 1.0 if sampling.temperature is None else sampling.temperature
    return Decoding(temperature=temperature, top_k=sampling.top_k, top_p=sampling.top_p)


def _answer(tokenizer: Any, ids: list[int], sampling: Sampling, *, read: int, cut: bool) -> Answer:
    text = tokenizer.decode(ids, skip_special_tokens=True)
    stopped = first_stop(text, sampling.stop)
    reason = STOP if stopped is not None or not cut else LENGTH
    return Answer(text[:stopped], read, len(ids), finish_reason=reason)
