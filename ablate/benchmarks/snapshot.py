"""Task snapshots: benchmarks as files, read without network, with a digest.

Layout: one folder a benchmark, one `.jsonl` file a split (it may be packed), an item a line. The fields say which kind
of task an item is (first match):

    sentence_good, sentence_bad             minimal pair (BLiMP)
    context_options, continuation, gold     partial context (WinoGrande): same ending, two beginnings
    query, choices, gold                    multiple choice
    context, continuation                   last word (LAMBADA)

This module imports neither torch nor lm-eval, because the decontamination stage reads it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ablate.errors import ConfigError, DataError, nearest
from ablate.fingerprint import digest
from ablate.reading.records import LINES, PACKED, Place, Row, format_of, read_rows

SPLITS = ("test", "validation")
TRAINING = ("train", "dev")
HUB_PREFIX = "lm_eval:"


class Item(TypedDict, total=False):
    """One question; which fields it has says its task's kind, see `SnapshotTask`."""

    id: str
    query: str
    choices: list[str]
    contexts: list[str]
    continuation: str
    gold: int


@dataclass(frozen=True)
class SnapshotTask:
    """One benchmark of a snapshot.

    Attributes:
        name: as asked for in `evaluate.tasks`.
        kind: "choice", "partial" or "last_word".
        items: `id`, `query`, `choices` and `gold` for a choice; `id`, `contexts`, `continuation`, `gold`
            for partial context; `id`, `query`, `continuation` for the last word.
    """

    name: str
    kind: str
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        """Of the items as they are scored."""
        return digest([2 if self.kind == "last_word" else 1, self.kind, list(self.items)])

    def question_text(self, item: Item) -> str:
        """The question alone; of a partial context the shared ending."""
        return str(item["continuation"] if self.kind == "partial" else item["query"]).strip()

    def longest(self, item: Item) -> int:
        """UTF-8 bytes of the longest text that a model is given of an item."""
        starts = item.get("contexts", [item.get("query", "")])
        ends = item.get("choices", [item.get("continuation", "")])
        return max(len(f"{start} {end}".encode()) for start in starts for end in ends)

    def reference_text(self, item: Item) -> str:
        """Question and right answer: what a leaked copy would contain."""
        if self.kind == "choice":
            return f"{item['query']} {item['choices'][item['gold']]}".strip()
        if self.kind == "partial":
            return f"{item['contexts'][item['gold']]} {item['continuation']}"
        return f"{item['query']} {item['continuation']}"


def read_snapshot(snapshot: str | Path, tasks: Sequence[str], limit: int | None = None) -> list[SnapshotTask]:
    """Read tasks of a snapshot folder.

    A task is a folder's name (its test split, else its validation split, else all its files), or
    `folder/file` for one of them. Names with the prefix `lm_eval:` are not of the snapshot.

    Args:
        snapshot: the folder.
        tasks: names, in order.
        limit: at most this many items of each task, evenly spread.
    Raises:
        DataError: when a task or one of its fields is missing; names file, line and what is there.
    """
    root = Path(snapshot)
    if not root.is_dir():
        raise DataError(f"evaluate.snapshot={root} is not a folder; `ablate snapshot` makes one")
    return [_read_task(root, name, limit) for name in tasks if not name.startswith(HUB_PREFIX)]


def _read_task(root: Path, name: str, limit: int | None) -> SnapshotTask:
    kinds: dict[str, list[Item]] = {}
    files = _files(root, name)
    for path in files:
        for place, row in read_rows(path, "evaluate.snapshot"):
            kind, item = _item(row, place, f"{_stem(path)}-{place.number}")
            kinds.setdefault(kind, []).append(item)
    if len(kinds) != 1:
        found = ", ".join(str(path) for path in files)
        raise DataError(
            f"task {name!r}: expected items of one kind in {found}, found {sorted(kinds) or 'no items'}"
        )
    ((kind, items),) = kinds.items()
    return SnapshotTask(name, kind, tuple(items[place] for place in evenly(len(items), limit)))


