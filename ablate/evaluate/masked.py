"""A Llama's forward pass over trees of tokens by torch's fused attention: what a GPU runs.

As in `forward`, every shared beginning is read once and logits are made only where a token is predicted. A CPU
wants small blocks that stay in its cache; a GPU wants few and large operations, so here a tree is one row of a
batch, padded, and attends under a mask. Nodes stand in depth-first order: a node sees those before it whose
subtree has not ended, so one number per node tells the whole mask.

Arrays are fp32; whether products may round what they multiply to TF32 is torch's setting. Against fp32, with 150M fresh
parameters and on an H200, log-likelihoods of HellaSwag's length are within 0.016 nats in TF32 and would be within
0.14 in bf16, which takes three quarters of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ablate.evaluate.prefixes import in_order, lay, nodes_of_trees, runs
from ablate.evaluate.requests import Sequences
from ablate.evaluate.weights import Weights

TREE = 4096
"""Most nodes of a tree: what is larger is cut, and its pieces read the shared beginning again. Attention costs the
square of it."""
PAIRS = 2**25
"""Most pairs of query and key under one mask."""
PAD, CALL = 4096, 2**22
"""What a node of padding and one more call of attention cost, in pairs (reckoned for a width of 1,024: 4 width FLOP a
pair, 12 width^2 a node and layer, 50 microseconds a call at 400 TFLOP/s)."""
EIGHT = 8
"""Rows of a mask begin at multiples of it, as the fused attention wants them."""
LOGITS = 2**27
"""Logits held at a time."""


@dataclass(frozen=True, eq=False)
class Group:
    """Trees that attend in one call.

    Attributes:
        first: the first node.
        chains: whether no tree has a branch, so that attention is causal.
        end: shape (count, size): within its tree, the first node after each node's subtree.
    """

    first: int
    chains: bool
    end: Any


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees, and what is to be predicted in them.

    Attributes:
        token, depth: shape (n_nodes,), padding between the trees.
        groups: which nodes attend to which.
        predicts: shape (n_predicting,): the nodes at which a prediction is wanted, ascending.
        row: shape (n_targets,): which row of `predicts`, ascending.
        target: shape (n_targets,): the token to predict.
        owner: shape (n_targets,): whose it is.
    """

    token: Any
    depth: Any
    groups: list[Group]
    predicts: Any
    row: Any
    target: Any
    owner: np.ndarray

    def to(self, device: torch.device) -> Trees:
        """With tensors on a device for arrays; whose a target is stays here."""

        def there(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        groups = [Group(group.first, group.chains, there(group.end)) for group in self.groups]
        return Trees(
            there(self.token),
            there(self.depth),
            groups,
            there(self.predicts),
            there(self.row),
            there(self.target),
            self.owner,
        )


def pack_trees(sequences: Sequences, nodes_at_once: int) -> Iterator[Trees]:
    """Every sequence, in batches of about `nodes_at_once` nodes (more for a larger tree, and padding)."""
    order, size, common = in_order(sequences)
    if not order.size:
        return
    common = _cut(common, size)
    tree = np.cumsum(common == 0) - 1
    nodes = np.bincount(tree, weights=size - common).astype(np.int64)
    by_size = np.argsort(nodes[tree], kind="stable")
    order, size, common, tree = order[by_size], size[by_size], common[by_size], tree[by_size]
    starts = np.flatnonzero(common == 0)
    begin, count = 0, 0
    for place, own in zip(starts.tolist(), nodes[tree[starts]].tolist(), strict=True):
        if place > begin and count + own > nodes_at_once:
            yield _batch(sequences, order[begin:place], common[begin:place])
            begin, count = place, 0
        count += own
    yield _batch(sequences, order[begin:], common[begin:])


def _cut(common: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The same with a new tree begun wherever one would have more than `TREE` nodes."""
    out, nodes = common.copy(), 0
    for place, (shared, length) in enumerate(zip(common.tolist(), size.tolist(), strict=True)):
        if shared and nodes + length - shared > TREE:
            out[place] = shared = 0
        nodes = length if shared == 0 else nodes + length - shared
    return out


def _batch(sequences: Sequences, rows: np.ndarray, common: np.ndarray) -> Trees:
    nodes = nodes_of_trees(sequences, rows, common)
    rounded = -(-nodes // EIGHT) * EIGHT
    together = list(runs(rounded, pad=PAD, call=CALL, pairs=PAIRS))
    sizes = np.concatenate([np.full(end - begin, rounded[end - 1]) for begin, end in together])
    begins = np.concatenate([[0], np.cumsum(sizes)])
    laid = lay(sequences, rows, common, begins)
    end = np.arange(1, laid.token.size + 1)  # padding sees itself
    new_end = np.broadcast_to((laid.began + laid.n_new)[:, None], laid.inside.shape)
    np.maximum.at(end, laid.path[laid.inside], new_end[laid.inside])
    predicts, row = np.unique(laid.path[laid.wanted], return_inverse=True)
    by_row = np.argsort(row, kind="stable")
    groups = [_group(nodes[begin:upto], begins[begin : upto + 1], end) for begin, upto in together]
    return Trees(
        laid.token, laid.depth, groups, predicts, row[by_row], laid.target[by_row], laid.owner[by_row]
    )


def _group(nodes: np.ndarray, begins: np.ndarray, end: np.ndarray) -> Group:
    """Trees of one size with their padding.

    Args:
        nodes: shape (n_trees,): without it.
        begins: shape (n_trees + 1,): where each begins, the end of the last.
        end: shape (n_nodes,): of the whole batch.
    """
    first, size = int(begins[0]), int(begins[1] - begins[0])
    ends = end[first : begins[-1]].reshape(-1, size) - begins[:-1, None]
    real = np.arange(size) < nodes[:, None]
    return Group(first, bool((ends == nodes[:, None])[real].all()), ends)


class MaskedLlama:
    """Weights of a Llama-architecture model in the form that `log_probs` wants, fp32; made for each checkpoint.

    Args:
        model: has `config` (a `LlamaConfig`) and the parameter names of `LlamaForCausalLM`.
    """

    def __init__(self, model: Any) -> None:
        weights = Weights(model)
        self.heads, self.kv_heads, self.eps = weights.heads, weights.kv_heads, weights.eps
        self.size, self.width, self.vocab_size = weights.size, weights.width, weights.vocab_size
        self.embedding, self.head = weights.embedding, weights.head
        self.layers = [
            (torch.cat([layer.q, layer.k, layer.v]), layer.out, torch.cat([layer.gate, layer.up]), layer.down)
            for layer in weights.layers()
        ]
        self.cos, self.sin = weights.angle.cos(), weights.angle.sin()

    def _norm(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (self.width,), None, self.eps)

    def log_probs(self, trees: Trees, greedy: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probability in nats of each target, and whether it is the likeliest token (when asked)."""
        x = F.embedding(trees.token, self.embedding)
        cos, sin = (table.index_select(0, trees.depth)[:, None] for table in (self.cos, self.sin))
        biases = [None if group.chains else self._bias(group.end) for group in trees.groups]
        for number, (qkv, out, gate_up, down) in enumerate(self.layers):
            seen = self._attend(F.linear(self._norm(x), qkv), cos, sin, trees.groups, biases)
            if number == len(self.layers) - 1:
                x, seen = x.index_select(0, trees.predicts), seen.index_select(0, trees.predicts)
            x = x + F.linear(seen, out)
            gate, up = F.linear(self._norm(x), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate).mul_(up), down)
        return self._read(self._norm(x), trees, greedy)

    def _bias(self, end: torch.Tensor) -> torch.Tensor:
        """What is added to the scores: shape (count, 1, size, size), 0 or -inf."""
        node = torch.arange(end.shape[1], device=end.device)
        seen = (node <= node[:, None]) & (node[:, None] < end[:, None, :])
        return torch.zeros(seen.shape, device=end.device).masked_fill_(~seen, -torch.inf)[:, None]

    def _attend(
        self,
        qkv: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        groups: list[Group],
        biases: list[torch.Tensor | None],
    ) -> torch.Tensor:
        turning = self.heads + self.kv_heads
        heads = qkv.view(len(qkv), turning + self.kv_heads, self.size)
        first, second = heads[:, :turning].chunk(2, -1)
        turned = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
        out = qkv.new_empty(len(qkv), self.heads, self.size)
        for group, bias in zip(groups, biases, strict=True):
            shape = group.end.shape
            part = slice(group.first, group.first + shape.numel())
            q, k, v = (
                given[part].unflatten(0, shape).transpose(1, 2)
                for given in (turned[:, : self.heads], turned[:, self.heads :], heads[:, turning:])
            )
            if self.kv_heads < self.heads:
                k, v = (given.repeat_interleave(self.heads // self.kv_heads, 1) for given in (k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None)
            out[part] = mixed.transpose(1, 2).flatten(0, 1)
        return out.flatten(1)

    def _read(
        self, hidden: torch.Tensor, trees: Trees, greedy: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        at_once = max(1, LOGITS // self.vocab_size)
        picked, best = [], []
        starts = torch.arange(0, len(hidden) + at_once, at_once, device=hidden.device)
        bounds = (
            torch.searchsorted(trees.row, starts).tolist() if len(hidden) > at_once else [0, len(trees.row)]
        )
        for number, part in enumerate(hidden.split(at_once)):
            logits = F.linear(part, self.head)
            begin, end = bounds[number], bounds[number + 1]
            at, wanted = trees.row[begin:end] - number * at_once, trees.target[begin:end]
            picked.append(logits[at, wanted] - logits.logsumexp(-1)[at])
            if greedy:
                best.append(logits.argmax(-1)[at] == wanted)
        return torch.cat(picked), torch.cat(best) if greedy else None


@torch.inference_mode()
def score_trees(
    model: Any, trees: list[Trees], count: int, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood in nats of the sequences, and whether each token was the likeliest (where asked).

    Args:
        model: see `MaskedLlama`.
        trees: of tensors on the model's device.
        count: number of sequences.
        asked: shape (count,): of which to find out whether greedy decoding gives the ending.
    """
    llama = MaskedLlama(model)
    # What is found stays on the device to the end: to fetch it batch by batch would wait for each.
    found = [llama.log_probs(batch, bool(asked[batch.owner].any())) for batch in trees]
    total, best = np.zeros(count), np.ones(count, dtype=bool)
    for batch, (values, likeliest) in zip(trees, found, strict=True):
        np.add.at(total, batch.owner, values.cpu().double().numpy())
        if likeliest is not None:
            best[batch.owner[~likeliest.cpu().numpy()]] = False
    return total, best
