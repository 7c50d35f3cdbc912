"""What a checkpoint's evaluation costs, against `lm_eval.simple_evaluate` with its own HFLM, in one run.

The testbed's tasks, and HellaSwag, ARC-Easy and BLiMP from a snapshot, scored at two checkpoints of the
demo's proxy (`proxy=tiny proxy.context=256`, vocabulary 1,024). Both sides get the same weights, tokenizer, threads and
lm-eval task definitions; HFLM gets the best of the batch sizes tried, and lm-eval's index of tasks ready
made for every checkpoint but the first. `bootstrap_iters=0`: neither side bootstraps. All of it once with each
number of threads: with one as a sweep that trains a run per core has it (CPU seconds), with as many as there are
cores as a single evaluation has it (seconds).

The first checkpoint includes everything a new process pays: reading the snapshot, building, rendering and
tokenising the requests, and for lm-eval its task index. "First, stored" is a new process that finds
the requests in the store. Importing Python packages is left out on both sides.

    python results/benchmarks/evaluation.py --snapshot data/bench --text data/text/wikitext2.jsonl.gz
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

CONTEXT = 256
"""The demo's 128 is too short for HFLM, which refuses endings that are longer than the context."""
REPEATS = 5
TRIED = 100
"""Items per task on which HFLM's batch sizes are tried."""
HERE: dict[str, Any] = {}
"""What a process keeps."""
SUITES = {"testbed": ("facts", "leaked"), "snapshots": ("hellaswag", "arc_easy", "blimp")}


def main() -> None:
    """Measure and write evaluation.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--snapshot", required=True, help="folder with hellaswag/, arc_easy/ and blimp/")
    parser.add_argument("--text", required=True, help="text for the tokenizer and the proxy, jsonl")
    parser.add_argument("--batch-sizes", default="8,16,32,64,128", help="what HFLM may choose from")
    parser.add_argument("--threads", default="1,2", help="how many each side gets, one after another")
    parser.add_argument("--limit", type=int, default=None, help="items per task; for a quick look")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    began = time.monotonic()
    tables = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, Path(asked.text))
        for threads in map(int, asked.threads.split(",")):
            with ExitStack() as stack:
                our_side, their_side = (
                    stack.enter_context(
                        ProcessPoolExecutor(1, get_context("spawn"), start, (folder, threads))
                    )
                    for _ in range(2)
                )
                results = [
                    measure(
                        suite,
                        str(folder / "testbed" / "tasks" if suite == "testbed" else asked.snapshot),
                        asked,
                        our_side,
                        their_side,
                    )
                    for suite in SUITES
                ]
            tables.append(table(results, threads))
    asked.out.write_text(page(tables, asked, time.monotonic() - began))
    print(asked.out.read_text())


def prepare(folder: Path, text: Path) -> None:
    """Write the tokenizer, the proxy at two checkpoints of a short training, and the testbed's snapshot."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from ablate.compose import compose
    from ablate.config import make, plain
    from ablate.evaluate.evaluator import read_heldout
    from ablate.pool.testbed.source import write_testbed
    from ablate.train.proxy import build_model

    config = compose(["study=demo"])
    world = make(plain(config.pool.world) | {"pages": 2000}, "pool.world")
    write_testbed(world, folder / "testbed")
    texts = read_heldout(text) + read_heldout(folder / "testbed" / "heldout.jsonl")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )
    proxy = make(plain(config.proxy) | {"context": CONTEXT}, "proxy")
    ids = np.concatenate([tokenizer.encode(t) for t in texts])
    rng, context = np.random.default_rng(0), proxy.context
    model = build_model(proxy, len(tokenizer), 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.006)
    tokenizer.save_pretrained(folder / "tokenizer")
    for step in range(1, 151):
        first = rng.integers(0, ids.size - context, 8)
        batch = torch.from_numpy(np.stack([ids[i : i + context] for i in first]))
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in (75, 150):
            model.save_pretrained(folder / f"checkpoint-{step // 75 - 1}")


