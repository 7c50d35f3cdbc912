"""Tasks of lm-eval by name: found, checked, and named by their content.

Starting lm-eval and building every request takes minutes for a large suite, so what was found out is kept,
together with digests of all that it was made of: the files that define the tasks and the data they ask about.
When one of these is another, it is found out anew.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError, DataError
from ablate.evaluate.building import build, sizes_of
from ablate.evaluate.squad_metrics import stand_in
from ablate.evaluate.task_source import TaskSource
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.store import Store, read_json, whole, write_json

FORMAT = 2
"""Of the digests of tasks."""
REMEMBERED = 3
"""Of what is remembered of tasks."""
NAMES = {
    "task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "metadata",
    "should_decontaminate", "doc_to_decontamination_query",
}  # fmt: skip
"""Fields of a task's configuration that are no part of its identity: names and places; the items themselves are."""

logging.getLogger("lm_eval").setLevel(logging.ERROR)


def of_lm_eval(
    name: str, *, examples: int | None, limit: int | None, store: Store | None, unsafe_code: bool
) -> Iterator[TaskSource]:
    """A task of lm-eval, or the members of a group.

    Args:
        name: lm-eval's.
        examples: in the prompt; None for the task's own number.
        limit: items of each member, evenly spread.
        store: remembers what was found out.
        unsafe_code: whether tasks may run what a model writes.
    Raises:
        ConfigError, DataError: see `find_tasks`.
    """
    asked: dict[str, Plain] = {
        "format": REMEMBERED,
        "name": name,
        "limit": limit,
        "examples": examples,
        "lm_eval": version("lm_eval"),
    }
    index = None if store is None else store.folder("tasks", digest(asked), asked) / "members.json"
    known = read_json(index) if index is not None and whole(index) else None
    if known is None or known["made_of"] != _contents(known["made_of"]):
        known = _find_out(name, examples=examples, limit=limit, unsafe_code=unsafe_code)
        if index is not None:
            write_json(index, known, seal=True)
    of = digest(known["made_of"])
    for label, member in known["members"].items():
        _refuse_unsafe(label, member["unsafe"], unsafe_code)
        sizes = tuple(member["sizes"])
        yield _source(name, label, examples=examples, limit=limit, of=of, key=member["digest"], sizes=sizes)


def _source(
    name: str,
    label: str,
    *,
    examples: int | None,
    limit: int | None,
    of: str,
    key: str,
    sizes: tuple[int, ...] = (),
) -> TaskSource:
    return TaskSource(
        name=label if examples is None else f"{label}@{examples}",
        digest=key,
        make=lambda: _load(name, examples=examples, of=of)[label],
        limit=limit,
        sizes=sizes,
    )


def _find_out(name: str, *, examples: int | None, limit: int | None, unsafe_code: bool) -> dict[str, Any]:
    """Every member's digest, once it is known that it can be asked and scored, and what all of it was made of."""
    from ablate.evaluate.lm_eval_task import rehearse

    entries = _entries(name)
    for entry in entries:
        _refuse_unsafe(entry.name, bool((entry.cfg or {}).get("unsafe_code")), unsafe_code)
    made_of = _contents({"definitions": _folders(entries), "data": _data(entries)})
    of, members = digest(made_of), {}
    for label, task in _load(name, examples=examples, of=of).items():
        unsafe = bool(getattr(task, "UNSAFE_CODE", False))
        _refuse_unsafe(label, unsafe, unsafe_code)
        source = _source(name, label, examples=examples, limit=limit, of=of, key="")
        built = build(source)
        rehearse(source.name, task, built)
        requests = [
            [str(own[0].doc), [[i.request_type, [repr(argument) for argument in i.args]] for i in own]]
            for own in built.documents
        ]
        identity = [FORMAT, version("lm_eval"), _configured(task), _code(entries, label), requests]
        members[label] = {"digest": digest(identity), "unsafe": unsafe, "sizes": sizes_of(built)}
    return {"made_of": made_of, "members": members}


