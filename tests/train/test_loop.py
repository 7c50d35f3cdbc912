from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch

from ablate.compose import compose
from ablate.config import make, plain
from ablate.errors import ConfigError, DataError
from ablate.train import loop
from ablate.train.loop import Run, TrainingError, train
from ablate.train.proxy import build_model
from ablate.train.schedule import lr_factor
from ablate.train.stack import StackedLoss

VOCABULARY, CONTEXT, SEQUENCES = 32, 16, 8  # of the runner in conftest.py


def losses(result) -> list[float]:
    return [loss for _, loss in result.losses]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_learnable_stream_is_learnt(runner):
    result = runner(steps=150)
    assert losses(result)[0] == pytest.approx(math.log(VOCABULARY), abs=0.1)
    assert result.final_loss < 0.5 * math.log(VOCABULARY)
    assert (result.steps, result.tokens) == (150, 150 * SEQUENCES * CONTEXT)
    assert result.cost["tokens_per_s"] > 0 and result.cost["peak_memory_bytes"] > 2**20


def test_the_curve_is_that_of_a_plain_loop(runner, toy):
    """torch.optim.AdamW, unfused, and the model's own loss."""
    steps, config = 15, toy.config(clip=0.5)
    model = build_model(toy.proxy, VOCABULARY, 3)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": config.weight_decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=(0.9, 0.95),
        eps=1e-8,
        foreach=False,
        fused=False,
    )
    expected = []
    for step in range(steps):
        ids = torch.from_numpy(toy.stream().sequences(step * SEQUENCES, SEQUENCES))
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
        for parameter in model.parameters():
            parameter.grad *= min(1.0, 0.5 / norm.item())
        for group in optimizer.param_groups:
            group["lr"] = config.lr * lr_factor(
                step, steps, schedule="cosine", warmup_fraction=0.05, min_ratio=0.1
            )
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())
    assert losses(runner(steps=steps, seed=3, clip=0.5)) == pytest.approx(expected, abs=1e-5)


def test_clipping_bounds_the_step(new_runner, toy):
    free, clipped = new_runner(), new_runner()
    free(steps=1, clip=1e9), clipped(steps=1, clip=1e-9, eps=1.0, weight_decay=0.0)
    start = build_model(toy.proxy, VOCABULARY, 0).state_dict()
    moved = max(float((clipped.weights[name] - start[name]).abs().max()) for name in start)
    assert moved < 1e-8  # eps of 1 makes AdamW's step proportional to the gradient
    assert not same(free.weights, start)


@pytest.mark.parametrize("micro_batch", [1, 3, 4, 100])
def test_micro_batches_add_up_to_the_batch(new_runner, micro_batch):
    whole, pieces = new_runner()(steps=10), new_runner()(steps=10, micro_batch=micro_batch)
    assert losses(pieces) == pytest.approx(losses(whole), abs=1e-5)


def test_the_seed_decides_the_weights_to_the_bit(new_runner):
    first, again, other = new_runner(), new_runner(), new_runner()
    first(seed=1), again(seed=1), other(seed=2)
    assert same(first.weights, again.weights)
    assert not same(first.weights, other.weights)


class Stop(Exception):
    pass


class Breaking:
    """The walk, until step `at` of the run is asked for."""

    def __init__(self, stream, at: int) -> None:
        self.stream, self.at = stream, at

    def sequences(self, first: int, count: int):
        if first // SEQUENCES == self.at:
            raise Stop
        return self.stream.sequences(first, count)


@pytest.mark.parametrize("seed", range(10))
def test_a_run_stopped_at_a_random_step_ends_in_the_same_bits(new_runner, toy, monkeypatch, seed):
    """Stopped at two random steps of 40; how often a checkpoint is kept is random too."""
    rng = random.Random(seed)
    monkeypatch.setattr(loop, "CHECK_EVERY", rng.randint(1, 6))
    settings = {
        "steps": 40,
        "evaluations": (0.5, 1.0),
        "checkpoint_s": 0.0,
        "precision": rng.choice(["fp32", "bf16"]),
    }
    whole, broken = new_runner(), new_runner()
    expected = whole(**settings)
    for at in sorted(rng.sample(range(1, 40), 2)):
        with pytest.raises(Stop):
            broken(**settings, stream=Breaking(toy.stream(), at))
    result = broken(**settings)
    assert same(broken.weights, whole.weights)
    assert result.losses == expected.losses


