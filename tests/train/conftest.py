"""A stream, a model and a call of `train` small enough to run hundreds of steps a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ablate.train.config import TrainConfig
from ablate.train.loop import Run, TrainResult, train
from ablate.train.proxy import ProxyConfig

VOCABULARY, CONTEXT = 32, 16
PROXY = ProxyConfig(hidden_size=16, layers=2, heads=2, intermediate_size=32, context=CONTEXT)


class Walk:
    """Sequences in which every token is the one before plus a step that the sequence keeps."""

    def sequences(self, first: int, count: int) -> np.ndarray:
        rows = [np.random.default_rng([7, first + i]).integers(0, VOCABULARY, 2) for i in range(count)]
        start, stride = np.asarray(rows, dtype=np.int64).T[:, :, None]
        return (start + (1 + stride % 3) * np.arange(CONTEXT + 1)) % VOCABULARY


class Shifted(Walk):
    """A stream whose ids or whose width are off."""

    def __init__(self, by: int = 0, width: int = CONTEXT + 1) -> None:
        self.by, self.width = by, width

    def sequences(self, first: int, count: int) -> np.ndarray:
        return (super().sequences(first, count) + self.by)[:, : self.width]


class Runner:
    """Calls `train` with defaults, and keeps what the callbacks saw."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logged: list[dict[str, Any]] = []
        self.evaluated: list[int] = []
        self.weights: dict[str, torch.Tensor] = {}

    def _evaluate(self, model: torch.nn.Module, tokens: int) -> None:
        assert not model.training
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}
        self.evaluated.append(tokens)

    def __call__(
        self,
        *,
        steps: int = 12,
        seed: int = 0,
        folder: str = "run",
        stream: Any = None,
        log: Callable[[dict[str, Any]], None] | None = None,
        evaluate: Any = None,
        **changes: Any,
    ) -> TrainResult:
        config = config_of(**changes)
        run = Run(
            stream=stream or Walk(),
            seed=seed,
            folder=self.folder / folder,
            evaluate=evaluate or self._evaluate,
            log=log or self.logged.append,
        )
        return train(
            run, proxy=PROXY, config=config, vocab_size=VOCABULARY, tokens=steps * config.batch_tokens
        )


def config_of(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "tokens": 1,
        "batch_tokens": 8 * CONTEXT,
        "lr": 1e-2,
        "threads": 1,
        "device": "cpu",
        "precision": "fp32",
    }
    return TrainConfig(**(values | changes))


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture
def new_runner(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Runner]:
    return lambda: Runner(tmp_path_factory.mktemp("train"))


@pytest.fixture
def toy() -> SimpleNamespace:
    """What the tests share; under importlib mode they cannot import this file."""
    return SimpleNamespace(proxy=PROXY, config=config_of, stream=Walk, shifted=Shifted)
