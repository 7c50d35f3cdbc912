"""What training and evaluation reach on a GPU, against what one would use instead; ends within ten minutes.

    make bench-gpu                                           # or, where the package is there with PyTorch and transformers:
    python results/benchmarks/gpu.py --out gpu_bench

Writes OUT.json and OUT.md. Data are random tokens: nothing is downloaded. On a machine without a GPU the same code
runs in its smallest form (`--small`), so that it is known to work. What does not fit the time or is not installed
(lm-eval for its HFLM, hydra for the study) is skipped and said so.

Parts: `ceilings` of the card; `training` by rung, against a plain PyTorch loop over transformers' Llama and against
the Trainer; `lockstep`, many small proxies at once against one after another; `evaluation` of a checkpoint against
lm-eval's HFLM; `curves`, the same training on GPU and CPU; `study`, a leave-one-out sweep from pages to report.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata as metadata
import importlib.util
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaForCausalLM

os.environ.setdefault("TQDM_DISABLE", "1")

from ablate.evaluate.forward import Scorer
from ablate.evaluate.requests import Sequences
from ablate.train.config import TrainConfig
from ablate.train.device import peak_flops
from ablate.train.loop import Run, measure_speed, train
from ablate.train.proxy import ProxyConfig, build_model, training_flops

VOCABULARY, SMALL_VOCABULARY = 50_257, 4_096
RUNGS: dict[str, tuple[ProxyConfig, int, int]] = {
    # as conf/proxy has them; sequences a step; vocabulary
    "tiny": (ProxyConfig(hidden_size=96, layers=2, heads=4, intermediate_size=256, context=128), 8, 1_024),
    "1m": (
        ProxyConfig(hidden_size=128, layers=4, heads=4, intermediate_size=344, context=256),
        8,
        SMALL_VOCABULARY,
    ),
    "3m": (ProxyConfig(hidden_size=192, layers=6, heads=6, intermediate_size=512, context=512), 8, 8_192),
    "30m": (
        ProxyConfig(hidden_size=512, layers=10, heads=8, intermediate_size=1376, context=1024),
        64,
        VOCABULARY,
    ),
    "150m": (
        ProxyConfig(hidden_size=1024, layers=12, heads=16, intermediate_size=2752, context=2048),
        32,
        VOCABULARY,
    ),
    "350m": (
        ProxyConfig(hidden_size=1024, layers=28, heads=16, intermediate_size=2816, context=2048),
        16,
        VOCABULARY,
    ),
    "1b7": (
        ProxyConfig(hidden_size=2048, layers=24, heads=32, intermediate_size=8192, context=2048),
        8,
        VOCABULARY,
    ),
}
PARTS = ("ceilings", "curves", "lockstep", "evaluation", "study", "training")


class Bench:
    """What is measured on, what was found, and how much time is left."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.small, self.seconds, self.rungs = asked.small, asked.seconds, asked.rungs.split(",")
        self.pages, self.tokens, self.out = asked.pages, asked.tokens, asked.out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.began = time.monotonic()
        self.found: dict[str, Any] = {"skipped": []}

    @property
    def left(self) -> float:
        """Seconds."""
        return self.seconds - (time.monotonic() - self.began)

    def skip(self, what: str, why: str) -> None:
        """Say so, in the table too."""
        print(f"skipped: {what}: {why}", flush=True)
        self.found["skipped"].append(f"{what}: {why}")

    def say(self, text: str) -> None:
        """What is being measured, with the seconds since the beginning."""
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def synchronise(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def clear(self) -> None:
        """Give memory back between measurements."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def write(self) -> None:
        """Both files, as far as it got."""
        self.found["about"] = {
            "device": torch.cuda.get_device_name()
            if self.device.type == "cuda"
            else f"CPU, {os.cpu_count()} cores",
            "command": "python results/benchmarks/gpu.py " + " ".join(sys.argv[1:]),
            "torch": torch.__version__,
            "transformers": metadata.version("transformers"),
            "python": platform.python_version(),
            "seconds": time.monotonic() - self.began,
        }
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.out.with_suffix(".json").write_text(json.dumps(self.found, indent=1))
        self.out.with_suffix(".md").write_text(page(self.found))

    @property
    def memory(self) -> int | None:
        """Most bytes that tensors held since `clear`."""
        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None

    def median(self, work: Callable[[], Any], *, seconds: float, warm: int = 3, fewest: int = 5) -> float:
        """Seconds of one call, waited for."""
        for _ in range(warm):
            work()
        self.synchronise()
        took: list[float] = []
        while len(took) < fewest or sum(took) < seconds:
            begin = time.perf_counter()
            work()
            self.synchronise()
            took.append(time.perf_counter() - begin)
        return statistics.median(took)


def ceilings(bench: Bench) -> None:
    """A large product and a large copy: what the card does at best."""
    size = 1024 if bench.small else 8192
    left, right = (torch.randn(size, size, device=bench.device, dtype=torch.bfloat16) for _ in range(2))
    product = bench.median(lambda: left @ right, seconds=0.5)
    wide = torch.empty(2**20 if bench.small else 2**30, device=bench.device, dtype=torch.uint8)
    other = torch.empty_like(wide)
    copy = bench.median(lambda: other.copy_(wide), seconds=0.5)
    bench.found["ceilings"] = {
        "size": size,
        "bf16_tflops": 2 * size**3 / product / 1e12,
        "copy_tb_s": 2 * wide.numel() / copy / 1e12,
        "stated_bf16_tflops": (peak_flops(bench.device, "bf16") or 0) / 1e12,
    }


def recipe(bench: Bench, proxy: ProxyConfig, batch: int, **more: Any) -> TrainConfig:
    """Of a rung: `batch` sequences a step."""
    given: dict[str, Any] = {
        "tokens": 10**9,
        "batch_tokens": batch * proxy.context,
        "lr": 1e-3,
        "precision": "bf16",
        "device": bench.device.type,
    }
    return TrainConfig(**(given | more))


def random_batch(bench: Bench, proxy: ProxyConfig, batch: int, vocabulary: int) -> torch.Tensor:
    """Token ids, shape (batch, context + 1)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, vocabulary, (batch, proxy.context + 1), generator=generator).to(bench.device)


