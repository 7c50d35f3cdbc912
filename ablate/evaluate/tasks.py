"""Where tasks come from: a snapshot's files, or lm-eval by name; either way as lm-eval's own task object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.metadata import version
from typing import Any

from ablate.errors import ConfigError, DataError
from ablate.evaluate.snapshot import HUB_PREFIX, SnapshotTask, read_snapshot
from ablate.fingerprint import digest
from ablate.store import Store, read_json, whole, write_json


@dataclass(frozen=True, eq=False)
class TaskSource:
    """A task that can be built, but is only when it must be: lm-eval takes seconds to start.

    Attributes:
        name: in the study's tables.
        digest: of its items and settings, so that equal digests mean equal requests.
        make: builds lm-eval's task object.
        ids: the items' names by position, where the snapshot gives them.
        limit: at most this many items, the first ones; None where the items are already chosen.
    """

    name: str
    digest: str
    make: Callable[[], Any]
    ids: tuple[str, ...] | None
    limit: int | None

    @cached_property
    def task(self) -> Any:
        """lm-eval's task object, built once."""
        return self.make()


def find_tasks(
    tasks: Sequence[str],
    *,
    snapshot: str | None,
    limit: int | None,
    store: Store | None,
) -> list[TaskSource]:
    """The tasks in the order asked for; groups of lm-eval become their members.

    Args:
        tasks: names of snapshot tasks; `lm_eval:<name>` for any task of lm-eval, `lm_eval:<name>@<k>` with k
            examples in the prompt.
        snapshot: folder; None takes every task from lm-eval.
        limit: at most this many items per task.
        store: remembers which tasks a name of lm-eval stands for, so that it is not asked again.
    Raises:
        ConfigError: for a name that lm-eval does not know, or a number of examples that is none.
        DataError: for a snapshot that cannot be read, or data that cannot be fetched.
    """
    ours = {task.name: task for task in read_snapshot(snapshot, tasks, limit)} if snapshot else {}
    found: list[TaskSource] = []
    for name in tasks:
        if name in ours:
            found.append(_of_snapshot(ours[name]))
        else:
            found += _of_lm_eval(*parse(name), limit, store)
    return found


def parse(name: str) -> tuple[str, int | None]:
    """lm-eval's name of a task, and how many examples its prompt gets; None for lm-eval's own number.

    Raises:
        ConfigError: when what follows the @ is no number.
    """
    plain, at, shots = name.removeprefix(HUB_PREFIX).partition("@")
    if at and not shots.isdigit():
        raise ConfigError(f"evaluate.tasks: expected lm_eval:<task>@<number of examples>, got {name!r}")
    return plain, int(shots) if at else None


def _of_snapshot(task: SnapshotTask) -> TaskSource:
    ids = tuple(str(item["id"]) for item in task.items)
    return TaskSource(task.name, task.digest, lambda: _configurable(task), ids, None)


def _configurable(task: SnapshotTask) -> Any:
    import datasets
    from lm_eval.api.task import ConfigurableTask

    rows = datasets.Dataset.from_list(list(task.items))
    metrics = ["acc"] if task.kind != "choice" else ["acc", "acc_norm"]
    config: dict[str, Any] = {
        "task": task.name,
        "dataset_path": "snapshot",
        "custom_dataset": lambda **_: {"test": rows},
        "test_split": "test",
        "target_delimiter": " ",
        "output_type": "loglikelihood" if task.kind == "last_word" else "multiple_choice",
        "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in metrics],
        "num_fewshot": 0,
    }
    config |= {
        "choice": {"doc_to_text": "query", "doc_to_choice": "choices", "doc_to_target": "gold"},
        "partial": {"doc_to_text": "gold", "doc_to_choice": "contexts", "doc_to_target": "continuation"},
        # lm-eval puts no delimiter before the target of a loglikelihood task.
        "last_word": {"doc_to_text": "query", "doc_to_target": "{{' ' + continuation}}"},
    }[task.kind]
    if task.kind == "choice" and not any(item["query"] for item in task.items):
        config["target_delimiter"] = ""
    return ConfigurableTask(config=config)


def _of_lm_eval(name: str, limit: int | None, shots: int | None, store: Store | None) -> Iterator[TaskSource]:
    asked = {"name": name, "limit": limit, "fewshot": shots, "lm_eval": version("lm_eval")}
    members = None
    if store is not None:
        index = store.folder("tasks", digest(asked), asked) / "members.json"
        members = read_json(index) if whole(index) else None
    if members is None:
        members = {label: _digest(task, limit, shots) for label, task in _load(name, shots).items()}
        if store is not None:
            write_json(index, members, seal=True)
    for label, key in members.items():
        shown = label if shots is None else f"{label}@{shots}"
        yield TaskSource(shown, key, partial(_member, name, shots, label), None, limit)


def _digest(task: Any, limit: int | None, shots: int | None) -> str:
    parts = [1, task.config.to_dict().get("metadata"), [str(doc) for doc in task.eval_docs]]
    return digest(parts if limit is None and shots is None else [*parts, limit, shots])


@cache
def _load(name: str, shots: int | None) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager, get_task_dict

    try:
        found = dict(flatten(get_task_dict([name], TaskManager())))
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"evaluate.tasks: lm-eval has no task {name!r} ({error}); `lm-eval ls tasks` lists them"
        ) from error
    except (OSError, ConnectionError) as error:
        raise DataError(
            f"evaluate.tasks: the data of {name!r} cannot be fetched ({error}); make a snapshot where there is "
            "a network (`ablate snapshot`) and give evaluate.snapshot=<folder>"
        ) from error
    for task in found.values():
        if shots is not None:
            task.set_config("num_fewshot", shots)
    return found


def _member(name: str, shots: int | None, label: str) -> Any:
    return _load(name, shots)[label]


def flatten(tasks: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Name and task of every member of lm-eval's nested groups."""
    for name, task in tasks.items():
        if isinstance(task, dict):
            yield from flatten(task)
        else:
            yield str(name), task
