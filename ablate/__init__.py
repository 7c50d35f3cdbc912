"""ablate: measure what each stage of a pre-training data-curation pipeline is worth.

Reading results in Python: `open_study`, `compare` and `published`; what they need is imported when they are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ablate.literature.source import Published
    from ablate.opened.study import OpenedStudy

__version__ = "0.1.0"


def open_study(path: str | Path) -> OpenedStudy:
    """Open a study folder, running, finished or imported, or a report's folder with a `study.json`; nothing is written."""
    from ablate.opened.study import open_study

    return open_study(path)


def compare(studies: Sequence[OpenedStudy | str | Path]) -> pd.DataFrame:
    """Set the gains of several studies side by side, and say where sizes must not be compared and why."""
    from ablate.opened.compare import compare

    return compare(studies)


def published(name: str) -> Published:
    """Return a table of published numbers: `.frame`, `.citation`, `.bibtex`."""
    from ablate.literature.source import published

    return published(name)
