"""Where tasks come from: a snapshot's files, or lm-eval by name; either way as lm-eval's own task object."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ablate.benchmarks.snapshot import HUB_PREFIX, SnapshotTask, read_snapshot
from ablate.errors import ConfigError
from ablate.evaluate.task_source import TaskSource
from ablate.fingerprint import digest
from ablate.store import Store


def find_tasks(
    tasks: Sequence[str],
    *,
    snapshot: str | None,
    limit: int | None,
    store: Store | None,
    unsafe_code: bool = False,
) -> list[TaskSource]:
    """The tasks in the order asked for; groups of lm-eval become their members.

    Args:
        tasks: names of snapshot tasks; `lm_eval:<name>` for any task of lm-eval, `lm_eval:<name>@<k>` with k
            examples in the prompt.
        snapshot: folder; None takes every task from lm-eval.
        limit: at most this many items per task (of a group, of each member), evenly spread.
        store: remembers what lm-eval's tasks are made of, so that they are not built again.
        unsafe_code: whether tasks may run what a model writes.
    Raises:
        ConfigError: for a name that lm-eval does not know, a number of examples that is none, or a task that
            would run a model's code.
        DataError: for a snapshot that cannot be read, data that cannot be fetched, or a task that cannot be
            asked as it was asked for.
    """
    from ablate.evaluate.lm_eval_source import of_lm_eval

    ours = {task.name: task for task in read_snapshot(snapshot, tasks, limit)} if snapshot else {}
    found: list[TaskSource] = []
    for name in tasks:
        if name in ours:
            found.append(_of_snapshot(ours[name]))
        else:
            plain, examples = parse(name)
            found += of_lm_eval(plain, examples=examples, limit=limit, store=store, unsafe_code=unsafe_code)
    return found


def parse(name: str) -> tuple[str, int | None]:
    """lm-eval's name of a task, and how many examples its prompt gets; None for lm-eval's own number.

    Raises:
        ConfigError: when what follows the @ is no number.
    """
    plain, at, examples = name.removeprefix(HUB_PREFIX).partition("@")
    if at and not (examples.isascii() and examples.isdigit()):
        raise ConfigError(f"evaluate.tasks: expected lm_eval:<task>@<number of examples>, got {name!r}")
    return plain, int(examples) if at else None


def _of_snapshot(task: SnapshotTask) -> TaskSource:
    return TaskSource(
        name=task.name,
        digest=digest([task.digest, version("lm_eval")]),
        make=lambda: _configurable(task),
        ids=tuple(str(item["id"]) for item in task.items),
        sizes=tuple(task.longest(item) for item in task.items),
    )


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
