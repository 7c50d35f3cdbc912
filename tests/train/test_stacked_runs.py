"""Runs in lockstep: each as if it were alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ablate.train import loop
from ablate.train.loop import Run, TrainingError, measure_speed, train, train_stacked
from ablate.train.stack import StackedLoss

VOCABULARY, STEPS = 32, 30  # of the toy in conftest.py
TOKENS = STEPS * 8 * 16


class Other:
    """Another stream of the same kind: every sequence comes from further on."""

    def __init__(self, stream, skip: int) -> None:
        self.stream, self.skip = stream, skip

    def sequences(self, first: int, count: int):
        return self.stream.sequences(first + self.skip, count)


class Several:
    """Runs with seeds 0, 1, 2, each on a stream of its own, and the weights they end with."""

    def __init__(self, toy, folder: Path) -> None:
        self.toy, self.folder = toy, folder
        self.weights: dict[int, dict[str, torch.Tensor]] = {}
        self.evaluated: list[tuple[int, int]] = []
        self.stop: tuple[int, int] | None = None

    def run(self, seed: int, name: str) -> Run:
        def evaluate(model, tokens: int) -> None:
            if self.stop == (seed, tokens):
                raise RuntimeError("told to stop")
            self.weights[seed] = {key: value.clone() for key, value in model.state_dict().items()}
            self.evaluated.append((seed, tokens))

        stream = Other(self.toy.stream(), 1000 * seed)
        return Run(stream=stream, seed=seed, folder=self.folder / f"{name}-{seed}", evaluate=evaluate)

    def __call__(self, *seeds: int, name: str = "together", **changes):
        given = {"proxy": self.toy.proxy, "config": self.toy.config(**changes), "vocab_size": VOCABULARY}
        return train_stacked([self.run(seed, name) for seed in seeds], **given, tokens=TOKENS)

    def alone(self, seed: int, **changes):
        given = {"proxy": self.toy.proxy, "config": self.toy.config(**changes), "vocab_size": VOCABULARY}
        return train(self.run(seed, "alone"), **given, tokens=TOKENS)


@pytest.fixture
def several(toy, tmp_path) -> Several:
    return Several(toy, tmp_path)


def curve(result) -> list[float]:
    return [loss for _, loss in result.losses]


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_each_run_is_what_it_is_alone(several, precision, apart):
    """Only the order of sums in the matrix products may differ; its trace is that of one rounding."""
    results = several(0, 1, 2, precision=precision)
    together = dict(several.weights)
    for seed, result in enumerate(results):
        expected = several.alone(seed, precision=precision)
        assert curve(result) == pytest.approx(curve(expected), abs=apart)
        for name, value in several.weights[seed].items():
            torch.testing.assert_close(together[seed][name], value, atol=apart, rtol=apart)
        assert result.cost["together"] == 3 and expected.cost["together"] == 1
    assert len({result.final_loss for result in results}) == 3


def test_one_run_that_fails_leaves_the_others_as_they_are(several, monkeypatch):
    expected = several(0, 1, 2)
    kept = dict(several.weights)
    honest, calls = StackedLoss.gradients, []

    def poisoned(self, *arguments):
        calls.append(None)
        hurt = torch.ones(3)
        if len(calls) == 9:
            hurt[1] = torch.nan
        return [torch.einsum("r...,r->r...", part, hurt) for part in honest(self, *arguments)]

    monkeypatch.setattr(StackedLoss, "gradients", poisoned)
    several.evaluated.clear()
    first, second, third = several(0, 1, 2, name="poisoned")
    assert isinstance(second, TrainingError) and second.details["step"] == 9
    assert curve(first) == curve(expected[0]) and curve(third) == curve(expected[2])
    for seed in (0, 2):
        assert all(torch.equal(kept[seed][name], value) for name, value in several.weights[seed].items())
    assert {seed for seed, _ in several.evaluated} == {0, 2}


def test_an_evaluation_that_raises_fails_its_own_run(several):
    several.stop = (2, TOKENS // 2)
    first, second, third = several(0, 1, 2, evaluations=(0.5, 1.0))
    assert str(third) == "told to stop"
    assert first.steps == second.steps == STEPS
    # Tried again alone, it goes on from the half it had.
    several.stop = None
    several.evaluated.clear()
    (again,) = several(2, evaluations=(0.5, 1.0))
    assert several.evaluated == [(2, TOKENS // 2), (2, TOKENS)]
    assert curve(again) == pytest.approx(curve(several.alone(2)), abs=1e-5)


def test_runs_with_checkpoints_at_different_steps_all_end(several, monkeypatch):
    """As after a kill between two saves: one is ahead, one has nothing yet."""
    expected = [curve(result) for result in several(0, 1, 2, name="whole")]
    monkeypatch.setattr(loop, "CHECK_EVERY", 5)
    several.stop = (0, TOKENS // 2)
    several(0, evaluations=(0.5, 1.0))
    several.stop = (1, TOKENS // 3)
    several(1, evaluations=(0.33333, 1.0))
    several.stop = None
    # `evaluations` is part of a checkpoint's identity: give each run the one it was begun with.
    first, third = several(0, 2, evaluations=(0.5, 1.0))
    (second,) = several(1, evaluations=(0.33333, 1.0))
    for result, losses in zip((first, second, third), expected, strict=True):
        assert curve(result) == pytest.approx(losses, abs=1e-5)


@pytest.mark.parametrize("together", [1, 3])
def test_speed_is_measured_without_leaving_anything(toy, tmp_path, monkeypatch, together):
    monkeypatch.chdir(tmp_path)
    assert measure_speed(toy.proxy, toy.config(), VOCABULARY, stacked_runs=together, seconds=0.05) > 100
    assert not list(tmp_path.iterdir())