def start(folder: Path, threads: int) -> None:
    """A process of either side: everything imported, tokenizer and checkpoints in memory."""
    import lm_eval  # noqa: F401
    from lm_eval.models.huggingface import HFLM  # noqa: F401
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    from ablate.evaluate.evaluator import Evaluator  # noqa: F401

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(threads)
    HERE["folder"], HERE["threads"] = folder, threads
    HERE["tokenizer"] = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    HERE["models"] = [LlamaForCausalLM.from_pretrained(folder / f"checkpoint-{i}").eval() for i in range(2)]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result. With one thread CPU seconds of this process: the work done, whatever runs beside."""
    clock = time.process_time if HERE["threads"] == 1 else time.perf_counter
    began = clock()
    made = work()
    return clock() - began, made


def ours(suite: str, snapshot: str, limit: int | None, checkpoint: int, first: bool) -> tuple[float, Any]:
    """Seconds and scores of a checkpoint; the `first` of a process makes the evaluator too."""
    from ablate.evaluate.evaluator import EvaluateConfig, Evaluator
    from ablate.store import Store

    def work() -> Any:
        if first:
            config = EvaluateConfig(tasks=SUITES[suite], snapshot=snapshot, limit=limit)
            store = Store(HERE["folder"] / f"store-{suite}-{HERE['threads']}")
            HERE[suite] = Evaluator(config, HERE["tokenizer"], CONTEXT, store)
        return HERE[suite].evaluate(HERE["models"][checkpoint])

    seconds, scores = timed(work)
    items = sum(info["n_items"] for info in HERE[suite].info.values())
    return seconds, (scores, items)


def theirs(
    suite: str,
    snapshot: str,
    limit: int | None,
    checkpoint: int,
    batch_size: int,
    first: bool = False,
    **options: Any,
) -> tuple[float, Any]:
    """Seconds and results of `simple_evaluate` on the same task definitions, its task objects made anew as
    a new process would; the `first` builds lm-eval's index of tasks, later ones find it ready made."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    from ablate.evaluate.tasks import find_tasks

    if not first and "manager" not in HERE:
        HERE["manager"] = TaskManager()

    def work() -> Any:
        lm = HFLM(
            pretrained=HERE["models"][checkpoint],
            tokenizer=HERE["tokenizer"],
            backend="causal",
            batch_size=batch_size,
            device="cpu",
            max_length=CONTEXT,
            **options,
        )
        sources = find_tasks(SUITES[suite], snapshot=snapshot, limit=limit, store=None)
        return lm_eval.simple_evaluate(
            model=lm,
            tasks=[source.task for source in sources],
            num_fewshot=0,
            bootstrap_iters=0,
            log_samples=True,
            task_manager=None if first else HERE["manager"],
            verbosity="ERROR",
        )

    seconds, found = timed(work)
    samples = {
        task: [(sample["doc"]["id"], [response[0][0] for response in sample["resps"]]) for sample in of_task]
        for task, of_task in found["samples"].items()
    }
    return seconds, {"results": found["results"], "samples": samples}


def measure(
    suite: str, snapshot: str, asked: argparse.Namespace, our_side: Executor, their_side: Executor
) -> dict[str, Any]:
    """Time both sides on one suite and compare every number."""

    def our(checkpoint: int, first: bool = False) -> tuple[float, Any]:
        return our_side.submit(ours, suite, snapshot, asked.limit, checkpoint, first).result()

    def their(
        checkpoint: int, size: int, limit: int | None = asked.limit, **options: Any
    ) -> tuple[float, Any]:
        return their_side.submit(theirs, suite, snapshot, limit, checkpoint, size, **options).result()

    first_s, _ = our(0, first=True)
    stored_s, _ = our(0, first=True)
    # lm-eval's side: the batch size that is fastest on a part, then the whole.
    tried = {size: their(0, size, limit=TRIED)[0] for size in map(int, asked.batch_sizes.split(","))}
    best = min(tried, key=lambda size: tried[size])
    their_first = their(0, best, first=True)[0]
    # Alternately, and the least of each, since other work may run beside.
    our_times, their_times = [], []
    for _ in range(REPEATS):
        seconds, (scores, items) = our(1)
        our_times.append(seconds)
        seconds, reference = their(1, best)
        their_times.append(seconds)
    _, precise = their(1, best, softmax_dtype="float64")
    metrics, apart, largest = compare(scores, reference)
    _, close, _ = compare(scores, precise)
    return {
        "suite": suite,
        "tasks": SUITES[suite],
        "requests": apart.size,
        "items": items,
        "ours_first": first_s,
        "ours_stored": stored_s,
        "ours_later": min(our_times),
        "their_first": their_first,
        "their_later": min(their_times),
        "tried": tried,
        "metrics": metrics,
        "furthest": apart.max(),
        "over": int((apart > 1e-4).sum()),
        "close": close.max(),
        "largest": largest,
    }


