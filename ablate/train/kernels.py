"""The operations of a Llama that training spends its time in, each with its own backward pass.

Left to autograd, each of these is a chain of small operations whose intermediate results are written to
memory and read again. Here a backward pass keeps little, recomputes what is cheap, and works in place.
All of them take R models at once: weights and activations carry a leading dimension of size R.

They are called by autograd (`Kernel.apply`) or by a `Tape`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

BLOCK = 256
"""Queries per block of attention: keys after a block's last query are never multiplied."""

LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**30}
"""Logits held at a time."""

ALIGNED = {"cuda": 64}
"""Rows of logits are padded to a multiple of this: for 50,257 columns an H200 falls back to kernels of 2018, and they took
164 of the 450 ms of a step at 150M parameters; padded (and with twice the logits at a time) the step takes 312."""


class Call:
    """What a kernel keeps between its forward and its backward pass, where autograd is not there to do it."""

    needs_input_grad = (True,)
    saved_tensors: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor) -> None:
        """As autograd's."""
        self.saved_tensors = tensors


class Tape:
    """The kernels that made a loss, to be gone through backwards: autograd without its graph.

    On two cores autograd's bookkeeping is a twentieth of a small proxy's step. This is for chains of
    kernels only: every tensor that wants a gradient is an input of a kernel, as it is and not as a view.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[Any, Call, tuple[Any, ...], Tensor]] = []

    def __call__(self, kernel: Any, *inputs: Any) -> Tensor:
        """What the kernel makes of its inputs."""
        call = Call()
        out: Tensor = kernel.forward(call, *inputs)
        self._calls.append((kernel.backward, call, inputs, out))
        return out

    def gradients(self, last: Tensor, of: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of the sum of `last`, which is what the last kernel made; the tape is empty then."""
        found = {id(last): torch.ones_like(last)}
        while self._calls:
            backward, call, inputs, out = self._calls.pop()
            for given, gradient in zip(inputs, backward(call, found.pop(id(out))), strict=True):
                if gradient is not None:
                    before = found.get(id(given))
                    found[id(given)] = gradient if before is None else before + gradient
        return [found[id(tensor)] for tensor in of]


class Embedding(Function):
    """Rows of R tables; gradients of repeated tokens are summed in fp32."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, tokens: Tensor) -> Tensor:
        """`table` (R, V, H), `tokens` (R, N) -> (R, N, H) in fp32."""
        runs, vocabulary, width = table.shape
        index = (tokens + vocabulary * torch.arange(runs, device=tokens.device)[:, None]).flatten()
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table.reshape(-1, width).index_select(0, index).view(runs, -1, width).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the tables, in fp32."""
        (index,) = ctx.saved_tensors
        runs, vocabulary, width = ctx.shape
        total = gradient.new_zeros((runs * vocabulary, width), dtype=torch.float32)
        total.index_add_(0, index, gradient.reshape(-1, width).float())
        return total.view(ctx.shape), None


class RMSNorm(Function):
    """x / rms(x) * weight (Zhang & Sennrich 2019), computed in fp32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        """`x` (R, N, H) and `weight` (R, 1, H), both fp32 -> (R, N, H) in `dtype`."""
        inverse = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
        inverse.div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        normed: Tensor = (x * inverse).mul_(weight).to(dtype)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Gradients of x and weight."""
        x, weight, inverse = ctx.saved_tensors
        normed, wide = x * inverse, gradient.to(torch.float32, copy=True)
        product = wide * normed
        # A product with ones: several threads share a sum over rows badly.
        of_weight = torch.bmm(product.new_ones(len(product), 1, product.shape[1]), product)
        shared = product.mul_(weight).mean(-1, keepdim=True)
        of_x = wide.mul_(weight).addcmul_(normed, shared, value=-1).mul_(inverse)
        return of_x, of_weight, None, None


class Add(Function):
    """What a block found, to the residual stream, which stays in fp32: rounded to bf16 after each layer
    it would lose what deep models add to it (as under autocast)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, found: Tensor) -> Tensor:
        """`x` in fp32, `found` in the type to compute in -> fp32."""
        ctx.dtype = found.dtype
        return x + found.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of both."""
        return gradient, gradient.to(ctx.dtype)


class Linear(Function):
    """Matrix products with R weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """`x` (R, N, H), `weight` (R, O, H) -> (R, N, O)."""
        ctx.save_for_backward(x, weight)
        return torch.bmm(x, weight.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of both."""
        x, weight = ctx.saved_tensors
        return torch.bmm(gradient, weight), torch.bmm(gradient.mT, x)


