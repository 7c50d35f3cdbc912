"""Task snapshots: benchmarks as files, read without network, with a digest.

Layout: one folder a benchmark, one `.jsonl` file a split (it may be packed), an item a line. The fields say which kind
of task an item is (first match):

    sentence_good, sentence_bad             minimal pair (BLiMP)
    context_options, continuation, gold     partial context (WinoGrande): same ending, two beginnings
    query, choices, gold                    multiple choice
    context, continuation                   last word (LAMBADA)

Items of other fields are read by a `TaskKind` of one's own, which `kind.yaml` in the benchmark's folder names.

This module imports neither torch nor lm-eval, because the decontamination stage reads it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ablate.benchmarks.kinds import BY_FIELDS
from ablate.benchmarks.task_kind import FORMS, Item, TaskKind
from ablate.config import locate, make
from ablate.errors import ConfigError, DataError, nearest
from ablate.fingerprint import digest
from ablate.reading.records import LINES, PACKED, Place, Row, format_of, read_rows
from ablate.yaml_slips import describe

SPLITS = ("test", "validation")
TRAINING = ("train", "dev")
HUB_PREFIX = "lm_eval:"


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
    of = _kinds_of(root / name.partition("/")[0])
    for path in files:
        for place, row in read_rows(path, "evaluate.snapshot"):
            kind, item = _item(of, row, place, f"{_stem(path)}-{place.number}")
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


def _kinds_of(folder: Path) -> tuple[TaskKind, ...]:
    """The kinds that a task's items may be of: the one that its `kind.yaml` names, or those told by fields."""
    path = folder / "kind.yaml"
    if not path.exists():
        return BY_FIELDS
    try:
        with path.open(encoding="utf-8") as file:
            node = yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeError) as error:
        raise DataError(describe(error, [path]) or f"{path}: {error}") from None
    if not isinstance(node, dict) or "_target_" not in node:
        raise DataError(f"{path}: expected _target_: package.module.Class, a TaskKind, with its fields")
    if wrong := [key for key in node if not isinstance(key, str)]:
        raise DataError(f"{path}: keys must be text, got {wrong[0]!r}; write yes, no, on, off in quotes")
    if not issubclass(locate(node["_target_"], str(path)), TaskKind):
        raise DataError(f"{path}: {node['_target_']} is no TaskKind of ablate.benchmarks.task_kind")
    kind: TaskKind = make(node, str(path))
    return (kind,)


def _item(kinds: Sequence[TaskKind], row: Row, where: Place, name: str) -> tuple[str, Item]:
    for kind in kinds:
        if set(kind.fields) <= set(row):
            try:
                form, item = kind.read(row)
            except (TypeError, ValueError, IndexError) as error:
                raise DataError(f"{where}: {error}") from None
            if form not in FORMS:
                raise DataError(
                    f"{where}: {type(kind).__name__} asks in the form {form!r}, expected one of {', '.join(FORMS)}"
                )
            return form, {"id": f"{name}", **item}
    layouts = "; ".join(" + ".join(kind.fields) for kind in kinds)
    raise DataError(f"{where}: a field is missing. Expected one of: {layouts}. Found: {', '.join(row)}")


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