@pytest.mark.parametrize("seed", range(6))
def test_an_interrupted_run_ends_in_the_same_bits(new_runner, monkeypatch, seed):
    """Stopped in the log call or in an evaluation, with a checkpoint after each look at the loss."""
    monkeypatch.setattr(loop, "CHECK_EVERY", 2)
    settings = {"steps": 23, "evaluations": (0.3, 0.6, 1.0), "checkpoint_s": 0.0}
    whole, broken, rng = new_runner(), new_runner(), random.Random(seed)
    expected = whole(**settings)

    def stop_sometimes(_entry):
        if rng.random() < 0.25:
            raise Stop

    def evaluate_or_stop(model, tokens):
        if rng.random() < 0.4:
            raise Stop
        broken._evaluate(model, tokens)

    for _ in range(1000):
        try:
            result = broken(**settings, log=stop_sometimes, evaluate=evaluate_or_stop)
            break
        except Stop:
            continue
    assert same(broken.weights, whole.weights)
    assert result.losses == expected.losses and result.final_loss == expected.final_loss
    assert sorted(set(broken.evaluated)) == whole.evaluated


def test_a_run_stopped_after_an_evaluation_sees_the_same_weights_there_again(new_runner, monkeypatch):
    monkeypatch.setattr(loop, "CHECK_EVERY", 1)
    runner, seen = new_runner(), []

    def evaluate(model, tokens):
        seen.append((tokens, model.lm_head.weight.detach().clone()))

    def stop_late(entry):
        if entry["step"] == 8:
            raise Stop

    settings = {"steps": 10, "evaluations": (0.5, 1.0), "checkpoint_s": 1e9, "evaluate": evaluate}
    with pytest.raises(Stop):
        runner(**settings, log=stop_late)
    runner(**settings)
    tokens, weights = zip(*seen, strict=True)
    assert tokens == (640, 640, 1280)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def test_a_finished_run_asked_again_does_not_train(new_runner):
    runner = new_runner()
    first = runner(steps=5)
    runner.logged.clear()
    assert runner(steps=5).losses == first.losses
    assert runner.logged == []


@pytest.mark.parametrize("change", [{"lr": 2e-2}, {"seed": 1}, {"steps": 13}, {"precision": "bf16"}])
def test_a_checkpoint_of_another_configuration_is_refused(runner, change):
    runner()
    with pytest.raises(ConfigError, match="another configuration"):
        runner(**change)


def test_a_damaged_checkpoint_starts_the_run_afresh(runner):
    expected = runner(steps=6)
    path = runner.folder / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    assert runner(steps=6).losses == expected.losses


