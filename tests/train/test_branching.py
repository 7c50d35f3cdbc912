"""Branches: a run that starts from a trunk is the run that goes on from it, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from ablate.errors import ConfigError, DataError
from ablate.train import checkpoint, loop
from ablate.train.loop import Run, TrainResult, train, train_stacked
from ablate.train.pretrained import open_checkpoint
from ablate.train.proxy import build_model

VOCABULARY, CONTEXT, SEQUENCES, STEPS = 32, 16, 8, 20  # of the toy in conftest.py
BRANCH = {"branch_from": "reference", "branch_at": 0.7}
TRUNK = 14  # steps


class Further:
    """The toy's stream from some sequence on."""

    def __init__(self, stream: Any, skip: int) -> None:
        self.stream, self.skip = stream, skip

    def sequences(self, first: int, count: int) -> Any:
        return self.stream.sequences(first + self.skip, count)


class Joined:
    """The toy's stream up to the branch, then another."""

    def __init__(self, stream: Any, skip: int) -> None:
        self.trunk, self.branch = stream, Further(stream, skip)

    def sequences(self, first: int, count: int) -> Any:
        return (self.trunk if first < TRUNK * SEQUENCES else self.branch).sequences(first, count)


class Branches:
    """A trunk per seed, and branches off it."""

    def __init__(self, toy: Any, folder: Path) -> None:
        self.toy, self.folder = toy, folder
        self.evaluated: list[int] = []
        self.weights: dict[str, torch.Tensor] = {}

    def _evaluate(self, model: Any, tokens: int) -> None:
        self.evaluated.append(tokens)
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    def given(self, config: Any, steps: int = STEPS) -> dict[str, Any]:
        return {
            "proxy": self.toy.proxy,
            "config": config,
            "vocab_size": VOCABULARY,
            "tokens": steps * config.batch_tokens,
        }

    def trunk(self, seed: int = 0, **changes: Any) -> Path:
        config = self.toy.config(**BRANCH, **changes).of_trunk(STEPS)
        folder = self.folder / f"trunk-{seed}"
        run = Run(stream=self.toy.stream(), seed=seed, folder=folder, evaluate=lambda *_: None)
        assert train(run, **self.given(config, TRUNK)).steps == TRUNK
        return folder

    def run(self, name: str, seed: int = 0, skip: int = 0, trunk: Path | None = None) -> Run:
        return Run(
            stream=Joined(self.toy.stream(), skip),
            seed=seed,
            folder=self.folder / name,
            evaluate=self._evaluate,
            start=None if trunk is None else lambda: checkpoint.load_any(trunk),
        )

    def __call__(
        self, name: str, seed: int = 0, skip: int = 0, trunk: Path | None = None, **changes: Any
    ) -> TrainResult:
        config = self.toy.config(**BRANCH, **changes)
        return train(self.run(name, seed, skip, trunk), **self.given(config))


@pytest.fixture
def branches(toy: Any, tmp_path: Path) -> Branches:
    return Branches(toy, tmp_path)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("skip", [0, 1000])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_branch_is_the_run_that_never_stopped_to_the_bit(
    branches: Branches, skip: int, precision: str
) -> None:
    """With the trunk's own stream (skip 0) it is the trunk, continued; with another arm's, that arm's."""
    whole = branches("whole", skip=skip, precision=precision)
    expected = branches.weights
    branch = branches("branch", skip=skip, precision=precision, trunk=branches.trunk(precision=precision))
    assert branch.losses == whole.losses and branch.final_loss == whole.final_loss
    assert same(branches.weights, expected)
    assert (branch.tokens, branch.steps) == (whole.tokens, whole.steps)
    assert branch.flops == pytest.approx(whole.flops * (STEPS - TRUNK) / STEPS), (
        "the trunk's are counted once"
    )