class SwiGLU(Function):
    """silu(gate) * up (Shazeer 2020). The gate is copied out: its halves of rows would double the time."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        """(R, N, 2 I), gate first -> (R, N, I)."""
        gate, up = gate_up.chunk(2, -1)
        gate = gate.contiguous()
        opened = F.silu(gate)
        ctx.save_for_backward(gate, opened, up)
        return opened * up

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor]:
        """Gradient of gate_up."""
        gate, opened, up = ctx.saved_tensors
        out = gradient.new_empty((*gradient.shape[:-1], 2 * gradient.shape[-1]))
        of_gate, of_up = out.chunk(2, -1)
        of_gate.copy_(torch.ops.aten.silu_backward(gradient * up, gate))
        torch.mul(gradient, opened, out=of_up)
        return (out,)


def rotary_table(context: int, head: int, theta: float, device: torch.device) -> Tensor:
    """Each position's turns of each pair (Su et al. 2021): shape (context, 1, head / 2), complex."""
    frequency = 1.0 / theta ** (torch.arange(0, head, 2, device=device).float() / head)
    angle = torch.outer(torch.arange(context, device=device).float(), frequency)
    return torch.polar(torch.ones_like(angle), angle)[:, None]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + d / 2) of the last dimension, as transformers does.

    Args:
        x: shape (..., T, d).
        cos, sin: shape (T, d / 2).
    """
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def split_half(rows: Tensor, head: int) -> Tensor:
    """Rows (R, h x head, H) of heads whose pairs lie head / 2 apart, pair by pair: (R, h, head / 2, 2, H)."""
    return rows.view(len(rows), -1, 2, head // 2, rows.shape[-1]).transpose(2, 3)


def interleaved(rows: Tensor, head: int) -> Tensor:
    """Rows (R, h x head, H) of heads whose pairs lie side by side, pair by pair: (R, h, head / 2, 2, H)."""
    return rows.view(len(rows), -1, head // 2, 2, rows.shape[-1])


class Turns(NamedTuple):
    """What `BlockAttention` needs of a shape, made once.

    Attributes:
        there, back: shape (T, h + kv, d / 2), complex: what queries and keys are multiplied by, the queries' with
            the scale of the scores in it, and its conjugate.
        future: shape (block, block): -inf where a key comes after the query.
    """

    there: Tensor
    back: Tensor
    future: Tensor


def turns(table: Tensor, heads: int, kv_heads: int, dtype: torch.dtype) -> Turns:
    """From a `rotary_table`, for attention in `dtype`."""
    there = table.expand(-1, heads + kv_heads, -1).contiguous()
    there[:, :heads] *= (2 * table.shape[-1]) ** -0.5
    future = torch.full((BLOCK, BLOCK), -math.inf, dtype=dtype, device=table.device).triu_(1)
    return Turns(there, there.conj().resolve_conj(), future)


class BlockAttention(Function):
    """Causal attention with rotary positions from the fused projections, all that lies between two products.

    Pairs (2 i, 2 i + 1) turn by one complex product, on a CPU several times faster than `rotate`.
    Attention does not see the order of its dimensions, so reordering the rows of query and key alike
    (`split_half`) gives the same model. Then plain matrix products, a block of queries at a time, over the
    keys up to it.

    On a CPU at the contexts of small proxies this beats torch's fused attention (whose bf16 backward
    pass does not reach the matrix units) by 2 to 6 times; probabilities are kept, (T / 2) (T + block)
    per head and sequence, so it is not for long contexts.
    """

    @staticmethod
    def forward(ctx: Any, fused: Tensor, turn: Turns, kv_heads: int) -> Tensor:
        """`fused` (R, S x T, (h + 2 kv) x d), queries first, then keys, then values -> (R, S x T, h x d)."""
        length, turning, pairs = turn.there.shape
        head, queries = 2 * pairs, turning - kv_heads
        group, runs = queries // kv_heads, len(fused)
        heads = fused.view(-1, length, turning + kv_heads, head)
        sequences = len(heads)
        turned = heads[:, :, :turning].to(torch.float32, copy=True)
        torch.view_as_complex(turned.view(sequences, length, turning, pairs, 2)).mul_(turn.there)
        # Per sequence and key head: its queries (group, T, d), and its keys and values (T, d).
        q = fused.new_empty((sequences * kv_heads, group, length, head))
        k, v = fused.new_empty((2, sequences * kv_heads, length, head))
        q.view(sequences, queries, length, head).copy_(turned[:, :, :queries].transpose(1, 2))
        k.view(sequences, kv_heads, length, head).copy_(turned[:, :, queries:].transpose(1, 2))
        v.view(sequences, kv_heads, length, head).copy_(heads[:, :, turning:].transpose(1, 2))
        out = fused.new_empty((sequences, length, kv_heads, group, head))
        by_head = out.permute(0, 2, 3, 1, 4)
        kept = []
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            size = end - start
            scores = torch.bmm(q[:, :, start:end].reshape(-1, group * size, head), k[:, :end].mT)
            scores.view(-1, group, size, end)[..., start:].add_(turn.future[:size, :size])
            share = torch.softmax(scores, -1)
            mixed = torch.bmm(share, v[:, :end])
            by_head[:, :, :, start:end] = mixed.view(sequences, kv_heads, group, size, head)
            kept.append(share)
        ctx.turn, ctx.kv_heads = turn, kv_heads
        ctx.save_for_backward(q, k, v, *kept)
        return out.view(runs, -1, queries * head)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Gradient of fused."""
        q, k, v, *kept = ctx.saved_tensors
        kv_heads, runs = ctx.kv_heads, len(gradient)
        _, group, length, head = q.shape
        queries = kv_heads * group
        sequences = len(q) // kv_heads
        mixed = torch.empty_like(q)
        mixed.view(sequences, queries, length, head).copy_(
            gradient.view(sequences, length, queries, head).transpose(1, 2)
        )
        of_q = torch.empty_like(q)
        of_k = of_v = None
        # Backwards, so that the first block reaches every key and later ones add to it.
        for number in reversed(range(len(kept))):
            start, share = number * BLOCK, kept[number]
            end = min(start + BLOCK, length)
            size = end - start
            asked, mine = (x[:, :, start:end].reshape(-1, group * size, head) for x in (q, mixed))
            of_share = torch.bmm(mine, v[:, :end].mT)
            of_scores = torch.ops.aten._softmax_backward_data(of_share, share, -1, share.dtype)
            of_q[:, :, start:end] = torch.bmm(of_scores, k[:, :end]).view(-1, group, size, head)
            more_k, more_v = torch.bmm(of_scores.mT, asked), torch.bmm(share.mT, mine)
            if of_k is None or of_v is None:
                of_k, of_v = more_k, more_v
            else:
                of_k[:, :end] += more_k
                of_v[:, :end] += more_v
        assert of_k is not None and of_v is not None
        turned = q.new_empty((sequences, length, queries + kv_heads, head), dtype=torch.float32)
        turned[:, :, :queries] = of_q.view(sequences, queries, length, head).transpose(1, 2)
        turned[:, :, queries:] = of_k.view(sequences, kv_heads, length, head).transpose(1, 2)
        torch.view_as_complex(turned.view(*turned.shape[:-1], head // 2, 2)).mul_(ctx.turn.back)
        out = q.new_empty((sequences, length, queries + 2 * kv_heads, head))
        out[:, :, : queries + kv_heads] = turned
        out[:, :, queries + kv_heads :] = of_v.view(sequences, kv_heads, length, head).transpose(1, 2)
        return out.view(runs, sequences // runs * length, -1), None, None


class LinearCrossEntropy(Function):
    """Cross-entropy of R models' output layers, a piece of the logits at a time.

    The gradient is made along with the loss, piece by piece, so logits are never kept: with a
    vocabulary of 50,000 they would be most of the memory of a small model.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        """`hidden` (R, N, H), `table` (R, V, H), `targets` (R, N) -> (R,): sum over tokens, nats."""
        runs, count, _ = hidden.shape
        most, vocabulary = LOGITS_AT_ONCE.get(hidden.device.type, 2**22), table.shape[1]
        padding = -vocabulary % ALIGNED.get(hidden.device.type, 1)
        if padding:
            table = F.pad(table, (0, 0, 0, padding))
        size = max(1, most // (runs * table.shape[1]))
        room = hidden.new_empty(runs * min(size, count) * table.shape[1])
        of_hidden = torch.empty_like(hidden)
        losses, of_table = [], None
        for first in range(0, count, size):
            part, target = hidden[:, first : first + size], targets[:, first : first + size, None]
            shape = (runs, part.shape[1], table.shape[1])
            share = torch.bmm(part, table.mT, out=room[: math.prod(shape)].view(shape))
            if padding:
                share[:, :, vocabulary:] = -math.inf
            torch.softmax(share, -1, out=share)
            place = target.flatten() + torch.arange(target.numel(), device=share.device) * share.shape[-1]
            right = share.view(-1).index_select(0, place)
            # bf16 reaches as far down as fp32: a loss up to 87 nats is told, a larger one as 87.
            losses.append(
                -right.float().clamp_min(torch.finfo(torch.float32).tiny).log().view(runs, -1).sum(1)
            )
            if not any(ctx.needs_input_grad):
                continue
            share.view(-1).index_copy_(0, place, right - 1)
            torch.bmm(share, table, out=of_hidden[:, first : first + size])
            more = torch.bmm(share.mT, part)[:, :vocabulary]
            of_table = more.float() if of_table is None else of_table.add_(more)
        if of_table is not None:
            ctx.save_for_backward(of_hidden, of_table)
        return torch.stack(losses).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of hidden, and of the table in fp32."""
        of_hidden, of_table = ctx.saved_tensors
        scale = gradient[:, None, None]
        return of_hidden * scale.to(of_hidden.dtype), of_table * scale, None