def test_a_full_disk_is_told_and_leaves_no_part(runner, monkeypatch):
    def no_space(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", no_space)
    with pytest.raises(DataError, match=r"cannot write .*checkpoint\.pt"):
        runner()
    assert list((runner.folder / "run").iterdir()) == []


def test_evaluations_come_once_each_at_their_share_of_the_budget(runner):
    runner(steps=10, evaluations=(0.5, 0.25, 0.01))
    assert runner.evaluated == [step * SEQUENCES * CONTEXT for step in (1, 2, 5, 10)]


def test_an_evaluation_leaves_training_as_it_was(new_runner):
    once, often = new_runner(), new_runner()
    once(), often(evaluations=(0.2, 0.4, 0.6, 0.8, 1.0))
    assert same(once.weights, often.weights)


def test_what_is_logged(runner):
    runner(steps=45, schedule="linear", warmup_fraction=0.0, min_lr_ratio=0.0)
    assert [entry["step"] for entry in runner.logged] == [20, 40, 45]
    last = runner.logged[-1]
    assert last.keys() == {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_s"}
    assert last["tokens"] == 45 * SEQUENCES * CONTEXT
    assert last["lr"] == pytest.approx(1e-2 / 44)  # one step at the peak, then 43 of 44 steps down to 0


@pytest.mark.parametrize("step", [1, 7, 12])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_stops_the_run_before_it_is_evaluated(runner, monkeypatch, step, value):
    honest, calls = StackedLoss.gradients, []

    def poisoned(self, *arguments):
        calls.append(None)
        return [part * (value if len(calls) == step else 1) for part in honest(self, *arguments)]

    monkeypatch.setattr(StackedLoss, "gradients", poisoned)
    with pytest.raises(TrainingError, match=rf"step {step} of 12.*train\.lr"):
        runner()
    assert runner.evaluated == [] and not (runner.folder / "run" / "checkpoint.pt").exists()


def test_a_failed_run_says_why_and_where_it_was_still_good(runner, toy, monkeypatch):
    monkeypatch.setattr(loop, "CHECK_EVERY", 2)
    honest, calls = StackedLoss.gradients, []

    def poisoned(self, *arguments):
        calls.append(None)
        return [part * (math.nan if len(calls) == 7 else 1) for part in honest(self, *arguments)]

    monkeypatch.setattr(StackedLoss, "gradients", poisoned)
    with pytest.raises(TrainingError, match=r"last good checkpoint: step 6, .*checkpoint\.pt") as caught:
        runner(checkpoint_s=0.0)
    path = runner.folder / "run" / "checkpoint.pt"
    assert caught.value.details == {
        "reason": "not_finite",
        "step": 7,
        "checkpoint": {"path": str(path), "step": 6},
    }
    monkeypatch.setattr(StackedLoss, "gradients", honest)
    assert runner(checkpoint_s=0.0).steps == 12, "the good checkpoint can be gone on from"


def test_a_run_that_gets_worse_than_guessing_has_diverged(runner):
    with pytest.raises(TrainingError, match=r"diverged.*train\.lr") as caught:
        runner(steps=60, lr=30.0, schedule="constant", clip=1e9)
    assert caught.value.details["reason"] == "diverged"
    assert runner.evaluated == []


@pytest.fixture
def small_memory(monkeypatch):
    """A model that runs out of memory above some sequences at a time; the sizes that were tried."""
    honest, sizes = StackedLoss.gradients, []

    def limit(most: int) -> list[int]:
        def limited(self, matrices, vectors, sequences):
            sizes.append(sequences.shape[1])
            if sequences.shape[1] > most:
                raise torch.OutOfMemoryError("tried to allocate")
            return honest(self, matrices, vectors, sequences)

        monkeypatch.setattr(StackedLoss, "gradients", limited)
        return sizes

    return limit


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_step(new_runner, small_memory):
    expected = new_runner()(steps=6)
    sizes = small_memory(2)
    result = new_runner()(steps=6)
    assert losses(result) == pytest.approx(losses(expected), abs=1e-5)
    assert sizes[:4] == [8, 4, 2, 2] and set(sizes[2:]) == {2}, "tried once, then known"
    assert result.tokens == expected.tokens


def test_a_sequence_that_does_not_fit_ends_the_run(runner, small_memory):
    small_memory(0)
    with pytest.raises(TrainingError, match="not even one sequence") as caught:
        runner()
    assert caught.value.details == {"reason": "out_of_memory", "step": 1, "checkpoint": None}


def test_threads_are_set_for_the_run_and_given_back(runner):
    before, inside = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        runner(threads=1, log=lambda _: inside.append(torch.get_num_threads()))
        assert set(inside) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_bf16_can_be_asked_for_and_keeps_fp32_weights(runner):
    result = runner(steps=40, precision="bf16")
    assert result.cost["precision"] == "bf16"
    assert {value.dtype for value in runner.weights.values()} == {torch.float32}
    assert losses(result)[-1] < losses(result)[0]


@pytest.mark.parametrize(
    ("off", "message"), [({"by": 1}, "vocabulary"), ({"by": -1}, "vocabulary"), ({"width": 16}, "context")]
)
def test_a_stream_that_does_not_fit_the_model_is_refused(runner, toy, off, message):
    with pytest.raises(DataError, match=message):
        runner(stream=toy.shifted(**off))


def quiet(runner, toy) -> Run:
    return Run(stream=toy.stream(), seed=0, folder=runner.folder, evaluate=lambda *_: None)


def test_a_budget_below_one_batch_is_refused(runner, toy):
    with pytest.raises(ConfigError, match="less than one batch of 128"):
        train(quiet(runner, toy), proxy=toy.proxy, config=toy.config(), vocab_size=VOCABULARY, tokens=127)


def test_a_last_partial_batch_is_left_out(runner, toy):
    result = train(
        quiet(runner, toy), proxy=toy.proxy, config=toy.config(), vocab_size=VOCABULARY, tokens=3 * 128 - 1
    )
    assert (result.steps, result.tokens) == (2, 256)


def test_a_batch_is_whole_sequences(runner):
    with pytest.raises(ConfigError, match=r"multiple of proxy\.context=16; try 96"):
        runner(batch_tokens=100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"lr": math.nan},
        {"schedule": "cos"},
        {"precision": "fp16"},
        {"evaluations": (0.0,)},
        {"evaluations": (1.1,)},
        {"micro_batch": -1},
        {"micro_batch": 0},
        {"threads": 0},
        {"warmup_fraction": 1.0},
        {"min_lr_ratio": 1.5},
        {"hold_fraction": 1.0},
        {"weight_decay": -0.1},
        {"beta2": 1.0},
        {"batch_tokens": 0},
        {"checkpoint_s": -1.0},
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_refused_by_name(toy, wrong):
    with pytest.raises(ConfigError, match=rf"^{next(iter(wrong))} must "):
        toy.config(**wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_is_refused(runner):
    with pytest.raises(ConfigError, match=r"train\.device=auto"):
        runner(device="cuda")


TRAIN_CONF = sorted((Path(__file__).parents[2] / "conf" / "train").glob("*.yaml"))


@pytest.mark.parametrize("path", TRAIN_CONF, ids=lambda p: p.stem)
def test_every_recipe_can_be_built(path):
    config = compose(["pool=testbed", f"train={path.stem}"])
    assert make(plain(config.train), "train").evaluations[-1] == 1.0
