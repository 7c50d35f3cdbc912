"""lm-eval's requests of a task as it makes them, and what was really made: which items, how many examples.

A number of examples in a configuration is a wish: a task may have a prompt of its own, too few examples, or none
in its requests at all. So each prompt is read: an example counts when its text stands in what the model is asked.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

from ablate.benchmarks.snapshot import evenly
from ablate.errors import AblateError, DataError
from ablate.evaluate.task_source import TaskSource

FEWSHOT_SEED = 1234
"""Of the examples in a prompt: what `lm_eval.simple_evaluate` uses."""


@dataclass(frozen=True, eq=False)
class Built:
    """The requests of a task.

    Attributes:
        documents: instances of each item, in order; lm-eval's.
        ids: the items' names, as many as documents.
        examples: in every prompt.
    """

    documents: list[list[Any]]
    ids: tuple[str, ...]
    examples: int

    @property
    def instances(self) -> list[Any]:
        """All of them, an item's together."""
        return [instance for own in self.documents for instance in own]


def build(source: TaskSource) -> Built:
    """Let lm-eval make the requests of a task, and read back what it made.

    Raises:
        DataError: when it cannot, an item lacks what its prompt asks for, or what was made is not what was asked.
    """
    task = source.task
    if getattr(task, "MULTIMODAL", False):
        raise DataError(
            f"evaluate.tasks: {source.name!r} asks about images or sounds; only text is supported"
        )
    chosen = evenly(len(task.eval_docs), source.limit)
    task.set_fewshot_seed(FEWSHOT_SEED)
    turns: list[list[str]] = []
    try:
        with _listening(task, turns), _nulls_refused(), redirect_stderr(io.StringIO()):  # its progress bar
            # A set, for lm-eval looks each item up in it; without one it takes them all.
            samples = None if len(chosen) == len(task.eval_docs) else set(chosen)
            task.build_all_requests(samples=samples, rank=0, world_size=1)
    except Exception as error:
        where = f", item {chosen[len(turns) - 1]}" if turns else ""
        raise DataError(
            f"evaluate.tasks: {source.name!r} cannot be asked{where}: {_said(error)}. Mend its data, ask it with "
            "another number of examples (lm_eval:<task>@<number>), or leave it out"
        ) from error
    grouped: dict[int, list[Any]] = {}
    for instance in task.instances:
        grouped.setdefault(instance.doc_id, []).append(instance)
    documents = [sorted(own, key=lambda instance: instance.idx) for own in grouped.values()]
    if len(documents) != len(chosen):
        raise DataError(
            f"evaluate.tasks: {source.name!r} has {len(documents)} items where {len(chosen)} were asked for; its own "
            "code leaves some out. Leave it out of evaluate.tasks"
        )
    for number, own in zip(chosen, documents, strict=True):
        _check_texts(source.name, number, own)
    names = source.ids or tuple(map(str, range(len(task.eval_docs))))
    found = [_examples_in(own[0], said) for own, said in zip(documents, turns, strict=True)]
    asked = task.config.num_fewshot or 0
    if wrong := [count for count in found if count != asked]:
        raise DataError(
            f"evaluate.tasks: {source.name!r} is asked for {asked} examples, and {len(wrong)} of its {len(found)} "
            f"prompts have another number ({min(wrong)} to {max(wrong)}): its requests do not hold them. Ask it "
            "without (lm_eval:<task>@0), or leave it out"
        )
    return Built(documents, tuple(names[number] for number in chosen), asked)


def sizes_of(built: Built) -> list[int]:
    """UTF-8 bytes of each item's longest prompt, its ending included; none for a task that scores whole texts."""
    if any(instance.request_type == "loglikelihood_rolling" for instance in built.instances):
        return []
    return [max(map(_size, own)) for own in built.documents]


def _size(instance: Any) -> int:
    ending = instance.args[1] if instance.request_type == "loglikelihood" else ""
    return len(f"{instance.args[0]}{ending}".encode(errors="replace"))


@contextmanager
def _listening(task: Any, turns: list[list[str]]) -> Iterator[None]:
    """Note the text of each example that is put before each item, and mend what lm-eval lets pass.

    An item is never its own example, and a choice is a text: lm-eval would write null as the word None.
    """
    context = task.fewshot_context
    sample: Any = getattr(getattr(task, "sampler", None), "sample", None)
    turn: Any = getattr(task, "build_qa_turn", None)
    choices: Any = getattr(task, "doc_to_choice", None)
    item: list[Any] = [None]

    def listened(doc: Any, *args: Any, **options: Any) -> Any:
        item[0] = doc
        turns.append([])
        return context(doc, *args, **options)

    def noted(**options: Any) -> Any:
        messages = turn(**options)
        if options.get("a") is not None:
            turns[-1].append("".join(message.to_text() for message in messages))
        return messages

    def others(n: int, eval_doc: Any = None, **options: Any) -> Any:
        # lm-eval leaves the item out where the task says that examples are of the evaluated split, and draws
        # from that split also where the task says nothing.
        found = sample(n=n, eval_doc=eval_doc, **options)
        return sample(n=n, eval_doc=item[0], **options) if any(doc == item[0] for doc in found) else found

    def texts(*args: Any, **options: Any) -> Any:
        found = choices(*args, **options)
        for choice in found:
            if not isinstance(choice, str):
                raise ValueError(f"expected texts to choose from, got {type(choice).__name__} ({choice!r})")
        return found

    own: dict[str, tuple[Any, Any]] = {"fewshot_context": (task, listened)}
    own |= {"build_qa_turn": (task, noted)} if turn else {}
    own |= {"doc_to_choice": (task, texts)} if choices else {}
    own |= {"sample": (task.sampler, others)} if sample else {}
    with ExitStack() as stack:
        for name, (holder, replaced) in own.items():
            stack.callback(setattr, holder, name, getattr(holder, name))
            setattr(holder, name, replaced)
        yield


@contextmanager
def _nulls_refused() -> Iterator[None]:
    """Have lm-eval's templates raise for a field that is null, which they would write as the word None."""
    from lm_eval import utils

    def finalize(value: Any) -> Any:
        if value is None:
            raise ValueError("a field of its prompt is null")
        return value

    before = utils.env.finalize
    utils.env.finalize = finalize
    try:
        yield
    finally:
        utils.env.finalize = before


def _check_texts(name: str, number: int, own: list[Any]) -> None:
    """Every text that is asked or scored must be one."""
    for instance in own:
        for text in instance.args[: 2 if instance.request_type == "loglikelihood" else 1]:
            if not isinstance(text, str):
                raise DataError(
                    f"evaluate.tasks: {name!r}, item {number}: expected a text to ask or score, got "
                    f"{type(text).__name__} ({str(text)[:40]!r})"
                )


def _examples_in(instance: Any, turns: list[str]) -> int:
    """Examples whose text stands in the prompt; a request without a prompt holds none."""
    if len(instance.args) < 2 or not isinstance(instance.args[0], str):
        return 0
    return sum(text in instance.args[0] for text in turns)


def _said(error: BaseException) -> str:
    """One line of an error."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, AblateError) or not text else f"{type(error).__name__}: {text}"
