"""What a task kind is: which fields an item of a benchmark has in its file, and how a model is asked about it.

However its file is laid out, an item is asked in one of three forms, which `choice`, `partial` and `last_word` make.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypedDict

from ablate.reading.records import Row


class Item(TypedDict, total=False):
    """One question; which fields it has says its form, see `Asked`."""

    id: str
    query: str
    choices: list[str]
    contexts: list[str]
    continuation: str
    gold: int


class Asked(NamedTuple):
    """An item as a model is asked about it.

    Attributes:
        form: "choice", the likeliest of several endings of a query; "partial", the context that makes one ending
            likeliest; "last_word", whether an ending is what the model says next.
        item: `query`, `choices` and `gold` for a choice; `contexts`, `continuation` and `gold` for partial context;
            `query` and `continuation` for the last word.
    """

    form: str
    item: Item


@dataclass(frozen=True, kw_only=True)
class TaskKind(ABC):
    """Reads the items of one layout. Its parameters are its dataclass fields.

    A kind from outside the package is named by `kind.yaml` beside a task's items, as `_target_: my_module.MyKind`;
    `ablate.testing.check_task_kind` holds it to its contract.

    Attributes:
        fields: that an item of this kind has in its file; others may stand beside them.
    """

    fields: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, row: Row) -> Asked:
        """Say how a model is asked about an item.

        Args:
            row: one line of the file, with all of `fields`; it is not to be changed.
        Raises:
            ValueError: for a value that cannot be asked; says which field and what was expected.
        """


def choice(query: Any, choices: Any, gold: Any) -> Asked:
    """Ask which of several endings of a query is likeliest; `gold` is the place of the right one.

    Raises:
        ValueError: for a value of another type, fewer than two choices, or a `gold` beyond them.
    """
    options = a_list("choices", choices)
    return Asked(
        "choice", {"query": a_text("query", query), "choices": options, "gold": a_place(gold, options)}
    )


def partial(contexts: Any, continuation: Any, gold: Any) -> Asked:
    """Ask which of several contexts makes an ending likeliest; `gold` is the place of the right one.

    Raises:
        ValueError: as for `choice`.
    """
    options = a_list("contexts", contexts)
    place = a_place(gold, options)
    ending = a_text("continuation", continuation)
    return Asked("partial", {"contexts": options, "continuation": ending, "gold": place})


def last_word(query: Any, continuation: Any) -> Asked:
    """Ask whether an ending is what the model says next.

    Raises:
        ValueError: for a value that is no text.
    """
    return Asked(
        "last_word",
        {"query": a_text("query", query), "continuation": a_text("continuation", continuation)},
    )


FORMS: Mapping[str, Callable[..., Asked]] = {"choice": choice, "partial": partial, "last_word": last_word}
"""Form -> what makes an item of it."""


def a_text(field: str, value: Any) -> str:
    """Return a value that must be a text: null would be scored as the word None."""
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a text, got {json.dumps(value)[:80]}")
    return value


def a_list(field: str, value: Any) -> list[str]:
    """Return a value that must be a list of two or more texts."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(o, str) and o for o in value):
        raise ValueError(f"{field} must be a list of two or more texts, got {value!r}")
    return value


def a_place(gold: Any, options: list[str]) -> int:
    """Return `gold`, which must be the place of one of the options."""
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(options):
        raise ValueError(f"gold must be 0 .. {len(options) - 1}, got {gold!r}")
    return gold
