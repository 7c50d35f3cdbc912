"""How runs train: the recipe, checked, and what `auto` in it means on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import torch

from ablate.errors import ConfigError
from ablate.fingerprint import LATER, NOT_IDENTITY, was
from ablate.train.schedule import SCHEDULES, lr_factor, warmup_steps

REFERENCE = "reference"
"""Value of `train.branch_from` for a trunk that is trained here."""
COMPILED_FLOPS = 2e16
"""From so many FLOP of a run on compiling its layers, some 10 s, pays: an H200 takes a minute for them uncompiled."""
BRANCH_AT = 0.85
"""Share of the budget that such a trunk trains, unless `train.branch_at` says otherwise."""


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
        hold_fraction: share of the steps up to which the peak is held, in [0, 1); the decay is over the rest.
        weight_decay: on matrices only.
        beta1, beta2, eps: of AdamW (Loshchilov & Hutter 2019).
        clip: largest gradient norm.
        precision: of the arithmetic; weights stay in fp32. fp32, bf16, or auto: bf16 where the device
            has matrix units for it (GPUs, and CPUs with AMX), else fp32.
        compile: use torch.compile for the layers; null does on a GPU where a run is so long that it pays.
        evaluations: fractions of the budget at which to evaluate; 1.0 is always among them.
        checkpoint_s: seconds between checkpoints; 0 for one after every step.
        device: auto, cpu, cuda or mps.
        threads: CPU threads; null leaves torch's choice.
        micro_batch: most sequences per forward pass; null takes the whole batch at once. Where memory
            runs out it is halved and the step repeated.
        stacked_runs: runs of one shape that a sweep trains stacked in one process, step by step; null lets it
            measure what is fastest.
        branch_from: what a run's weights come from: null for fresh ones; "reference" for the trunk, which is
            the reference arm, trained under the run's seed up to `branch_at`; else a Hugging Face Llama
            checkpoint, by folder or hub name (`name@revision`).
        branch_at: share of the budget that the trunk trains, in (0, 1); null for 0.85. A checkpoint has none:
            all of `tokens` are trained on the arm's text.
        keep_weights: whether a run's final weights stay in the store, `runs/<key>/model`, for `teacher=proxy`, for
            `branch_from`, and for whoever wants the model.

    A run that branches has a learning rate of its own in place of `schedule`, `min_lr_ratio` and `hold_fraction`: `lr` after the
    warm-up and to the end of the trunk, then linear to zero.
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
    compile: bool | None = field(default=None, metadata=NOT_IDENTITY)
    evaluations: tuple[float, ...] = (1.0,)
    checkpoint_s: float = field(default=60.0, metadata=NOT_IDENTITY)
    device: str = field(default="auto", metadata=NOT_IDENTITY)
    threads: int | None = field(default=None, metadata=NOT_IDENTITY)
    micro_batch: int | None = field(default=None, metadata=NOT_IDENTITY)
    stacked_runs: int | None = field(default=None, metadata={**NOT_IDENTITY, **was("together")})
    hold_fraction: float = field(default=0.0, metadata=LATER)
    branch_from: str | None = field(default=None, metadata=LATER)
    branch_at: float | None = field(default=None, metadata=LATER)
    keep_weights: bool = field(default=False, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, got {self.precision!r}")
        for name in ("tokens", "batch_tokens", "lr", "eps", "clip", "threads", "micro_batch", "stacked_runs"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}")
        for name in ("warmup_fraction", "hold_fraction", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.min_lr_ratio <= 1:
            raise ConfigError(f"min_lr_ratio must be in [0, 1], got {self.min_lr_ratio}")
        for name in ("weight_decay", "checkpoint_s"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not all(0 < share <= 1 for share in self.evaluations):
            raise ConfigError(f"evaluations must lie in (0, 1], got {list(self.evaluations)}")
        if self.branch_from == "":
            raise ConfigError(
                "branch_from must be null, reference, or a checkpoint's folder or hub name, got ''"
            )
        if self.branch_at is not None:
            if not self.from_trunk:
                raise ConfigError(
                    "branch_at is the end of a trunk, which only branch_from=reference has, got "
                    f"branch_at={self.branch_at} with branch_from={self.branch_from or 'null'}"
                )
            if not 0 < self.branch_at < 1:
                raise ConfigError(f"branch_at must be in (0, 1), got {self.branch_at}")
        if self.from_trunk and self.warmup_fraction >= self.trunk_share:
            raise ConfigError(
                f"warmup_fraction must be below branch_at={self.trunk_share}, as the warm-up is the trunk's, "
                f"got {self.warmup_fraction}"
            )

    @property
    def from_trunk(self) -> bool:
        """Whether runs branch off a trunk that is trained here."""
        return self.branch_from == REFERENCE

    @property
    def trunk_share(self) -> float:
        """Share of the budget that is the trunk's."""
        return 0.0 if not self.from_trunk else BRANCH_AT if self.branch_at is None else self.branch_at

    def trunk_steps(self, steps: int) -> int:
        """Steps of a run of `steps` that are the trunk's; 0 of a run that has none.

        Raises:
            ConfigError: when trunk or branch would have no step.
        """
        trunk = round(self.trunk_share * steps)
        if self.from_trunk and not 0 < trunk < steps:
            raise ConfigError(
                f"branch_at={self.trunk_share} of {steps} steps leaves none to the {'branch' if trunk else 'trunk'}; "
                "raise tokens or choose another branch_at"
            )
        return trunk

    def of_trunk(self, steps: int) -> TrainConfig:
        """How the trunk of runs of `steps` trains: as such a run does up to there, never evaluated."""
        trunk, warmup = self.trunk_steps(steps), warmup_steps(steps, self.warmup_fraction)
        return replace(
            self,
            tokens=trunk * self.batch_tokens,
            schedule="constant",
            evaluations=(1.0,),
            branch_from=None,
            branch_at=None,
            warmup_fraction=(warmup - 0.25)
            / trunk,  # below 1 where all of it is warm-up; rounds to `warmup` steps
        )

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of step `step` (from 0) of `steps`."""
        schedule, floor = ("linear", 0.0) if self.branch_from else (self.schedule, self.min_lr_ratio)
        return self.lr * lr_factor(
            step,
            steps,
            schedule=schedule,
            warmup_fraction=self.warmup_fraction,
            min_ratio=floor,
            hold=self.trunk_steps(steps) if self.branch_from else round(self.hold_fraction * steps),
        )


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


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 on a device that multiplies it faster than fp32, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and has_amx() else "fp32"


def pick_compile(wish: bool | None, device: torch.device, flops: float) -> bool:
    """Null compiles on a GPU that Triton writes for, when `flops` of a run take longer than compiling them does."""
    if wish is not None:
        return wish
    return device.type == "cuda" and flops > COMPILED_FLOPS and find_spec("triton") is not None


def has_amx() -> bool:
    """Whether this CPU has matrix units for bf16 (Intel's AMX) that torch uses."""
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe() and torch.backends.mkldnn.is_available())
