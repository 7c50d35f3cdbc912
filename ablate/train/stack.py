"""R models of one shape as two arrays, so that one matrix product or optimiser step serves them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.train.kernels import (
    Add,
    BlockAttention,
    Embedding,
    Linear,
    LinearCrossEntropy,
    RMSNorm,
    SwiGLU,
    Tape,
    interleaved,
    rotary_table,
    rotate,
    split_half,
    turns,
)
from ablate.train.proxy import ProxyConfig, build_model

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

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


def as_parts(model: LlamaForCausalLM) -> tuple[Tensor, Tensor]:
    """A model's own rows of both arrays, fp32."""
    matrices, vectors = (
        torch.cat([parameter.detach().float().flatten() for parameter in kind(model)])
        for kind in (_matrices, _vectors)
    )
    return matrices, vectors


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
    """Next-token loss of R Llamas over their own sequences, and its gradient.

    The same function of the same parameters as `LlamaForCausalLM` with labels; a test holds the two
    equal. Query, key and value are one product, as are gate and up.

    Args:
        dtype: to compute in.
        compiled: use torch.compile for the layers.
    """

    def __init__(
        self,
        proxy: ProxyConfig,
        vocab_size: int,
        device: torch.device,
        dtype: torch.dtype,
        compiled: bool = False,
    ) -> None:
        self.proxy, self.dtype, self.eps = proxy, dtype, proxy.llama(vocab_size).rms_norm_eps
        self.heads, self.kv_heads = proxy.heads, proxy.kv_heads or proxy.heads
        self.head = proxy.hidden_size // proxy.heads
        width, inner = proxy.hidden_size, proxy.intermediate_size
        self.turning = (self.heads + self.kv_heads) * self.head
        layer = [
            (self.turning + self.kv_heads * self.head, width),
            (width, width),
            (2 * inner, width),
            (width, inner),
        ]
        self.tables = 1 if proxy.tie_embeddings else 2
        self.shapes = [(vocab_size, width)] * self.tables + layer * proxy.layers
        turn = rotary_table(proxy.context, self.head, proxy.rope_theta, device)
        self.cos, self.sin = turn.real[:, 0].to(dtype), turn.imag[:, 0].to(dtype)
        by_blocks = device.type == "cpu" and proxy.context <= LONGEST_BLOCK_ATTENTION and not compiled
        self.turns = turns(turn, self.heads, self.kv_heads, dtype) if by_blocks else None
        self._compiled: Callable[..., Tensor] | None = (
            torch.compile(self._plain_layer, dynamic=False) if compiled else None
        )

    def gradients(
        self, matrices: Tensor, vectors: Tensor, sequences: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss per model and its gradients.

        Args:
            matrices: (R, n), fp32.
            vectors: (R, m), fp32.
            sequences: (R, B, context + 1), int64.
        Returns:
            Shape (R,): sum over the B x context predictions, nats; and its gradients of both, fp32.
        """
        if self.turns is None:
            leaves = [matrices.detach().to(self.dtype).requires_grad_(), vectors.detach().requires_grad_()]
            losses = self.losses(leaves[0], leaves[1], sequences)
            of_matrices, of_vectors = torch.autograd.grad(losses.sum(), leaves)
            return losses.detach(), of_matrices.float(), of_vectors
        of_matrices, of_vectors = torch.empty_like(matrices), torch.empty_like(vectors)
        with torch.inference_mode():
            exact, weights, wanted = map(
                self._cut, (matrices, matrices.to(self.dtype, copy=True), of_matrices)
            )
            for mine, theirs in zip(self._queries_keys(weights), self._queries_keys(exact), strict=True):
                interleaved(mine, self.head).copy_(split_half(theirs, self.head))
            norms, tape = self._norms(vectors), Tape()
            losses = self._run(tape, weights, norms, sequences, self._by_kernels(tape, self._blocks))
            found = tape.gradients(losses, [*weights, *norms])
            of_weights, of_norms = found[: len(weights)], found[len(weights) :]
            for mine, theirs in zip(wanted, of_weights, strict=True):
                mine.copy_(theirs)
            for mine, theirs in zip(self._queries_keys(wanted), self._queries_keys(of_weights), strict=True):
                split_half(mine, self.head).copy_(interleaved(theirs, self.head))
            torch.cat(of_norms, 1, out=of_vectors.view(len(vectors), -1, self.proxy.hidden_size))
        return losses.clone(), of_matrices, of_vectors

    def losses(self, matrices: Tensor, vectors: Tensor, sequences: Tensor) -> Tensor:
        """The same losses, by operations that autograd follows; `matrices` are in the type to compute in."""
        layer = self._folded if self._compiled else self._by_kernels(_apply, self._fused)
        return self._run(_apply, self._cut(matrices), self._norms(vectors), sequences, layer)

    def _by_kernels(
        self, call: Callable[..., Tensor], attend: Callable[..., Tensor]
    ) -> Callable[..., Tensor]:
        """A layer as a chain of our kernels, from `x`, its four matrices and the gains of its two norms."""

        def layer(
            x: Tensor,
            qkv: Tensor,
            out: Tensor,
            gate_up: Tensor,
            down: Tensor,
            before: Tensor,
            between: Tensor,
        ) -> Tensor:
            normed = call(RMSNorm, x, before, self.eps, self.dtype)
            x = call(Add, x, call(Linear, attend(call, call(Linear, normed, qkv)), out))
            normed = call(RMSNorm, x, between, self.eps, self.dtype)
            return call(Add, x, call(Linear, call(SwiGLU, call(Linear, normed, gate_up)), down))

        return layer

    def _folded(
        self,
        x: Tensor,
        qkv: Tensor,
        out: Tensor,
        gate_up: Tensor,
        down: Tensor,
        before: Tensor,
        between: Tensor,
    ) -> Tensor:
        """A layer by torch's compiler. The gains go into the matrices: over tokens their gradients would be sums of
        every activation."""
        assert self._compiled
        return self._compiled(x, (qkv * before).to(self.dtype), out, (gate_up * between).to(self.dtype), down)

    def _plain_layer(self, x: Tensor, qkv: Tensor, out: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
        """A layer in torch's own operations, for its compiler: one compilation serves all layers.

        Args:
            x: (R, N, H), fp32.
            qkv, out, gate_up, down: its matrices, those of inputs with the norms' gains in them.
        """

        def norm(x: Tensor) -> Tensor:
            return (x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()).to(self.dtype)

        x = x + torch.bmm(self._fused(None, torch.bmm(norm(x), qkv.mT)), out.mT)
        gate, up = torch.bmm(norm(x), gate_up.mT).chunk(2, -1)
        return x + torch.bmm(F.silu(gate) * up, down.mT)

    def _run(
        self,
        call: Callable[..., Tensor],
        weights: list[Tensor],
        norms: list[Tensor],
        sequences: Tensor,
        layer: Callable[..., Tensor],
    ) -> Tensor:
        x = call(Embedding, weights[0], sequences[:, :, :-1].flatten(1))
        for number in range(self.proxy.layers):
            x = layer(x, *weights[self.tables + 4 * number :][:4], *norms[2 * number : 2 * number + 2])
        x = call(RMSNorm, x, norms[-1], self.eps, self.dtype)
        return call(LinearCrossEntropy, x, weights[self.tables - 1], sequences[:, :, 1:].flatten(1))

    def _cut(self, matrices: Tensor) -> list[Tensor]:
        parts = matrices.split([prod(shape) for shape in self.shapes], 1)
        return [part.view(len(part), *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _queries_keys(self, parts: list[Tensor]) -> list[Tensor]:
        """The rows of each layer that make queries and keys."""
        return [part[:, : self.turning] for part in parts[self.tables :: 4]]

    def _norms(self, vectors: Tensor) -> list[Tensor]:
        return list(vectors.view(len(vectors), -1, 1, self.proxy.hidden_size).unbind(1))

    def _blocks(self, call: Callable[..., Tensor], fused: Tensor) -> Tensor:
        return call(BlockAttention, fused, self.turns, self.kv_heads)

    def _fused(self, _: Callable[..., Tensor] | None, fused: Tensor) -> Tensor:
        context, turning = self.proxy.context, self.heads + self.kv_heads
        heads = fused.view(-1, context, turning + self.kv_heads, self.head).transpose(1, 2)
        q, k = rotate(heads[:, :turning], self.cos, self.sin).split((self.heads, self.kv_heads), 1)
        mixed = F.scaled_dot_product_attention(
            q, k, heads[:, turning:], is_causal=True, enable_gqa=self.heads > self.kv_heads
        )
        return mixed.transpose(1, 2).reshape(*fused.shape[:2], -1)


def _apply(kernel: Any, *given: Any) -> Tensor:
    """A kernel's output, followed by autograd."""
    out: Tensor = kernel.apply(*given)
    return out
