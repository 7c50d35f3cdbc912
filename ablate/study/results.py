"""A study as its folder tells it: plan, records, what is missing; nothing else is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from ablate.corpus.shard import Shard
from ablate.design.base import ContrastSpec, weight_matrix
from ablate.effects.aggregate import aggregate
from ablate.effects.detectable import Looks
from ablate.effects.screening import LAST, Screening, screen
from ablate.errors import DataError
from ablate.estimand.base import NotIdentified, averages
from ablate.render.funnel import FunnelRow
from ablate.store import check, read_json, read_table
from ablate.study.chance import Chance, Draw, chance_of, draw_of, draws_documents
from ablate.study.interim_looks import State, states
from ablate.study.journal import AT_ITS_WORD, Standing, gain_key, read_journal, single_claims, standing
from ablate.study.pairing import shares_seeds
from ablate.study.plan import contrasts_asked, load_plan, run_folder
from ablate.study.record import Record, TaskInfo, read_record
from ablate.study.schema import UNPAIRED, Plan

HELDOUT = "heldout"
NOT_RUN = "not run"
"""Why a run has no record, where nothing has tried it yet."""
GIVEN_UP = "given up"
"""How the reason begins why a run has no record that was waiting when its study was cut short."""
AGGREGATE = "aggregate"


@dataclass(frozen=True, eq=False)
class Study:
    """A study folder.

    Attributes:
        folder: where it lies.
        plan: `plan.json`.
        records: (arm, seed) -> `record.json` of every finished run.
        failed: (arm, seed) -> one line of why, for every run that has none.
        further: contrasts asked for when reporting, beside those that the plan claims.
        history: what the journal of plans leaves of the plan: order of the seeds, looks, claims.
    """

    folder: Path
    plan: Plan
    records: Mapping[tuple[str, int], Record]
    failed: Mapping[tuple[str, int], str]
    further: Sequence[ContrastSpec] = ()
    history: Standing = AT_ITS_WORD
    _items: dict[tuple[str, int], dict[tuple[str, str], np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def arms(self) -> list[str]:
        """Names, in the plan's order."""
        return list(self.plan.arms)

    @property
    def seeds(self) -> list[int]:
        """In the order in which they were first planned."""
        return list(self.history.seeds or self.plan.seeds)

    @cached_property
    def contrasts(self) -> list[ContrastSpec]:
        """What is reported: the plan's claims, then what was asked for beside them."""
        return [*self.claims, *self.further]

    @cached_property
    def claims(self) -> list[ContrastSpec]:
        """The plan's contrasts, those of an averaging estimand without the arms that have no run at all.

        An average over arms can do with fewer of them as long as they still determine it; a difference
        between two arms cannot.
        """
        planned = list(self.plan.contrasts)
        gone = [arm for arm in self.arms if self.first_record(arm) is None]
        affected = {c.estimand for c in planned if any(c.weights.get(arm) for arm in gone)}
        for estimand in sorted(filter(averages, affected)):
            try:
                left = contrasts_asked(self.plan, [estimand], without=gone)
            except NotIdentified:
                continue
            there = {(spec.factor, spec.level, spec.versus): spec for spec in left}
            planned = [
                there.get((c.factor, c.level, c.versus), c) if c.estimand == estimand else c for c in planned
            ]
        return planned

    @cached_property
    def weights(self) -> np.ndarray:
        """Of `contrasts` over the arms, shape (n_contrasts, n_arms)."""
        return weight_matrix(self.contrasts, self.arms)

    @property
    def waiting(self) -> list[tuple[str, int]]:
        """Planned runs that nothing has tried yet; of a sequential study, which may do without them, none."""
        return [run for run, why in self.failed.items() if why == NOT_RUN]

    @property
    def primary(self) -> str:
        """The headline's metric."""
        return self.plan.metrics.primary

    @cached_property
    def tasks(self) -> dict[str, TaskInfo]:
        """Task -> what the records say of it."""
        first = next(iter(self.records.values()), None)
        return dict(first.tasks) if first else {}

    @cached_property
    def metrics(self) -> dict[str, bool]:
        """Metric -> whether higher is better, over all tasks."""
        found: dict[str, bool] = {}
        for task in self.tasks.values():
            found |= task.higher_is_better
        return dict(sorted(found.items()))

    @property
    def aggregate(self) -> str | list[str]:
        """What the aggregate is made of, as asked: "all", "screened" or named tasks."""
        asked = self.plan.metrics.aggregate
        return "all" if asked is None else asked if isinstance(asked, str) else list(asked)

    @property
    def candidates(self) -> list[str]:
        """Tasks that the aggregate may take: the named ones, else all but the held-out text."""
        if isinstance(self.aggregate, list):
            return self.aggregate
        return [task for task in self.tasks if task != HELDOUT]

    @property
    def curated(self) -> bool:
        """Whether the corpora are known; not so for results that were imported."""
        return any(record.corpus is not None for record in self.records.values())

    def has(self, task: str, metric: str) -> bool:
        """Tell whether the records have this metric of this task."""
        return task in self.tasks and metric in self.tasks[task].higher_is_better

    def aggregated(self, metric: str) -> list[str]:
        """Return tasks in the aggregate of a metric."""
        found = [task for task in self.candidates if self.has(task, metric)]
        if self.aggregate == "screened":
            found = [task for task in found if not self.screened[task, metric].failed]
        return found

    @property
    def headline_tasks(self) -> list[str]:
        """Tasks in the primary aggregate; the first task with the primary metric where there is no aggregate."""
        measured = (task for task, info in self.tasks.items() if self.primary in info.higher_is_better)
        return self.aggregated(self.primary) or list(islice(measured, 1))

    def chances(self, tasks: Sequence[str], metric: str) -> list[float] | None:
        """Score of a guess on each task; None where one has none."""
        levels = [self.tasks[task].chance.get(metric) for task in tasks]
        known = [float(level) for level in levels if level is not None]
        return known if len(known) == len(levels) else None

    @cached_property
    def claimed(self) -> set[str]:
        """Tasks, the aggregate among them, whose planned gains in the primary metric are claims.

        None where no task passed the screening that was asked for, or tasks were chosen by whether arms differ in them.
        """
        members = self.aggregated(self.primary)
        if self.aggregate == "screened" and (not members or self.chosen_by_signal):
            return set()
        if members:
            return {AGGREGATE, *members}
        return {task for task, info in self.tasks.items() if self.primary in info.higher_is_better}

    def claims_gain(self, number: int) -> bool:
        """Tell whether contrast `number` was planned before any run was seen, under the headline that stands."""
        if number >= len(self.plan.contrasts) or self.history.changed:
            return False
        planned = self.history.gains
        return planned is None or gain_key(self.contrasts[number]) in planned

    @cached_property
    def chosen_by_signal(self) -> bool:
        """Whether the aggregate's tasks were chosen by whether arms differ in them, as without a chance level they are.

        Testing the same differences afterwards would find something in 10 to 16 % of studies without any effect, where one arm is
        noisier than the others (five to ten tasks, simulated).
        """
        if self.aggregate != "screened":
            return False
        return any(
            self.tasks[task].chance.get(self.primary) is None for task in self.aggregated(self.primary)
        )

    @cached_property
    def single_claims(self) -> frozenset[tuple[str, str]]:
        """(task, stage) of gains on single tasks that were claimed before any run, beside those on the aggregate.

        Not those on the only task of the aggregate, which is that task on another scale.
        """
        named = self.history.single
        named = single_claims(self.plan.metrics) if named is None else named
        members = self.aggregated(self.primary)
        return frozenset(claim for claim in named if members != [claim[0]])

    @cached_property
    def looks(self) -> Looks | None:
        """How often results were looked at, by plan or because seeds were added; None for once."""
        rule = self.plan.sequential
        if rule is not None:
            return Looks(rule.looks, rule.spending)
        return Looks(self.history.looks, "pocock") if len(self.history.looks) > 1 else None

    @cached_property
    def shares_seeds(self) -> bool:
        """Whether any two arms have runs under one seed."""
        return shares_seeds(self.plan)

    def method(self, weights: Mapping[str, float]) -> str:
        """Return how a contrast is estimated, see `effects.contrast.estimate_contrasts`: as planned, if the plan says unpaired.

        Under shared seeds that is for a difference between two arms: in an average over more, what a seed does to a stage
        would be left out. Where a seed draws documents it is expected to, so averages are paired.
        """
        two = sum(map(bool, weights.values())) == 2
        if not two and draws_documents(self.plan):
            return "paired"
        planned = self.plan.pairing == UNPAIRED
        return "unpaired" if planned and (two or not self.shares_seeds) else "auto"

    @property
    def average_last(self) -> int:
        """Checkpoints that a run's score is the mean of."""
        return self.plan.metrics.average_last or 1

    @cached_property
    def points(self) -> int:
        """Points of a curve: the number that most runs have."""
        counts = [len(record.curve) for record in self.records.values()]
        return max(set(counts), key=lambda count: (counts.count(count), count), default=0)

    def curves(self, task: str, metric: str) -> np.ndarray:
        """Return scores of shape (n_points, n_arms, n_seeds), by position; NaN for a run that is missing or has other points."""
        table = np.full((self.points, len(self.arms), len(self.seeds)), np.nan)
        for (arm, seed), record in self.records.items():
            values = [point.scores.get(task, {}).get(metric) for point in record.curve]
            if len(values) == self.points and None not in values:
                table[:, self.arms.index(arm), self.seeds.index(seed)] = values
        return table

    @cached_property
    def screened(self) -> dict[tuple[str, str], Screening]:
        """(task, metric) -> what its curves say about whether it can be believed."""
        found = {}
        having = Counter(metric for info in self.tasks.values() for metric in info.higher_is_better)
        for task, info in self.tasks.items():
            for metric, better in info.higher_is_better.items():
                curves = self.curves(task, metric)[:, self.ranked]
                chance = info.chance.get(metric)
                if len(curves):
                    found[task, metric] = screen(
                        curves, higher_is_better=better, chance=chance, tests=having[metric]
                    )
        return found

    def checkpoint_sd(self, task: str, metric: str) -> float:
        """Return the standard deviation of a run's score over its last checkpoints, mean over runs; NaN without two."""
        tail = self.curves(task, metric)[:, self.distinct][-min(LAST, self.points // 2) or self.points :]
        if not len(tail):
            return math.nan
        runs = tail.reshape(len(tail), -1)
        runs = runs[:, np.isfinite(runs).all(axis=0)]
        return float(runs.std(axis=0, ddof=1).mean()) if len(runs) > 1 and runs.size else math.nan

    def first_record(self, arm: str) -> Record | None:
        """Return the arm's record under its first finished seed."""
        return next((self.records[arm, seed] for seed in self.seeds if (arm, seed) in self.records), None)

    @cached_property
    def chance(self) -> Chance | None:
        """What the seeds vary and what is the same in all runs; None where that is not known."""
        return chance_of(self.plan)

    def draws(self, arm: str) -> dict[Draw, Record]:
        """Map what seeds decided before training to the arm's first record with it; one where all share a corpus."""
        found: dict[Draw, Record] = {}
        for seed in self.seeds:
            if (arm, seed) in self.records:
                found.setdefault(draw_of(self.plan.arms[arm], seed), self.records[arm, seed])
        return found

    def corpora(self, arm: str) -> list[Record]:
        """Return the arm's first record with each corpus that its seeds have; one where they share it, as most arms do."""
        found: dict[str, Record] = {}
        for seed in self.seeds:
            record = self.records.get((arm, seed))
            if record and record.corpus:
                found.setdefault(record.corpus.key, record)
        return list(found.values())

    def funnel(self, arm: str) -> list[FunnelRow] | None:
        """Return documents, bytes and tokens after each stage of an arm, of all its shards together; None without a record."""
        shards: dict[Shard | None, Record] = {}
        for draw, record in self.draws(arm).items():
            shards.setdefault(draw.shard, record)
        funnels = [record.corpus.funnel for record in shards.values() if record.corpus]
        if len(funnels) < 2:
            return list(funnels[0]) if funnels else None
        lines: list[FunnelRow] = []
        for parts in zip(*funnels, strict=True):
            rows: tuple[FunnelRow, ...] = parts
            joined: FunnelRow = {
                **rows[0],
                "documents": sum(row["documents"] for row in rows),
                "bytes": sum(row["bytes"] for row in rows),
                "tokens": _sum([row["tokens"] for row in rows]),
                "dropped": _counts([row["dropped"] for row in rows]),
                "changed": sum(row["changed"] for row in rows),
                "found": _counts([row["found"] for row in rows]),
            }
            lines.append(joined)
        return lines

    def scores(self, task: str, metric: str, point: int | None = None) -> np.ndarray:
        """Return scores of shape (n_arms, n_seeds); NaN for a missing run.

        Args:
            task, metric: which score.
            point: tokens seen, for a point of the curve; None for the end, where the score is the mean over
                the last `average_last` points.
        """
        table = np.full((len(self.arms), len(self.seeds)), np.nan)
        for (arm, seed), record in self.records.items():
            if point is not None:
                wanted = [p.scores for p in record.curve if p.tokens == point]
            elif self.average_last > 1:
                wanted = [p.scores for p in record.curve[-self.average_last :]]
            else:
                wanted = [record.scores]
            values = [scores[task][metric] for scores in wanted if metric in scores.get(task, {})]
            if values and len(values) == len(wanted):
                table[self.arms.index(arm), self.seeds.index(seed)] = np.mean(values)
        return table

    def items(self, task: str, metric: str) -> np.ndarray | None:
        """Return scores of shape (n_arms, n_seeds, n_items), one for each item; None where items were not kept."""
        columns = {run: self._item_scores(run).get((task, metric)) for run in self.records}
        sizes = {len(values) for values in columns.values() if values is not None}
        if len(sizes) != 1 or any(values is None for values in columns.values()):
            return None
        table = np.full((len(self.arms), len(self.seeds), sizes.pop()), np.nan)
        for (arm, seed), values in columns.items():
            if task == HELDOUT:
                # The score is total bits over total bytes, so a document counts by its length.
                weight = self._item_scores((arm, seed))[task, "bytes"]
                values = values * weight / weight.mean()
            table[self.arms.index(arm), self.seeds.index(seed)] = values
        return table

    def item_names(self, task: str) -> list[str]:
        """Names of a task's items, in the order of `items`; empty where items were not kept."""
        for run in self.records:
            path = run_folder(self.folder, *run) / "items.parquet"
            check(path)
            if path.exists():
                table = read_table(path)
                mine = np.asarray(table["task"].cast("string").to_pylist()) == task
                return [str(name) for name in np.unique(np.asarray(table["item"].to_pylist())[mine])]
        return []

    def _item_scores(self, run: tuple[str, int]) -> dict[tuple[str, str], np.ndarray]:
        if run not in self._items:
            path = run_folder(self.folder, *run) / "items.parquet"
            found: dict[tuple[str, str], np.ndarray] = {}
            check(path)
            if path.exists():
                frame = read_table(path)
                task = np.asarray(frame["task"].cast("string").to_pylist())
                metric = np.asarray(frame["metric"].cast("string").to_pylist())
                item, value = np.asarray(frame["item"].to_pylist()), frame["value"].to_numpy()
                for name in np.unique(task):
                    for kind in np.unique(metric[task == name]):
                        chosen = (task == name) & (metric == kind)
                        found[str(name), str(kind)] = value[chosen][np.argsort(item[chosen], kind="stable")]
            self._items[run] = found
        return self._items[run]

    def identical(self, weights: Mapping[str, float]) -> bool:
        """Tell whether the arms of a contrast are the same runs: same texts, model, settings and seeds."""
        used = [self._runs(arm) for arm, weight in weights.items() if weight]
        common = set.intersection(*map(set, used)) if used else set()
        return bool(common) and all(len({runs[seed] for runs in used}) == 1 for seed in common)

    @cached_property
    def distinct(self) -> list[int]:
        """Positions of the arms that are not the same runs as an arm before them."""
        seen: list[dict[int, str]] = []
        for arm in self.arms:
            runs = self._runs(arm)
            seen.append(runs if runs not in seen else {})
        return [number for number, runs in enumerate(seen) if runs]

    @cached_property
    def ranked(self) -> list[int]:
        """Positions of the distinct arms that a ranking is of: of copies of a recipe, which seeds alone tell apart, the first."""
        levels = [self.plan.arms[arm].levels for arm in self.arms]
        return [n for n in self.distinct if not levels[n] or levels.index(levels[n]) == n]

    def _runs(self, arm: str) -> dict[int, str]:
        return {seed: self.records[arm, seed].run for seed in self.seeds if (arm, seed) in self.records}


def _sum(values: Sequence[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)


def _counts(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = sorted({name for part in parts for name in part})
    return {name: sum(part.get(name, 0) for part in parts) for name in names}


def load_study(folder: Path, estimands: Sequence[str] = ()) -> Study:
    """Read a study folder.

    Args:
        folder: with a plan.
        estimands: to report beside those that the plan froze.
    Raises:
        DataError: when there is no plan in it.
        NotIdentified: when the plan's arms do not determine an estimand asked for.
    """
    if not (folder / "plan.json").exists():
        raise DataError(f"{folder} holds no study (no plan.json); `ablate sweep study=...` makes one")
    plan = load_plan(folder)
    records, failed = {}, {}
    for arm, seed in plan.runs:
        run = run_folder(folder, arm, seed)
        if (run / "record.json").exists():
            records[arm, seed] = read_record(run)
        elif (run / "failed.json").exists():
            failed[arm, seed] = str(read_json(run / "failed.json")["error"])
        elif plan.sequential is None:  # there, a run may not be needed any more
            failed[arm, seed] = NOT_RUN if plan.imported is None else "not among what was imported"
    history = AT_ITS_WORD if plan.imported is not None else standing(plan, read_journal(folder))
    lost = sum(why.startswith(GIVEN_UP) for why in failed.values())
    if lost and not history.changed:
        history = replace(
            history, changed=f"the study was cut short, {lost} of {len(plan.runs)} planned runs were given up"
        )
    frozen = {contrast.estimand for contrast in plan.contrasts}
    further = contrasts_asked(plan, [name for name in estimands if name not in frozen])
    return Study(folder, plan, records, failed, further, history)


def tasks_with(study: Study, metric: str) -> list[str]:
    """Return the tasks that have a metric, the aggregate before them where it is of more than one."""
    single = [task for task, info in study.tasks.items() if metric in info.higher_is_better]
    return [AGGREGATE, *single] if len(study.aggregated(metric)) > 1 else single


def score_table(study: Study, task: str, metric: str, point: int | None = None) -> np.ndarray:
    """Return scores of shape (n_arms, n_seeds): those of a task, or the aggregate."""
    if task != AGGREGATE:
        return study.scores(task, metric, point)
    return _mean_over(study, study.aggregated(metric), metric, point)


def headline_scores(study: Study) -> np.ndarray | None:
    """Return the primary aggregate (or its first task), shape (n_arms, n_seeds)."""
    return _mean_over(study, members, study.primary) if (members := study.headline_tasks) else None


def _mean_over(study: Study, members: Sequence[str], metric: str, point: int | None = None) -> np.ndarray:
    scores = np.stack([study.scores(member, metric, point) for member in members])
    return aggregate(scores, study.chances(members, metric))


def current(study: Study, rounds: int | None = None) -> list[State]:
    """Return how far each contrast is, from the records alone.

    Args:
        study: whose seeds come in rounds.
        rounds: to look at; None for those that any contrast has had.
    Raises:
        DataError: when they do not.
    """
    rule = study.plan.sequential
    if rule is None:
        raise DataError(f"{study.folder}: its plan has no rounds of seeds")
    scores = np.full((len(study.arms), len(study.seeds)), np.nan)
    if study.records:
        measured = (task for task, info in study.tasks.items() if study.primary in info.higher_is_better)
        task = AGGREGATE if study.aggregated(study.primary) else next(measured)
        scores = score_table(study, task, study.primary)
    if rounds is None:
        most = int(np.isfinite(scores).sum(axis=1).max(initial=0))
        rounds = sum(look <= most for look in rule.looks) or 1
    same = [study.identical(contrast.weights) for contrast in study.plan.contrasts]
    return states(study.plan, rule, scores, same, rounds)
