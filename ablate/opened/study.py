"""One study, opened for reading: frames, tables and figures; nothing in its folder is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ablate.errors import DataError, nearest
from ablate.summary import frames
from ablate.summary.model import FILE, Summary, read_summary
from ablate.summary.state import state_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ablate.tables.model import Table


@dataclass(frozen=True, eq=False)
class OpenedStudy:
    """A study, as `ablate.open_study` returns it.

    Every method returns a new pandas frame; `ablate.summary.frames.COLUMNS` says what each column is and in which unit.
    Scores and effects are in the metric's own units; columns that begin with `turned` are turned so that plus is better.

    Attributes:
        folder: where it was read.
        summary: all that is in its `study.json`.
    """

    folder: Path
    summary: Summary

    def __repr__(self) -> str:
        head = self.summary.head
        done = self.summary.runs["status"].count("done")
        return f"<study {head.name!r}: {len(self.arms)} arms, {len(head.seeds)} seeds, {done} runs done, {head.primary}>"

    @property
    def name(self) -> str:
        """Return what the study is called."""
        return self.summary.head.name

    @property
    def arms(self) -> list[str]:
        """Return the names of the arms, in the plan's order."""
        return list(self.summary.arms["arm"])

    @property
    def seeds(self) -> list[int]:
        """Return the seeds, in the order in which they were planned."""
        return list(self.summary.head.seeds)

    @property
    def tasks(self) -> list[str]:
        """Return the names of the tasks, without the aggregate."""
        return list(dict.fromkeys(self.summary.metrics["task"]))

    @property
    def primary(self) -> str:
        """Return the name of the headline's metric."""
        return self.summary.head.primary

    @property
    def missing(self) -> pd.DataFrame:
        """Return the planned runs without a record: arm, seed, status, why."""
        return frames.missing(self.summary)

    def runs(self) -> pd.DataFrame:
        """Return one row per planned run, arms in order, then seeds."""
        return frames.runs(self.summary)

    def scores(self, task: str | None = None, *, metric: str | None = None) -> pd.DataFrame:
        """Return the score of every run at the end of its training; task "aggregate" for the mean over tasks."""
        return frames.scores(self.summary, task, metric=metric)

    def curves(self, task: str | None = None, *, metric: str | None = None) -> pd.DataFrame:
        """Return the score of every run at every point of its curve; what `scores.csv` holds."""
        return frames.curves(self.summary, task, metric=metric)

    def effects(
        self, estimand: str | None = None, *, task: str | None = None, metric: str | None = None
    ) -> pd.DataFrame:
        """Return what each stage is worth, with interval, p-values and verdict; what `effects.csv` holds, and more."""
        return frames.effects(self.summary, estimand, task=task, metric=metric)

    def pairs(
        self, stage: str | None = None, *, task: str | None = None, metric: str | None = None
    ) -> pd.DataFrame:
        """Return the differences behind each gain, seed by seed; the headline's task and metric where none is named."""
        return frames.pairs(self.summary, stage, task=task, metric=metric)

    def funnel(self, arm: str | None = None) -> pd.DataFrame:
        """Return documents, bytes and tokens left after each stage, and the share of documents that it kept."""
        return frames.funnel(self.summary, arm)

    def dropped(self, arm: str | None = None, *, stage: str | None = None) -> pd.DataFrame:
        """Return why documents went, and what was found in texts, with counts."""
        return frames.dropped(self.summary, arm, stage=stage)

    def dropped_texts(self, stage: str | None = None) -> pd.DataFrame:
        """Return some of the texts that each stage dropped, with the reason."""
        return frames.dropped_texts(self.summary, stage=stage)

    def screening(self) -> pd.DataFrame:
        """Return which tasks can be believed at this scale."""
        return frames.screening(self.summary)

    def noise(self) -> pd.DataFrame:
        """Return the spread between seeds beside the spread between arms."""
        return frames.noise(self.summary)

    def decisions(self) -> pd.DataFrame:
        """Return whether a smaller budget would have decided the same."""
        return frames.decisions(self.summary)

    def leaks(self) -> pd.DataFrame:
        """Return scores on items that a corpus gives away, and on the others."""
        return frames.leaks(self.summary)

    def cost(self) -> pd.DataFrame:
        """Return what each run took on the machine it ran on."""
        return frames.cost(self.summary)

    def items(self, task: str, metric: str | None = None) -> pd.DataFrame:
        """Return the score of every test item in every run: arm, seed, item, score. Only from the study's own folder.

        Args:
            task: whose items.
            metric: None for the primary.
        Raises:
            DataError: for an unknown task or metric, or where items were not kept or are not here.
        """
        metric = metric or self.primary
        known = dict.fromkeys(zip(self.summary.metrics["task"], self.summary.metrics["metric"], strict=True))
        if (task, metric) not in known:
            raise DataError(
                f"{self.name} has no {metric} of {task!r}: {nearest(task, [name for name, _ in known])}"
            )
        parts = []
        runs = self.runs()
        for row in runs.itertuples() if "folder" in runs else ():
            path = self.folder / row.folder / "items.parquet"
            if row.status == "done" and path.exists():
                found = pd.read_parquet(path)
                found = found[(found["task"].astype(str) == task) & (found["metric"].astype(str) == metric)]
                parts.append(
                    pd.DataFrame(
                        {
                            "arm": row.arm,
                            "seed": row.seed,
                            "item": found["item"].to_numpy(),
                            "score": found["value"].to_numpy(),
                        }
                    )
                )
        if not parts:
            raise DataError(
                f"{self.folder} holds no items: they lie in the folder of the study, runs/<arm>/seed-<n>/items.parquet, where "
                "runs kept them, and are no part of a report"
            )
        return pd.concat(parts, ignore_index=True)

    def dashboard(self, path: str | Path, *others: OpenedStudy) -> Path:
        """Write the page, one HTML file that asks no network, and return its path; other studies stand beside this one."""
        from ablate.page.build import page
        from ablate.store import write_text
        from ablate.tables.copies import with_copies

        write_text(Path(path), page([with_copies(study.summary) for study in (self, *others)]))
        return Path(path)

    def table(
        self,
        kind: str,
        format: str | None = None,
        *,
        metric: str | None = None,
        tasks: Sequence[str] = (),
        estimand: str | None = None,
        bold: str = "group",
        published: str | None = None,
    ) -> Table | str:
        """Make a table for a paper.

        Args:
            kind: arms, gains, stages, design, tasks, noise or beside.
            format: latex, latex_siunitx, markdown, html, typst or csv; None for the table itself.
            metric, tasks, estimand: what it shows; the headline where none is named.
            bold: "group" for the best and every arm not told from it, "best", "none".
            published: a table of published numbers to set beside, see `ablate.published`.
        """
        from ablate.tables.asked import Asked
        from ablate.tables.formats import writer
        from ablate.tables.kinds import make_table

        asked = Asked(metric=metric, tasks=tuple(tasks), estimand=estimand, bold=bold, published=published)
        made = make_table(kind, self.summary, asked)
        return made if format is None else writer(format)(made)

    def figure(self, kind: str = "gains", **chosen: Any) -> Figure:
        """Draw a figure: "gains" (estimand, task, metric) or "curves" (task, metric); returns matplotlib's."""
        from ablate.opened import figures

        drawings: dict[str, Callable[..., Figure]] = {"gains": figures.gains, "curves": figures.curves}
        if kind not in drawings:
            raise DataError(f"no figure {kind!r}: {nearest(kind, drawings)}")
        return drawings[kind](self.summary, **chosen)


