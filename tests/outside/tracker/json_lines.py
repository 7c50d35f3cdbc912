"""A tracker of one's own: a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ablate.tracking.tracker import RunTracker, Scores


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """Appends a line for each checkpoint, and one for the effects.

    Attributes:
        path: of the file.
    """

    path: str

    @contextmanager
    def run(self, study: str, arm: str, seed: int, config: Mapping[str, object]) -> Iterator[RunTracker]:
        """Show a run."""
        yield _Run(Path(self.path), {"study": study, "arm": arm, "seed": seed})

    def summary(self, study: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
        """Show the effects."""
        _write(
            Path(self.path),
            {"study": study, "effects": [{name: row[name] for name in columns} for row in rows]},
        )


@dataclass(frozen=True)
class _Run:
    path: Path
    names: dict[str, object]

    def log(self, tokens: int, scores: Scores) -> None:
        _write(
            self.path,
            {**self.names, "tokens": tokens, "scores": {task: dict(own) for task, own in scores.items()}},
        )


def _write(path: Path, line: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
