"""Training speed against Hugging Face's Trainer, and where a step's time goes.

    python results/benchmarks/training.py --threads 2 --out results/benchmarks/training.md

Both train the same models (same initial weights, sequences, order, AdamW, schedule, clipping, precision,
number of steps), one after the other, each in a process of its own: ours keeps freed memory, which would
serve the Trainer too. What it would gain by that is a third process. The sequences come from a random Markov
source, so nothing needs to be downloaded; nothing is evaluated or saved.
"""

from __future__ import annotations

import argparse
import importlib.metadata as metadata
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch.profiler import ProfilerActivity, profile
from transformers import Trainer, TrainingArguments

from ablate.config import make
from ablate.train.config import TrainConfig
from ablate.train.device import keep_freed_memory
from ablate.train.loop import Run, _RunState, _Training, measure_speed, train
from ablate.train.proxy import build_model
from ablate.train.schedule import lr_factor

ROOT = Path(__file__).resolve().parents[2]
SEEDS, WARM = (0, 1, 2), 5
RUNGS = {"tiny": (1024, 120), "1m": (4096, 60), "3m": (8192, 20)}  # vocabulary, steps
FP32_SEEDS, LOCKSTEP = SEEDS[:2], ("tiny", "1m")
BATCH_TOKENS = 1024


class Markov:
    """Sequences in which half of the tokens follow from the one before, the others are Zipf draws."""

    def __init__(self, vocab_size: int, context: int, seed: int) -> None:
        self.follows = np.random.default_rng(7).permutation(vocab_size)
        weight = 1 / np.arange(1, vocab_size + 1)
        self.share, self.context, self.seed = weight / weight.sum(), context, seed

    def sequences(self, first: int, count: int) -> np.ndarray:
        out = np.empty((count, self.context + 1), dtype=np.int64)
        for row in range(count):
            rng = np.random.default_rng([self.seed, first + row])
            drawn = rng.choice(self.share.size, self.context + 1, p=self.share)
            keep = rng.random(self.context + 1) < 0.5
            out[row, 0] = drawn[0]
            for at in range(1, self.context + 1):
                out[row, at] = self.follows[out[row, at - 1]] if keep[at] else drawn[at]
        return out


@dataclass
class Table:
    """All sequences of a run, made beforehand, so that making them is not timed."""

    rows: np.ndarray
    asked: list[float] = field(default_factory=list)

    def sequences(self, first: int, count: int) -> np.ndarray:
        self.asked.append(time.perf_counter())
        return self.rows[first : first + count]


