"""One run: an arm under one seed, from its corpus on disk to `record.json`."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablate.config import make, make_stages
from ablate.corpus.budget import BudgetConfig, copies_seen, effective_tokens
from ablate.corpus.tokenizer import load_tokenizer
from ablate.corpus.tokens import TokenStream
from ablate.errors import AblateError
from ablate.fingerprint import canonical_json, digest
from ablate.provenance import provenance
from ablate.stages.base import Relation
from ablate.store import Store, atomic, lock, read_json, write_json, write_table, write_text
from ablate.study.plan import load_plan, run_folder
from ablate.study.prepare import Prepared, Workshop

RUN_FORMAT = 2
MACHINE = ("device", "threads", "checkpoint_s", "micro_batch", "compile")
"""Settings of `train` that belong to the machine and not to the run's identity."""
REPORT_ONLY = ("aggregate", "average_last", "primary")
"""Settings of `evaluate` that only the report reads."""


def budget_tokens(config: Mapping[str, Any], unique_tokens: int) -> int:
    """Tokens that an arm trains on."""
    budget: BudgetConfig = make(config["budget"], "budget")
    return int(config["train"]["tokens"] if budget.match == "tokens" else unique_tokens)


@lru_cache(maxsize=4)
def _evaluator(evaluate: str, tokenizer: Path, context: int, store: Path) -> Any:
    from ablate.evaluate.evaluator import Evaluator

    return Evaluator(make(json.loads(evaluate), "evaluate"), load_tokenizer(tokenizer), context, Store(store))


def evaluator_of(config: Mapping[str, Any], workshop: Workshop) -> Any:
    """The study's evaluator, built once per process."""
    asked = {name: value for name, value in config["evaluate"].items() if name not in REPORT_ONLY}
    return _evaluator(
        canonical_json(asked), workshop.tokenizer.folder, config["proxy"]["context"], workshop.store.root
    )


def run_seeds(config: Mapping[str, Any], seed: int) -> tuple[int, int]:
    """Seeds of the initial weights and of the data order: the run's own unless `randomness` says otherwise."""
    randomness = config.get("randomness") or {}
    own = seed + randomness.get("shift", 0)
    fixed = randomness.get("weights"), randomness.get("order")
    weights, order = (own if value is None else int(value) for value in fixed)
    return weights, order


def run_key(config: Mapping[str, Any], prepared: Prepared, workshop: Workshop, seed: int) -> str:
    """Name what a run computes: the same texts, model, recipe, tasks and seed give the same record."""
    train = {name: value for name, value in config["train"].items() if name not in (*MACHINE, "tokens")}
    weights, order = run_seeds(config, seed)
    return digest({
        "format": RUN_FORMAT, "content": prepared.info["content"], "tokenizer": workshop.tokenizer.digest,
        "proxy": config["proxy"], "train": train, "primary": config["evaluate"]["primary"],
        "seed": weights if weights == order else [weights, order],
        "tokens": budget_tokens(config, prepared.info["unique_tokens"]),
        "evaluate": evaluator_of(config, workshop).digest,
    })  # fmt: skip


def run_job(study: Path, store: Store, arm: str, seed: int, workers: int | None = 1) -> bool:
    """Do one run of a planned study, whatever happens; True when its record is there.

    A failure is written to `failed.json` and `log.txt` of the run and does not raise.
    """
    folder = run_folder(study, arm, seed)
    try:
        with lock(folder / ".lock", f"run {arm}, seed {seed}"):
            plan = load_plan(study)
            workshop = Workshop(plan["arms"][plan["reference"]]["config"], store, workers)
            try:
                execute(plan, workshop, study, arm, seed)
            finally:
                workshop.annotations.close()
        return True
    except Exception as error:
        mark_failed(study, arm, seed, error)
        return False


def explain(error: BaseException) -> str:
    """One line for the user; an error that is not ours keeps its type."""
    return str(error) if isinstance(error, AblateError) else f"{type(error).__name__}: {error}"


