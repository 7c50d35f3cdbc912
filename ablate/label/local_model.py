"""Teacher: a causal language model in a local folder, run with transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ablate.errors import AblateError
from ablate.fingerprint import folder_digest
from ablate.label.teacher import Answer, Document, Prompted
from ablate.text.encoder import encode_texts, text_encoder


@dataclass(frozen=True, kw_only=True)
class LocalModel(Prompted):
    """Answers with the likeliest words; uses the tokenizer's chat template where it has one.

    Answers are generated in batches with padding, whose rounding can tip a model between two nearly
    equal words: the same batches give the same answers.

    Attributes:
        model: folder with weights, configuration and tokenizer.
        device: "auto" takes a GPU where there is one.
    """

    name: ClassVar[str] = "local_model"
    device: str = "auto"
    batch: int = 8
    price_input: float | None = 0.0
    price_output: float | None = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.concurrency != 1:
            raise ValueError(f"concurrency must be 1 for a local model, got {self.concurrency}; raise batch")
        if not (Path(self.model) / "config.json").is_file():
            raise ValueError(
                f"model: expected the folder of a transformers model, no config.json in {self.model}"
            )

    def identity(self) -> dict[str, Any]:
        """The model by what its folder holds."""
        return super().identity() | {"model": folder_digest(self.model)}

    def ask(self, documents: Sequence[Document]) -> list[Answer]:
        """One batch."""
        import torch

        tokenizer, model = self._loaded
        asked = [{"input_ids": question_ids(tokenizer, self.question(document))} for document in documents]
        inputs = tokenizer.pad(asked, return_tensors="pt", padding=True).to(model.device)
        with torch.inference_mode():
            made = model.generate(**inputs, max_new_tokens=self.max_tokens, do_sample=False)
        new = made[:, inputs["input_ids"].shape[1] :]
        answers = tokenizer.batch_decode(new, skip_special_tokens=True)
        read = inputs["attention_mask"].sum(dim=1).tolist()
        written = (new != tokenizer.pad_token_id).sum(dim=1).tolist()
        return [Answer(*parts) for parts in zip(answers, read, written, strict=True)]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.model, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        model: Any = AutoModelForCausalLM.from_pretrained(self.model, dtype="auto")
        return tokenizer, model.to(device).eval()


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
