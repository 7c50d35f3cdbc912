"""A Llama's forward pass over prefix trees: log-probabilities of chosen tokens, and nothing else.

The same function as the model's own, with less to do: every node of a tree once, queries and the
feed-forward part of the last layer only where a token is predicted, logits only there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ablate.evaluate.requests import Sequences
from ablate.evaluate.tree import Forest, batches, grow

LOGITS_AT_ONCE = 2**22
"""Floats of logits held at a time: small enough to stay in a CPU's cache, large enough for a GPU."""

CPU_TOKENS = 2048
"""Padded tokens of a forward pass on a CPU (measured: 1,024 to 4,096 tried on models of 0.3M to 1.3M parameters)."""


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


@dataclass(frozen=True, eq=False)
class Batch:
    """Trees padded to one size B x N, with the S or fewer nodes of each that predict.

    Attributes:
        token, depth, end: shape (B, N).
        predicts: shape (B, S): which nodes predict, padded with the first node.
        real: shape (M,): positions in the flattened `predicts` that are not padding.
        row: shape (targets,): which of these M predicts the target.
        target, owner: shape (targets,): see `Forest`.
    """

    token: torch.Tensor
    depth: torch.Tensor
    end: torch.Tensor
    predicts: torch.Tensor
    real: torch.Tensor
    row: torch.Tensor
    target: torch.Tensor
    owner: torch.Tensor


def make_batches(forest: Forest, tokens_at_once: int) -> list[Batch]:
    """Cut a forest into batches of trees of like size."""
    tree_of = np.searchsorted(forest.first, forest.node, side="right") - 1
    order = np.argsort(tree_of, kind="stable")
    bounds = np.searchsorted(tree_of[order], np.arange(forest.first.size))
    made = []
    for trees in batches(forest, tokens_at_once):
        size = int(forest.first[trees[0] + 1] - forest.first[trees[0]])
        token, depth, end = (np.zeros((len(trees), size), dtype=np.int64) for _ in range(3))
        nodes, chosen, rows, count_before = [], [], [], 0
        for number, tree in enumerate(trees):
            span = slice(forest.first[tree], forest.first[tree + 1])
            count = span.stop - span.start
            token[number, :count], depth[number, :count] = forest.token[span], forest.depth[span]
            end[number, :count] = forest.end[span]
            own = order[bounds[tree] : bounds[tree + 1]]
            used, back = np.unique(forest.node[own] - span.start, return_inverse=True)
            nodes.append(used)
            chosen.append(own)
            rows.append(back + count_before)
            count_before += used.size
        most = max(used.size for used in nodes)
        predicts = np.zeros((len(trees), most), dtype=np.int64)
        for number, used in enumerate(nodes):
            predicts[number, : used.size] = used
        real = np.concatenate([number * most + np.arange(used.size) for number, used in enumerate(nodes)])
        own = np.concatenate(chosen)
        arrays = (
            token, depth, end, predicts, real, np.concatenate(rows), forest.target[own], forest.owner[own],
        )  # fmt: skip
        made.append(Batch(*map(torch.from_numpy, arrays)))
    return made