def open_study(path: str | Path) -> OpenedStudy:
    """Open a study folder, running or finished, an imported one, or a report's folder with a `study.json`.

    A study folder whose `study.json` says what its records say is read in milliseconds; where records came after it,
    effects are computed anew, in memory, which takes seconds and all of ablate. Nothing is written.

    Raises:
        DataError: where there is no study, or it is damaged or of another version.
    """
    folder = Path(path)
    if folder.name == FILE and folder.is_file():
        return OpenedStudy(folder.parent, read_summary(folder))
    planned, told = (folder / "plan.json").exists(), (folder / FILE).exists()
    if not planned and not told:
        raise DataError(
            f"{folder} holds no study: neither {FILE} (of `ablate report`) nor plan.json (of `ablate plan`)"
        )
    if not planned:
        return OpenedStudy(folder, read_summary(folder))
    if told:
        try:
            summary = read_summary(folder)
        except DataError:  # of another version, and the records are here
            summary = None
        if summary is not None and summary.head.records == state_of(folder):
            return OpenedStudy(folder, summary)
    return OpenedStudy(folder, _anew(folder))


def _anew(folder: Path) -> Summary:
    from ablate.report.effects_table import effects_table
    from ablate.report.summary import summarise
    from ablate.study.results import load_study

    study = load_study(folder)
    return summarise(study, effects_table(study))
