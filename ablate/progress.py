"""Progress bars on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Iterate with a bar that names the work; no output when standard error is not a terminal."""
    quiet = not sys.stderr.isatty()
    yield from tqdm(items, desc=what, total=total, unit=unit, disable=quiet, leave=False)