@torch.inference_mode()
def log_probs(llama: Llama, batch: Batch, greedy: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probability in nats of each target, and whether it is the likeliest token (when asked)."""
    token, depth, end, predicts = (
        part.to(llama.device) for part in (batch.token, batch.depth, batch.end, batch.predicts)
    )
    n_trees, n = token.shape
    x = F.embedding(token, llama.embedding)
    bias, turn = _bias(end, x.dtype), _rotation(llama, depth)
    rows = torch.arange(n_trees, device=llama.device)[:, None]
    for layer in llama.layers:
        h = llama.norm(x)
        kv = F.linear(h, layer.kv).view(n_trees, n, -1, llama.size)
        k, v = kv.split(llama.kv_heads, dim=2)
        k = _rotate(k, turn)
        if layer is llama.layers[-1]:  # from here on only the nodes that predict are wanted
            x, h, turn, bias = (
                x[rows, predicts],
                h[rows, predicts],
                turn[rows, predicts],
                bias[rows, predicts],
            )
        q = _rotate(F.linear(h, layer.q).view(n_trees, -1, llama.heads, llama.size), turn)
        seen = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias[:, None].to(q.dtype),
            enable_gqa=llama.heads != llama.kv_heads,
        )  # fmt: skip
        seen = seen.transpose(1, 2).flatten(2)
        if layer is llama.layers[-1]:
            x, seen = (part.flatten(0, 1)[batch.real.to(llama.device)] for part in (x, seen))
        x = x + F.linear(seen, layer.out)
        gate, up = F.linear(llama.norm(x), layer.gate_up).chunk(2, dim=-1)
        x = x + F.linear(F.silu(gate) * up, layer.down)
    return _read(llama, llama.norm(x), batch, greedy)


class Scorer:
    """Log-likelihoods of the endings of sequences, for one model after another.

    Args:
        sequences: cut to what the model can read.
        greedy: shape (n,): for which to find out whether greedy decoding would give the ending.
        batch_tokens: padded tokens of a forward pass on a GPU; a CPU takes fewer, to stay in its cache.
    """

    def __init__(self, sequences: Sequences, greedy: np.ndarray, batch_tokens: int) -> None:
        self.forest = grow(sequences.tokens, sequences.bounds, sequences.start)
        self.count, self.greedy, self.batch_tokens = len(sequences), torch.from_numpy(greedy), batch_tokens
        self._batches: dict[int, list[Batch]] = {}

    def score(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood in nats, shape (n,), and whether each token was the likeliest (where asked)."""
        llama = Llama(model)
        at_once = min(self.batch_tokens, CPU_TOKENS) if llama.device.type == "cpu" else self.batch_tokens
        if at_once not in self._batches:
            self._batches[at_once] = make_batches(self.forest, at_once)
        total = torch.zeros(self.count, dtype=torch.float64)
        best = torch.ones(self.count, dtype=torch.bool)
        for batch in self._batches[at_once]:
            asked = bool(self.greedy[batch.owner].any())
            values, likeliest = log_probs(llama, batch, asked)
            total.index_add_(0, batch.owner, values.cpu().double())
            if likeliest is not None:
                best[batch.owner[~likeliest.cpu()]] = False
        return total.numpy(), best.numpy()


def _bias(end: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where node v (rows) sees node u (columns), else -inf; padding sees itself."""
    number = torch.arange(end.shape[1], device=end.device)
    sees = (number[:, None] >= number) & (number[:, None] < end[:, None, :])
    sees |= torch.eye(end.shape[1], dtype=torch.bool, device=end.device)
    return torch.zeros(sees.shape, dtype=dtype, device=end.device).masked_fill_(~sees, -math.inf)


def _rotation(llama: Llama, depth: torch.Tensor) -> torch.Tensor:
    """The rotary embedding of each position as complex numbers, shape (B, N, 1, head size / 2)."""
    inverse = llama.theta ** (-torch.arange(0, llama.size, 2, device=depth.device).float() / llama.size)
    angle = torch.arange(int(depth.max()) + 1, device=depth.device)[:, None] * inverse
    return torch.polar(torch.ones_like(angle), angle)[depth][:, :, None]


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def _read(
    llama: Llama, hidden: torch.Tensor, batch: Batch, greedy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    row, target = batch.row.to(hidden.device), batch.target.to(hidden.device)
    picked = torch.empty(target.numel(), dtype=torch.float32, device=hidden.device)
    best = torch.empty(target.numel(), dtype=torch.bool, device=hidden.device) if greedy else None
    at_once = max(1, LOGITS_AT_ONCE // llama.vocab_size)
    order = torch.argsort(row)
    ends = torch.searchsorted(
        row[order], torch.arange(0, hidden.shape[0] + at_once, at_once, device=row.device)
    )
    for number, (begin, stop) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
        if begin == stop:
            continue
        own = order[begin:stop]
        part = slice(number * at_once, (number + 1) * at_once)
        scores = F.linear(hidden[part], llama.head).float().log_softmax(-1)
        at = row[own] - number * at_once
        picked[own] = scores[at, target[own]]
        if best is not None:
            best[own] = scores.argmax(-1)[at] == target[own]
    return picked, best
