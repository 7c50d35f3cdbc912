"""The training loop: a fixed token budget, resumable to the same bits, for one run or several in lockstep."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ablate.errors import AblateError, ConfigError, DataError
from ablate.fingerprint import digest, naming_fields
from ablate.progress import track
from ablate.stopping import held
from ablate.train import checkpoint
from ablate.train.config import TrainConfig, check_budget, pick_compile, pick_device, pick_precision
from ablate.train.device import keep_freed_memory, peak_flops, peak_memory_bytes, reset_peak_memory
from ablate.train.graph import LAUNCHED_FLOPS, Captured
from ablate.train.proxy import ProxyConfig, count_parameters, training_flops
from ablate.train.stack import StackedLoss, build_weights

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CHECK_EVERY = 20
"""Steps between looks at the loss; a look waits for the device."""

DIVERGED = 1.0
"""A run has diverged when its loss between two looks is this many nats worse than a uniform guess."""

PATIENCE = timedelta(hours=6)
"""How long the other processes wait for the first one to evaluate."""


class TrainingError(AblateError):
    """A run that cannot go on.

    Attributes:
        details: reason ("not_finite", "diverged", "out_of_memory"), step, and the last good checkpoint:
            its path and step, or None.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class Stream(Protocol):
    """Where training sequences come from."""

    def sequences(self, first: int, count: int) -> np.ndarray: ...


class Progress(TypedDict):
    """A line of a run's log: `loss` in nats per token, `tokens_per_s` over what it has trained itself."""

    step: int
    tokens: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_s: int