def test_the_learning_rate_is_constant_on_the_trunk_and_zero_behind_the_branch(toy: Any) -> None:
    config = toy.config(lr=1.0, warmup_fraction=0.1, **BRANCH)
    by_hand = [0.5, 1.0] + [1.0] * 12 + [1 - k / 6 for k in range(6)]
    assert [config.lr_at(step, STEPS) for step in range(STEPS)] == pytest.approx(by_hand)
    trunk = config.of_trunk(STEPS)
    assert [trunk.lr_at(step, TRUNK) for step in range(TRUNK)] == by_hand[:TRUNK]


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.35, 0.65, 0.69])
@pytest.mark.parametrize("steps", [20, 33, 1000])
def test_a_trunk_warms_up_as_the_whole_run_does(toy: Any, fraction: float, steps: int) -> None:
    config = toy.config(warmup_fraction=fraction, **BRANCH)
    trunk, end = config.of_trunk(steps), config.trunk_steps(steps)
    assert [trunk.lr_at(s, end) for s in range(end)] == [config.lr_at(s, steps) for s in range(end)]


def test_a_branch_that_is_stopped_goes_on_to_the_same_bits(
    branches: Branches, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = branches.trunk()
    expected = branches("calm", skip=500, trunk=trunk)
    weights = branches.weights
    monkeypatch.setattr(loop, "CHECK_EVERY", 2)

    def stop(model: Any, tokens: int) -> None:
        raise RuntimeError("told to stop")

    broken = Run(
        stream=Joined(branches.toy.stream(), 500),
        seed=0,
        folder=branches.folder / "torn",
        evaluate=stop,
        start=lambda: checkpoint.load_any(trunk),
    )
    config = branches.toy.config(**BRANCH, checkpoint_s=0.0, evaluations=(0.9, 1.0))
    with pytest.raises(RuntimeError, match="told to stop"):
        train(broken, **branches.given(config))
    monkeypatch.setattr(checkpoint, "load_any", lambda _: pytest.fail("its own checkpoint is further"))
    result = branches("torn", skip=500, trunk=trunk, checkpoint_s=0.0, evaluations=(0.9, 1.0))
    assert result.losses == expected.losses and same(branches.weights, weights)
    assert result.flops == expected.flops


def test_points_on_the_trunk_are_not_evaluated(branches: Branches) -> None:
    branches("branch", trunk=branches.trunk(), evaluations=(0.25, 0.5, 0.7, 0.8, 1.0))
    assert branches.evaluated == [16 * SEQUENCES * CONTEXT, 20 * SEQUENCES * CONTEXT]


def test_branches_in_lockstep_are_what_they_are_alone(branches: Branches) -> None:
    trunks = [branches.trunk(seed) for seed in (0, 1)]
    alone = [branches(f"alone-{s}", s, 300 * s, trunks[s]).losses for s in (0, 1)]
    runs = [branches.run(f"together-{s}", s, 300 * s, trunks[s]) for s in (0, 1)]
    together = train_stacked(runs, **branches.given(branches.toy.config(**BRANCH)))
    for mine, theirs in zip(together, alone, strict=True):
        assert isinstance(mine, TrainResult)
        assert [v for _, v in mine.losses] == pytest.approx([v for _, v in theirs], abs=1e-5)


def test_a_trunk_that_is_gone_or_damaged_is_named(branches: Branches) -> None:
    trunk = branches.trunk()
    (trunk / checkpoint.NAME).write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"damaged: .*trunk-0/checkpoint.pt"):
        branches("branch", trunk=trunk)
    checkpoint.remove(trunk)
    with pytest.raises(DataError, match=r"trunk-0/checkpoint.pt does not exist"):
        branches("branch", trunk=trunk)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"branch_at": 0.8}, "branch_at is the end of a trunk"),
        ({"branch_from": "some/folder", "branch_at": 0.8}, "branch_at is the end of a trunk"),
        ({"branch_from": "reference", "branch_at": 1.0}, "branch_at must be in"),
        ({"branch_from": "reference", "branch_at": 0.04}, "warmup_fraction must be below branch_at=0.04"),
        ({"branch_from": ""}, "branch_from must be null, reference"),
    ],
)
def test_settings_that_say_nothing_are_refused(toy: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        toy.config(**settings)


def test_a_branch_without_a_step_is_refused(toy: Any) -> None:
    with pytest.raises(ConfigError, match=r"^branch_at=0.99 of 20 steps leaves none to the branch"):
        toy.config(branch_from="reference", branch_at=0.99).trunk_steps(20)


@pytest.fixture
def saved(toy: Any, tmp_path: Path) -> Callable[..., Path]:
    """A checkpoint of the toy's shape as transformers saves it, with keys of its configuration changed."""

    def save(name: str = "llama", **changes: Any) -> Path:
        folder = tmp_path / name
        build_model(toy.proxy, VOCABULARY, 7).save_pretrained(folder)
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return folder

    return save


def test_a_checkpoint_is_gone_on_from(branches: Branches, saved: Callable[..., Path]) -> None:
    """The first loss is that of the checkpoint itself, by transformers."""
    folder = saved()
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.from_numpy(branches.toy.stream().sequences(0, SEQUENCES))
    expected = model(input_ids=ids, labels=ids).loss.item()
    found = open_checkpoint(str(folder), branches.toy.proxy)
    assert found.vocab_size == VOCABULARY
    run = Run(
        stream=branches.toy.stream(),
        seed=0,
        folder=branches.folder / "run",
        evaluate=lambda *_: None,
        start=found.load,
    )
    config = branches.toy.config(branch_from=str(folder), lr=1e-3)
    result = train(run, **branches.given(config))
    assert result.losses[0][1] == pytest.approx(expected, abs=1e-5)
    assert result.steps == STEPS and result.final_loss < expected
    assert config.lr_at(STEPS - 1, STEPS) == pytest.approx(1e-3 / 19), (
        "linear to zero after one step of warm-up"
    )


def test_a_checkpoint_is_named_by_what_it_holds(toy: Any, saved: Callable[..., Path]) -> None:
    one, other = saved("one"), saved("other")
    key = open_checkpoint(str(one), toy.proxy).key
    assert open_checkpoint(str(other), toy.proxy).key == key
    (one / "README.md").write_text("a card")
    assert open_checkpoint(str(one), toy.proxy).key == key
    build_model(toy.proxy, VOCABULARY, 8).save_pretrained(one)
    assert open_checkpoint(str(one), toy.proxy).key != key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 3}, r"not of the checkpoint's shape \(layers=2\); set proxy.layers=3"),
        ({"tie_word_embeddings": False}, "set proxy.tie_embeddings=false"),
        ({"rms_norm_eps": 1e-5}, "set proxy.norm_eps=1e-05"),
        ({"num_key_value_heads": 1}, "set proxy.kv_heads=1"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}, "set proxy.rope_theta=500000.0"),
        (
            {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}},
            "a proxy has no rope_type='llama3'",
        ),
        ({"attention_bias": True}, "a proxy has no attention_bias=True"),
        ({"head_dim": 4}, "a proxy has no head_dim=4"),
        ({"max_position_embeddings": 8}, "trained for 8 tokens of context, and proxy.context=16"),
        ({"model_type": "gpt2"}, "expected a Llama"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(
    toy: Any, saved: Callable[..., Path], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        open_checkpoint(str(saved(**changes)), toy.proxy)


def test_weights_that_are_damaged_or_not_all_there_are_refused(
    toy: Any, saved: Callable[..., Path], tmp_path: Path
) -> None:
    folder = saved()
    for path in folder.glob("*.safetensors"):
        path.write_bytes(b"short")
    with pytest.raises(DataError, match="the weights cannot be loaded"):
        open_checkpoint(str(folder), toy.proxy).load()
    build_model(replace(toy.proxy, layers=1), VOCABULARY, 7).save_pretrained(tmp_path / "less")
    (folder / "model.safetensors").write_bytes((tmp_path / "less" / "model.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"not those of its config.json: model.layers.1"):
        open_checkpoint(str(folder), toy.proxy).load()
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(DataError, match="expected weights as"):
        open_checkpoint(str(folder), toy.proxy)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"found no config.json"):
        open_checkpoint(str(tmp_path / "empty"), toy.proxy)
