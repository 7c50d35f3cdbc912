"""Fetch benchmark data from the hub into a folder that works without network.

Reads each task's items through lm-eval's own task definition and writes them in the snapshot layout
(`<folder>/<task>/<split>.jsonl`), with a digest of every file in snapshot.json. Evaluation and
decontamination then read the folder: evaluate.snapshot=<folder>.

Example: ablate snapshot evaluate=early_signal evaluate.snapshot=data/tasks
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ablate.benchmarks.snapshot import read_snapshot
from ablate.errors import ConfigError, DataError
from ablate.store import write_json, write_text

HUB_NAMES = {"mmlu": "mmlu_continuation"}
"""Tasks whose cloze form lm-eval keeps under another name."""


def main(config: DictConfig) -> int:
    """Fetch; returns the exit status."""
    if not config.evaluate.snapshot:
        raise ConfigError("say where to write: evaluate.snapshot=<folder>")
    folder = Path(config.evaluate.snapshot)
    for name in config.evaluate.tasks:
        print(f"{name}: {fetch(name, folder):,} items")
    return 0


def fetch(name: str, folder: Path, include_path: str | None = None) -> int:
    """Write one task; returns the number of items.

    Args:
        name: lm-eval's, e.g. "arc_easy"; a group such as "blimp" becomes one file per task.
        folder: of the snapshot.
        include_path: folder of further lm-eval task definitions.
    Raises:
        DataError: when the data cannot be fetched, or the task is of a kind snapshots do not hold.
    """
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=include_path)
    try:
        tasks = list(manager.load(HUB_NAMES.get(name, name))["tasks"].items())
    except (KeyError, ValueError, OSError, ConnectionError) as error:
        raise DataError(f"task {name!r} cannot be fetched: {error}") from error
    total = 0
    for label, task in tasks:
        split = "test" if task.has_test_docs() else "validation"
        path = folder / name / f"{split if len(tasks) == 1 else label}.jsonl"
        rows = [json.dumps(row, ensure_ascii=False) for row in _rows(label, task)]
        write_text(path, "\n".join(rows) + "\n")
        total += len(rows)
        _note(folder, path, task)
    read_snapshot(folder, [name])
    return total


def _rows(label: str, task: Any) -> Iterator[dict[str, Any]]:
    for number, doc in enumerate(task.eval_docs):
        row: dict[str, Any] = {"id": f"{label}-{number}"}
        if task.OUTPUT_TYPE == "loglikelihood":
            row |= {"context": task.doc_to_text(doc), "continuation": str(task.doc_to_target(doc)).strip()}
        elif task.OUTPUT_TYPE != "multiple_choice":
            raise DataError(
                f"task {label!r} is {task.OUTPUT_TYPE}; snapshots hold multiple choice and last-word tasks"
            )
        elif task.multiple_input:
            options = [str(option) for option in task.doc_to_choice(doc)]
            row |= {"context_options": options, "continuation": str(task.doc_to_target(doc)).strip()}
            row["gold"] = int(task.doc_to_text(doc))
        else:
            choices = [str(choice) for choice in task.doc_to_choice(doc)]
            gold = task.doc_to_target(doc)
            gold = choices.index(gold) if isinstance(gold, str) else int(gold)
            query = str(task.doc_to_text(doc))
            pair = not query and len(choices) == 2 and gold == 0
            row |= (
                {"sentence_good": choices[0], "sentence_bad": choices[1]}
                if pair
                else {"query": query, "choices": [choice.strip() for choice in choices], "gold": gold}
            )
        yield row


def _note(folder: Path, path: Path, task: Any) -> None:
    index = folder / "snapshot.json"
    notes = json.loads(index.read_text()) if index.exists() else {}
    notes[str(path.relative_to(folder))] = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "dataset": task.DATASET_PATH,
        "config": task.DATASET_NAME,
        "revision": (task.config.dataset_kwargs or {}).get("revision"),
        "lm_eval_version": str(task.VERSION),
    }
    write_json(index, dict(sorted(notes.items())))
