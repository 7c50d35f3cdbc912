"""Sampling from a Llama: many texts at a time, each drawn as it would be alone.

A fixed number of lanes go through the model together, one token of each at a step: a token of its prompt while that lasts,
then what was drawn. A lane whose text has ended takes the next prompt, so no lane waits for another and none is padded. Keys
and values lie in a cache whose place and size never change (what transformers calls a static cache).

A text depends on its prompt and its seed alone. The draw of each token is a number that a hash makes of the seed and of how
many tokens the text has, and the products of a step have the same shape however many texts there are, so that neither the
size of a batch nor the order of its texts changes what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.errors import ConfigError
from ablate.evaluate.weights import LayerWeights, Weights
from ablate.fingerprint import mix64

SAMPLER = 1
"""Raise it when the same weights, prompt and seed give another text."""
LANES = 64
"""Texts that are drawn at a time."""
REACH = 32
"""Places of the cache are read in so many at a time, up to the furthest one in use."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """From which distribution a token is drawn; the fields are applied in this order, as transformers does.

    Attributes:
        min_tokens: of a text before it may end.
        temperature: divides the logits; 0 takes the likeliest token (the first of several).
        top_k: only the likeliest k tokens; None for all.
        top_p: of those the fewest likeliest ones whose probabilities reach this (Holtzman et al. 2020); None for all.
    """

    min_tokens: int = 0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if self.min_tokens < 0:
            raise ConfigError(f"min_tokens must be 0 or more, got {self.min_tokens}")
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"temperature must be 0 or more, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k must be 1 or more, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be in (0, 1], got {self.top_p}")


class _Layer(NamedTuple):
    """One layer's matrices, transposed; queries and keys with a rotation's two halves side by side."""

    qkv: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass
class _Text:
    """A text on its way.

    Attributes:
        number: the how-manieth prompt.
        ids: of the prompt, then of what was drawn.
        drawn: how many of them were.
    """

    number: int
    ids: list[int]
    drawn: int = 0


class Sampler:
    """Draws texts from one model, in fp32 on the device where it lies.

    Args:
        model: a Llama: has `config` and the parameter names of `LlamaForCausalLM`.
    Raises:
        ConfigError: for a model that our forward passes of a Llama do not compute.
    """

    def __init__(self, model: Any) -> None:
        weights = Weights(model)
        self.context, self.vocab_size = len(weights.angle), weights.vocab_size
        self._heads, self._kv_heads, self._size = weights.heads, weights.kv_heads, weights.size
        self._width, self._eps, self._embedding = weights.width, weights.eps, weights.embedding
        self._head = weights.head.t().contiguous()
        self._layers = [self._layer(layer) for layer in weights.layers()]
        self._turns = torch.polar(torch.ones_like(weights.angle), weights.angle)
        device = weights.embedding.device
        # Keys lie with their places side by side: the products with one query each are twice as fast so.
        of_keys = (len(self._layers), LANES, self._kv_heads, self._size, self.context)
        self._keys = torch.zeros(of_keys, device=device)
        self._values = torch.zeros(of_keys, device=device).mT.contiguous()
        self._lanes = torch.arange(LANES, device=device)
        self._places = torch.arange(self.context, device=device)

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        *,
        tokens: int,
        end: int | None,
        decoding: Decoding = Decoding(),
    ) -> list[list[int]]:
        """What follows each prompt.

        Args:
            prompts: token ids, at least one each, of any lengths.
            seeds: one for each prompt; equal prompts with equal seeds are followed by the same.
            tokens: at most so many follow.
            end: id after which a text ends, which is not part of it; None: all have `tokens`.
            decoding: from what is drawn.
        Raises:
            ConfigError: for a prompt that is empty, or leaves no room for `tokens` in what the model reads.
        """
        self._check(prompts, seeds, tokens)
        texts: list[list[int]] = [[] for _ in prompts]
        waiting = iter([_Text(number, list(prompt)) for number, prompt in enumerate(prompts)])
        lanes: list[_Text | None] = [next(waiting, None) for _ in range(LANES)]
        keys = np.asarray([seed % 2**64 for seed in seeds], dtype=np.uint64)
        place = np.zeros(LANES, dtype=np.int64)
        while any(lanes):
            read = [text.ids[at] if text else 0 for text, at in zip(lanes, place.tolist(), strict=True)]
            logits = self._step(self._tensor(read), self._tensor(place))
            drawing = [
                (lane, text) for lane, text in enumerate(lanes) if text and place[lane] + 1 == len(text.ids)
            ]
            place += 1
            if not drawing:
                continue
            # All lanes are drawn for, so that the shapes stay; what is not needed is left.
            uniform, short = np.zeros(LANES), np.zeros(LANES, dtype=bool)
            for lane, text in drawing:
                short[lane] = text.drawn < decoding.min_tokens
            numbers, counts = [text.number for _, text in drawing], [text.drawn for _, text in drawing]
            uniform[[lane for lane, _ in drawing]] = _uniform(keys[numbers], np.asarray(counts))
            if end is not None and short.any():
                logits[:, end].masked_fill_(torch.from_numpy(short).to(logits.device), -torch.inf)
            drawn = draw(logits, torch.from_numpy(uniform).to(logits.device), decoding).tolist()
            for lane, text in drawing:
                text.ids.append(drawn[lane])
                text.drawn += 1
                if drawn[lane] == end or text.drawn == tokens:
                    begin = len(prompts[text.number])
                    texts[text.number] = text.ids[begin:-1] if drawn[lane] == end else text.ids[begin:]
                    lanes[lane], place[lane] = next(waiting, None), 0
            place[[lane for lane, text in enumerate(lanes) if text is None]] = 0
        return texts

    def _check(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], tokens: int) -> None:
        if len(seeds) != len(prompts):
            raise ConfigError(f"{len(prompts)} prompts need as many seeds, got {len(seeds)}")
        if tokens < 1:
            raise ConfigError(f"tokens must be 1 or more, got {tokens}")
        for number, prompt in enumerate(prompts):
            if not len(prompt):
                raise ConfigError(f"prompt {number} is empty; one that says nothing is the end-of-text token")
            if not 0 <= min(prompt) <= max(prompt) < self.vocab_size:
                raise ConfigError(f"prompt {number} has a token that is none of the {self.vocab_size}")
            if len(prompt) + tokens - 1 > self.context:
                raise ConfigError(
                    f"prompt {number} of {len(prompt)} tokens and {tokens} more are beyond the {self.context} that the "
                    "model reads; ask for fewer, or shorten the prompt"
                )

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, dtype=torch.int64).to(self._lanes.device)

    def _step(self, token: Tensor, place: Tensor) -> Tensor:
        """Logits behind one more token of every lane.

        Args:
            token, place: shape (lanes,): which, and the how-manieth of its text from 0.
        Returns:
            Shape (lanes, vocabulary).
        """
        x = F.embedding(token, self._embedding)
        turn = self._turns[place][:, None]
        reach = min(self.context, (int(place.max()) // REACH + 1) * REACH)
        unseen = torch.where(self._places[:reach] > place[:, None], -torch.inf, 0.0)[:, None, None]
        for layer, keys, values in zip(self._layers, self._keys, self._values, strict=True):
            seen = self._attend(self._norm(x) @ layer.qkv, keys, values, place, turn, unseen)
            x = x.addmm(seen, layer.out)
            gate, up = (self._norm(x) @ layer.gate_up).chunk(2, -1)
            x = x.addmm(F.silu(gate) * up, layer.down)
        logits: Tensor = self._norm(x) @ self._head
        return logits

    def _attend(
        self, fused: Tensor, keys: Tensor, values: Tensor, place: Tensor, turn: Tensor, unseen: Tensor
    ) -> Tensor:
        """Attention of each lane's token to those before it and itself: shape (lanes, width)."""
        turning = self._heads + self._kv_heads
        heads = fused.view(LANES, turning + self._kv_heads, self._size)
        pairs = torch.view_as_complex(heads[:, :turning].unflatten(-1, (-1, 2))) * turn
        turned = torch.view_as_real(pairs).flatten(-2)
        reach = unseen.shape[-1]
        keys[self._lanes, :, :, place] = turned[:, self._heads :]
        values[self._lanes, :, place] = heads[:, turning:]
        asked = turned[:, : self._heads].view(LANES, self._kv_heads, -1, self._size)
        share = (asked @ keys[..., :reach]).mul_(self._size**-0.5).add_(unseen).softmax(-1)
        seen: Tensor = share @ values[:, :, :reach]
        return seen.view(LANES, self._width)

    def _norm(self, x: Tensor) -> Tensor:
        """Root-mean-square norm; its gain is in the matrices behind it."""
        square: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
        return x * square.div_(self._width).add_(self._eps).rsqrt_()

    def _layer(self, layer: LayerWeights) -> _Layer:
        qkv = torch.cat([self._paired(layer.q), self._paired(layer.k), layer.v])
        made = (qkv, layer.out, torch.cat([layer.gate, layer.up]), layer.down)
        return _Layer(*(matrix.t().contiguous() for matrix in made))

    def _paired(self, rows: Tensor) -> Tensor:
        halves: Tensor = rows.unflatten(0, (-1, 2, self._size // 2))
        return halves.transpose(1, 2).flatten(0, 2)


def draw(logits: Tensor, uniform: Tensor, decoding: Decoding) -> Tensor:
    """One token of each row: the first whose cumulative probability is above the row's number.

    Args:
        logits: shape (n, vocabulary).
        uniform: shape (n,), in [0, 1), float64.
    Returns:
        Shape (n,), int64.
    """
    if decoding.temperature == 0:
        return logits.argmax(-1)
    scaled = logits.double() / decoding.temperature
    order = None
    if decoding.top_k is not None and decoding.top_k < scaled.shape[1]:
        scaled, order = scaled.topk(decoding.top_k, dim=-1)
    if decoding.top_p is not None and decoding.top_p < 1:
        if order is None:
            scaled, order = scaled.sort(dim=-1, descending=True)
        share = scaled.softmax(-1)
        scaled = scaled.masked_fill(share.cumsum(-1) - share >= decoding.top_p, -torch.inf)
    summed = scaled.softmax(-1).cumsum(-1)
    # Below the whole sum, whatever was lost to rounding, so that no token of probability 0 is drawn.
    wanted = uniform[:, None] * summed[:, -1:]
    found = torch.searchsorted(summed, wanted, right=True)
    drawn: Tensor = found[:, 0] if order is None else order.gather(1, found)[:, 0]
    return drawn


def row_seeds(seed: int, rows: Sequence[int]) -> list[int]:
    """A seed for each of some rows, by a hash of both numbers."""
    made: list[int] = mix64(np.asarray(rows, dtype=np.uint64), seed).tolist()
    return made


def _uniform(keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each text and how many tokens it has: 53 bits of a hash."""
    hashed = mix64(keys + np.uint64(0x9E3779B97F4A7C15) * counts.astype(np.uint64), 0)
    return np.asarray((hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53)
