"""R models of one shape as two arrays, so that one matrix product or optimiser step serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM

from ablate.train.kernels import (
    Add,
    BlockAttention,
    Embedding,
    LinearCrossEntropy,
    RMSNorm,
    SwiGLU,
    paired,
    rotary_table,
    rotate,
)
from ablate.train.proxy import ProxyConfig, build_model

LONGEST_BLOCK_ATTENTION = 1024
"""Tokens of context up to which a CPU attends by `BlockAttention`."""


@dataclass(frozen=True)
class Weights:
    """The parameters of R models.

    Attributes:
        matrices: shape (R, n), fp32: per model the embeddings, then each layer's fused matrices.
        vectors: shape (R, m), fp32: the gains of the norms.
        models: per model, transformers' own module; its parameters are views of the arrays, so it is
            always up to date, and is what evaluates, saves, and is handed on.
    """

    matrices: Tensor
    vectors: Tensor
    models: list[LlamaForCausalLM]

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        """Both arrays."""
        return self.matrices, self.vectors


def build_weights(proxy: ProxyConfig, vocab_size: int, seeds: Sequence[int], device: torch.device) -> Weights:
    """Fresh weights, model r from `seeds[r]` as `build_model` makes them."""
    models = [build_model(proxy, vocab_size, seed) for seed in seeds]
    matrices, vectors = (
        torch.empty(len(seeds), sum(tensor.numel() for tensor in kind(models[0])), device=device)
        for kind in (_matrices, _vectors)
    )
    for number, model in enumerate(models):
        model.to(device)  # type: ignore[arg-type]  # transformers' wrapper hides torch's signature
        for array, kind in ((matrices, _matrices), (vectors, _vectors)):
            place = 0
            for parameter in kind(model):
                view = array[number, place : place + parameter.numel()].view(parameter.shape)
                view.copy_(parameter.detach())
                parameter.data = view
                place += parameter.numel()
    return Weights(matrices, vectors, models)


def _matrices(model: LlamaForCausalLM) -> list[Tensor]:
    """Parameters with a row per output, in the order in which `Shape` cuts the array."""
    tables = [model.model.embed_tokens.weight]
    if model.lm_head.weight is not tables[0]:
        tables.append(model.lm_head.weight)
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        layers = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
        tables += [part.weight for part in (*layers, mlp.gate_proj, mlp.up_proj, mlp.down_proj)]
    return tables


def _vectors(model: LlamaForCausalLM) -> list[Tensor]:
    norms = [
        norm
        for layer in model.model.layers
        for norm in (layer.input_layernorm, layer.post_attention_layernorm)
    ]
    return [norm.weight for norm in (*norms, model.model.norm)]


class StackedLoss:
    """Mean next-token loss of R Llamas over their own sequences.

    The same function of the same parameters as `LlamaForCausalLM` with labels; a test holds the two
    equal. Query, key and value are one product, as are gate and up.
    """

    def __init__(self, proxy: ProxyConfig, vocab_size: int, device: torch.device) -> None:
        self.proxy, self.eps = proxy, proxy.llama(vocab_size).rms_norm_eps
        self.heads, self.kv_heads = proxy.heads, proxy.kv_heads or proxy.heads
        self.head = proxy.hidden_size // proxy.heads
        width, inner = proxy.hidden_size, proxy.intermediate_size
        fused = (self.heads + 2 * self.kv_heads) * self.head
        layer = [(fused, width), (width, width), (2 * inner, width), (width, inner)]
        tables = 1 if proxy.tie_embeddings else 2
        self.shapes = [(vocab_size, width)] * tables + layer * proxy.layers
        self.tables = tables
        self.turn = rotary_table(proxy.context, self.head, proxy.rope_theta, device)

    def __call__(self, matrices: Tensor, vectors: Tensor, sequences: Tensor) -> Tensor:
        """Loss per model.

        Args:
            matrices: (R, n), in the type to compute in.
            vectors: (R, m), fp32.
            sequences: (R, B, context + 1), int64.
        Returns:
            Shape (R,): sum over the B x context predictions, nats.
        """
        runs, batch, _ = sequences.shape
        sizes = [prod(shape) for shape in self.shapes]
        cut = matrices.split(sizes, 1)
        weights = [part.view(runs, *shape) for part, shape in zip(cut, self.shapes, strict=True)]
        norms = list(vectors.view(runs, -1, 1, self.proxy.hidden_size).unbind(1))
        x = Embedding.apply(weights[0], sequences[:, :, :-1].flatten(1))
        for number in range(self.proxy.layers):
            qkv, out, gate_up, down = weights[self.tables + 4 * number :][:4]
            normed = RMSNorm.apply(x, norms[2 * number], self.eps, matrices.dtype)
            mixed = self._attend(normed, qkv, runs * batch)
            x = Add.apply(x, torch.bmm(mixed.view(runs, -1, self.proxy.hidden_size), out.mT))
            normed = RMSNorm.apply(x, norms[2 * number + 1], self.eps, matrices.dtype)
            x = Add.apply(x, torch.bmm(SwiGLU.apply(torch.bmm(normed, gate_up.mT)), down.mT))
        x = RMSNorm.apply(x, norms[-1], self.eps, matrices.dtype)
        losses: Tensor = LinearCrossEntropy.apply(x, weights[self.tables - 1], sequences[:, :, 1:].flatten(1))
        return losses

    def _attend(self, x: Tensor, qkv: Tensor, sequences: int) -> Tensor:
        """Attention of (R, N, H) with fused projections (R, rows, H); -> (sequences, T, H)."""
        context, turning = self.proxy.context, self.heads + self.kv_heads
        if x.is_cpu and context <= LONGEST_BLOCK_ATTENTION:
            rows = qkv.split((turning * self.head, self.kv_heads * self.head), 1)
            qkv = torch.cat([paired(rows[0], self.head), rows[1]], 1)
            heads = torch.bmm(x, qkv.mT).view(sequences, context, -1, self.head)
            mixed: Tensor = BlockAttention.apply(heads, self.turn, self.kv_heads)
            return mixed
        cos, sin = self.turn.real[:, 0].to(x.dtype), self.turn.imag[:, 0].to(x.dtype)
        heads = torch.bmm(x, qkv.mT).view(sequences, context, -1, self.head).transpose(1, 2)
        q, k = rotate(heads[:, :turning], cos, sin).split((self.heads, self.kv_heads), 1)
        mixed = F.scaled_dot_product_attention(
            q, k, heads[:, turning:], is_causal=True, enable_gqa=self.heads > self.kv_heads
        )
        return mixed.transpose(1, 2).reshape(sequences, context, -1)
