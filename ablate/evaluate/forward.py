"""A Llama's forward pass over packed sequences: log-probabilities of chosen tokens, and nothing else.

The same function as the model's own, with less to do: every shared beginning once, queries and the
feed-forward part of the last layer only where a token is predicted, logits only there, no padding but
within attention, what the first layer makes of a token once per token of the vocabulary. Exponentials are
taken without a shift, so that what a query sees in several places adds up; their sums tell whether fp32
held them. Where it did not, float64 does, and beyond that the model's own forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ablate.evaluate.fork_map import fork_map, processes_for, shared_array
from ablate.evaluate.masked import Trees, pack_trees, score_trees
from ablate.evaluate.prefixes import Block, Packed, Tiles, pack
from ablate.evaluate.requests import Sequences
from ablate.evaluate.weights import LayerWeights, Weights
from ablate.train.device import keep_freed_memory

INNER, LOGITS = 2**17, 2**19
"""Floats made at a time, within a feed-forward part and of logits: they stay in the cache (measured)."""
TOKENS = 4096
"""Tokens of a forward pass (measured: 1,024 to 8,192 tried on a model of 0.3M parameters)."""
SMALL, LARGE, SMALLEST = 1e-28, 1e33, 1e-290
"""A sum of exponentials between the first two lost nothing to fp32's range, one above the third nothing to
float64's."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's matrices, joined where they read the same input, transposed; the norms' gains and the
    attention's scale are folded in. `kv` has keys first, then for each head its values and two columns of
    zeros, the first of which becomes ones: weighted like the values, they are the sum of the weights."""

    q: torch.Tensor
    kv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Llama:
    """Weights of a Llama-architecture model in the form that `log_probs` wants; made for each checkpoint.

    Args:
        model: has `config` (a `LlamaConfig`) and the parameter names of `LlamaForCausalLM`.
        n_tokens: how many it will read: with more than the vocabulary has, the first layer's queries, keys
            and values are looked up.
    """

    def __init__(self, model: Any, n_tokens: int) -> None:
        weights = Weights(model)
        self.heads, self.eps, self.size, self.width = weights.heads, weights.eps, weights.size, weights.width
        self.embedding, self.vocab_size = weights.embedding, weights.vocab_size
        self.head = weights.head.t().contiguous()
        self.layers = [self._layer(layer, weights.heads // weights.kv_heads) for layer in weights.layers()]
        # The rotary embedding of each position as complex numbers, shape (context, width / 2).
        self.turns = torch.polar(torch.ones_like(weights.angle), weights.angle).repeat(1, self.heads)
        self.shifted = False
        self.looked_up: tuple[torch.Tensor, torch.Tensor] | None = None
        if n_tokens > self.vocab_size:
            h = self.norm(self.embedding)
            self.looked_up = self.queries(self.layers[0], h), self.keys_values(self.layers[0], h)

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        """Root-mean-square norm without its gain."""
        square: torch.Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
        return x * square.div_(self.width).add_(self.eps).rsqrt_()

    def queries(self, layer: Layer, h: torch.Tensor) -> torch.Tensor:
        """Before their rotation; the last row is zeros, for padding. Shape (n + 1, width)."""
        return _padded_product(h, layer.q)

    def keys_values(self, layer: Layer, h: torch.Tensor) -> torch.Tensor:
        """Keys before their rotation, values and ones; the last row is zeros, for padding."""
        made = _padded_product(h, layer.kv)
        self.values(made)[:-1, :, self.size] = 1.0
        return made

    def keys(self, kv: torch.Tensor) -> torch.Tensor:
        """The keys in what `keys_values` returns, shape (..., heads, size)."""
        keys: torch.Tensor = kv[..., : self.width].unflatten(-1, (self.heads, self.size))
        return keys

    def values(self, kv: torch.Tensor) -> torch.Tensor:
        """The values and ones in what `keys_values` returns, shape (..., heads, size + 2)."""
        values: torch.Tensor = kv[..., self.width :].unflatten(-1, (self.heads, self.size + 2))
        return values

    def _layer(self, layer: LayerWeights, copies: int) -> Layer:
        # Heads that share keys and values get a copy each.
        k, v = (
            part.unflatten(0, (-1, self.size)).repeat_interleave(copies, dim=0) for part in (layer.k, layer.v)
        )
        k, v = k.flatten(0, 1), F.pad(v, (0, 0, 0, 2)).flatten(0, 1)
        made = (
            self._paired(layer.q) * self.size**-0.5,
            torch.cat([self._paired(k), v]),
            layer.out,
            torch.cat([layer.gate, layer.up]),
            layer.down,
        )
        return Layer(*(weight.t().contiguous() for weight in made))

    def _paired(self, weight: torch.Tensor) -> torch.Tensor:
        """Rows in the order in which a rotation's two halves stand side by side, as complex numbers do."""
        halves: torch.Tensor = weight.unflatten(0, (-1, 2, self.size // 2))
        return halves.transpose(1, 2).flatten(0, 2)


class Scorer:
    """Log-likelihoods of the endings of sequences, for one model after another.

    Args:
        sequences: cut to what the model can read.
        greedy: shape (n,): for which to find out whether greedy decoding would give the ending.
        batch_tokens: tokens of a forward pass on a GPU; a CPU takes fewer, to stay in its cache.
    """

    def __init__(self, sequences: Sequences, greedy: np.ndarray, batch_tokens: int) -> None:
        self.sequences, self.greedy, self.batch_tokens = sequences, greedy, batch_tokens
        self._packed: list[Packed] | None = None
        self._trees: dict[torch.device, list[Trees]] = {}

    @property
    def packed(self) -> list[Packed]:
        """The sequences as forests of tensors for a CPU, made once."""
        if self._packed is None:
            keep_freed_memory()
            made = pack(self.sequences, min(self.batch_tokens, TOKENS))
            self._packed = [_to_torch(tree) for tree in made]
        return self._packed

    def trees(self, device: torch.device) -> list[Trees]:
        """The sequences as trees for a GPU, made once for each."""
        if device not in self._trees:
            made = pack_trees(self.sequences, self.batch_tokens)
            self._trees[device] = [batch.to(device) for batch in made]
        return self._trees[device]

    @torch.inference_mode()
    def score(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood in nats, shape (n,), and whether each token was the likeliest (where asked).

        In fp32; a GPU takes TF32 for the products where the caller computes in bf16 (autocast).
        """
        device = next(model.parameters()).device
        if device.type == "cpu":
            total, best = self._by_blocks(model)
        else:
            with _tf32(torch.is_autocast_enabled(device.type)), torch.autocast(device.type, enabled=False):
                total, best = score_trees(model, self.trees(device), len(self.sequences), self.greedy)
        for lost in np.flatnonzero(np.isnan(total)).tolist():
            total[lost], best[lost] = self._plainly(model, lost)
            if np.isnan(
                total[lost]
            ):  # the model itself is broken: asking it for every sequence tells no more
                break
        return total, best

    def _by_blocks(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        llama = Llama(model, self.sequences.tokens.size)
        total = torch.from_numpy(shared_array(len(self.sequences), np.float64))
        best = torch.from_numpy(shared_array(len(self.sequences), np.bool_)).fill_(True)

        def read(tree: Any) -> None:
            values, likeliest = log_probs(llama, tree, bool(self.greedy[tree.owner.numpy()].any()))
            total[tree.owner], best[tree.owner] = 0.0, True  # every sequence stands in one tree
            total.index_add_(0, tree.owner, values.double())
            if likeliest is not None:
                best[tree.owner[~likeliest]] = False

        fork_map(read, self.packed, processes_for(len(self.packed)))
        return total.numpy(), best.numpy()

    def _plainly(self, model: Any, number: int) -> tuple[float, bool]:
        """One sequence by the model's own forward pass: attention sharper than float64's exponentials."""
        whole = self.sequences.tokens[slice(*self.sequences.bounds[number : number + 2])]
        ids = torch.from_numpy(whole.astype(np.int64)).to(model.device)
        start = int(self.sequences.start[number])
        found = model(input_ids=ids[None, :-1]).logits[0, start - 1 :].log_softmax(-1)
        likely = bool((found.argmax(-1) == ids[start:]).all()) or not bool(self.greedy[number])
        return float(found.gather(1, ids[start:, None]).double().sum()), likely


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = before or allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _to_torch(value: Any) -> Any:
    """The same dataclass with tensors for arrays."""
    if isinstance(value, list):
        return [_to_torch(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, int | Block):
        return value
    return type(value)(**{field.name: _to_torch(getattr(value, field.name)) for field in fields(value)})


@torch.inference_mode()
def log_probs(llama: Llama, tree: Any, greedy: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probability in nats of each target, and whether it is the likeliest token (when asked).

    Args:
        tree: a `Packed` of tensors.
    """
    x, turn = F.embedding(tree.token, llama.embedding), llama.turns.index_select(0, tree.depth)
    for number, layer in enumerate(llama.layers):
        last = layer is llama.layers[-1]  # where only the nodes that predict ask
        if number == 0 and llama.looked_up is not None:
            tokens = F.pad(tree.token, (0, 1), value=llama.vocab_size)
            q, kv = (F.embedding(tokens, table) for table in llama.looked_up)
            if last:
                q = torch.cat([q.index_select(0, tree.asks), q[-1:]])
        else:
            h = llama.norm(x)
            kv = llama.keys_values(layer, h)
            q = llama.queries(layer, h.index_select(0, tree.asks) if last else h)
        _rotate(kv[:-1, : llama.width], turn)
        if last:
            x, turn = x.index_select(0, tree.predicts), turn.index_select(0, tree.asks)
        _rotate(q[:-1], turn)
        seen = _attend(llama, q, kv, tree.last_blocks if last else tree.blocks)
        x.addmm_(seen.index_select(0, tree.kept) if last else seen, layer.out)
        _feed_forward(llama, layer, x)
    return _read(llama, llama.norm(x), tree, greedy)


def _feed_forward(llama: Llama, layer: Layer, x: torch.Tensor) -> None:
    """Adds to `x`; a part after another, in memory that stays in the cache."""
    at_once = max(1, INNER // layer.gate_up.shape[1])
    both = x.new_empty(min(at_once, len(x)), layer.gate_up.shape[1])
    for part, h in zip(x.split(at_once), llama.norm(x).split(at_once), strict=True):
        gate, up = torch.mm(h, layer.gate_up, out=both[: len(part)]).chunk(2, dim=-1)
        part.addmm_(up.mul_(F.silu(gate)), layer.down)


def _padded_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """With a row of zeros at the end."""
    out = x.new_empty(len(x) + 1, weight.shape[1])
    torch.mm(x, weight, out=out[:-1])
    out[-1] = 0.0
    return out


def _attend(llama: Llama, q: torch.Tensor, kv: torch.Tensor, blocks: list[Any]) -> torch.Tensor:
    """Attention of every query to all nodes on its way: shape (n_queries, width)."""
    seen = _weighted(llama, q, kv, blocks)
    low, high = seen[:, :-1, llama.size].aminmax() if len(q) > 1 else (1.0, 1.0)
    if not (low > SMALL and high < LARGE):
        seen = _weighted(llama, q.double(), kv.double(), blocks)
        sums = seen[..., llama.size]
        sums.masked_fill_(sums < SMALLEST, math.nan)
    seen = seen[:, :-1].transpose(0, 1)
    mixed = seen.new_empty(len(seen), llama.width)
    torch.div(seen[..., : llama.size], seen[..., llama.size, None], out=mixed.unflatten(1, (llama.heads, -1)))
    return mixed.float()


def _weighted(llama: Llama, q: torch.Tensor, kv: torch.Tensor, blocks: list[Any]) -> torch.Tensor:
    """Values and ones weighted by the exponentials of the scores, shape (heads, n_queries + 1, size + 2).

    Args:
        q, kv: each with a last row of zeros.
        blocks: with tensors for arrays.
    """
    total = q.new_zeros(llama.heads, len(q), llama.size + 2)
    queries = q.unflatten(1, (llama.heads, -1)).transpose(0, 1)
    keys, values = llama.keys(kv).permute(1, 2, 0), llama.values(kv).transpose(0, 1)
    for block in blocks:
        if isinstance(block, Block):
            weight = torch.bmm(queries[:, block.queries], keys[:, :, block.keys]).exp_()
            if block.sees <= weight.shape[2]:
                weight.tril_(block.sees - 1)
            total[:, block.queries].add_(torch.bmm(weight, values[:, block.keys]))
        elif isinstance(block, Tiles):
            shape = block.seen.shape[:2]
            at = slice(block.first, block.first + shape.numel())  # type: ignore[attr-defined]
            rows = kv[at].view(*shape, -1)
            weight = _scores(llama, q[at].view(*shape, -1), rows).exp_()
            weight.mul_(block.seen.to(q.dtype))  # type: ignore[attr-defined]
            for head, value in enumerate(llama.values(rows).unbind(2)):
                torch.bmm(weight[head], value, out=total[head, at].view(*shape, -1))
        else:
            query = block.query.view(-1)
            rows = kv.index_select(0, block.key.view(-1)).view(*block.key.shape, -1)
            asked = q.index_select(0, query).view(*block.query.shape, -1)
            weight = _scores(llama, asked, rows).exp_().tril_()
            for head, value in enumerate(llama.values(rows).unbind(2)):
                total[head].index_add_(0, query, torch.bmm(weight[head], value).flatten(0, 1))
    return total


def _scores(llama: Llama, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
    """Products of queries and keys, shape (heads, R, Q, K).

    Args:
        q, kv: shapes (R, Q, width) and (R, K, ...).
    """
    scores = q.new_empty(llama.heads, *q.shape[:2], kv.shape[1])
    asked = q.unflatten(2, (llama.heads, -1)).unbind(2)
    for one, seen, out in zip(asked, llama.keys(kv).transpose(1, 3).unbind(2), scores.unbind(), strict=True):
        torch.bmm(one, seen, out=out)
    return scores


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> None:
    """In place; shapes (n, width) and (n, width / 2)."""
    torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turn)


def _read(
    llama: Llama, hidden: torch.Tensor, tree: Any, greedy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    row, target = tree.row, tree.target
    at_once = max(1, LOGITS // llama.vocab_size)
    buffer = hidden.new_empty(min(at_once, len(hidden)), llama.vocab_size)
    picked, best = [], []
    bounds = torch.searchsorted(row, torch.arange(0, len(hidden) + at_once, at_once)).tolist()
    for number, (part, (begin, end)) in enumerate(zip(hidden.split(at_once), pairwise(bounds), strict=False)):
        logits = torch.mm(part, llama.head, out=buffer[: len(part)])
        at, wanted = row[begin:end] - number * at_once, target[begin:end]
        chosen = logits[at, wanted]
        if greedy:
            best.append(logits.argmax(-1)[at] == wanted)
        picked.append(chosen - _log_sum_exp(llama, part, logits)[at])
    return torch.cat(picked), torch.cat(best) if greedy else None


def _log_sum_exp(llama: Llama, hidden: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Of the logits of `hidden`, which are overwritten."""
    if not llama.shifted:
        sums = logits.exp_().sum(-1)
        low, high = sums.aminmax()
        if low > SMALL and high < LARGE:
            return sums.log_()
        llama.shifted = True
        torch.mm(hidden, llama.head, out=logits)
    return logits.logsumexp(-1)
