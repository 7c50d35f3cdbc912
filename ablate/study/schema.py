"""A study's plan as a value: its arms, contrasts and headline, as `plan.json` keeps them, checked when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.config import identified, make, make_pool, make_stages, naming, renamed
from ablate.design.base import Assignment, ContrastSpec, Factor
from ablate.errors import DataError, nearest
from ablate.fingerprint import LATER, counts, digest, was
from ablate.settings import Config, StudyConfig
from ablate.shape import KEY, from_json, to_json
from ablate.study.prediction import Prediction

if TYPE_CHECKING:
    from ablate.corpus.budget import BudgetConfig
    from ablate.corpus.tokenizer import TokenizerConfig
    from ablate.evaluate.evaluator import EvaluateConfig
    from ablate.stages.base import Stage
    from ablate.train.config import TrainConfig
    from ablate.train.proxy import ProxyConfig

PLAN_FORMAT = 2
PAIRED, UNPAIRED = "paired", "unpaired"
RESTORE = "restore it from a copy, or plan again with the study's own command and study.replan=true"
NOT_IDENTITY_KEYS = {entry.name for entry in (*fields(StudyConfig), *fields(Config)) if not counts(entry)}
"""Keys of a plan that change no result."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of a study: a recipe with everything that its runs need.

    Attributes:
        name: what it is called in the study.
        levels: factor -> level; empty for imported results whose arms have names only.
        config: its resolved configuration, group -> node; empty for imported results, of which it is not known. What
            it describes is built by the properties below, which then raise.
    """

    name: str = field(metadata=KEY)
    levels: Assignment
    config: Mapping[str, Any]

    @cached_property
    def tokenizer(self) -> TokenizerConfig:
        """How texts become tokens."""
        found: TokenizerConfig = make(self.config["tokenizer"], "tokenizer")
        return found

    @cached_property
    def train(self) -> TrainConfig:
        """How its runs train."""
        found: TrainConfig = make(self.config["train"], "train")
        return found

    @cached_property
    def proxy(self) -> ProxyConfig:
        """The model that its runs train."""
        found: ProxyConfig = make(self.config["proxy"], "proxy")
        return found

    @cached_property
    def evaluate(self) -> EvaluateConfig:
        """What its checkpoints are scored on."""
        found: EvaluateConfig = make(self.config["evaluate"], "evaluate")
        return found

    @cached_property
    def budget(self) -> BudgetConfig:
        """What is held equal between arms."""
        found: BudgetConfig = make(self.config["budget"], "budget")
        return found

    @property
    def randomness(self) -> Mapping[str, Any]:
        """What the seeds of its runs draw; empty where all of it is at its default."""
        return self.config.get("randomness") or {}

    @cached_property
    def _stages(self) -> dict[int | None, tuple[Stage, ...]]:
        return {}

    def stages(self, seed: int | None = None) -> tuple[Stage, ...]:
        """Return the stages in effect, in recipe order; they are built once for each seed and kept.

        Args:
            seed: that stages draw under; None for their own seeds.
        """
        if seed not in self._stages:
            self._stages[seed] = tuple(make_stages(self.config, seed))
        return self._stages[seed]

    def check(self, seeds: Iterable[int | None] = (None,)) -> None:
        """Build everything that it describes, so that what could not run is found now.

        Args:
            seeds: that stages draw under.
        Raises:
            ConfigError: names the key. Stages come last, since some take their values from other groups.
        """
        make_pool(self.config["pool"])
        _ = self.tokenizer, self.proxy, self.train, self.budget, self.evaluate
        for seed in seeds:
            for stage in self.stages(seed):
                with naming(f"stages.{stage.name}", ()):
                    stage.versions()  # refuses a stage whose libraries are not installed

    def having(self, **groups: Any) -> Arm:
        """Return the arm with some groups of its configuration replaced; its name stays."""
        return replace(self, config={**self.config, **groups})

    def without(self, group: str) -> Arm:
        """Return the arm without a group of its configuration; its name stays."""
        return replace(self, config={key: node for key, node in self.config.items() if key != group})


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What a report leads with, and which gains are claims.

    Attributes:
        primary: the headline's metric.
        aggregate: tasks in the aggregate: "all", "screened", named ones; None for all.
        average_last: checkpoints that a run's score is the mean of; None for imported results, which have one score.
        claims: task -> stages whose gain on that task alone is a claim.
    """

    primary: str
    aggregate: str | tuple[str, ...] | None
    average_last: int | None = field(default=None, metadata=LATER)
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """Seeds in rounds, to the arms of contrasts that are still open.

    Attributes:
        looks: seeds that an open contrast has at each interim look, ascending.
        spending: of alpha over the looks, see `ablate.effects.sequential`.
        alpha: family-wise error of all decisions at all looks.
        negligible: a contrast whose interval lies inside +/- this is closed too; None: never.
    """

    looks: tuple[int, ...] = field(metadata=was("rounds"))
    spending: str
    alpha: float
    negligible: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A frozen study: everything that decides what is run, and what is said of it.

    Attributes:
        study, title, question, prediction: name and sentences; they change no result.
        design: name of the design that chose the arms; "imported" for results of another tool.
        arms: by name, in the order of the report.
        reference: the arm that the full recipe is, or that imported arms are compared with.
        factors: what is varied between the arms.
        chance: factors that are draws of chance, not treatments; None for imported results.
        seeds: of each arm's runs.
        contrasts: the planned gains.
        metrics: the headline.
        stages: of the recipe, in order.
        store: where texts and runs are kept; None for imported results.
        tracker: node of the tracker that runs are shown in.
        imported: where imported scores stood; None for a study of one's own.
        sequential: the rounds in which seeds come; None for all at once.
        pairing: "paired" or "unpaired", see `ablate.study.pairing`.
        predicted: what the plan predicts of itself; no part of its identity.
        dropped_texts: how many are shown for each stage and reason; no part of its identity.
        sections: of the user's own in the report, see `ablate.report.section`; no part of its identity.
    """

    study: str
    title: str
    question: str
    prediction: str
    design: str
    arms: Mapping[str, Arm]
    reference: str
    factors: tuple[Factor, ...]
    chance: tuple[str, ...] | None = field(default=None, metadata=LATER)
    seeds: tuple[int, ...]
    contrasts: tuple[ContrastSpec, ...]
    metrics: Headline
    stages: tuple[str, ...]
    store: str | None = field(default=None, metadata=LATER)
    tracker: Mapping[str, Any]
    imported: tuple[str, ...] | None = field(default=None, metadata=LATER)
    sequential: Sequential | None = field(default=None, metadata=LATER)
    pairing: str = field(default=PAIRED, metadata=LATER)
    predicted: Prediction | None = field(default=None, metadata=LATER)
    dropped_texts: int = field(default=3, metadata=LATER)
    sections: tuple[str, ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if self.reference not in self.arms:
            raise ValueError(
                f"reference names no arm, got {self.reference!r}: {nearest(self.reference, self.arms)}"
            )
        if self.pairing not in (PAIRED, UNPAIRED):
            raise ValueError(f"pairing must be {PAIRED} or {UNPAIRED}, got {self.pairing!r}")
        for contrast in self.contrasts:
            for arm in contrast.weights:
                if arm not in self.arms:
                    raise ValueError(
                        f"a contrast of {contrast.factor} weighs an arm that is not there, {arm!r}: {nearest(arm, self.arms)}"
                    )

    @cached_property
    def digest(self) -> str:
        """32 hex digits that name all in the plan that changes a result.

        Names and sentences about a study, its tracker, what belongs to the machine, what the plan predicts and where
        the store lies change none, and may change on a planned study.
        """
        return digest(counting(self._json()))

    @property
    def reference_arm(self) -> Arm:
        """The arm `reference`; pool and tokenizer of its configuration are those of all arms."""
        return self.arms[self.reference]

    @property
    def levels(self) -> dict[str, Assignment]:
        """Arm -> level of every factor."""
        return {name: arm.levels for name, arm in self.arms.items()}

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Arm and seed of every run, arm by arm."""
        return [(arm, seed) for arm in self.arms for seed in self.seeds]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as `plan.json` has it."""
        return {"digest": self.digest, **self._json()}

    def _json(self) -> dict[str, Any]:
        return {"format": PLAN_FORMAT, **to_json(self)}

    @classmethod
    def from_json(cls, data: Any, path: Path) -> Plan:
        """Read a plan, its format, its shape and its digest checked.

        Args:
            data: what the file holds.
            path: of the file, for messages.
        Raises:
            DataError: for another format, a key that is missing, unknown or of another type, and a plan that is not as
                it was frozen.
        """
        if other := other_format(data):
            raise DataError(
                f"{path} was written by another version of ablate: {other}. Plan again with the study's own "
                "command and study.replan=true; what finished runs computed is taken from the store where it still "
                "holds, and computed again where not"
            )
        kept = {key: value for key, value in data.items() if key not in ("digest", "format")}
        try:
            plan = from_json(cls, renamed(kept), f"{path} is damaged")
        except DataError as error:
            raise DataError(f"{error}; {RESTORE}") from None
        arms = {name: replace(arm, config=renamed(arm.config, Config)) for name, arm in plan.arms.items()}
        plan = replace(plan, arms=arms)
        found = digest(counting(data))
        if found != data.get("digest"):
            raise DataError(
                f"{path} is not what was frozen: its digest is {data.get('digest')}, that of its content {found}. "
                f"It was changed by hand or damaged; {RESTORE}"
            )
        return plan


def other_format(data: Any) -> str | None:
    """Say which format a plan has that is not this version's; None for this version's."""
    found = data.get("format") if isinstance(data, Mapping) else None
    if type(found) is int and found == PLAN_FORMAT:
        return None
    return f"its format is {found}, this version reads {PLAN_FORMAT}"


def counting(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a plan's JSON what changes a result."""
    store = str(plan.get("store") or "").rstrip("/")
    kept = {
        key: value
        for key, value in plan.items()
        if key not in {*NOT_IDENTITY_KEYS, "study", "predicted", "digest"}
    }
    kept["arms"] = {
        name: {**arm, "config": _without_store(identified(arm["config"], Config), store)}
        for name, arm in plan["arms"].items()
    }
    return kept


def _without_store(node: Any, store: str) -> Any:
    """Return the same with every path below the store said from there."""
    if isinstance(node, Mapping):
        return {key: _without_store(value, store) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_store(value, store) for value in node]
    if store and isinstance(node, str) and node.startswith(f"{store}/"):
        return f"<store>{node[len(store) :]}"
    return node
