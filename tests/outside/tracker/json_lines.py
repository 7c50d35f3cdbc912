"""A tracker of one's own: a JSON file for each run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ablate.tracking.shown import TrackedRun


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """Writes what is shown of a run over what was shown before.

    Attributes:
        path: of the folder.
    """

    path: str

    def show(self, run: TrackedRun) -> None:
        """Write the run."""
        folder = Path(self.path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{run.id}.json").write_text(json.dumps(asdict(run)) + "\n", encoding="utf-8")
