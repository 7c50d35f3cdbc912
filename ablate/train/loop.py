"""The training loop: a fixed token budget, resumable to the same bits, as lean as it can be."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import LlamaForCausalLM

from ablate.errors import AblateError, ConfigError, DataError
from ablate.fingerprint import digest
from ablate.progress import track
from ablate.train import checkpoint
from ablate.train.objective import NextTokenLoss
from ablate.train.proxy import ProxyConfig, build_model, count_parameters, training_flops
from ablate.train.schedule import SCHEDULES, lr_factor

CHECK_EVERY = 20
"""Steps between looks at the loss; a look waits for the device."""

PATIENCE = timedelta(hours=6)
"""How long the other processes wait for the first one to evaluate."""


class TrainingError(AblateError):
    """A run that cannot go on, such as one whose loss is no longer a number."""


class Stream(Protocol):
    """Where training sequences come from."""

    def sequences(self, first: int, count: int) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How every run trains.

    Attributes:
        tokens: the budget; whole batches of it are trained.
        batch_tokens: tokens per optimiser step, a multiple of the context.
        lr: peak learning rate.
        schedule: decay after the warm-up: cosine, linear or constant.
        warmup_fraction: share of the steps in [0, 1).
        min_lr_ratio: where the decay ends, as a share of `lr`.
        weight_decay: on matrices only.
        beta1, beta2, eps: of AdamW (Loshchilov & Hutter 2019).
        clip: largest gradient norm.
        precision: fp32, bf16 (autocast), or auto: bf16 on a GPU that has it, else fp32.
        compile: use torch.compile.
        evaluations: fractions of the budget at which to evaluate; 1.0 is always among them.
        checkpoint_s: seconds between checkpoints.
        device: auto, cpu, cuda or mps.
        threads: CPU threads; null leaves torch's choice.
        micro_batch: sequences per forward pass; null takes the whole batch at once.
    """

    tokens: int
    batch_tokens: int
    lr: float
    schedule: str = "cosine"
    warmup_fraction: float = 0.05
    min_lr_ratio: float = 0.1
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    clip: float = 1.0
    precision: str = "auto"
    compile: bool = False
    evaluations: tuple[float, ...] = (1.0,)
    checkpoint_s: float = 60.0
    device: str = "auto"
    threads: int | None = None
    micro_batch: int | None = None

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"train.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"train.precision must be auto, fp32 or bf16, got {self.precision!r}")
        for name in ("tokens", "batch_tokens", "lr", "eps", "clip", "threads", "micro_batch"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"train.{name} must be above 0, got {value}")
        for name in ("warmup_fraction", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"train.{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.min_lr_ratio <= 1:
            raise ConfigError(f"train.min_lr_ratio must be in [0, 1], got {self.min_lr_ratio}")
        if not self.weight_decay >= 0:
            raise ConfigError(f"train.weight_decay must be at least 0, got {self.weight_decay}")
        if not all(0 < share <= 1 for share in self.evaluations):
            raise ConfigError(f"train.evaluations must lie in (0, 1], got {list(self.evaluations)}")


@dataclass
class TrainResult:
    """What a run did.

    Attributes:
        tokens, steps: trained.
        final_loss: mean over the last tenth of the steps, nats per token.
        losses: [tokens, loss] about 200 times over the run.
        parameters, flops: of the model and the run.
        cost: what depends on the machine: duration_s, tokens_per_s, peak_memory_bytes, device, ...
    """

    tokens: int
    steps: int
    final_loss: float
    losses: list[list[float]]
    parameters: int
    flops: float
    cost: dict[str, Any] = field(default_factory=dict)


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA (this process's rank), else Apple's, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError("train.device=cuda, but torch sees no CUDA device; use train.device=auto")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device(name)


def check_budget(tokens: int, config: TrainConfig, context: int) -> int:
    """Number of steps in a budget.

    Raises:
        ConfigError: when a batch is not whole sequences, or the budget not one batch.
    """
    if config.batch_tokens % context:
        raise ConfigError(
            f"train.batch_tokens={config.batch_tokens} must be a multiple of proxy.context={context}; "
            f"try {max(1, round(config.batch_tokens / context)) * context}"
        )
    if tokens < config.batch_tokens:
        raise ConfigError(
            f"the budget of {tokens:,} tokens is less than one batch of {config.batch_tokens:,}; "
            "raise train.tokens or lower train.batch_tokens"
        )
    return tokens // config.batch_tokens


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


def train(
    *, proxy: ProxyConfig, config: TrainConfig, stream: Stream, vocab_size: int, seed: int, folder: Path,
    tokens: int, evaluate: Callable[[LlamaForCausalLM, int], None],
    log: Callable[[dict[str, Any]], None] | None = None, resume_key: str = "",
) -> TrainResult:  # fmt: skip
    """Train one proxy; after an interruption, the same call goes on to the same result.

    Args:
        proxy, config: shape and recipe.
        stream: the arm's token stream for this seed.
        vocab_size: of the tokenizer.
        seed: of the initial weights.
        folder: of the checkpoint.
        tokens: this arm's budget.
        evaluate: called with the model and the tokens seen at each of `config.evaluations`. After an
            interruption it may be called again for a point it has seen, with the same weights.
        log: called with step, tokens, loss, lr, grad_norm, tokens_per_s now and then.
        resume_key: what else a checkpoint must agree with, such as the corpus.
    Returns:
        The result; the model itself is seen by the last `evaluate`.
    Raises:
        ConfigError: when the budget is less than one batch, or the folder holds a checkpoint of
            another configuration.
        DataError: when the stream's sequences do not fit the context or the vocabulary.
        TrainingError: when the loss or the gradient is not finite any more.
    """
    check_budget(tokens, config, proxy.context)
    with ExitStack() as stack:
        stack.enter_context(_threads(config.threads))
        stack.enter_context(_process_group(pick_device(config.device)))
        return _Run(proxy, config, stream, vocab_size, seed, folder, tokens, evaluate, log, resume_key).go()


class _Run:
    def __init__(
        self, proxy: ProxyConfig, config: TrainConfig, stream: Stream, vocab_size: int, seed: int,
        folder: Path, tokens: int, evaluate: Callable[[LlamaForCausalLM, int], None],
        log: Callable[[dict[str, Any]], None] | None, resume_key: str,
    ) -> None:  # fmt: skip
        self.config, self.stream, self.folder, self.evaluate, self.log = config, stream, folder, evaluate, log
        self.context, self.vocab_size = proxy.context, vocab_size
        self.steps = check_budget(tokens, config, proxy.context)
        self.batch = config.batch_tokens // proxy.context
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = pick_device(config.device)
        self.precision = config.precision
        if self.precision == "auto":
            native = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            self.precision = "bf16" if native else "fp32"
        aside = ("checkpoint_s", "device", "threads", "tokens")
        recipe = {key: value for key, value in asdict(config).items() if key not in aside}
        recipe["precision"] = self.precision  # `auto` may mean another one on another machine
        self.identity = digest([asdict(proxy), recipe, vocab_size, seed, self.steps, resume_key])
        self.model = build_model(proxy, vocab_size, seed)
        self.model.to(self.device)  # type: ignore[arg-type]  # transformers' wrapper hides torch's signature
        decayed = [p for p in self.model.parameters() if p.ndim >= 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps,
            fused=self.device.type in ("cuda", "cpu"),
        )  # fmt: skip
        self.losses: list[float] = []
        self.trained_s = 0.0
        self.step = 0
        self.loss_of: Any = NextTokenLoss(self.model)
        if config.compile:
            self.loss_of = torch.compile(self.loss_of)
        if self.world > 1:
            if self.batch % self.world:
                raise ConfigError(
                    f"a batch of {self.batch} sequences cannot be shared by {self.world} processes; "
                    "choose train.batch_tokens so that it can"
                )
            self.loss_of = DistributedDataParallel(self.loss_of, broadcast_buffers=False)
        points = {max(1, round(share * self.steps)) for share in (*config.evaluations, 1.0)}
        self.evaluation_steps = sorted(points)

    def go(self) -> TrainResult:
        self._resume()
        started = saved = time.monotonic()
        before = self.trained_s
        pending: list[torch.Tensor] = []
        for step in track(range(self.step, self.steps), "training", unit="step"):
            pending.append(self._train_step(step))
            self.step = step + 1
            evaluates = self.step in self.evaluation_steps
            if len(pending) >= CHECK_EVERY or evaluates or self.step == self.steps:
                self._check(pending)
                self.trained_s = before + time.monotonic() - started
                self._report()
            if evaluates:
                # Kept before the evaluation: should that be cut short, no training is repeated.
                self._save()
                saved = time.monotonic()
                if self.rank == 0:
                    self.model.eval()
                    with torch.inference_mode(), self._autocast():
                        self.evaluate(self.model, self.step * self.config.batch_tokens)
                    self.model.train()
                if self.world > 1:
                    dist.barrier()
                started += time.monotonic() - saved
                saved = time.monotonic()
            elif not pending and time.monotonic() - saved > self.config.checkpoint_s:
                self._save()
                saved = time.monotonic()
        return self._result()

    def _train_step(self, step: int) -> torch.Tensor:
        factor = lr_factor(
            step, self.steps, schedule=self.config.schedule,
            warmup_fraction=self.config.warmup_fraction, min_ratio=self.config.min_lr_ratio,
        )  # fmt: skip
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * factor
        share = self.batch // self.world
        sequences = self._sequences(step * self.batch + self.rank * share, share)
        micro = min(self.config.micro_batch or share, share)
        total = torch.zeros((), device=self.device)
        for first in range(0, share, micro):
            part = sequences[first : first + micro]
            last = first + micro >= share
            with self.loss_of.no_sync() if self.world > 1 and not last else nullcontext():
                with self._autocast():
                    loss = self.loss_of(part) * (part.shape[0] / share)
                loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.world > 1:
            dist.all_reduce(total)
            total /= self.world
        return torch.stack([total, norm])

    def _sequences(self, first: int, count: int) -> torch.Tensor:
        sequences = self.stream.sequences(first, count)
        if sequences.shape != (count, self.context + 1):
            raise DataError(
                f"the stream gave sequences of shape {sequences.shape}, expected "
                f"{(count, self.context + 1)}; open it with the proxy's context"
            )
        if not 0 <= sequences.min() <= sequences.max() < self.vocab_size:
            raise DataError(
                f"the stream holds token ids from {sequences.min()} to {sequences.max()}, but the model has "
                f"{self.vocab_size}; give it the vocabulary of the tokenizer that made the stream"
            )
        return torch.from_numpy(sequences).to(self.device, non_blocking=True)

    def _autocast(self) -> Any:
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _check(self, pending: list[torch.Tensor]) -> None:
        values = torch.stack(pending).tolist()
        first = self.step - len(values)
        pending.clear()
        for number, (loss, norm) in enumerate(values, first + 1):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise TrainingError(
                    f"step {number} of {self.steps}: the loss is {loss} and the gradient norm {norm}; "
                    "both must be finite. Lower train.lr, lengthen train.warmup_fraction or choose "
                    "train.precision=fp32"
                )
        self.losses += [loss for loss, _ in values]
        self.norm = values[-1][1]

    def _report(self) -> None:
        if self.log and self.rank == 0:
            tokens = self.step * self.config.batch_tokens
            self.log({
                "step": self.step, "tokens": tokens, "loss": round(self.losses[-1], 5),
                "lr": self.optimizer.param_groups[0]["lr"], "grad_norm": round(self.norm, 4),
                "tokens_per_s": round(tokens / max(1e-9, self.trained_s)),
            })  # fmt: skip

    def _resume(self) -> None:
        state = checkpoint.load(self.folder, self.identity)
        if state:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.losses, self.trained_s = state["step"], state["losses"], state["trained_s"]
            if self.step in self.evaluation_steps and self.rank == 0:
                self.model.eval()
                with torch.inference_mode(), self._autocast():
                    self.evaluate(self.model, self.step * self.config.batch_tokens)
                self.model.train()

    def _save(self) -> None:
        if self.rank == 0:
            checkpoint.save(self.folder, self.identity, {
                "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "step": self.step, "losses": self.losses, "trained_s": self.trained_s,
            })  # fmt: skip

    def _result(self) -> TrainResult:
        tokens = self.steps * self.config.batch_tokens
        every = max(1, self.steps // 200)
        curve = [[(i + 1) * self.config.batch_tokens, round(v, 6)] for i, v in enumerate(self.losses)]
        unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, KiB on Linux
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        if self.device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(self.device)
        tail = self.losses[-max(1, self.steps // 10) :]
        return TrainResult(
            tokens, self.steps, float(np.mean(tail)), curve[every - 1 :: every], count_parameters(self.model),
            training_flops(self.model, tokens, self.context),
            {"train_s": self.trained_s, "tokens_per_s": tokens / max(1e-9, self.trained_s),
             "peak_memory_bytes": memory, "device": str(self.device), "precision": self.precision,
             "threads": torch.get_num_threads(), "processes": self.world},
        )  # fmt: skip
