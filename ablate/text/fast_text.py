"""fastText's models as every stage and student reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LABEL = "__label__"
"""What stands before every label."""


def load_model(path: str | Path) -> Any:
    """A model, without fastText's notice of each load.

    Raises:
        ValueError, RuntimeError, MemoryError: for a file that is none, as fastText has them.
    """
    import fasttext

    fasttext.FastText.eprint = lambda *_: None
    return fasttext.load_model(str(path))
