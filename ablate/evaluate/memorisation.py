"""Memorisation: how much of what a model writes are long spans of what it was trained on.

Source: Lee et al. 2021 (arXiv 2107.06499), section 6.2: generate with top-k sampling (k = 50), with no prompt
and with prompts from the training data, and count the tokens that lie in a span of 50 tokens that the training
data hold word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from ablate.errors import ConfigError
from ablate.evaluate.requests import TaskInfo
from ablate.fingerprint import digest, mix64

METRICS = {"copied": False, "copied_prompted": False}
"""Metrics of the probe, and whether higher is better."""
BLOCK = 1 << 20
"""Training tokens compared at a time."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What a model was trained on.

    Attributes:
        sequences: (first, count) -> shape (count, context + 1), as `TokenStream.sequences` gives them.
        count: how many of them, from the first, the model has seen.
    """

    sequences: Callable[[int, int], np.ndarray]
    count: int


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """What is generated, and what counts as copied.

    Attributes:
        sequences: texts generated without a prompt, and as many again with one.
        length: tokens generated for each.
        prompt: tokens of a training sequence that stand before a continuation.
        span: tokens in a row that must be found in the training data.
        top_k: sampled from the k most probable tokens.
        seed: of the sampling and of the choice of prompts; the same in every run.
    """

    name: ClassVar[str] = "memorisation"
    sequences: int = 64
    length: int = 100
    prompt: int = 32
    span: int = 50
    top_k: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sequences", "prompt", "span", "top_k"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.length < self.span:
            raise ConfigError(f"length must be at least the span of {self.span} tokens, got {self.length}")

    @classmethod
    def fitting(cls, sequences: int, context: int) -> Memorisation:
        """The probe for a model of this context: 100 tokens a text, or as many as it sees behind a prompt.

        Raises:
            ConfigError: when that is less than a span.
        """
        if context + 1 < cls.prompt + cls.span:
            raise ConfigError(
                f"evaluate.memorisation: a prompt of {cls.prompt} tokens and a span of {cls.span} do not fit into the "
                f"proxy's context of {context}; proxy.context={cls.prompt + cls.span - 1} is the least"
            )
        return cls(sequences=sequences, length=min(cls.length, context + 1 - cls.prompt))

    @property
    def ids(self) -> list[str]:
        """Names of the texts."""
        return [str(number) for number in range(self.sequences)]

    @property
    def info(self) -> TaskInfo:
        """As the evaluator reports tasks."""
        return {
            "chance": {},
            "n_items": self.sequences,
            "digest": digest([1, self]),
            "higher_is_better": METRICS,
        }

    def score(self, model: Any, trained: Trained, end: int) -> dict[str, np.ndarray]:
        """Share of copied tokens of each generated text.

        Args:
            model: a causal model of `transformers`, with `generate`.
            trained: its training sequences.
            end: id of end-of-text, which stands before a text without a prompt.
        Returns:
            Metric -> shape (sequences,), in [0, 1].
        """
        picked = _spread(trained.count, self.sequences, self.seed)
        prompts = np.stack([trained.sequences(number, 1)[0, : self.prompt] for number in picked])
        starts = np.full((self.sequences, 1), end)
        free, prompted = (self._continue(model, start, end) for start in (starts, prompts))
        found = copied([free, prompted], _blocks(trained, self.span), self.span)
        return {"copied": found[0], "copied_prompted": found[1]}

    @torch.inference_mode()
    def _continue(self, model: Any, prompts: np.ndarray, end: int) -> np.ndarray:
        device = next(model.parameters()).device
        ids = torch.from_numpy(np.ascontiguousarray(prompts)).to(device)
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed)
            # End-of-text is a token like others here: a document may end and another begin.
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.length,
                min_new_tokens=self.length,
                do_sample=True,
                top_k=self.top_k,
                temperature=1.0,
                top_p=1.0,
                use_cache=True,
                pad_token_id=end,
                eos_token_id=None,
            )
        continued: np.ndarray = made[:, prompts.shape[1] :].cpu().numpy()
        return continued


def copied(texts: list[np.ndarray], training: Iterator[np.ndarray], span: int) -> list[np.ndarray]:
    """Share of tokens that lie in a span found in the training data.

    Args:
        texts: each of shape (n, length): token ids.
        training: pieces of the training data, each at least `span` long to count; a span that crosses two
            pieces is not seen, so pieces overlap by `span - 1`.
        span: tokens in a row.
    Returns:
        For each of `texts`, shape (n,), in [0, 1].
    """
    windows = [np.stack([window_hashes(row, span) for row in rows]) for rows in texts]
    wanted = np.unique(np.concatenate([w.ravel() for w in windows]))
    found = np.zeros(wanted.size, dtype=bool)
    for piece in training:
        found |= np.isin(wanted, window_hashes(piece, span))
    shares = []
    for rows, hashes in zip(texts, windows, strict=True):
        hit = found[np.searchsorted(wanted, hashes)]
        # A token is covered when a window that starts at most `span - 1` before it was found.
        steps = np.zeros((rows.shape[0], rows.shape[1] + 1), dtype=np.int64)
        steps[:, : hit.shape[1]] += hit
        steps[:, span : span + hit.shape[1]] -= hit
        shares.append((np.cumsum(steps, axis=1)[:, :-1] > 0).mean(axis=1))
    return shares


def window_hashes(ids: np.ndarray, span: int) -> np.ndarray:
    """A 64-bit hash of every `span` tokens in a row: shape (max(0, n - span + 1),), uint64.

    Windows of 1, 2, 4, ... tokens are hashed from two halves; any span is put together from those.
    """
    power = mix64(ids.astype(np.uint64), 1)
    whole, covered, width = np.zeros(0, dtype=np.uint64), 0, 1
    with np.errstate(over="ignore"):
        while True:
            if span & width:
                if covered:
                    size = max(0, power.size - covered)
                    whole = mix64(whole[:size] * np.uint64(3) + power[covered : covered + size], width)
                else:
                    whole = power
                covered += width
            width *= 2
            if width > span:
                return whole[: max(0, ids.size - span + 1)]
            half = width // 2
            power = mix64(power[: max(0, power.size - half)] * np.uint64(3) + power[half:], width)


def _blocks(trained: Trained, span: int) -> Iterator[np.ndarray]:
    """The training tokens in order, in pieces that overlap by a span."""
    context = trained.sequences(0, 1).shape[1] - 1
    at_once = max(1, BLOCK // context)
    tail = np.zeros(0, dtype=np.int64)
    for first in range(0, trained.count, at_once):
        rows = trained.sequences(first, min(at_once, trained.count - first))
        piece = np.concatenate([tail, rows[:, :-1].ravel()])
        yield piece
        tail = piece[max(0, piece.size - span + 1) :]


def _spread(n: int, count: int, seed: int) -> list[int]:
    """`count` of the first `n` numbers, by a hash; repeated where there are fewer."""
    order = np.argsort(mix64(np.arange(n, dtype=np.uint64), seed), kind="stable")
    return [int(order[i % n]) for i in range(count)]
