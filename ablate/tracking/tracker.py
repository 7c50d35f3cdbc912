"""Trackers: where runs are shown while they train. The study folder never depends on one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import ConfigError
from ablate.extras import not_installed

Scores = Mapping[str, Mapping[str, float]]
MODES = ("online", "offline", "disabled")


class RunTracker(Protocol):
    """Where one run is shown."""

    def log(self, tokens: int, scores: Scores) -> None:
        """Show the scores of a checkpoint.

        Args:
            tokens: that the run has been trained on so far.
            scores: task -> metric -> score.
        """


class Tracker(Protocol):
    """What a `conf/tracker/*.yaml` names; `ablate.testing.check_tracker` holds one to it."""

    def run(
        self, study: str, arm: str, seed: int, config: Mapping[str, object]
    ) -> AbstractContextManager[RunTracker]:
        """Show a run while the block lasts; an error of the block is the run's, and goes on.

        Args:
            config: the arm's, resolved.
        """

    def summary(self, study: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
        """Show the effects of a study.

        Args:
            columns: of the table, in order.
            rows: each has every column, and more.
        """


class _Silent:
    def log(self, tokens: int, scores: Scores) -> None:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class NoTracker:
    """Tells nobody."""

    @contextmanager
    def run(self, study: str, arm: str, seed: int, config: Mapping[str, object]) -> Iterator[RunTracker]:
        """A run that is not tracked."""
        yield _Silent()

    def summary(self, study: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class Wandb:
    """Weights & Biases.

    Attributes:
        project, entity: as wandb knows them.
        mode: online, offline (needs no account; `wandb sync` uploads later) or disabled.
        dir: where it keeps its files.
    """

    project: str = "ablate"
    entity: str | None = None
    mode: str = "online"
    dir: str = "."

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if find_spec("wandb") is None:
            raise ConfigError(not_installed("wandb"))

    @contextmanager
    def run(self, study: str, arm: str, seed: int, config: Mapping[str, object]) -> Iterator[RunTracker]:
        """A wandb run, grouped by study and named by arm and seed; its step is tokens seen."""
        run = self._start(study, f"{arm}-seed{seed}", "run", {**config, "arm": arm, "seed": seed})
        run.define_metric("tokens")
        run.define_metric("*", step_metric="tokens")
        try:
            yield _WandbRun(run)
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish()

    def summary(self, study: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
        """The effects as a table, in a run of its own."""
        import wandb

        run = self._start(study, "effects", "report", {})
        table = wandb.Table(columns=list(columns), data=[[row[name] for name in columns] for row in rows])
        run.log({"effects": table})
        run.finish()

    def _start(self, study: str, name: str, job_type: str, config: Mapping[str, object]) -> Any:
        import wandb

        mode: Any = self.mode
        Path(self.dir).mkdir(parents=True, exist_ok=True)
        return wandb.init(
            project=self.project, entity=self.entity, mode=mode, dir=self.dir, group=study, name=name,
            job_type=job_type, config=dict(config), settings=wandb.Settings(silent=True), reinit="create_new",
        )  # fmt: skip


@dataclass(frozen=True)
class _WandbRun:
    run: Any

    def log(self, tokens: int, scores: Scores) -> None:
        flat = {
            f"{task}/{metric}": value for task, values in scores.items() for metric, value in values.items()
        }
        self.run.log({"tokens": tokens, **flat})