def plain_loop(
    bench: Bench, proxy: ProxyConfig, batch: int, vocabulary: int, *, compiled: bool, micro: int
) -> float:
    """Seconds a step of a plain loop: transformers' Llama, SDPA, bf16 autocast, fused AdamW, clipping."""
    model: Any = build_model(proxy, vocabulary, 0).to(bench.device)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)
    called = torch.compile(model) if compiled else model
    pieces = random_batch(bench, proxy, batch, vocabulary).split(micro)

    def step() -> None:
        for piece in pieces:
            with torch.autocast(bench.device.type, torch.bfloat16):
                logits = called(input_ids=piece[:, :-1]).logits
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), piece[:, 1:].flatten())
            (loss / len(pieces)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return bench.median(step, seconds=1.5)


def trainer(bench: Bench, proxy: ProxyConfig, batch: int, vocabulary: int, *, steps: int) -> float:
    """Seconds a step of transformers' Trainer in bf16 with fused AdamW; the first half of the steps warms up."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    rows = random_batch(bench, proxy, batch, vocabulary).cpu()

    class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return batch * steps

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            row = rows[index % batch]
            return {"input_ids": row[:-1], "labels": row[1:], "shift_labels": row[1:]}

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            bench.synchronise()
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=batch,
            bf16=True,
            use_cpu=bench.device.type == "cpu",
            optim="adamw_torch_fused",
            max_grad_norm=1.0,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        Trainer(
            model=build_model(proxy, vocabulary, 0), args=arguments, train_dataset=Rows(), callbacks=[Clock()]
        ).train()
    return statistics.median(np.diff(times)[len(times) // 2 :].tolist())


def training(bench: Bench) -> None:
    """Tokens per second and share of the stated peak, by rung."""
    rows: list[dict[str, Any]] = []
    bench.found["training"] = rows
    for name in ("tiny", "1m") if bench.small else ("150m", "30m", "1m", "350m", "1b7"):
        if name not in bench.rungs:
            continue
        proxy, batch, vocabulary = RUNGS[name]
        tokens = batch * proxy.context
        with torch.device("meta"):
            model = LlamaForCausalLM(proxy.llama(vocabulary))
        for way, work in ways_of(bench, name).items():
            about = {"rung": name, "way": way, "batch_tokens": tokens}
            measure(bench, rows, about, work, tokens, training_flops(model, 1, proxy.context))


def ways_of(bench: Bench, name: str) -> dict[str, Callable[[], float]]:
    """What a rung is measured against; seconds a step of each. Compiling takes most of the time, so not all everywhere."""
    proxy, batch, vocabulary = RUNGS[name]
    micro = {"30m": 32, "150m": 16, "350m": 8, "1b7": 4}.get(name, batch)
    """Sequences at once that fit 80 GB for the peers, whose logits are whole and in fp32 beside bf16."""

    def ours(compiled: bool) -> float:
        config = recipe(bench, proxy, batch, compile=compiled)
        return config.batch_tokens / measure_speed(proxy, config, vocabulary, seconds=1.5)

    every: dict[str, Callable[[], float]] = {
        "ours": partial(ours, False),
        "ours, compiled": partial(ours, True),
        "plain loop": partial(plain_loop, bench, proxy, batch, vocabulary, compiled=False, micro=micro),
        "plain loop, compiled": partial(
            plain_loop, bench, proxy, batch, vocabulary, compiled=True, micro=micro
        ),
        "Trainer": lambda: trainer(bench, proxy, micro, vocabulary, steps=12) * batch / micro,
    }
    left_out = {"1m": ["ours, compiled"], "30m": ["ours", "plain loop"], "150m": []}.get(
        name, ["ours", "plain loop", "plain loop, compiled", "Trainer"]
    )
    if bench.small:
        left_out = [way for way in every if "compiled" in way]
    return {way: work for way, work in every.items() if way not in left_out}


def measure(
    bench: Bench,
    rows: list[dict[str, Any]],
    about: dict[str, Any],
    work: Callable[[], float],
    tokens: int,
    per_token: float,
) -> None:
    """One line: seconds a step to tokens a second and share of peak; what fails is said and left out."""
    label = ", ".join(map(str, about.values()))
    if bench.left < 30:
        bench.skip(label, "no time left")
        return
    bench.clear()
    try:
        seconds = work()
    except Exception as error:
        traceback.print_exc(limit=4)
        bench.skip(label, f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")
        return
    peak = peak_flops(bench.device, "bf16")
    rows.append(
        {
            **about,
            "ms": seconds * 1e3,
            "tokens_per_s": tokens / seconds,
            "share_of_peak": None if peak is None else tokens / seconds * per_token / peak,
            "memory_bytes": bench.memory,
        }
    )
    bench.write()
    share = rows[-1]["share_of_peak"]
    bench.say(
        f"{label}: {tokens / seconds:,.0f} tokens/s{'' if share is None else f', {100 * share:.1f} % of peak'}"
    )


def lockstep(bench: Bench) -> None:
    """R small proxies at once against one after another, tokens a second of all together."""
    rows: list[dict[str, Any]] = []
    bench.found["lockstep"] = rows
    for name in ("tiny",) if bench.small else ("tiny", "1m", "3m"):
        proxy, batch, vocabulary = RUNGS[name]
        batch = min(batch, 16)
        config = recipe(bench, proxy, batch)
        for together in (1, 2) if bench.small else (1, 4, 16):
            bench.clear()
            try:
                rate = measure_speed(proxy, config, vocabulary, stacked_runs=together, seconds=1.0)
            except Exception as error:
                bench.skip(f"lockstep {name} x {together}", f"{type(error).__name__}: {error}")
                continue
            rows.append(
                {
                    "rung": name,
                    "batch_tokens": config.batch_tokens,
                    "together": together,
                    "tokens_per_s": rate,
                    "memory_bytes": bench.memory,
                }
            )
            bench.say(f"lockstep {name} x {together}: {rate:,.0f} tokens/s")


def questions(
    rng: np.random.Generator, vocabulary: int, context: int, small: bool
) -> dict[str, list[tuple[list[int], list[int]]]]:
    """Requests of the shapes that benchmarks have, as (context, ending) of token ids."""

    def tokens(count: int) -> list[int]:
        return rng.integers(1, vocabulary, count).tolist()

    few = 50 if small else 2000
    choice = []
    for _ in range(few):  # HellaSwag: four endings of a context
        before = tokens(int(rng.integers(20, 90)))
        choice += [(before, tokens(int(rng.integers(5, 40)))) for _ in range(4)]
    pairs = []
    for _ in range(few):  # BLiMP: two sentences that part somewhere
        begin = tokens(int(rng.integers(1, 8)))
        pairs += [([0], begin + tokens(int(rng.integers(2, 8)))) for _ in range(2)]
    shots = [tokens(60) for _ in range(20)]
    examples = []
    for _ in range(few // 10):  # five examples before each question, other ones each time
        chosen = rng.permutation(len(shots))[: min(5, context // 100)]
        before = [token for number in chosen for token in shots[number]] + tokens(int(rng.integers(20, 60)))
        examples += [(before, tokens(int(rng.integers(2, 20)))) for _ in range(4)]
    windows = [([0], tokens(context)) for _ in range(4 if small else 40)]  # held-out text
    return {
        "four endings": choice,
        "minimal pairs": pairs,
        "five examples": examples,
        "held-out text": windows,
    }


def hflm(model: Any, proxy: ProxyConfig, batch_size: int) -> Any:
    """lm-eval's own model, with a tokenizer that nothing is asked of."""
    from lm_eval.models.huggingface import HFLM
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "a": 1}, unk_token="a"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )
    return HFLM(
        pretrained=model,
        tokenizer=tokenizer,
        backend="causal",
        batch_size=batch_size,
        max_length=proxy.context,
        device=str(model.device),
    )


