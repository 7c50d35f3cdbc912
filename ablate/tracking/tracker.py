"""Trackers: where runs are shown. They are mirrors of the study folder, which never depends on one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import ConfigError
from ablate.extras import not_installed
from ablate.tracking.shown import FAILED, Point, TrackedRun, news, shortened

MODES = ("online", "offline", "disabled")
LIMIT_S = 60.0
"""Seconds that a tracker may take for one call, where it names no `limit_s`."""
SHOWN = "ablate.json"
"""In the folder of a wandb run that ended: what it was shown."""
_IN_THIS_PROCESS: dict[str, Any] = {}
"""Id -> wandb run that is open in this process, whichever tracker began it: wandb refuses to begin one twice."""


class Tracker(Protocol):
    """What a `conf/tracker/*.yaml` names; `ablate.testing.check_tracker` holds one to it.

    A tracker may have an attribute `limit_s`: seconds that one call may take before it is given up.
    """

    def show(self, run: TrackedRun) -> None:
        """Make what is shown under `run.id` this run, whatever was shown under it before.

        A run that trains is shown again and again, with more points each time; one that ended, once more, whole, also in
        another process and long after. Showing the same again changes nothing.
        """


@dataclass(frozen=True, kw_only=True)
class NoTracker:
    """Tells nobody."""

    def show(self, run: TrackedRun) -> None:
        """Nothing."""


@dataclass
class _Session:
    """A wandb run that is open in this process, and the last point that it was given."""

    run: Any
    last: Point | None


@dataclass(frozen=True, kw_only=True)
class Wandb:
    """Weights & Biases.

    Offline, a run that was begun and not ended is removed and written anew, since two folders with one id would be uploaded
    as one run twice over. Online, wandb's own resuming goes on behind the last step that it has.

    Attributes:
        project, entity: as wandb knows them.
        mode: online, offline (needs no account; `wandb sync` uploads later) or disabled.
        dir: where it keeps its files.
        limit_s: seconds that one call may take.
    """

    project: str = "ablate"
    entity: str | None = None
    mode: str = "online"
    dir: str = "."
    limit_s: float = LIMIT_S
    _open: dict[str, _Session] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if find_spec("wandb") is None:
            raise ConfigError(not_installed("wandb"))

    def show(self, run: TrackedRun) -> None:
        """A wandb run with the run's own id, in a group of its arm's seeds; its step is tokens seen."""
        if self.mode == "disabled" or (run.ended and self._has(run)):
            return
        session = self._open.get(run.id)
        if session is None:
            session = self._open[run.id] = _Session(self._start(run), None)
        shown, first = session.run, int(session.run.starting_step)
        for point in news(session.last, run.points):
            if point.tokens >= first:  # behind what was uploaded before
                shown.log({"tokens": point.tokens, **point.values}, step=point.tokens)
        session.last = run.points[-1] if run.points else None
        if run.ended:
            del self._open[run.id]
            self._end(shown, run)

    def _folders(self, run: TrackedRun) -> list[Path]:
        return sorted(Path(self.dir).glob(f"wandb/*run-*-{run.id}"))

    def _has(self, run: TrackedRun) -> bool:
        for folder in self._folders(run):
            try:
                if json.loads((folder / SHOWN).read_text(encoding="utf-8"))["content"] == run.content:
                    return True
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return False

    def _start(self, run: TrackedRun) -> Any:
        import wandb

        if (left := _IN_THIS_PROCESS.pop(run.id, None)) is not None:  # of a tracker that was given up
            left.finish(exit_code=1)
        if self.mode == "offline":
            for folder in self._folders(run):
                shutil.rmtree(folder)
        mode: Any = self.mode
        Path(self.dir).mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(silent=True, init_timeout=self.limit_s, finish_timeout=self.limit_s)
        shown = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=mode,
            dir=self.dir,
            id=run.id,
            group=shortened(run.group, 128),
            name=shortened(run.name, 128),
            job_type=run.kind,
            tags=[shortened(tag, 64) for tag in run.tags if tag],
            notes=run.notes,
            config=dict(run.config),
            settings=settings,
            reinit="create_new",
            resume="allow" if self.mode == "online" else None,
            save_code=False,
        )
        _IN_THIS_PROCESS[run.id] = shown
        shown.define_metric("tokens", hidden=True)
        shown.define_metric("*", step_metric="tokens")
        shown.define_metric("train/loss", step_metric="tokens", summary="min")
        return shown

    def _end(self, shown: Any, run: TrackedRun) -> None:
        import wandb

        shown.config.update(dict(run.config), allow_val_change=True)
        shown.summary.update({"status": run.status, **run.summary})
        for table in run.tables:
            rows = [list(row) for row in table.rows]
            shown.log(
                {table.name: wandb.Table(columns=list(table.columns), data=rows, allow_mixed_types=True)}
            )
        for kind in dict.fromkeys(file.kind for file in run.files):
            artifact = wandb.Artifact(f"{kind}-{run.id}", type=kind)
            for file in run.files:
                if file.kind == kind:
                    with artifact.new_file(file.name, encoding="utf-8") as made:
                        made.write(file.text)
            shown.log_artifact(artifact)
        for file in run.files:
            if file.name.endswith(".html"):
                shown.log({Path(file.name).stem: wandb.Html(file.text, inject=False)})
        folder = Path(shown.dir).parent
        shown.finish(exit_code=int(run.status == FAILED))
        _IN_THIS_PROCESS.pop(run.id, None)
        (folder / SHOWN).write_text(json.dumps({"content": run.content}) + "\n", encoding="utf-8")
