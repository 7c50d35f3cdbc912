"""Trains runs in lockstep, and keeps in the store what comes out of each: log, curve, item scores, result."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.provenance import provenance
from ablate.store import read_json, write_json, write_table
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.open_run import OpenRun
from ablate.study.run_key import evaluator_of
from ablate.study.run_state import RunName, catch
from ablate.study.schema import Plan
from ablate.study.seeds import run_seeds
from ablate.study.tracked import PROGRESS, add_point, joined, of_progress, read_progress, tracked_run
from ablate.study.trunk import Origins
from ablate.tracking.guard import Guard
from ablate.train.kept import keep

if TYPE_CHECKING:
    from ablate.train.loop import Progress

SHOW_EVERY_S = 5.0
"""How often a run in training is shown, beside at its checkpoints."""


def train_runs(
    plan: Plan,
    builder: CorpusBuilder,
    origins: Origins,
    group: Sequence[OpenRun],
    threads: int | None,
    tracker: Guard | None,
) -> dict[RunName, Exception]:
    """Train runs of one shape in lockstep and keep what came out; returns the error of each that failed.

    Args:
        tracker: where runs are shown; None for a process that neither evaluates nor logs nor writes results.
    """
    from ablate.train.loop import Run, train_stacked

    started = time.monotonic()
    arm, tokenizer = group[0].arm, group[0].prepared.tokenizer
    failures: dict[RunName, Exception] = {}
    try:
        evaluator = evaluator_of(arm, tokenizer, builder.store) if tracker else None
        with ExitStack() as stack:
            recorders = [
                stack.enter_context(_recorder(plan, run, evaluator, tracker)) if tracker else None
                for run in group
            ]
            outcomes = train_stacked(
                [
                    Run(
                        stream=run.stream,
                        seed=run_seeds(run.arm, run.name[1]).weights,
                        folder=run.result,
                        evaluate=recorder.evaluate if recorder else lambda *_: None,
                        log=recorder.log if recorder else None,
                        resume_key=run.result.name,
                        start=run.origin.load if run.origin else None,
                    )
                    for run, recorder in zip(group, recorders, strict=True)
                ],
                proxy=arm.proxy,
                config=replace(arm.train, threads=arm.train.threads or threads),
                tokens=group[0].tokens,
                vocab_size=origins.vocab_size(group[0].origin, tokenizer),
            )
        run_s = (time.monotonic() - started) / len(group)
        for run, outcome, recorder in zip(group, outcomes, recorders, strict=True):
            with catch(failures, run.name):
                if isinstance(outcome, Exception):
                    raise outcome
                if recorder:
                    recorder.close(outcome, run_s)
    except Exception as error:
        failures |= dict.fromkeys((run.name for run in group), error)
    return failures


class RunRecorder:
    """Takes what training hands over of one run: logs its progress, scores its checkpoints, writes its result.

    Args:
        run: whose.
        evaluator: scores a model.
        write, note: add an entry to the run's log, and to the journal of its training.
        plan: of the study.
        tracker: where the run is shown while it trains.
    """

    def __init__(
        self, run: OpenRun, evaluator: Any, write: Any, note: Any, plan: Plan, tracker: Guard
    ) -> None:
        self.run, self.result, self.evaluator = run, run.result, evaluator
        self.write, self.note, self.plan, self.tracker = write, note, plan, tracker
        self.evaluate_s = 0.0
        self.training = read_progress(run.result / PROGRESS)
        self.shown_at = -math.inf
        self.for_weights = run.has_result
        """Whether the run is trained again for the weights that it lacks: what it computed stays as it is."""

    def log(self, entry: Progress) -> None:
        """Write an entry about how training goes."""
        self.write(entry)
        if self.for_weights:
            return
        self.note(entry)
        add_point(self.training, entry["tokens"], of_progress(entry))
        if time.monotonic() - self.shown_at >= SHOW_EVERY_S:
            self._show(entry["tokens"])

    def _show(self, tokens: int) -> None:
        """Show the run as far as it is."""
        if self.tracker.silent:
            return
        training = [point for point in self.training if point.tokens <= tokens]
        points = [read_json(path) for path in sorted((self.result / "curve").glob("*.json"))]
        curve = [(point["tokens"], point["scores"]) for point in points if point["tokens"] <= tokens]
        self.tracker.show(tracked_run(self.plan, *self.run.name, points=joined(training, curve)))
        self.shown_at = time.monotonic()

    def evaluate(self, model: Any, tokens: int) -> None:
        """Score a checkpoint and keep the scores: a point of the run's curve, and the latest score of each item.

        Args:
            model: as it is now.
            tokens: how many it has seen.
        """
        from ablate.evaluate.memorisation import Trained

        begin = time.monotonic()
        is_last = tokens + self.run.arm.train.batch_tokens > self.run.tokens
        if is_last and self.run.keeps_weights:
            keep(model, self.run.prepared.tokenizer.folder, self.result)
        if self.for_weights:
            return
        context = self.run.arm.proxy.context
        trained = Trained(self.run.stream.sequences, tokens // context) if is_last else None
        scores = self.evaluator.evaluate(model, trained)
        self.evaluate_s += time.monotonic() - begin
        write_table(self.result / "items.parquet", scores.items, seal=True)
        point = {"tokens": tokens, "scores": scores.summary}
        if scores.missing:
            point["missing"] = scores.missing
        write_json(self.result / "curve" / f"{tokens:020d}.json", point, seal=True)
        self.write(point)
        self._show(tokens)

    def close(self, outcome: Any, run_s: float) -> None:
        """Write the result and remove the checkpoint, which is not needed any more.

        Args:
            outcome: of training.
            run_s: seconds that the run took; of runs trained in lockstep, each has its share.
        """
        from ablate.train import checkpoint

        if self.for_weights:
            checkpoint.remove(self.result)
            return
        points = [read_json(path) for path in sorted((self.result / "curve").glob("*.json"))]
        curve = [point for point in points if point["tokens"] <= outcome.tokens]
        write_json(
            self.result / "result.json",
            {
                "model": {"parameters": outcome.parameters, "flops": outcome.flops},
                "train": {
                    "tokens": outcome.tokens,
                    "steps": outcome.steps,
                    "final_loss": outcome.final_loss,
                    "losses": outcome.losses,
                },
                "tasks": self.evaluator.info,
                "scores": curve[-1]["scores"],
                "missing": curve[-1].get("missing", {}),
                "curve": curve,
                "cost": {**outcome.cost, "evaluate_s": self.evaluate_s, "run_s": run_s},
                "provenance": provenance(),
            },
            seal=True,
        )
        checkpoint.remove(self.result)


@contextmanager
def _recorder(plan: Plan, run: OpenRun, evaluator: Any, tracker: Guard) -> Iterator[RunRecorder]:
    """Open the run's log and the journal of its training; both are closed with the block."""
    with _log(run.folder / "log.txt") as write, _log(run.result / PROGRESS) as note:
        yield RunRecorder(run, evaluator, write, note, plan, tracker)


@contextmanager
def _log(path: Path) -> Iterator[Any]:
    """Open a log; what is given appends an entry to it, as one line of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:

        def write(entry: Mapping[str, object]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        yield write