class Cost(TypedDict):
    """What of a run depends on the machine.

    Attributes:
        train_s: seconds; of runs in lockstep each bears its part.
        tokens_per_s: trained.
        share_of_peak: of the device's FLOP/s; None where that is not known.
        peak_memory_bytes: of the process, or of the GPU.
        device, precision, threads, processes: it ran on and with.
        together: runs in lockstep.
    """

    train_s: float
    tokens_per_s: float
    share_of_peak: float | None
    peak_memory_bytes: int
    device: str
    precision: str
    threads: int
    processes: int
    together: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is one run's own.

    Attributes:
        stream: the arm's token stream for this seed; read ahead by a thread of its own, which is idle
            when the last `evaluate` is called.
        seed: of the initial weights.
        folder: of the checkpoint.
        evaluate: called with the model (transformers' own, weights shared with training) and the
            tokens seen at each of `evaluations`. After an interruption it may be called again for a
            point it has seen, with the same weights.
        log: called with step, tokens, loss, lr, grad_norm, tokens_per_s now and then.
        resume_key: what else a checkpoint must agree with, such as the corpus.
        start: gives the state that it starts from, a checkpoint or what looks like one (`pretrained.load`);
            None for fresh weights.
    """

    stream: Stream
    seed: int
    folder: Path
    evaluate: Callable[[LlamaForCausalLM, int], None]
    log: Callable[[Progress], None] | None = None
    resume_key: str = ""
    start: Callable[[], checkpoint.State] | None = None


@dataclass
class TrainResult:
    """What a run did.

    Attributes:
        tokens, steps: trained, those before the state it started from among them.
        final_loss: mean over the last tenth of the steps, nats per token.
        losses: [tokens, loss] about 200 times over the run.
        parameters, flops: of the model, and of what the run trained itself.
        cost: what depends on the machine: train_s, tokens_per_s, peak_memory_bytes, device, ...
    """

    tokens: int
    steps: int
    final_loss: float
    losses: list[list[float]]
    parameters: int
    flops: float
    cost: Cost


@contextmanager
def _process_group(device: torch.device) -> Iterator[None]:
    """The group that torchrun's processes form, left again at the end; nothing for a single process."""
    mine = int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized()
    if mine:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        if mine:
            dist.destroy_process_group()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(run: Run, *, proxy: ProxyConfig, config: TrainConfig, vocab_size: int, tokens: int) -> TrainResult:
    """Train one proxy; after an interruption, the same call goes on to the same result.

    Args:
        run: what is its own.
        proxy, config: shape and recipe.
        vocab_size: of the tokenizer.
        tokens: this arm's budget.
    Returns:
        The result; the model itself is seen by the last `evaluate`.
    Raises:
        ConfigError: when the budget is less than one batch, or the folder holds a checkpoint of
            another configuration.
        DataError: when the stream's sequences do not fit the context or the vocabulary.
        TrainingError: when loss or gradient are not finite any more, the run diverges, or not even
            one sequence fits the memory.
    """
    (outcome,) = train_stacked([run], proxy=proxy, config=config, vocab_size=vocab_size, tokens=tokens)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def train_stacked(
    runs: Sequence[Run], *, proxy: ProxyConfig, config: TrainConfig, vocab_size: int, tokens: int
) -> list[TrainResult | Exception]:
    """Train proxies of one shape, recipe and budget in lockstep, each on its own stream.

    Each comes out as it would alone, but for the rounding of the matrix products. A run that fails
    (loss not finite, evaluation that raises, disk that is full) leaves the others as they are.

    Returns:
        Per run its result, or what made it fail.
    Raises:
        ConfigError: when the budget is less than one batch, or processes are more than sequences.
    """
    steps = check_budget(tokens, config, proxy.context)
    device = pick_device(config.device)
    # The steps tell the tokens; what belongs to the machine may change at a checkpoint.
    recipe = {name: value for name, value in naming_fields(config).items() if name != "tokens"}
    precision = pick_precision(config.precision, device)  # `auto` may mean another one elsewhere
    recipe["precision"] = precision
    run_states = [
        _RunState(run, digest([naming_fields(proxy), recipe, vocab_size, run.seed, steps, run.resume_key]))
        for run in runs
    ]
    with ExitStack() as stack:
        stack.enter_context(_threads(config.threads))
        stack.enter_context(_process_group(device))
        for run_state in run_states:
            run_state.load()
        # After an interruption some may be a checkpoint ahead of others.
        for step in sorted({run_state.step for run_state in run_states}):
            together = [
                run_state for run_state in run_states if run_state.step == step and not run_state.failure
            ]
            if together:
                _Training(together, proxy, config, vocab_size, steps, device, precision).go()
    return [
        run_state.failure or run_state.result or AblateError("the run did not end")
        for run_state in run_states
    ]


def measure_speed(
    proxy: ProxyConfig, config: TrainConfig, vocab_size: int, *, stacked_runs: int = 1, seconds: float = 1.0
) -> float:
    """Tokens per second of `stacked_runs` proxies in lockstep, over training steps on random tokens.

    The median step of about `seconds` counts; nothing is kept.
    """
    device = pick_device(config.device)
    config = replace(config, branch_from=None, branch_at=None)  # a step costs the same wherever it stands
    with _threads(config.threads):
        shape = (stacked_runs, config.batch_tokens // proxy.context, proxy.context + 1)
        tokens = torch.randint(0, vocab_size, shape, generator=torch.Generator().manual_seed(0)).to(device)
        runs = [
            Run(stream=_Nothing(), seed=seed, folder=Path(), evaluate=lambda *_: None)
            for seed in range(stacked_runs)
        ]
        precision = pick_precision(config.precision, device)
        training = _Training(
            [_RunState(run, "") for run in runs], proxy, config, vocab_size, 1000, device, precision
        )
        took: list[float] = []
        while len(took) < 3 or sum(took) < seconds:
            begin = time.perf_counter()
            training._train_step(len(took), tokens).tolist()
            took.append(time.perf_counter() - begin)
    return stacked_runs * config.batch_tokens / float(np.median(took))


class _Nothing:
    def sequences(self, first: int, count: int) -> np.ndarray:
        raise AssertionError("a probe reads no stream")


class _RunState:
    """One run on its way: its losses, its checkpoint, what became of it."""

    def __init__(self, run: Run, identity: str) -> None:
        self.run, self.identity = run, identity
        self.step = self.began = 0  # began: at which step its own training did, beyond what it started from
        self.losses: list[float] = []
        self.trained_s, self.norm = 0.0, math.nan
        self.state: checkpoint.State | None = None
        self.good_step: int | None = None
        self.failure: Exception | None = None
        self.result: TrainResult | None = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """An exception in the block is this run's end, not that of the others."""
        try:
            yield
        except Exception as error:
            self.failure = self.failure or error

    def load(self) -> None:
        with self.guard():
            self.state = checkpoint.load(self.run.folder, self.identity)
            if self.state:
                self.good_step, self.began = int(self.state["step"]), int(self.state.get("began", 0))
                self.trained_s = float(self.state["trained_s"])
            elif self.run.start:
                self.state = self.run.start()
                self.began = int(self.state["step"])
        if self.state:
            self.step, self.losses = int(self.state["step"]), list(self.state["losses"])

    def fail(self, reason: str, step: int, message: str) -> None:
        path = self.run.folder / checkpoint.NAME
        good = None if self.good_step is None else {"path": str(path), "step": self.good_step}
        kept = (
            "no checkpoint was kept before it"
            if good is None
            else f"last good checkpoint: step {self.good_step}, {path}"
        )
        self.failure = self.failure or TrainingError(
            f"{message} ({kept})", reason=reason, step=step, checkpoint=good
        )


@lru_cache(maxsize=8)
def _loss_of(*shape: Any) -> StackedLoss:
    """The loss, made and compiled once per shape and process."""
    return StackedLoss(*shape)


class _Training:
    """Runs that are at the same step, trained to the end."""

    def __init__(
        self,
        run_states: list[_RunState],
        proxy: ProxyConfig,
        config: TrainConfig,
        vocab_size: int,
        steps: int,
        device: torch.device,
        precision: str,
    ) -> None:
        self.run_states, self.config, self.steps, self.device = run_states, config, steps, device
        self.proxy, self.context, self.vocab_size = proxy, proxy.context, vocab_size
        self.precision, self.dtype = precision, torch.bfloat16 if precision == "bf16" else torch.float32
        self.batch = config.batch_tokens // proxy.context
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.batch < self.world:
            raise ConfigError(
                f"a batch of {self.batch} sequences cannot be shared by {self.world} processes; "
                "raise train.batch_tokens or start fewer processes"
            )
        self.first = self.batch * self.rank // self.world
        self.share = self.batch * (self.rank + 1) // self.world - self.first
        self.pieces = math.ceil(self.share / (config.micro_batch or self.share))
        self.weights = build_weights(
            proxy, vocab_size, [run_state.run.seed for run_state in run_states], device
        )
        self.flops = training_flops(self.weights.models[0], 1, proxy.context)  # of a token
        self.parameters = [torch.nn.Parameter(part) for part in self.weights.parts]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [part], "weight_decay": decay}
                for part, decay in zip(self.parameters, (config.weight_decay, 0.0), strict=True)
            ],
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            fused=device.type != "mps",
        )
        compiled = pick_compile(config.compile, device, self.flops * steps * config.batch_tokens)
        self.loss = _loss_of(proxy, vocab_size, device, self.dtype, compiled)
        self.captured: dict[tuple[int, ...], Captured] = {}
        if device.type == "cpu":
            keep_freed_memory()
        points = {max(1, round(share * steps)) for share in (*config.evaluations, 1.0)}
        # On the trunk, and at its end, the arms are one model still.
        self.evaluation_steps = sorted(point for point in points if point > config.trunk_steps(steps))
        self.step = run_states[0].step
        for number, run_state in enumerate(run_states):
            if run_state.state:
                self._restore(number, run_state.state)
                run_state.state = None

    @property
    def alive(self) -> list[tuple[int, _RunState]]:
        """Runs that have not failed; the others are computed on and thrown away."""
        return [
            (number, run_state) for number, run_state in enumerate(self.run_states) if not run_state.failure
        ]

    def go(self) -> None:
        if self.step in self.evaluation_steps:
            self._evaluate()
        reset_peak_memory(self.device)
        started = saved = time.monotonic()
        before = self.run_states[0].trained_s
        pending: list[Tensor] = []
        with ThreadPoolExecutor(1) as loader, held() as signals:
            batch: Future[Tensor] = loader.submit(self._load, self.step)
            for step in track(range(self.step, self.steps), "training", unit="step"):
                sequences = batch.result()
                if step + 1 < self.steps:
                    batch = loader.submit(self._load, step + 1)
                pending.append(self._train_step(step, sequences))
                self.step = step + 1
                evaluates = self.step in self.evaluation_steps
                stops = signals.asked is not None
                if len(pending) >= CHECK_EVERY or evaluates or stops or self.step == self.steps:
                    self._check(pending, before + time.monotonic() - started)
                if evaluates:
                    # Kept before the evaluation: should that be cut short, no training is repeated.
                    self._save()
                    saved = time.monotonic()
                    with signals.released():
                        self._evaluate()
                    started += time.monotonic() - saved
                    saved = time.monotonic()
                elif stops or (not pending and time.monotonic() - saved > self.config.checkpoint_s):
                    self._save()
                    saved = time.monotonic()
                if stops:
                    signals.stop_if_asked()
                if not self.alive:
                    return
        for number, run_state in self.alive:
            run_state.result = self._result(number, run_state)

    def _load(self, step: int) -> Tensor:
        """This process's part of a step's batch: shape (R, share, context + 1)."""
        parts = []
        for run_state in self.run_states:
            part = np.zeros((self.share, self.context + 1), dtype=np.int64)
            with run_state.guard():
                part = self._sequences(run_state.run.stream, step * self.batch + self.first)
            parts.append(part)
        batch = torch.from_numpy(np.stack(parts))
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        return batch.to(self.device, non_blocking=True)

    def _sequences(self, stream: Stream, first: int) -> np.ndarray:
        sequences = stream.sequences(first, self.share)
        if sequences.shape != (self.share, self.context + 1):
            raise DataError(
                f"the stream gave sequences of shape {sequences.shape}, expected "
                f"{(self.share, self.context + 1)}; open it with the proxy's context"
            )
        if not 0 <= sequences.min() <= sequences.max() < self.vocab_size:
            raise DataError(
                f"the stream holds token ids from {sequences.min()} to {sequences.max()}, but the model has "
                f"{self.vocab_size}; give it the vocabulary of the tokenizer that made the stream"
            )
        return sequences

    def _train_step(self, step: int, sequences: Tensor) -> Tensor:
        """One optimiser step; loss and gradient norm of each run, shape (2, R), still on the device."""
        lr = self.config.lr_at(step, self.steps)
        loss, gradients = self._gradients(step, sequences)
        if self.world > 1:
            for part in (loss, *gradients):
                dist.all_reduce(part)
        count = self.batch * self.context  # both are sums over the predictions
        norm = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in gradients]).norm(dim=0) / count
        shrink = (self.config.clip / (norm + 1e-6)).clamp_(max=1.0)[:, None] / count
        for group, parameter, gradient in zip(
            self.optimizer.param_groups, self.parameters, gradients, strict=True
        ):
            group["lr"] = lr
            parameter.grad = gradient.mul_(shrink)
        self.optimizer.step()
        return torch.stack([loss / count, norm])

    def _gradients(self, step: int, sequences: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Summed loss (R,) and its fp32 gradients; where memory runs out, in twice as many pieces."""
        while True:
            try:
                return self._accumulate(sequences)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if self.pieces >= self.share:
                    for _, run_state in self.alive:
                        run_state.fail(
                            "out_of_memory",
                            step + 1,
                            f"step {step + 1} of {self.steps}: not even one sequence of {self.context} tokens "
                            f"of {len(self.run_states)} runs fits the memory. Choose a smaller proxy, or proxy.context",
                        )
                    zeros = torch.zeros(len(self.run_states), device=self.device)
                    return zeros, [torch.zeros_like(part) for part in self.parameters]
            self.pieces = min(2 * self.pieces, self.share)
            self.captured.clear()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _accumulate(self, sequences: Tensor) -> tuple[Tensor, list[Tensor]]:
        first, *others = sequences.tensor_split(self.pieces, 1)
        total, *sums = self._gradients_of(first)
        if others and self.captured:
            total, *sums = total.clone(), *(part.clone() for part in sums)
        for piece in others:
            more = self._gradients_of(piece)
            for whole, part in zip((total, *sums), more, strict=True):
                whole += part
        return total, sums

    def _gradients_of(self, sequences: Tensor) -> tuple[Tensor, ...]:
        """Summed loss and its gradients; small steps of a GPU as a graph, whose result the next call overwrites."""
        if self.device.type != "cuda" or self.flops * sequences[:, :, 1:].numel() > LAUNCHED_FLOPS:
            return self.loss.gradients(*self.weights.parts, sequences)
        shape = tuple(sequences.shape)
        if shape not in self.captured:
            self.captured[shape] = Captured(partial(self.loss.gradients, *self.weights.parts), sequences)
        return self.captured[shape](sequences)

    def _check(self, pending: list[Tensor], trained_s: float) -> None:
        values = torch.stack(pending).tolist()
        first = self.step - len(values) + 1
        pending.clear()
        limit = math.log(self.vocab_size) + DIVERGED
        for number, run_state in self.alive:
            losses = [step[0][number] for step in values]
            norms = [step[1][number] for step in values]
            for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), first):
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    run_state.fail(
                        "not_finite",
                        step,
                        f"step {step} of {self.steps}: the loss is {loss} and the gradient norm {norm}; "
                        "both must be finite. Lower train.lr, lengthen train.warmup_fraction or choose "
                        "train.precision=fp32",
                    )
                    break
            else:
                mean = sum(losses) / len(losses)
                if mean > limit:
                    run_state.fail(
                        "diverged",
                        self.step,
                        f"step {self.step} of {self.steps}: the loss is {mean:.2f}, and guessing every token "
                        f"alike gives {limit - DIVERGED:.2f}; the run has diverged. Lower train.lr or lengthen "
                        "train.warmup_fraction",
                    )
            run_state.losses += losses
            run_state.norm, run_state.trained_s = norms[-1], trained_s
            if run_state.run.log and self.rank == 0 and not run_state.failure:
                with run_state.guard():
                    run_state.run.log(self._entry(run_state))

    def _entry(self, run_state: _RunState) -> Progress:
        tokens = self.step * self.config.batch_tokens
        own = tokens - run_state.began * self.config.batch_tokens
        return {
            "step": self.step,
            "tokens": tokens,
            "loss": round(run_state.losses[-1], 5),
            "lr": self.optimizer.param_groups[0]["lr"],
            "grad_norm": round(run_state.norm, 4),
            "tokens_per_s": round(own / max(1e-9, run_state.trained_s)),
        }

    def _evaluate(self) -> None:
        """Each run's own evaluation, by the first process; scores are computed in fp32 on a CPU."""
        if self.rank == 0:
            for number, run_state in self.alive:
                model = self.weights.models[number].eval()
                with run_state.guard(), torch.inference_mode(), self._autocast():
                    run_state.run.evaluate(model, self.step * self.config.batch_tokens)
        if self.world > 1:
            said = [
                [
                    None if run_state.failure is None else str(run_state.failure)
                    for run_state in self.run_states
                ]
            ]
            dist.broadcast_object_list(said)
            for run_state, failure in zip(self.run_states, said[0], strict=True):
                if failure is not None and not run_state.failure:
                    run_state.failure = AblateError(failure)

    def _autocast(self) -> Any:
        if self.precision == "bf16" and self.device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return nullcontext()

    def _save(self) -> None:
        if self.rank == 0:
            for number, run_state in self.alive:
                with run_state.guard():
                    checkpoint.save(
                        run_state.run.folder,
                        run_state.identity,
                        {
                            "step": self.step,
                            "began": run_state.began,
                            "losses": run_state.losses,
                            "trained_s": run_state.trained_s,
                            "weights": [part[number].clone() for part in self.weights.parts],
                            "moments": [
                                [
                                    self.optimizer.state[part][name][number].clone()
                                    for name in ("exp_avg", "exp_avg_sq")
                                ]
                                for part in self.parameters
                            ],
                        },
                    )
                    run_state.good_step = self.step

    def _restore(self, number: int, state: checkpoint.State) -> None:
        for part, saved in zip(self.parameters, state["weights"], strict=True):
            part.data[number].copy_(saved)
        for part, moments in zip(self.parameters, state["moments"] or (), strict=bool(state["moments"])):
            mine = self.optimizer.state[part]
            if not mine:
                mine["step"] = torch.tensor(float(state["step"]), device=self.device)
                mine |= {name: torch.zeros_like(part) for name in ("exp_avg", "exp_avg_sq")}
            for name, moment in zip(("exp_avg", "exp_avg_sq"), moments, strict=True):
                mine[name][number].copy_(moment)

    def _result(self, number: int, run_state: _RunState) -> TrainResult:
        tokens = self.steps * self.config.batch_tokens
        every = max(1, self.steps // 200)
        curve = [[(i + 1) * self.config.batch_tokens, round(v, 6)] for i, v in enumerate(run_state.losses)]
        tail = run_state.losses[-max(1, self.steps // 10) :]
        model = self.weights.models[number]
        own = tokens - run_state.began * self.config.batch_tokens
        flops = self.flops * own
        # Of runs in lockstep each bears its part of the time.
        train_s = max(1e-9, run_state.trained_s / len(self.run_states))
        peak = peak_flops(self.device, self.precision)
        cost: Cost = {
            "train_s": train_s,
            "tokens_per_s": own / train_s,
            "share_of_peak": None if peak is None else flops / train_s / peak / self.world,
            "peak_memory_bytes": peak_memory_bytes(self.device),
            "device": self._device_name(),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "processes": self.world,
            "together": len(self.run_states),
        }
        return TrainResult(
            tokens,
            self.steps,
            float(np.mean(tail)),
            curve[every - 1 :: every],
            count_parameters(model),
            flops,
            cost,
        )

    def _device_name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether it says so; on a CPU it is a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
