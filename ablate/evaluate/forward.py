"""A Llama's forward pass over packed sequences: log-probabilities of chosen tokens, and nothing else.

The same function as the model's own, with less to do: every shared beginning once, queries and the
feed-forward part of the last layer only where a token is predicted, logits only there, no padding but
within attention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ablate.evaluate.prefixes import Packed, pack
from ablate.evaluate.requests import Sequences

CPU_LOGITS, GPU_LOGITS = 2**18, 2**25
"""Floats of logits held at a time: on a CPU they stay in its cache."""

SHORT = 64
"""Keys up to which plain matrix products beat the fused attention of a CPU (measured)."""
LARGE = 60.0
"""Logits that exp and a sum of vocabulary size hold in fp32."""
CPU_TOKENS = 2048
"""Tokens of a forward pass on a CPU (measured: 1,024 to 4,096 tried on models of 0.3M to 1.3M parameters)."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's matrices, joined where they read the same input; the norms' gains are folded in."""

    q: torch.Tensor
    kv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Llama:
    """Weights of a Llama-architecture model in the form that `log_probs` wants; made for each checkpoint.

    Args:
        model: has `config` (a `LlamaConfig`) and the parameter names of `LlamaForCausalLM`.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        state = {name.replace("_orig_mod.", ""): p.detach() for name, p in model.state_dict().items()}
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.eps, self.theta = config.rms_norm_eps, config.rope_parameters["rope_theta"]
        self.embedding = state["model.embed_tokens.weight"]
        self.vocab_size, self.width = self.embedding.shape
        self.size = self.width // self.heads
        head = self.embedding if config.tie_word_embeddings else state["lm_head.weight"]
        self.head = head * state["model.norm.weight"]
        self.layers = [self._layer(state, f"model.layers.{i}.") for i in range(config.num_hidden_layers)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        """Root-mean-square norm without its gain."""
        return F.rms_norm(x, (self.width,), eps=self.eps)

    def _layer(self, state: dict[str, torch.Tensor], name: str) -> Layer:
        q, k, v, out = (state[f"{name}self_attn.{part}_proj.weight"] for part in "qkvo")
        gate, up, down = (state[f"{name}mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
        before, between = (state[f"{name}{part}_layernorm.weight"] for part in ("input", "post_attention"))
        return Layer(
            self._paired(q) * before, torch.cat([self._paired(k), v]) * before, out,
            torch.cat([gate, up]) * between, down,
        )  # fmt: skip

    def _paired(self, weight: torch.Tensor) -> torch.Tensor:
        """Rows in the order in which a rotation's two halves stand side by side, as complex numbers do."""
        return weight.unflatten(0, (-1, 2, self.size // 2)).transpose(1, 2).flatten(0, 2)


class Scorer:
    """Log-likelihoods of the endings of sequences, for one model after another.

    Args:
        sequences: cut to what the model can read.
        greedy: shape (n,): for which to find out whether greedy decoding would give the ending.
        batch_tokens: tokens of a forward pass on a GPU; a CPU takes fewer, to stay in its cache.
    """

    def __init__(self, sequences: Sequences, greedy: np.ndarray, batch_tokens: int) -> None:
        self.sequences, self.greedy, self.batch_tokens = sequences, torch.from_numpy(greedy), batch_tokens
        self._packed: dict[torch.device, list[Packed]] = {}

    def packed(self, device: torch.device) -> list[Packed]:
        """The sequences as trees of tensors, made once for a device."""
        if device not in self._packed:
            at_once = min(self.batch_tokens, CPU_TOKENS) if device.type == "cpu" else self.batch_tokens
            self._packed[device] = [_to_torch(tree, device) for tree in pack(self.sequences, at_once)]
        return self._packed[device]

    def score(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood in nats, shape (n,), and whether each token was the likeliest (where asked)."""
        llama = Llama(model)
        total = torch.zeros(len(self.sequences), dtype=torch.float64)
        best = torch.ones(len(self.sequences), dtype=torch.bool)
        for tree in self.packed(llama.device):
            owner = tree.owner.cpu()  # type: ignore[attr-defined]
            values, likeliest = log_probs(llama, tree, bool(self.greedy[owner].any()))
            total.index_add_(0, owner, values.cpu().double())
            if likeliest is not None:
                best[owner[~likeliest.cpu()]] = False
        return total.numpy(), best.numpy()


def _to_torch(value: Any, device: torch.device) -> Any:
    """The same dataclass with tensors on a device for arrays."""
    if isinstance(value, list):
        return [_to_torch(entry, device) for entry in value]
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value)).to(device)
    return type(value)(
        **{field.name: _to_torch(getattr(value, field.name), device) for field in fields(value)}
    )


@torch.inference_mode()
def log_probs(llama: Llama, tree: Any, greedy: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probability in nats of each target, and whether it is the likeliest token (when asked).

    Args:
        tree: a `Packed` of tensors.
    """
    x = F.embedding(tree.token, llama.embedding)
    turn, paths = _rotation(llama, tree.depth), tree.paths
    for layer in llama.layers:
        h = llama.norm(x)
        kv = F.linear(h, layer.kv).view(len(h), -1, llama.size)
        k, v = kv.split(llama.kv_heads, dim=1)
        k = _rotate(k, turn)
        if layer is llama.layers[-1]:  # from here on only the nodes that predict are wanted
            x, h, turn, paths = x[tree.predicts], h[tree.predicts], turn[tree.predicts], tree.last_paths
        q = _rotate(F.linear(h, layer.q).view(len(h), llama.heads, llama.size), turn)
        x = x + F.linear(_attend(q, k, v, paths), layer.out)
        gate, up = F.linear(llama.norm(x), layer.gate_up).chunk(2, dim=-1)
        x = x + F.linear(F.silu(gate).mul_(up), layer.down)
    return _read(llama, llama.norm(x), tree, greedy)


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, paths: list[Any]) -> torch.Tensor:
    """Attention of every query along its path: shape (n_queries, width)."""
    out = torch.empty(len(q), q.shape[1] * q.shape[2], dtype=q.dtype, device=q.device)
    for group in paths:
        sees = torch.arange(group.key.shape[1], device=q.device) <= group.depth[:, None, :, None]
        bias = torch.zeros(sees.shape, dtype=q.dtype, device=q.device).masked_fill_(~sees, -math.inf)
        seen = _attention(
            q[group.query].transpose(1, 2), k[group.key].transpose(1, 2), v[group.key].transpose(1, 2), bias
        )
        out[group.row] = seen.transpose(1, 2).flatten(2).flatten(0, 1)[group.real].to(out.dtype)
    return out


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    shared = q.shape[1] != k.shape[1]
    if q.device.type == "cpu" and k.shape[2] <= SHORT and not shared:
        weight = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(2, 3)).add_(bias)
        return torch.matmul(torch.softmax(weight, -1), v)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, enable_gqa=shared)


