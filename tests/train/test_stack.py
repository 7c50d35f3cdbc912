"""The stacked model against transformers', and each kernel against the same formula left to autograd."""

from __future__ import annotations

import math
import shutil

import pytest
import torch
import torch.nn.functional as F

from ablate.train import kernels, stack
from ablate.train.kernels import (
    BLOCK,
    Add,
    BlockAttention,
    Embedding,
    Linear,
    LinearCrossEntropy,
    RMSNorm,
    SwiGLU,
    Tape,
    rotary_table,
    rotate,
    split_half,
    turns,
)
from ablate.train.proxy import ProxyConfig, build_model
from ablate.train.stack import StackedLoss, build_weights

CPU = torch.device("cpu")
RUNS, VOCABULARY = 3, 50
SHAPES = {
    "grouped heads": ProxyConfig(
        hidden_size=64, layers=3, heads=4, kv_heads=2, intermediate_size=96, context=32
    ),
    "two blocks": ProxyConfig(hidden_size=32, layers=2, heads=2, intermediate_size=48, context=BLOCK + 40),
    "untied": ProxyConfig(
        hidden_size=32, layers=1, heads=4, kv_heads=1, intermediate_size=48, context=24, tie_embeddings=False
    ),
}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("attention", ["blocks", "fused"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_losses_and_gradients_are_those_of_the_transformers_models(shape, attention, monkeypatch):
    if attention == "fused":
        monkeypatch.setattr(stack, "LONGEST_BLOCK_ATTENTION", 0)
    weights = build_weights(shape, VOCABULARY, range(RUNS), CPU)
    sequences = torch.randint(
        0, VOCABULARY, (RUNS, 5, shape.context + 1), generator=torch.Generator().manual_seed(0)
    )
    found = StackedLoss(shape, VOCABULARY, CPU, torch.float32).gradients(*weights.parts, sequences)
    losses, matrices, vectors = (part / (5 * shape.context) for part in found)
    for run in range(RUNS):
        model = build_model(shape, VOCABULARY, run)
        expected = model(input_ids=sequences[run], labels=sequences[run]).loss
        expected.backward()
        assert losses[run].item() == pytest.approx(expected.item(), abs=1e-6)
        for found, kind in ((matrices, stack._matrices), (vectors, stack._vectors)):
            gradient = torch.cat([parameter.grad.flatten() for parameter in kind(model)])
            torch.testing.assert_close(found[run], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_bf16_gradients_point_where_fp32_gradients_do(shape):
    weights = build_weights(shape, VOCABULARY, [0], CPU)
    sequences = torch.randint(
        0, VOCABULARY, (1, 5, shape.context + 1), generator=torch.Generator().manual_seed(0)
    )
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        loss, gradient, _ = StackedLoss(shape, VOCABULARY, CPU, dtype).gradients(*weights.parts, sequences)
        found.append((loss.item(), gradient.flatten()))
    (exact, direction), (rough, other) = found
    assert rough == pytest.approx(exact, rel=2e-3)
    assert F.cosine_similarity(direction, other, dim=0) > 0.999


def test_the_models_are_views_of_the_stack():
    shape = SHAPES["grouped heads"]
    weights = build_weights(shape, VOCABULARY, range(RUNS), CPU)
    for run, model in enumerate(weights.models):
        fresh = build_model(shape, VOCABULARY, run).state_dict()
        assert all(torch.equal(value, fresh[name]) for name, value in model.state_dict().items())
    weights.matrices[1].zero_()
    assert not weights.models[1].model.layers[2].mlp.down_proj.weight.any()
    assert weights.models[1].lm_head.weight is weights.models[1].model.embed_tokens.weight
    assert weights.models[0].model.layers[2].mlp.down_proj.weight.all()
    assert sum(part[0].numel() for part in weights.parts) == weights.models[0].num_parameters()


def same(function, reference, *inputs: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Value and gradients of two functions of the same fp32 inputs agree."""
    results = []
    for chosen in (function, reference):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = chosen(*leaves)
        weight = normal(*out.shape, seed=9)
        results.append((out, *torch.autograd.grad((out * weight).sum(), leaves)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def test_a_tape_finds_the_gradients_that_autograd_finds():
    """A tensor used twice, a value that no kernel made, and several runs."""
    shared, weight, gain = normal(2, 5, 6), normal(2, 6, 6, seed=1), normal(2, 1, 6, seed=2)

    def chain(call, x, weight, gain):
        twice = call(Add, x, call(Linear, call(RMSNorm, x, gain, 1e-6, torch.float32), weight))
        return call(Add, twice, call(Linear, twice, weight))

    leaves = [part.clone().requires_grad_() for part in (shared, weight, gain)]
    expected = chain(lambda kernel, *given: kernel.apply(*given), *leaves)
    tape, inputs = Tape(), [part.clone() for part in (shared, weight, gain)]
    found = chain(tape, *inputs)
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(
        tape.gradients(found, inputs), torch.autograd.grad(expected.sum(), leaves), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_embedding():
    tokens = torch.tensor([[0, 3, 3, 1], [4, 4, 4, 0]])
    same(
        lambda table: Embedding.apply(table, tokens),
        lambda table: torch.stack([F.embedding(tokens[run], table[run]) for run in range(2)]),
        normal(2, 5, 3),
    )


def test_repeated_tokens_sum_in_fp32():
    """4,096 gradients of 1 in bf16 would stop at 256."""
    table = torch.zeros(1, 2, 1, dtype=torch.bfloat16, requires_grad=True)
    Embedding.apply(table, torch.zeros(1, 4096, dtype=torch.long)).sum().backward()
    assert table.grad[0, 0] == 4096


def test_the_residual_stream_stays_in_fp32():
    """In bf16, 256 + 0.5 is 256: a layer's small contribution would be lost."""
    stream, found = torch.full((1, 1, 1), 256.0), torch.full((1, 1, 1), 0.5, dtype=torch.bfloat16)
    assert Add.apply(stream, found).item() == 256.5
    same(Add.apply, torch.add, normal(2, 3, 4), normal(2, 3, 4, seed=1))


def test_rms_norm():
    same(
        lambda x, weight: RMSNorm.apply(x, weight, 1e-6, torch.float32),
        lambda x, weight: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight,
        normal(2, 7, 12),
        normal(2, 1, 12, seed=1),
    )


def test_swiglu():
    same(SwiGLU.apply, lambda x: F.silu(x[..., :6]) * x[..., 6:], normal(2, 5, 12))


@pytest.mark.parametrize("length", [7, BLOCK, 2 * BLOCK + 30])
@pytest.mark.parametrize("groups", [1, 3])
def test_attention_by_blocks(length, groups):
    """Pairs turned side by side, products by blocks: as halves turned and torch's own attention."""
    kv_heads, head = 2, 8
    turning = kv_heads * (groups + 1)
    turn = rotary_table(length, head, 10_000.0, CPU)

    def plain(fused):
        heads = fused.view(2, length, turning + kv_heads, head).transpose(1, 2)
        unpaired = split_half(torch.eye(head)[None], head).reshape(head, head)  # from pairs to split_half
        turned = rotate(heads[:, :turning] @ unpaired, turn.real[:, 0], turn.imag[:, 0])
        q, k = turned.split((kv_heads * groups, kv_heads), 1)
        mixed = F.scaled_dot_product_attention(q, k, heads[:, turning:], is_causal=True, enable_gqa=True)
        return mixed.transpose(1, 2).reshape(1, 2 * length, -1)

    made = turns(turn, kv_heads * groups, kv_heads, torch.float32)
    fused = normal(1, 2 * length, (turning + kv_heads) * head)
    same(lambda x: BlockAttention.apply(x, made, kv_heads), plain, fused)


@pytest.mark.parametrize("pieces", [1, 4])
def test_linear_cross_entropy(pieces, monkeypatch):
    runs, count = 2, 12
    monkeypatch.setitem(kernels.LOGITS_AT_ONCE, "cpu", runs * VOCABULARY * count // pieces)
    targets = torch.randint(0, VOCABULARY, (runs, count), generator=torch.Generator().manual_seed(0))

    def plain(hidden, table):
        logits = hidden @ table.mT
        return torch.stack([F.cross_entropy(logits[r], targets[r], reduction="sum") for r in range(runs)])

    same(
        lambda hidden, table: LinearCrossEntropy.apply(hidden, table, targets),
        plain,
        3 * normal(runs, count, 8),
        normal(runs, VOCABULARY, 8, seed=1),
    )


def test_the_loss_of_an_unlikely_target_is_finite_and_that_of_nan_is_not():
    hidden, table = torch.tensor([[[1.0]]]), torch.tensor([[[0.0], [80.0]]])
    target = torch.zeros(1, 1, dtype=torch.long)
    assert LinearCrossEntropy.apply(hidden, table, target).item() == pytest.approx(80.0)
    assert LinearCrossEntropy.apply(hidden * 1e4, table, target).item() == pytest.approx(87.3, abs=0.1)
    assert math.isnan(LinearCrossEntropy.apply(hidden * math.nan, table, target).item())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of inductor's own imports and of complex numbers
def test_compiled_it_is_the_same_function(monkeypatch, tmp_path):
    """Inductor needs a C++ compiler."""
    if not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    shape = SHAPES["grouped heads"]
    weights = build_weights(shape, VOCABULARY, range(2), CPU)
    sequences = torch.randint(
        0, VOCABULARY, (2, 3, shape.context + 1), generator=torch.Generator().manual_seed(0)
    )
    found = []
    for compiled in (False, True):
        loss = StackedLoss(shape, VOCABULARY, CPU, torch.float32, compiled)
        found.append(loss.gradients(*weights.parts, sequences))
    for plain, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain, atol=1e-4, rtol=1e-4)
