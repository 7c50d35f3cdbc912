"""Seeds: texts that a teacher is shown; none may give away what models are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablate.errors import DataError, nearest
from ablate.generate.recipe import DATA, Seed
from ablate.reading.records import read_rows
from ablate.stages.decontamination import FindItems

OWN_TASKS = DATA / "seed_tasks.jsonl"
"""24 tasks of our own; Self-Instruct's 175 are read by `generate.seeds` as they come."""
SHOWN = 5
"""Seeds named in a message."""


def read_tasks(path: str | None) -> list[Seed]:
    """Seed tasks: records with `instruction`, and `id` where they have one.

    Raises:
        DataError: for a record without an instruction, an id that comes twice, or a file without records.
    """
    found: dict[str, Seed] = {}
    for place, row in read_rows(path or OWN_TASKS, "generate.seeds"):
        text = row.get("instruction")
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{place}: no text in 'instruction': {nearest('instruction', map(str, row))}")
        key = str(row.get("id") or f"task-{len(found)}").replace(" ", "_")
        if key in found:
            raise DataError(f"{place}: a second seed is called {key!r}; give each an id of its own")
        found[key] = Seed(key, text.strip(), row)
    if not found:
        raise DataError(f"generate.seeds: {Path(path or OWN_TASKS)} holds no tasks")
    return list(found.values())


def whole_text(seed: Seed) -> str:
    """All that a seed says, the inputs and outputs of a task included."""
    parts = [seed.text]
    for instance in seed.task.get("instances") or []:
        if isinstance(instance, dict):
            parts += [str(instance.get(name) or "") for name in ("input", "output")]
    return "\n".join(parts)


def refuse_leaks(seeds: Sequence[Seed], finder: FindItems) -> None:
    """Refuse seeds that give evaluation items away: what a teacher makes of them would too.

    Raises:
        DataError: names the seeds, and the task and item of each.
    """
    found = []
    for seed in seeds:
        text = whole_text(seed)
        if finder.decide(finder.measure_many([text])).keep[0]:
            continue
        items = [finder.references.names[one.reference] for one in finder.found(text)]
        found.append(f"{seed.key} ({', '.join(f'{task} {item}' for task, item in items[:3])})")
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise DataError(
            f"{len(found)} of {len(seeds)} seeds stand in the evaluation tasks: {'; '.join(found[:SHOWN])}{more}. Take them "
            "out of generate.seeds, or of the pool by the stage decontamination"
        )