@dataclass
class Outcome:
    losses: list[float]
    tokens_per_s: float
    begun: list[float]  # when each step began

    @property
    def undisturbed(self) -> float:
        """Tokens per second of the fastest tenth of the steps: other work on the machine slows the rest."""
        return BATCH_TOKENS / float(np.quantile(np.diff(self.begun)[WARM:], 0.1))

    @property
    def final(self) -> float:
        return float(np.mean(self.losses[-max(1, len(self.losses) // 10) :]))


def ours(proxy: Any, config: TrainConfig, vocab_size: int, table: Table, seed: int, steps: int) -> Outcome:
    table = Table(table.rows)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(stream=table, seed=seed, folder=Path(folder), evaluate=lambda *_: None)
        begin = time.perf_counter()
        result = train(run, proxy=proxy, config=config, vocab_size=vocab_size, tokens=steps * BATCH_TOKENS)
        seconds = time.perf_counter() - begin
    return Outcome([loss for _, loss in result.losses], result.tokens / seconds, table.asked[2:])


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows: np.ndarray) -> None:
        self.rows = torch.from_numpy(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row = self.rows[index]
        # shift_labels: as many predictions as input tokens, as in our loop.
        return {"input_ids": row[:-1], "labels": row[1:], "shift_labels": row[1:]}


class Peer(Trainer):
    """The Trainer as it is, reading in order and keeping losses without waiting for them."""

    kept: list[torch.Tensor]
    begun: list[float]

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.append(time.perf_counter())
        loss = super().compute_loss(*args, **kwargs)
        self.kept.append(loss.detach())
        return loss


def peer(proxy: Any, config: TrainConfig, vocab_size: int, table: Table, seed: int, steps: int) -> Outcome:
    begin = time.perf_counter()
    model = build_model(proxy, vocab_size, seed)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": config.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: lr_factor(
            step,
            steps,
            schedule="cosine",
            warmup_fraction=config.warmup_fraction,
            min_ratio=config.min_lr_ratio,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=BATCH_TOKENS // proxy.context,
            bf16=config.precision == "bf16",
            use_cpu=True,
            max_grad_norm=config.clip,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Peer(
            model=model, args=arguments, train_dataset=Rows(table.rows), optimizers=(optimizer, schedule)
        )
        trainer.kept, trainer.begun = [], []
        trainer.train()
        seconds = time.perf_counter() - begin
    losses = [float(loss) for loss in trainer.kept]
    return Outcome(losses, steps * BATCH_TOKENS / seconds, trainer.begun)


KINDS = {
    "matrix products": ("mm", "bmm", "addmm", "linear", "matmul"),
    "fused attention": ("scaled_dot_product",),
    "softmax and loss": ("softmax", "nll", "logsumexp", "cross_entropy", "amax"),
    "optimiser and clipping": ("adamw", "_foreach", "vector_norm", "linalg"),
    "copies and casts": ("copy_", "cat", "fill_", "zero_", "clone", "index", "embedding", "contiguous", "_to_copy"),
}  # fmt: skip


def kind_of(name: str) -> str:
    name = name.removeprefix("aten::").lower()
    for kind, parts in KINDS.items():
        if any(name == part or (len(part) > 4 and part in name) for part in parts):
            return kind
    return "element by element"


def breakdown(*args: Any) -> dict[str, float]:
    """Milliseconds of each kind of operation in one step, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    step = step_of(*args)
    for _ in range(WARM):
        step()
    count = 10
    begin = time.perf_counter()
    for _ in range(count):
        step()
    wall = 1e3 * (time.perf_counter() - begin) / count
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(count):
            step()
    found: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        if event.key.startswith("aten::"):
            found[kind_of(event.key)] += event.self_cpu_time_total / 1e3 / count
    total = sum(found.values())
    if total > wall:  # the profiler itself takes time, and more of it the more operations there are
        found = {kind: value * wall / total for kind, value in found.items()}
    torch.set_num_threads(threads)
    return {**found, "between operations": max(0.0, wall - sum(found.values())), "all": wall}


def step_of(name: str, proxy: Any, config: TrainConfig, vocab_size: int, table: Table) -> Callable[[], Any]:
    """One training step as the Trainer does it, without the Trainer, or as we do it."""
    rows = torch.from_numpy(table.rows[: BATCH_TOKENS // proxy.context])
    if name == "ours":
        run_state = _RunState(Run(stream=table, seed=0, folder=Path(), evaluate=lambda *_: None), "")
        training = _Training(
            [run_state], proxy, config, vocab_size, 1000, torch.device("cpu"), config.precision
        )
        return lambda: training._train_step(0, rows[None])
    inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    model = build_model(proxy, vocab_size, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, fused=True)

    def theirs() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            loss = model(input_ids=inputs, labels=targets, shift_labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return theirs


def start(threads: int, keep: bool) -> None:
    """What a process of the benchmark begins with."""
    torch.set_num_threads(threads)
    if keep:
        keep_freed_memory()


def markdown(header: list[str], rows: list[list[str]]) -> str:
    bars = [":--", *["--:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, bars, *rows)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    begun = time.monotonic()
    speed, losses, shares = [], [], []
    lockstep: list[list[str]] = []
    sides = {"Trainer": peer, "ours": ours, "Trainer, freed memory kept": peer}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                ProcessPoolExecutor(
                    1, get_context("spawn"), start, (args.threads, name == "Trainer, freed memory kept")
                )
            )
            for name in sides
        }
        for rung, (vocab_size, steps) in RUNGS.items():
            proxy = make(OmegaConf.load(ROOT / "conf" / "proxy" / f"{rung}.yaml"), "proxy")
            config = TrainConfig(
                tokens=1,
                batch_tokens=BATCH_TOKENS,
                lr=3e-3,
                precision="bf16",
                device="cpu",
                threads=args.threads,
            )
            count = steps * BATCH_TOKENS // proxy.context
            finals: dict[str, list[float]] = defaultdict(list)
            whole: dict[tuple[str, str], float] = defaultdict(float)
            quiet: dict[tuple[str, str], float] = defaultdict(float)
            apart = {"bf16": 0.0, "fp32": 0.0}
            for seed in SEEDS:
                table = Table(Markov(vocab_size, proxy.context, seed).sequences(0, count))
                for precision in ("bf16", "fp32") if seed in FP32_SEEDS else ("bf16",):
                    curves = {}
                    now = replace(config, precision=precision)
                    for name, trains in sides.items():
                        if trains is peer and name != "Trainer" and precision == "fp32":
                            continue
                        outcome = (
                            workers[name].submit(trains, proxy, now, vocab_size, table, seed, steps).result()
                        )
                        curves[name] = np.array(outcome.losses)
                        whole[name, precision] = max(whole[name, precision], outcome.tokens_per_s)
                        quiet[name, precision] = max(quiet[name, precision], outcome.undisturbed)
                        if precision == "bf16":
                            finals[name].append(outcome.final)
                    difference = float(np.abs(curves["ours"] - curves["Trainer"]).max())
                    apart[precision] = max(apart[precision], difference)
            for row, theirs, mine in (
                ("bf16", ("Trainer", "bf16"), "bf16"),
                ("bf16, Trainer keeping freed memory too", ("Trainer, freed memory kept", "bf16"), "bf16"),
                ("fp32", ("Trainer", "fp32"), "fp32"),
                ("Trainer fp32, ours bf16", ("Trainer", "fp32"), "bf16"),
            ):
                cells = [f"{rung}, {row}"]
                for found in (whole, quiet):
                    a, b = found[theirs], found["ours", mine]
                    cells += [f"{a:,.0f}", f"{b:,.0f}", f"**{b / a:.2f}**"]
                speed.append(cells)
            text = {name: ", ".join(f"{v:.4f}" for v in values) for name, values in finals.items()}
            low, high = min(finals["Trainer"]), max(finals["Trainer"])
            inside = low <= np.mean(finals["ours"]) <= high and min(finals["ours"]) <= np.mean(
                finals["Trainer"]
            ) <= max(finals["ours"])
            losses.append(
                [
                    rung,
                    text["Trainer"],
                    text["ours"],
                    "yes" if inside else "NO",
                    f"{apart['bf16']:.4f}",
                    f"{apart['fp32']:.6f}",
                ]
            )
            before, after = (
                workers[name].submit(breakdown, name, proxy, config, vocab_size, table).result()
                for name in ("Trainer", "ours")
            )
            for kind in (*KINDS, "element by element", "between operations", "all"):
                shares.append([f"{rung}: {kind}", f"{before.get(kind, 0):.1f}", f"{after.get(kind, 0):.1f}"])
            if rung in LOCKSTEP:
                one = replace(config, threads=1)
                alone, *many = (
                    workers["ours"]
                    .submit(measure_speed, proxy, one, vocab_size, stacked_runs=together)
                    .result()
                    for together in (1, 2, 4)
                )
                lockstep += [
                    [
                        f"{rung}, {together} in lockstep",
                        f"{alone:,.0f}",
                        f"{rate:,.0f}",
                        f"{rate / alone:.2f}",
                    ]
                    for together, rate in zip((2, 4), many, strict=True)
                ]
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "accelerate")
    )
    page = f"""# Training against Hugging Face's Trainer

`python results/benchmarks/training.py --threads {args.threads}`; {versions}, Python {platform.python_version()},
{torch.backends.cpu.get_cpu_capability()}{", AMX" if torch.cpu._is_amx_tile_supported() else ""}, {args.threads} threads; {time.monotonic() - begun:.0f} s in all.

One run, the same model, sequences, order, optimiser, schedule, precision and number of steps
({", ".join(f"{rung}: {steps} steps of {BATCH_TOKENS} tokens, vocabulary {v:,}" for rung, (v, steps) in RUNGS.items())}). Tokens a second: first of the whole call
(building the model included, on both sides), then of the fastest tenth of the steps, which other
work on the machine disturbs least. The best of {len(SEEDS)} seeds in bf16 and of {len(FP32_SEEDS)} in fp32, each side. Each side has a process of its own,
since ours tells glibc to keep the memory that a step frees; the second row of each rung has a Trainer for which that is done too.

{markdown(["", "Trainer", "ours", "ratio", "Trainer", "ours", "ratio"], speed)}
The same training: mean loss of the last tenth of the steps for seeds {", ".join(map(str, SEEDS))} in bf16, whether each side's mean lies in
the other's range, and the largest difference at any step of the same seed, in bf16 and in fp32.

{markdown(["", "Trainer", "ours", "within", "apart, bf16", "apart, fp32"], losses)}
Where a step's time goes, bf16, one thread, milliseconds: forward, backward, clipping and AdamW over
transformers' model under autocast (what the Trainer calls), and ours. Attention stands under matrix products and
softmax in ours.

{markdown(["", "transformers", "ours"], shares)}
Several proxies in lockstep, one thread, tokens a second of all together, against one:

{markdown(["", "alone", "together", "ratio"], lockstep)}"""
    print(page)
    if args.out:
        args.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