def evaluation(bench: Bench) -> None:
    """A checkpoint's log-likelihoods, ours against HFLM with the fastest of some batch sizes, in bf16 and fp32."""
    rows: list[dict[str, Any]] = []
    bench.found["evaluation"] = rows
    there = importlib.util.find_spec("lm_eval") is not None
    if not there:
        bench.skip("HFLM", "lm-eval is not installed")
    for name in ("tiny",) if bench.small else ("1m", "150m"):
        if name not in bench.rungs:
            continue
        proxy, _, vocabulary = RUNGS[name]
        proxy = replace(proxy, context=max(proxy.context, 512))
        asked = questions(np.random.default_rng(0), vocabulary, proxy.context, bench.small)
        model: Any = build_model(proxy, vocabulary, 0).to(bench.device).eval()  # type: ignore[arg-type]
        for what, pairs in asked.items():
            if bench.left < 40:
                bench.skip(f"evaluation {name}, {what}", "no time left")
                continue
            bench.clear()
            row, exact = mine(bench, model, proxy, pairs)
            if there:
                row |= theirs(bench, model, proxy, pairs, exact)
            rows.append({"rung": name, "requests": what, "count": len(pairs)} | row)
            bench.say(
                "evaluation "
                + ", ".join(
                    f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in rows[-1].items()
                )
            )
        del model