def evenly(count: int, limit: int | None) -> list[int]:
    """Places of at most `limit` of `count` items, evenly spread: what `evaluate.limit` takes of every task."""
    if limit is None or limit >= count:
        return list(range(count))
    return [number * count // limit for number in range(limit)]


def _files(root: Path, name: str) -> list[Path]:
    folder, _, split = name.partition("/")
    if not (root / folder).is_dir():
        known = [path.name for path in root.iterdir() if path.is_dir()]
        raise DataError(
            f"snapshot {root} has no task {folder!r}: {nearest(folder, known)} (known: {', '.join(sorted(known))})"
        )
    files = {_stem(path): path for path in sorted((root / folder).iterdir()) if format_of(path) in LINES}
    if split:
        if split not in files:
            raise DataError(f"task {folder!r} has no file {split!r}: {nearest(split, files)}")
        return [files[split]]
    for preferred in SPLITS:
        if preferred in files:
            return [files[preferred]]
    several = [path for stem, path in files.items() if stem not in TRAINING]
    if not several or any(stem.startswith(SPLITS) for stem in files):
        raise DataError(
            f"task {folder!r}: say which file to use, {folder}/<file>; there are {', '.join(sorted(files)) or 'none'}"
        )
    return several


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


def _item(row: Row, where: Place, name: str) -> tuple[str, Item]:
    for fields, read in _LAYOUTS.items():
        if set(fields) <= set(row):
            try:
                kind, item = read(row)
            except (TypeError, ValueError, IndexError) as error:
                raise DataError(f"{where}: {error}") from None
            return kind, {"id": f"{name}", **item}
    layouts = "; ".join(" + ".join(fields) for fields in _LAYOUTS)
    raise DataError(f"{where}: a field is missing. Expected one of: {layouts}. Found: {', '.join(row)}")


def _text(row: Row, field: str) -> str:
    """A field that must be a text: null would be scored as the word None."""
    text = row[field]
    if not isinstance(text, str):
        raise ValueError(f"{field} must be a text, got {json.dumps(text)[:80]}")
    return text


def _pair(row: Row) -> tuple[str, Item]:
    choices = [_text(row, "sentence_good"), _text(row, "sentence_bad")]
    return "choice", {"query": "", "choices": choices, "gold": 0}


def _options(row: Row, field: str) -> list[str]:
    """A field that must be a list of two or more texts."""
    options = row[field]
    if (
        not isinstance(options, list)
        or len(options) < 2
        or not all(isinstance(o, str) and o for o in options)
    ):
        raise ValueError(f"{field} must be a list of two or more texts, got {options!r}")
    return options


def _gold(row: Row, options: list[str]) -> int:
    gold = row["gold"]
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(options):
        raise ValueError(f"gold must be 0 .. {len(options) - 1}, got {gold!r}")
    return gold


def _partial(row: Row) -> tuple[str, Item]:
    contexts = _options(row, "context_options")
    gold = _gold(row, contexts)
    return "partial", {"contexts": contexts, "continuation": _text(row, "continuation"), "gold": gold}


def _choice(row: Row) -> tuple[str, Item]:
    choices = _options(row, "choices")
    gold = _gold(row, choices)
    query = _text(row, "query")
    if isinstance(row.get("question"), str) and f"\nA. {choices[0]}" in query:
        # FineWeb's cloze form: the choices are continuations to be scored, so the prompt must not list them.
        query = f"Question: {row['question']}\nAnswer:"
    return "choice", {"query": query, "choices": choices, "gold": gold}


def _last_word(row: Row) -> tuple[str, Item]:
    return "last_word", {
        "query": _text(row, "context").rstrip(),
        "continuation": _text(row, "continuation").strip(),
    }


_LAYOUTS: dict[tuple[str, ...], Callable[[Row], tuple[str, Item]]] = {
    ("sentence_good", "sentence_bad"): _pair,
    ("context_options", "continuation", "gold"): _partial,
    ("query", "choices", "gold"): _choice,
    ("context", "continuation"): _last_word,
}


@dataclass(frozen=True)
class Reference:
    """What a leaked copy of an item would contain.

    Attributes:
        task, item: names as the scores have them.
        question: without the answer; "" where there is none (a minimal pair is all answer).
        with_answer: question and right answer.
    """

    task: str
    item: str
    question: str
    with_answer: str


def references(snapshot: str | Path | None, tasks: Sequence[str]) -> list[Reference]:
    """Every item of the tasks: what decontamination looks for.

    Raises:
        ConfigError: when there is no snapshot to read the items from.
    """
    if not tasks:
        return []
    if snapshot is None:
        raise ConfigError(
            "decontamination needs the tasks' items as files: give evaluate.snapshot=<folder> "
            "(`ablate snapshot` makes one), or disable it: stages.decontamination.enabled=false"
        )
    return [
        Reference(task.name, item["id"], task.question_text(item), task.reference_text(item))
        for task in read_snapshot(snapshot, tasks)
        for item in task.items
    ]