def mark_failed(study: Path, arm: str, seed: int, error: BaseException) -> None:
    """Leave word of a failed run: what went wrong in one line, and the trace in its log."""
    folder = run_folder(study, arm, seed)
    message = explain(error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        write_json(
            folder / "failed.json", {"error": message, "log": str(folder.relative_to(study) / "log.txt")}
        )
    except (AblateError, OSError):
        # The disk may be what failed; the record's absence says the same.
        return


def execute(plan: Mapping[str, Any], workshop: Workshop, study: Path, arm: str, seed: int) -> None:
    """Train and evaluate one run, or take what the store already has of it, and write its record."""
    config = plan["arms"][arm]["config"]
    folder = run_folder(study, arm, seed)
    if (folder / "record.json").exists():
        return
    prepared = workshop.prepare(config)
    weights, order = run_seeds(config, seed)
    stream = workshop.stream(prepared, seed=order, context=config["proxy"]["context"])
    key = run_key(config, prepared, workshop, seed)
    result = workshop.store.root / "runs" / key
    if int(os.environ.get("RANK", 0)) > 0:
        # Under torchrun the other processes help to train; the first one keeps the books.
        _help(config, workshop, stream, result, weights)
        return
    if not (result / "result.json").exists():
        with lock(result / ".lock", f"run {arm}, seed {seed} (or one with the same corpus)"):
            _train(plan, config, workshop, stream, result, folder, arm, seed)
    outcome = read_json(result / "result.json")
    tokens = outcome["train"]["tokens"]
    unique = prepared.info["unique_tokens"]
    record = {
        "run": key,
        "seed": seed,
        "corpus": {
            "key": prepared.info["content"],
            **{name: prepared.info[name] for name in ("documents", "bytes", "unique_tokens")},
            "epochs": tokens / unique,
            "effective_tokens": effective_tokens(tokens, unique),
            "copies": _copies(config, workshop, prepared, stream, tokens),
            "funnel": prepared.info["funnel"],
        },
        **outcome,
    }
    with atomic(folder / "items.parquet") as part:
        part.write_bytes((result / "items.parquet").read_bytes())
    write_json(folder / "record.json", record)
    (folder / "failed.json").unlink(missing_ok=True)


def _copies(
    config: Mapping[str, Any], workshop: Workshop, prepared: Prepared, stream: TokenStream, tokens: int
) -> dict[str, Any] | None:
    """Copies of duplicate clusters in what was trained on, by the recipe's last relation, on or off."""
    everything = {**config, "stages": {n: {**s, "enabled": True} for n, s in config["stages"].items()}}
    relations = [stage for stage in make_stages(everything) if isinstance(stage, Relation)]
    if not relations:
        return None
    groups = workshop.annotations.groups(prepared.version, relations[-1])
    clusters = groups.clusters(prepared.rows, len(workshop.pool))
    return copies_seen(stream, clusters, tokens)


def _train(
    plan: Mapping[str, Any], config: Mapping[str, Any], workshop: Workshop, stream: TokenStream,
    result: Path, folder: Path, arm: str, seed: int,
) -> None:  # fmt: skip
    from ablate.train import checkpoint
    from ablate.train.loop import Run, train

    started = time.monotonic()
    evaluator = evaluator_of(config, workshop)
    tracker = make(plan["tracker"], "tracker")
    tokens = budget_tokens(config, stream.unique_tokens)
    evaluate_s = 0.0
    with _log(folder / "log.txt") as log, tracker.run(plan["study"], arm, seed, config) as tracked:

        def evaluate(model: Any, tokens_seen: int) -> None:
            nonlocal evaluate_s
            begin = time.monotonic()
            scores = evaluator.evaluate(model)
            evaluate_s += time.monotonic() - begin
            write_table(result / "items.parquet", scores.items)
            write_json(
                result / "curve" / f"{tokens_seen:020d}.json",
                {"tokens": tokens_seen, "scores": scores.summary},
            )
            log({"tokens": tokens_seen, "scores": scores.summary})
            tracked.log(tokens_seen, scores.summary)

        outcome = train(
            Run(
                stream=stream, seed=run_seeds(config, seed)[0], folder=result, evaluate=evaluate, log=log,
                resume_key=result.name,
            ),
            proxy=make(config["proxy"], "proxy"), config=make(config["train"], "train"), tokens=tokens,
            vocab_size=len(load_tokenizer(workshop.tokenizer.folder)),
        )  # fmt: skip
    points = [read_json(path) for path in sorted((result / "curve").glob("*.json"))]
    curve = [point for point in points if point["tokens"] <= outcome.tokens]
    cost = {**outcome.cost, "evaluate_s": evaluate_s, "run_s": time.monotonic() - started}
    write_json(
        result / "result.json",
        {
            "model": {"parameters": outcome.parameters, "flops": outcome.flops},
            "train": {
                "tokens": outcome.tokens, "steps": outcome.steps,
                "final_loss": outcome.final_loss, "losses": outcome.losses,
            },
            "tasks": evaluator.info,
            "scores": curve[-1]["scores"],
            "curve": curve,
            "cost": cost,
            "provenance": provenance(),
        },
    )  # fmt: skip
    checkpoint.remove(result)


def _help(
    config: Mapping[str, Any], workshop: Workshop, stream: TokenStream, result: Path, seed: int
) -> None:
    from ablate.train.loop import Run, train

    train(
        Run(
            stream=stream, seed=seed, folder=result, evaluate=lambda *_: None, resume_key=result.name
        ),
        proxy=make(config["proxy"], "proxy"), config=make(config["train"], "train"),
        vocab_size=len(load_tokenizer(workshop.tokenizer.folder)),
        tokens=budget_tokens(config, stream.unique_tokens),
    )  # fmt: skip


@contextmanager
def _log(path: Path) -> Iterator[Any]:
    """Append JSON lines to a log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:

        def write(entry: dict[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        yield write


def clear_failure(study: Path, arm: str, seed: int) -> None:
    """Forget an earlier failure before trying again."""
    folder = run_folder(study, arm, seed)
    (folder / "failed.json").unlink(missing_ok=True)
    if (folder / "log.txt").exists():
        write_text(folder / "log.txt", "")