def mine(bench: Bench, model: Any, proxy: ProxyConfig, pairs: list[Any]) -> tuple[dict[str, Any], np.ndarray]:
    """Seconds of our scorer in several precisions, how far they are from fp32, and what fp32 gives."""
    sequences = Sequences.of(pairs).cut(proxy.context)
    scorer = Scorer(sequences, np.zeros(len(sequences), dtype=bool), 16384)
    began = time.perf_counter()
    exact, _ = scorer.score(model)
    row: dict[str, Any] = {"first_s": time.perf_counter() - began}
    for precision in ("fp32", "tf32") if bench.device.type == "cuda" else ("fp32",):
        # Where a run trains in bf16 its evaluation is called under autocast, and takes TF32.
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=precision == "tf32"):
            row[f"ours_{precision}_s"] = bench.median(
                lambda: scorer.score(model), seconds=0.5, warm=1, fewest=3
            )
            row[f"ours_{precision}_apart"] = float(np.abs(scorer.score(model)[0] - exact).max())
    return row | {"memory_bytes": bench.memory}, exact


def theirs(
    bench: Bench, model: Any, proxy: ProxyConfig, pairs: list[Any], ours: np.ndarray
) -> dict[str, Any]:
    """Seconds of HFLM in fp32 (weights as trained) and in bf16 (a copy), and how far its numbers are from ours."""
    out: dict[str, Any] = {}
    for precision in ("fp32", "bf16") if bench.device.type == "cuda" else ("fp32",):
        copy = (
            model
            if precision == "fp32"
            else build_model(proxy, model.config.vocab_size, 0).to(bench.device, torch.bfloat16).eval()
        )  # type: ignore[arg-type]
        requests = [(("", ""), before, after) for before, after in pairs]
        part = requests[:: max(1, len(requests) // 512)]
        sizes = (
            (8, 32)
            if bench.small
            else (32, 128, 512)
            if proxy.context * 512 * model.config.vocab_size < 2**35
            else (16, 64, 256)
        )
        tried = {size: timed(bench, copy, proxy, part, size) for size in sizes}
        best_size = min(tried, key=lambda size: tried[size][0])
        seconds, answers = timed(bench, copy, proxy, requests, best_size)
        out |= {f"hflm_{precision}_s": seconds, f"hflm_{precision}_batch": best_size}
        out[f"hflm_{precision}_apart"] = float(np.abs(answers - ours).max())
        del copy
        bench.clear()
    return out


def timed(
    bench: Bench, model: Any, proxy: ProxyConfig, requests: list[Any], size: int
) -> tuple[float, np.ndarray]:
    """Seconds and log-likelihoods of HFLM at a batch size; infinitely long where memory runs out."""
    lm = hflm(model, proxy, size)
    began = time.perf_counter()
    try:
        answers = lm._loglikelihood_tokens(requests, disable_tqdm=True)
    except torch.OutOfMemoryError:
        bench.clear()
        return float("inf"), np.empty(0)
    bench.synchronise()
    return time.perf_counter() - began, np.asarray([answer[0] for answer in answers])


class Table:
    """Sequences of a run, half of whose tokens follow from the one before, so that there is something to learn."""

    def __init__(self, vocabulary: int, context: int, count: int) -> None:
        rng = np.random.default_rng(0)
        follows = rng.permutation(vocabulary)
        self.rows = rng.integers(0, vocabulary, (count, context + 1))
        keep = rng.random(self.rows.shape) < 0.5
        for at in range(1, context + 1):
            self.rows[:, at] = np.where(keep[:, at], follows[self.rows[:, at - 1]], self.rows[:, at])

    def sequences(self, first: int, count: int) -> np.ndarray:
        return self.rows[first : first + count]


def curves(bench: Bench) -> None:
    """Loss at every step of the same training, on this device against the CPU in fp32."""
    proxy, batch, vocabulary = RUNGS["tiny" if bench.small else "1m"]
    steps = 20 if bench.small else 60
    table = Table(vocabulary, proxy.context, steps * batch)
    found = {}
    for device, precision in (("cpu", "fp32"), (bench.device.type, "fp32"), (bench.device.type, "bf16")):
        config = recipe(bench, proxy, batch, device=device, precision=precision)
        with tempfile.TemporaryDirectory() as folder:
            run = Run(stream=table, seed=0, folder=Path(folder), evaluate=lambda *_: None)
            result = train(
                run, proxy=proxy, config=config, vocab_size=vocabulary, tokens=steps * config.batch_tokens
            )
        found[device, precision] = np.asarray([loss for _, loss in result.losses])
    exact = found["cpu", "fp32"]
    bench.found["curves"] = {
        "rung": "tiny" if bench.small else "1m",
        "steps": steps,
        "first": exact[0],
        "last": exact[-1],
        "fp32_apart": float(np.abs(found[bench.device.type, "fp32"] - exact).max()),
        "bf16_apart": float(np.abs(found[bench.device.type, "bf16"] - exact).max()),
    }
    bench.say(f"curves: {bench.found['curves']}")


def study(bench: Bench) -> None:
    """A leave-one-out sweep on the testbed, 8 arms by 3 seeds, from pages to report."""
    if importlib.util.find_spec("hydra") is None:
        bench.skip("study", "hydra-core is not installed")
        return
    if bench.left < 150 and not bench.small:
        bench.skip("study", "no time left")
        return
    proxy = "tiny" if bench.small else "30m"
    size = (
        ["pool.world.pages=400", "train.tokens=16384", "train.batch_tokens=1024"]
        if bench.small
        else [
            f"pool.world.pages={bench.pages}",
            f"train.tokens={bench.tokens}",
            "train.batch_tokens=16384",
            "train.lr=0.001",
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "sweep",
            "study=demo",
            f"proxy={proxy}",
            *size,
            "seeds=[0,1,2]",
            "train.evaluations=[0.5,1.0]",
            "plan.probe=false",
            "design.factors=[extraction,language,gopher_repetition,gopher_quality,minhash_dedup,c4_quality,pii]",
        ]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from ablate.cli import main; sys.exit(main())", *words],
            cwd=folder,
            text=True,
            capture_output=True,
            timeout=max(60, bench.left - 10),
            env=os.environ,
        )
        seconds = time.perf_counter() - began
        records = [json.loads(path.read_text()) for path in Path(folder).rglob("record.json")]
        if done.returncode:
            print(done.stdout[-3000:], done.stderr[-6000:])
            bench.skip("study", f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
            return
        costs = [record.get("cost", {}) for record in records]
        bench.found["study"] = {
            "command": "ablate " + " ".join(words),
            "seconds": seconds,
            "runs": len(records),
            "train_s": sum(cost.get("train_s", 0) for cost in costs),
            "evaluate_s": sum(cost.get("evaluate_s", 0) for cost in costs),
            "share_of_peak": statistics.median(cost.get("share_of_peak") or 0 for cost in costs),
            "tail": done.stdout[-2500:],
        }
    bench.say(f"study: {seconds:.0f} s")


def line(cells: list[Any]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def number(value: float | None, form: str = ",.0f") -> str:
    return "" if value is None else format(value, form)


def page(found: dict[str, Any]) -> str:
    """OUT.md."""
    about = found["about"]
    out = [
        f"# On {about['device']}",
        "",
        f"`{about['command']}`; torch {about['torch']}, transformers {about['transformers']}, Python {about['python']}; "
        f"{about['seconds'] / 60:.1f} minutes.",
        "",
    ]
    if ceiling := found.get("ceilings"):
        stated = ceiling["stated_bf16_tflops"]
        out += [
            f"A bf16 product of {ceiling['size']:,} x {ceiling['size']:,} runs at {ceiling['bf16_tflops']:,.3g} TFLOP/s"
            f"{f' (stated {stated:,.0f})' if about['device'][:3] != 'CPU' else ''}, a copy at {ceiling['copy_tb_s']:.2f} TB/s.",
            "",
        ]
    if rows := found.get("training"):
        out += [
            "## Training",
            "",
            f"Share of the {'measured' if about['device'][:3] == 'CPU' else 'stated'} peak: 6 N + 12 L H T FLOP a token.",
            "",
            line(["rung", "tokens a step", "", "ms a step", "tokens/s", "share of peak", "GB"]),
            "| :-- | --: | :-- | --: | --: | --: | --: |",
        ]
        out += [
            line(
                [
                    r["rung"],
                    f"{r['batch_tokens']:,}",
                    r["way"],
                    f"{r['ms']:.1f}",
                    f"{r['tokens_per_s']:,.0f}",
                    number(r["share_of_peak"], ".1%"),
                    number(r["memory_bytes"] and r["memory_bytes"] / 1e9, ".1f"),
                ]
            )
            for r in rows
        ]
        out.append("")
    if rows := found.get("lockstep"):
        alone = {r["rung"]: r["tokens_per_s"] for r in rows if r["together"] == 1}
        out += [
            "## Proxies in lockstep",
            "",
            "Tokens a second of all together, against one after another.",
            "",
            line(["rung", "tokens a step of each", "together", "tokens/s", "ratio", "GB"]),
            "| :-- | --: | --: | --: | --: | --: |",
        ]
        out += [
            line(
                [
                    r["rung"],
                    f"{r['batch_tokens']:,}",
                    r["together"],
                    f"{r['tokens_per_s']:,.0f}",
                    number(r["tokens_per_s"] / alone[r["rung"]] if r["rung"] in alone else None, ".1f"),
                    number(r["memory_bytes"] and r["memory_bytes"] / 1e9, ".1f"),
                ]
            )
            for r in rows
        ]
        out.append("")
    if rows := found.get("evaluation"):
        out += [
            "## Evaluation of a checkpoint",
            "",
            "Seconds of every checkpoint after the first; lm-eval's HFLM at the fastest of some batch sizes, in fp32 and with a copy "
            "of the model in bf16; largest differences of log-likelihoods from ours in fp32, nats.",
            "",
        ]
        columns = ("ours_fp32_s", "ours_tf32_s", "hflm_fp32_s", "hflm_bf16_s")
        apart = ("hflm_fp32_apart", "ours_tf32_apart", "hflm_bf16_apart")
        out += [
            line(
                [
                    "rung",
                    "requests",
                    "",
                    *(name.removesuffix("_s").replace("_", " ") for name in columns),
                    "HFLM fp32 to ours fp32",
                    "HFLM bf16 to ours tf32",
                    *(name.removesuffix("_apart").replace("_", " ") + " apart" for name in apart),
                    "GB",
                ]
            ),
            "| :-- | :-- | " + " | ".join(["--:"] * 11) + " |",
        ]
        for r in rows:
            ratios = [
                r[a] / r[b] if r.get(a) and r.get(b) else None
                for a, b in (("hflm_fp32_s", "ours_fp32_s"), ("hflm_bf16_s", "ours_tf32_s"))
            ]
            out.append(
                line(
                    [
                        r["rung"],
                        r["requests"],
                        f"{r['count']:,}",
                        *(number(r.get(name), ".3f") for name in columns),
                        *(number(ratio, ".1f") for ratio in ratios),
                        *(number(r.get(name), ".1e") for name in apart),
                        number(r["memory_bytes"] and r["memory_bytes"] / 1e9, ".1f"),
                    ]
                )
            )
        out.append("")
    if c := found.get("curves"):
        out += [
            "## The same curve",
            "",
            f"{c['rung']}, {c['steps']} steps, loss {c['first']:.3f} to {c['last']:.3f}: against the CPU in fp32 the largest difference at any "
            f"step is {c['fp32_apart']:.1e} in fp32 and {c['bf16_apart']:.1e} in bf16.",
            "",
        ]
    if s := found.get("study"):
        out += [
            "## A whole study",
            "",
            f"`{s['command']}`",
            "",
            f"{s['runs']} runs; {s['seconds']:.0f} s from pages to report, {s['train_s']:.0f} of them training, "
            f"{s['evaluate_s']:.0f} evaluation; median share of peak {s['share_of_peak']:.1%}.",
            "",
        ]
    out += ["## Skipped", "", *(f"- {what}" for what in found["skipped"]), ""] if found["skipped"] else []
    return "\n".join(out)


def main() -> None:
    """Measure the parts asked for and write both files, also after a part that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu_bench"), help="where to write, without ending")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--pages", type=int, default=20_000, help="of the study")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="of each of the study's runs")
    parser.add_argument("--rungs", default=",".join(RUNGS), help="of training and evaluation")
    parser.add_argument("--seconds", type=float, default=570.0, help="what is not begun by then is skipped")
    parser.add_argument(
        "--small",
        action="store_true",
        default=not torch.cuda.is_available(),
        help="smallest form; the default without a GPU",
    )
    asked = parser.parse_args()
    bench = Bench(asked)
    logging.disable(logging.WARNING)  # HFLM tells at each start that it was given a model and no name
    for part in asked.only.split(","):
        bench.say(part)
        try:
            globals()[part](bench)
        except Exception as error:
            traceback.print_exc()
            bench.skip(part, f"{type(error).__name__}: {error}")
        bench.clear()
        bench.write()
    print(page(bench.found))


if __name__ == "__main__":
    main()
