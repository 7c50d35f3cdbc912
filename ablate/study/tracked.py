"""A run as trackers show it, made from its record and the journal of its training: while it trains, and ever after."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.config import identified
from ablate.fingerprint import canonical_json, digest
from ablate.settings import Config
from ablate.store import read_json
from ablate.study.plan import run_folder
from ablate.study.record import Record, Scores, read_record
from ablate.study.schema import Plan
from ablate.tracking.shown import DONE, FAILED, RUNNING, TRAIN, Attached, Point, TrackedRun, Value

PROGRESS = "progress.log"
"""The journal of a run's training: a line for each entry of its log, in the order in which they came."""
OF_TRAINING = ("loss", "lr", "grad_norm", "tokens_per_s")
"""What is shown of an entry, as `train/...`."""


def add_point(points: list[Point], tokens: int, values: Mapping[str, float]) -> None:
    """Add what was found at a number of tokens; what was found beyond it belongs to training that is done again."""
    while points and points[-1].tokens > tokens:
        points.pop()
    kept = {name: float(value) for name, value in values.items() if math.isfinite(value)}
    if points and points[-1].tokens == tokens:
        kept = {**points.pop().values, **kept}
    points.append(Point(tokens=tokens, values=kept))


def of_progress(entry: Mapping[str, Any]) -> dict[str, float]:
    """Return values of an entry of the log, under the names that trackers show."""
    return {f"train/{name}": entry[name] for name in OF_TRAINING if isinstance(entry.get(name), (int, float))}


def of_scores(scores: Scores) -> dict[str, float]:
    """Return scores of a checkpoint, under the names that trackers show."""
    return {f"{task}/{metric}": value for task, own in scores.items() for metric, value in own.items()}


def read_progress(path: Path) -> list[Point]:
    """Read the journal of a run's training; none where there is none. A line that a kill cut off is passed over."""
    points: list[Point] = []
    if not path.exists():
        return points
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            add_point(points, int(entry["tokens"]), of_progress(entry))
        except (ValueError, KeyError, TypeError):
            continue
    return points


def joined(training: Iterable[Point], curve: Iterable[tuple[int, Scores]]) -> tuple[Point, ...]:
    """Put the scores of checkpoints to what is known of training; tokens ascending."""
    values: dict[int, dict[str, float]] = {point.tokens: dict(point.values) for point in training}
    for tokens, scores in curve:
        finite = {name: float(one) for name, one in of_scores(scores).items() if math.isfinite(one)}
        values.setdefault(tokens, {}).update(finite)
    return tuple(Point(tokens=tokens, values=values[tokens]) for tokens in sorted(values))


def tracked_run(
    plan: Plan,
    arm: str,
    seed: int,
    *,
    points: Sequence[Point] = (),
    record: Record | None = None,
    error: str = "",
) -> TrackedRun:
    """Return a run as trackers show it; it trains where it has neither a record nor an error.

    Args:
        points: what is known of it so far.
        record: of a run that is done.
        error: of one that failed.
    """
    levels = plan.arms[arm].levels
    identity = digest([plan.study, arm, seed, identified(plan.arms[arm].config, Config)])
    config: dict[str, Value] = {
        **_differing(plan, arm),
        "arm": arm,
        "seed": seed,
        **{f"level.{factor}": _value(level) for factor, level in levels.items()},
        "study": plan.study,
        "design": plan.design,
        "reference": plan.reference,
        "primary": plan.metrics.primary,
        "plan": plan.digest,
    }
    files = [Attached(name="config.json", kind="config", text=_text(plan.arms[arm].config))]
    if record and record.corpus:
        corpus = record.corpus
        manifest = {
            "key": corpus.key,
            "documents": corpus.documents,
            "bytes": corpus.bytes,
            "unique_tokens": corpus.unique_tokens,
            "funnel": corpus.funnel,
        }
        files.append(Attached(name="corpus.json", kind="corpus", text=_text(manifest)))
    return TrackedRun(
        id=identity[:16],
        study=plan.study,
        name=f"{arm}-seed{seed}",
        group=f"{plan.study}/{arm}",
        kind=TRAIN,
        status=DONE if record else FAILED if error else RUNNING,
        tags=(plan.study, plan.design, *(("reference",) if arm == plan.reference else ())),
        notes=plan.question,
        config=config,
        points=tuple(points),
        summary=_summary(record) if record else {"error": error} if error else {},
        files=tuple(files),
    )


def tracked(plan: Plan, study: Path, arm: str, seed: int) -> TrackedRun | None:
    """Return a run that ended, from what it left in its study's folder; None for one that did not.

    Raises:
        DataError: for a damaged record.
    """
    folder = run_folder(study, arm, seed)
    training = read_progress(folder / PROGRESS)
    if (folder / "record.json").exists():
        record = read_record(folder)
        if not training:  # imported, or of a version that kept no journal
            training = [
                Point(tokens=int(at), values={"train/loss": loss}) for at, loss in record.train.losses or ()
            ]
        points = joined(training, [(point.tokens, point.scores) for point in record.curve])
        if not points and record.scores:
            points = joined([], [(record.train.tokens or 0, record.scores)])
        return tracked_run(plan, arm, seed, points=points, record=record)
    if (folder / "failed.json").exists():
        return tracked_run(
            plan, arm, seed, points=training, error=str(read_json(folder / "failed.json")["error"])
        )
    return None


def _summary(record: Record) -> dict[str, Value]:
    found: dict[str, Value] = {
        **of_scores(record.scores),
        "tokens": record.train.tokens,
        "final_loss": record.train.final_loss,
    }
    if record.model:
        found |= {"parameters": record.model.parameters, "flops": record.model.flops}
    if corpus := record.corpus:
        names = ("documents", "unique_tokens", "epochs", "effective_tokens")
        found |= {f"corpus.{name}": getattr(corpus, name) for name in names}
    found |= {f"cost.{name}": _value(value) for name, value in record.cost.items()}
    return {name: one for name, one in found.items() if not isinstance(one, float) or math.isfinite(one)}


def _differing(plan: Plan, arm: str) -> dict[str, Value]:
    """Every setting in which any two arms differ, by dotted path, as this arm has it."""
    configs = {name: flat(one.config) for name, one in plan.arms.items()}
    paths = list(dict.fromkeys(path for config in configs.values() for path in config))
    differ = [path for path in paths if len({_text(config.get(path)) for config in configs.values()}) > 1]
    return {path: _value(configs[arm].get(path)) for path in differ}


def flat(node: Any, path: str = "") -> dict[str, Any]:
    """Flatten a configuration: dotted path -> value."""
    if not isinstance(node, Mapping):
        return {path: node}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


def _value(value: Any) -> Value:
    return value if value is None or isinstance(value, (str, int, float, bool)) else canonical_json(value)


def _text(value: Any) -> str:
    return canonical_json(value)