def _refuse_unsafe(label: str, unsafe: bool, allowed: bool) -> None:
    if unsafe and not allowed:
        raise ConfigError(
            f"evaluate.tasks: {label!r} runs code that the model writes, on this machine and with your rights; "
            "evaluate.unsafe_code=true allows it, or leave the task out"
        )


# --- loading


@cache
def _manager() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _entries(name: str) -> list[Any]:
    """lm-eval's index entries of a task, or of a group, a tag and all their members."""
    from lm_eval.tasks._index import TaskIndex

    index = _manager().task_index
    seen: dict[str, Any] = {}

    def visit(entry: Any) -> None:
        if entry is None or entry.name in seen:
            return
        seen[entry.name] = entry
        members = (entry.cfg or {}).get("task")
        for member in members if isinstance(members, list) else []:
            plain = member if isinstance(member, str) else member.get("task", member.get("group"))
            visit(index.get(plain) if isinstance(plain, str) else None)
        if entry.cfg is None:  # a tag
            for other in index.values():
                if entry.name in other.tags:
                    visit(other)

    visit(index.get(name) or TaskIndex.entry_from_path(Path(name)))
    return list(seen.values())


@cache
def _load(name: str, *, examples: int | None, of: str) -> dict[str, Any]:
    """Task objects by label, once per content `of` what they are made of."""
    entries = _entries(name)
    stand_in()
    try:
        with _cached_by_content(_data(entries)):
            found: dict[str, Any] = _manager().load(name)["tasks"]
    except (KeyError, ValueError) as error:
        if entries and not isinstance(error, KeyError):
            raise DataError(f"evaluate.tasks: {name!r} cannot be built ({_line(error)})") from error
        raise ConfigError(
            f"evaluate.tasks: lm-eval has no task {name!r} ({_line(error)}); `lm-eval ls tasks` lists them"
        ) from error
    except (OSError, ConnectionError) as error:
        raise DataError(
            f"evaluate.tasks: the data of {name!r} cannot be fetched ({_line(error)}); make a snapshot where there "
            "is a network (`ablate snapshot`) and give evaluate.snapshot=<folder>"
        ) from error
    except Exception as error:
        raise DataError(
            f"evaluate.tasks: {name!r} cannot be built ({type(error).__name__}: {_line(error)}); mend its data or "
            "definition, or leave it out"
        ) from error
    for task in found.values():
        if examples is not None:
            task.set_config("num_fewshot", examples)
        _take_formats(task)
        _one_answer_in_examples(task)
    return found


def _take_formats(task: Any) -> None:
    """Let a task's own methods be called with the format of examples, as lm-eval calls them.

    Some of its classes (squad_completion) take the item alone, so that they cannot show an example.
    """
    for name in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        method = getattr(task, name, None)
        if method is not None and len(inspect.signature(method).parameters) == 1:
            setattr(task, name, partial(_of_item_alone, method))


def _of_item_alone(method: Any, doc: Any, _: Any = None) -> Any:
    return method(doc)


def _one_answer_in_examples(task: Any) -> None:
    """Have an example show the first of several right choices; lm-eval takes only one number or one text."""
    fewshot = getattr(task, "fewshot_cfg", None)
    if fewshot is None or task.config.doc_to_choice is None:
        return
    written = fewshot.doc_to_target

    def first(doc: Any) -> Any:
        target = task.doc_to_target(doc, written)
        return target[0] if isinstance(target, list) and target else target

    fewshot.doc_to_target = first


@contextmanager
def _cached_by_content(places: list[str]) -> Iterator[None]:
    """Have `datasets` keep what it makes of local files by their content; it goes by path and date. Without its bars."""
    import datasets

    local = {place: _content(place) for place in places if Path(place).exists()}
    before, quiet = datasets.config.HF_DATASETS_CACHE, datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    if local:
        datasets.config.HF_DATASETS_CACHE = Path(before) / "by_content" / digest(local)
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before
        if not quiet:
            datasets.enable_progress_bars()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


