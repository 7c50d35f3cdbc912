"""Which benchmark items a corpus gives away, and in which documents they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ablate.benchmarks.snapshot import HUB_PREFIX
from ablate.config import RESERVED, make
from ablate.corpus.annotate import Annotations, TextVersion
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.stages.decontamination import Decontamination

SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("item", pa.string()),
        ("row", pa.int64()),
        ("key", pa.string()),
        ("url", pa.string()),
        ("ngrams", pa.int64()),
        ("share", pa.float64()),
    ]
)


def leak_finder(config: Mapping[str, Any]) -> Decontamination | None:
    """Return what finds an arm's leaks as its recipe's decontamination does, switched on or off.

    Args:
        config: an arm's configuration; a recipe without that stage gets its defaults.
    Returns:
        The stage over the tasks that are scored; None when none of them is there as a file.
    """
    evaluate = config["evaluate"]
    tasks = tuple(task for task in evaluate["tasks"] if not task.startswith(HUB_PREFIX))
    if not tasks or evaluate["snapshot"] is None:
        return None
    node = config["stages"].get(Decontamination.name)
    stage = make(node, "stages.decontamination", leave_out=RESERVED) if node else Decontamination()
    if not isinstance(stage, Decontamination):
        return None
    return replace(stage, snapshot=evaluate["snapshot"], tasks=tasks)


def leak_key(finder: Decontamination) -> dict[str, Plain]:
    """Return what names the leaks that a finder finds in a given text: how it looks, and whose the items are."""
    names = digest([list(name) for name in finder.references.names])
    return {"finder": finder.finder.identity(), "names": names}


def find_leaks(
    annotations: Annotations, version: TextVersion, rows: np.ndarray, finder: Decontamination
) -> pa.Table:
    """Return every item that a document gives away.

    Args:
        annotations: of the pool.
        version, rows: the documents' texts and rows in the pool, ascending.
        finder: what to look for and how.
    Returns:
        One row per item and document: task, item, row, key (16 hex digits), url, n-grams that match, and
        the share of the item that the document gives away, as the finder's method measures it.
    """
    step = finder.finder
    measured = annotations.measure(version, step)
    verdict = step.decide({name: column[rows] for name, column in measured.items()})
    found: list[dict[str, str | int | float]] = []
    names, urls = finder.references.names, annotations.pool.column("url")
    for row, text in annotations.texts(version, rows[~verdict.keep]):
        items: dict[tuple[str, str], tuple[float, int]] = {}
        for one in step.found(text):
            if step.given_away(one.share):
                name = names[one.reference]
                items[name] = max(items.get(name, (0.0, 0)), (one.share, one.hits))
        key, url = f"{int(annotations.pool.keys[row]):016x}", urls[row].as_py()
        found += [
            {"task": task, "item": item, "row": row, "key": key, "url": url, "ngrams": hits, "share": share}
            for (task, item), (share, hits) in items.items()
        ]
    order = [("task", "ascending"), ("item", "ascending"), ("row", "ascending")]
    return pa.Table.from_pylist(found, schema=SCHEMA).sort_by(order)


def leaked_items(leaks: pa.Table, tasks: Sequence[str]) -> dict[str, list[str]]:
    """Map each task to names of its items that some document gives away, ascending."""
    pairs = set(zip(leaks["task"].to_pylist(), leaks["item"].to_pylist(), strict=True))
    return {name: sorted(item for task, item in pairs if task == name) for name in tasks}