def compare(scores: Any, reference: Any) -> tuple[int, np.ndarray, float]:
    """Metrics compared (each must be identical), difference of every log-likelihood, and the largest
    log-likelihood in size."""
    metrics = 0
    for task, values in reference["results"].items():
        for name, value in values.items():
            metric = name.split(",")[0]
            if name.endswith(",none") and not metric.endswith("_stderr"):
                assert scores.summary[task][metric] == value, (
                    task,
                    metric,
                    scores.summary[task][metric],
                    value,
                )
                metrics += 1
    found: dict[tuple[str, str, int], float] = {}
    for row in scores.items.to_pylist():
        if row["metric"].startswith("ll_"):
            found[row["task"], row["item"], int(row["metric"][3:])] = row["value"]
    apart = []
    for task, samples in reference["samples"].items():
        for item, values in samples:
            apart += [abs(found[task, item, number] - value) for number, value in enumerate(values)]
    assert len(apart) == len(found), (len(apart), len(found))
    return metrics, np.asarray(apart), max(map(abs, found.values()))


def table(results: list[dict[str, Any]], threads: int) -> str:
    """What was measured with a number of threads."""
    rows = []
    both = {
        key: sum(r[key] for r in results)
        for key in ("ours_first", "ours_stored", "ours_later", "their_first", "their_later")
    }
    for r in [*results, {"suite": "**whole**", "requests": sum(r["requests"] for r in results), **both}]:
        for what, our, their in (
            ("first checkpoint", r["ours_first"], r["their_first"]),
            ("first, requests stored", r["ours_stored"], r["their_first"]),
            ("each later checkpoint", r["ours_later"], r["their_later"]),
        ):
            rows.append(
                f"| {r['suite']} | {r['requests']:,} | {what} | {our:.3f} | {their:.3f} | {their / our:.1f} |"
            )
    tried = "; ".join(
        f"{r['suite']}: " + ", ".join(f"{size} in {s:.2f} s" for size, s in r["tried"].items())
        for r in results
    )
    checks = "\n".join(
        f"- {r['suite']} ({', '.join(r['tasks'])}; {r['items']:,} items): {r['metrics']} metrics identical, "
        f"{r['requests']:,} log-likelihoods (down to "
        f"-{r['largest']:,.0f} nats) within {r['furthest']:.1e} of HFLM, which rounds and sums in fp32 ({r['over']} further than 1e-4), and within "
        f"{r['close']:.1e} of HFLM with `softmax_dtype=float64`"
        for r in results
    )
    what = "1 thread, CPU seconds" if threads == 1 else f"{threads} threads, seconds"
    return f"""## {what}

| suite | log-likelihoods | | ablate, s | lm-eval, s | ratio |
| :-- | --: | :-- | --: | --: | --: |
{chr(10).join(rows)}

HFLM's batch size is the fastest of those tried on {TRIED} items of each task ({tried}).

The same numbers:

{checks}
"""


def page(tables: list[str], asked: argparse.Namespace, seconds: float) -> str:
    """evaluation.md."""
    limited = "" if asked.limit is None else f" --limit {asked.limit}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "lm_eval", "numpy"))
    return f"""# What a checkpoint's evaluation costs, against lm-eval with HFLM

```
python results/benchmarks/evaluation.py --snapshot data/bench --text data/text/wikitext2.jsonl.gz --threads {asked.threads}{limited}
```

Proxy `tiny` (vocabulary 1,024, context {CONTEXT}: HFLM refuses endings longer than the context), fp32, {platform.machine()}, Python {platform.python_version()}, {versions}.
It took {seconds / 60:.1f} minutes.

lm-eval's first checkpoint builds its index of tasks, as a new process must; for the later one it is given ready made.
A later checkpoint is the least of {REPEATS}, both sides in turn, each in a process of its own. With one thread CPU
seconds count, since other work may run beside; it is what a sweep has that trains one run on each core. With several
threads it is the time that a single evaluation takes.

{chr(10).join(tables)}"""


if __name__ == "__main__":
    main()