# --- identity


def _configured(task: Any) -> dict[str, Any]:
    """A task's configuration as plain data, without names and places."""
    names = [field.name for field in fields(task.config) if field.name not in NAMES]
    return {name: _settings(getattr(task.config, name)) for name in names}


def _settings(value: Any) -> Any:
    """Plain data; a function is its source."""
    if isinstance(value, partial):
        return [_settings(value.func), _settings(value.args), _settings(value.keywords)]
    if callable(value):
        try:
            return inspect.getsource(value)
        except (OSError, TypeError):
            return type(value).__qualname__
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _settings(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_settings(entry) for entry in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else type(value).__qualname__


def _code(entries: list[Any], label: str) -> dict[str, str]:
    """Digests of the Python files beside a task's definition and what it includes."""
    own = [entry for entry in entries if entry.name == label] or entries
    return {
        path.name: _digest_of_file(path)
        for shown in _folders(own)
        for path in sorted(_place(shown).glob("*.py"))
    }


def _root() -> Path:
    import lm_eval.tasks

    return Path(lm_eval.tasks.__file__).parent.resolve()


def _shown(path: Path) -> str:
    path = path.resolve()
    return f"lm_eval:{path.relative_to(_root())}" if path.is_relative_to(_root()) else str(path)


def _place(shown: str) -> Path:
    return _root() / shown.removeprefix("lm_eval:") if shown.startswith("lm_eval:") else Path(shown)


def _folders(entries: list[Any]) -> list[str]:
    """Folders of the files that define tasks, and of those that these include."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        """YAML whose !function tags are left alone."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    left = [entry.yaml_path for entry in entries if entry and entry.yaml_path]
    seen: set[Path] = set()
    folders: set[str] = set()
    while left:
        path = Path(left.pop()).resolve()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        folders.add(_shown(path.parent))
        written = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
        includes = written.get("include") if isinstance(written, dict) else None
        left += [path.parent / i for i in (includes if isinstance(includes, list) else [includes]) if i]
    return sorted(folders)


def _data(entries: list[Any]) -> list[str]:
    """Where the items come from: folders, files, or names on the hub."""
    found: list[str] = []
    for entry in entries:
        config = entry.cfg or {}
        if "class" in config:
            found += _strings(getattr(_class_of(entry), "DATASET_PATH", None))
        options = config.get("dataset_kwargs") or {}
        found += _strings([config.get("dataset_path"), options.get("data_files"), options.get("data_dir")])
    return sorted(set(found))


def _class_of(entry: Any) -> Any:
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(entry.yaml_path)["class"]


def _strings(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for entry in value.values() for text in _strings(entry)]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in _strings(entry)]
    return [value] if isinstance(value, str) else []


def _contents(wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Any]]:
    """Digest of each folder, file or data set of the hub, as they are now."""
    return {
        "definitions": {
            shown: _digest_of_folder(_place(shown), deep=False) for shown in wanted["definitions"]
        },
        "data": {place: _content(place) for place in wanted["data"]},
    }


def _content(place: str) -> Any:
    """Digest of a folder or file; of a data set of the hub the commits of it that this machine has fetched."""
    path = Path(place)
    if path.is_dir():
        return _digest_of_folder(path)
    if path.is_file():
        return _digest_of_file(path)
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"datasets--{place.replace('/', '--')}" / "snapshots"
    return sorted(commit.name for commit in snapshots.iterdir()) if snapshots.is_dir() else None


def _digest_of_folder(folder: Path, *, deep: bool = True) -> str:
    files = sorted(path for path in (folder.rglob("*") if deep else folder.glob("*")) if path.is_file())
    return digest(
        {
            path.relative_to(folder).as_posix(): _digest_of_file(path)
            for path in files
            if path.suffix != ".pyc"
        }
    )


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
