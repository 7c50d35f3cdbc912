"""Trackio: a free tracker that keeps runs in a database on this machine; needs no account and no network."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import redirect_stdout
from contextvars import Context
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError, DataError
from ablate.extras import not_installed
from ablate.tracking.shown import Point, TrackedRun, news
from ablate.tracking.tracker import LIMIT_S

ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")
"""Environment variables that send runs away from this machine, where they could not be found and replaced."""


@dataclass
class _Session:
    run: Any
    last: Point | None


@dataclass(frozen=True, kw_only=True)
class Trackio:
    """Trackio's local store; `trackio show` opens it, `trackio sync` sends it to a Space.

    A run that ended is written whole in the place of what was shown of it while it trained. Trackio has no summary: it
    stands in the configuration, under `summary.`.

    Attributes:
        project: as Trackio knows it.
        limit_s: seconds that one call may take.
    """

    project: str = "ablate"
    limit_s: float = LIMIT_S
    _open: dict[str, _Session] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if find_spec("trackio") is None:
            raise ConfigError(not_installed("trackio"))
        if away := [name for name in ELSEWHERE if os.environ.get(name)]:
            raise ConfigError(
                f"{away[0]} is set, and runs shown elsewhere cannot be told from new ones; unset it, and send the project "
                f"with `trackio sync --project {self.project}` afterwards"
            )

    def show(self, run: TrackedRun) -> None:
        """A run of the project, named by study, arm and seed, in a group of its arm's seeds; its step is tokens seen."""
        with redirect_stdout(io.StringIO()):  # it greets each run
            Context().run(self._show, run)

    def _show(self, run: TrackedRun) -> None:
        session = self._open.pop(run.id, None)
        if not run.ended:
            session = session or _Session(self._start(run), None)
            for point in news(session.last, run.points):
                session.run.log(dict(point.values), step=point.tokens)
            session.last = run.points[-1] if run.points else None
            self._open[run.id] = session
            return
        if session:
            session.run.finish()
        if not self._has(run):
            self._write(run)
            if not self._has(run):
                raise DataError(f"Trackio has not kept all of {run.name}; it says why above")

    def _found(self, run: TrackedRun) -> list[Any]:
        """What the project has under the run's id."""
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        if not SQLiteStorage.get_project_db_path(self.project).exists():
            return []
        return [one for one in trackio.Api().runs(self.project) if (one.config or {}).get("id") == run.id]

    def _has(self, run: TrackedRun) -> bool:
        from trackio.sqlite_storage import SQLiteStorage

        found = self._found(run)
        if [one.config.get("content") for one in found] != [run.content]:
            return False
        kept = SQLiteStorage.get_log_count(self.project, run=found[0].name, run_id=found[0].id)
        return bool(kept == len(self._rows(run)))

    def _rows(self, run: TrackedRun) -> list[tuple[int, dict[str, Any]]]:
        """Step and values of everything that is logged of a run that ended; a run without any would not be there."""
        import trackio

        rows: list[tuple[int, dict[str, Any]]] = [(point.tokens, dict(point.values)) for point in run.points]
        shown: dict[str, Any] = {}
        for table in run.tables:
            shown[table.name] = trackio.Table(
                columns=list(table.columns), data=[list(row) for row in table.rows]
            )
        for file in run.files:
            if file.name.endswith(".html"):
                shown[Path(file.name).stem] = trackio.Html(file.text)
        if shown or not rows:
            rows.append((rows[-1][0] if rows else 0, shown or {"ended": 1}))
        return rows

    def _start(self, run: TrackedRun) -> Any:
        import trackio

        for old in self._found(run):
            old.delete()
        config = {**run.config, "tags": list(run.tags), "notes": run.notes, "kind": run.kind}
        if run.ended:
            config |= {
                "status": run.status,
                **{f"summary.{name}": value for name, value in run.summary.items()},
            }
            config |= {"content": run.content}
        return trackio.init(
            project=self.project,
            name=f"{run.study}/{run.name}",
            group=run.group,
            config={**config, "id": run.id},
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def _write(self, run: TrackedRun) -> None:
        import trackio

        shown = self._start(run)
        for step, values in self._rows(run):
            shown.log(values, step=step)
        with tempfile.TemporaryDirectory() as folder:
            for kind in dict.fromkeys(file.kind for file in run.files):
                artifact = trackio.Artifact(f"{kind}-{run.id}", type=kind)
                for file in run.files:
                    if file.kind == kind:
                        path = Path(folder) / kind / file.name
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_text(file.text, encoding="utf-8")
                        artifact.add_file(path, name=file.name)
                shown.log_artifact(artifact, overwrite=True)
        shown.finish()
