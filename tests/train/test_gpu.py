"""What a GPU does in another way than a CPU, against the CPU; skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.evaluate.forward import Scorer
from ablate.evaluate.requests import Sequences
from ablate.train import loop
from ablate.train.config import TrainConfig
from ablate.train.kernels import LinearCrossEntropy
from ablate.train.loop import Run, train
from ablate.train.proxy import ProxyConfig, build_model
from ablate.train.stack import StackedLoss, build_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SHAPE = ProxyConfig(hidden_size=64, layers=2, heads=4, kv_heads=2, intermediate_size=96, context=64)
VOCABULARY, STEPS, BATCH = 301, 8, 4


class Stream:
    """Random tokens, the same ones each time."""

    def sequences(self, first: int, count: int) -> np.ndarray:
        return np.stack(
            [np.random.default_rng(first + row).integers(0, VOCABULARY, 65) for row in range(count)]
        )


def curve(folder: Path, device: str, precision: str = "fp32", **more: object) -> np.ndarray:
    batch = BATCH * SHAPE.context
    config = TrainConfig(
        tokens=STEPS * batch, batch_tokens=batch, lr=1e-2, precision=precision, device=device, **more
    )  # type: ignore[arg-type]
    run = Run(stream=Stream(), seed=0, folder=folder, evaluate=lambda *_: None)
    result = train(run, proxy=SHAPE, config=config, vocab_size=VOCABULARY, tokens=STEPS * batch)
    return np.asarray([loss for _, loss in result.losses])


@pytest.mark.parametrize("more", [{}, {"micro_batch": 2}, {"micro_batch": 3}, {"compile": True}])
def test_training_is_the_cpus(tmp_path: Path, more: dict[str, object]) -> None:
    """By a graph, in pieces (of which the last may be smaller), and compiled."""
    wanted = curve(tmp_path / "cpu", "cpu")
    np.testing.assert_allclose(curve(tmp_path / "gpu", "cuda", **more), wanted, atol=2e-4)
    np.testing.assert_allclose(curve(tmp_path / "bf16", "cuda", "bf16", **more), wanted, atol=2e-2)


def test_kernel_by_kernel_it_is_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = curve(tmp_path / "graph", "cuda")
    monkeypatch.setattr(loop, "LAUNCHED_FLOPS", 0)
    np.testing.assert_allclose(curve(tmp_path / "kernels", "cuda"), at_once, atol=1e-5)


def test_padded_logits_change_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, table = (torch.randn(2, n, 16, generator=generator) for n in (9, 101))
    targets = torch.randint(0, 101, (2, 9), generator=generator)
    found = []
    for device in ("cpu", "cuda"):
        inputs = [tensor.to(device).requires_grad_() for tensor in (hidden, table)]
        loss = LinearCrossEntropy.apply(*inputs, targets.to(device))
        found.append([part.cpu() for part in (loss, *torch.autograd.grad(loss.sum(), inputs))])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("runs", [1, 3])
def test_compiled_in_bf16_it_is_the_same_function(runs: int) -> None:
    device = torch.device("cuda")
    weights = build_weights(SHAPE, VOCABULARY, range(runs), device)
    sequences = torch.randint(
        0, VOCABULARY, (runs, 4, SHAPE.context + 1), generator=torch.Generator().manual_seed(0)
    )
    plain, compiled = (
        StackedLoss(SHAPE, VOCABULARY, device, torch.bfloat16, way).gradients(
            *weights.parts, sequences.to(device)
        )
        for way in (False, True)
    )
    for mine, theirs in zip(plain, compiled, strict=True):
        assert torch.linalg.vector_norm(mine - theirs) < 0.02 * torch.linalg.vector_norm(mine)


@pytest.mark.parametrize(("autocast", "nats"), [(False, 1e-3), (True, 5e-2)])
def test_evaluation_is_the_cpus(autocast: bool, nats: float) -> None:
    """Under autocast, as a run in bf16 calls it, products are TF32."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(20):
        before = rng.integers(0, VOCABULARY, int(rng.integers(1, 40))).tolist()
        rows += [(before, rng.integers(0, VOCABULARY, int(rng.integers(1, 20))).tolist()) for _ in range(4)]
    sequences = Sequences.of(rows).cut(SHAPE.context)
    scorer = Scorer(sequences, np.ones(len(rows), dtype=bool), 500)
    model = build_model(SHAPE, VOCABULARY, 0)
    wanted, _ = scorer.score(model)
    with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
        found, _ = scorer.score(model.to("cuda"))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=nats)
