"""A task as an evaluation finds it: named by its content, and built only when it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskSource:
    """A task that can be built, but is only when it must be: lm-eval takes seconds to start.

    Attributes:
        name: in the study's tables.
        digest: of what is asked and how it is scored, so that equal digests mean equal scores of a model.
        make: builds lm-eval's task object.
        ids: the items' names by position, where the snapshot gives them.
        limit: at most this many items, evenly spread; None where the items are already chosen.
        sizes: UTF-8 bytes of each item's longest prompt and ending; empty for a task that scores whole texts.
    """

    name: str
    digest: str
    make: Callable[[], Any]
    ids: tuple[str, ...] | None = None
    limit: int | None = None
    sizes: tuple[int, ...] = ()

    @cached_property
    def task(self) -> Any:
        """lm-eval's task object, built once."""
        return self.make()