def _rotation(llama: Llama, depth: torch.Tensor) -> torch.Tensor:
    """The rotary embedding of each position as complex numbers, shape (n, 1, head size / 2)."""
    inverse = llama.theta ** (-torch.arange(0, llama.size, 2, device=depth.device).float() / llama.size)
    angle = torch.arange(int(depth.max()) + 1, device=depth.device)[:, None] * inverse
    return torch.polar(torch.ones_like(angle), angle)[depth][:, None]


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def _read(
    llama: Llama, hidden: torch.Tensor, tree: Any, greedy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    row, target = tree.row, tree.target
    at_once = max(1, (CPU_LOGITS if hidden.device.type == "cpu" else GPU_LOGITS) // llama.vocab_size)
    picked, best = [], []
    bounds = torch.searchsorted(
        row, torch.arange(0, len(hidden) + at_once, at_once, device=row.device)
    ).tolist()
    for number, (begin, end) in enumerate(pairwise(bounds)):
        first = number * at_once
        logits = F.linear(hidden[first : first + at_once], llama.head).float()
        at, wanted = row[begin:end] - first, target[begin:end]
        chosen = logits[at, wanted]
        if greedy:
            best.append(logits.argmax(-1)[at] == wanted)
        picked.append(chosen - _log_sum_exp(logits)[at])
    return torch.cat(picked), torch.cat(best) if greedy else None


def _log_sum_exp(logits: torch.Tensor) -> torch.Tensor:
    """Over the last dimension; `logits` may be overwritten. A row whose largest logit exp can hold needs no
    shift, which halves the time on a CPU."""
    if logits.device.type != "cpu":
        return logits.logsumexp(-1)
    rows = logits.amax(-1)
    if float(rows.max()) > LARGE or float(rows.min()) < -LARGE:
        return logits.logsumexp(-1)
    return logits.exp_().sum(-1).log_()
