"""The keys of the configuration that no `_target_` builds: what a study is, what each command is told."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import MISSING, DictConfig, OmegaConf

from ablate.config import build, plain
from ablate.errors import ConfigError
from ablate.fingerprint import NOT_IDENTITY, was
from ablate.typed import shown

MOST_NAME = 200
"""Bytes of a study's name; file systems take 255, and some of its files have longer names."""


MOST_DROPPED_TEXTS = 10
"""Texts that are kept for each stage and reason, of which a study shows some."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What is asked, and where answers go.

    Attributes:
        dropped_texts: shown on the page for each stage and reason, 0 to 10; 0 where the texts must not leave the store.
        sections: of one's own in the report: path/to/file.py:Class or package.module.Class.
    """

    name: str = field(default="default", metadata=NOT_IDENTITY)
    title: str = field(default="", metadata=NOT_IDENTITY)
    question: str = field(default="", metadata=NOT_IDENTITY)
    prediction: str = field(default="", metadata=NOT_IDENTITY)
    dir: str = field(default="studies/${study.name}", metadata=NOT_IDENTITY)
    replan: bool = field(default=False, metadata=NOT_IDENTITY)
    dropped_texts: int = field(default=3, metadata=NOT_IDENTITY)
    sections: list[str] = field(default_factory=list, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        if not 0 <= self.dropped_texts <= MOST_DROPPED_TEXTS:
            raise ValueError(
                f"dropped_texts must be from 0 to {MOST_DROPPED_TEXTS}, got {self.dropped_texts}"
            )


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """The order of the stages; null keeps the order in which the recipe names them."""

    name: str = MISSING
    order: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class RandomnessConfig:
    """What a run's seed draws anew, and where its random numbers come from.

    Varied as factors, these separate the components of the noise, e.g.
    'design.factors={weights: {randomness.weights: [0,1,2]}, order: {randomness.order: [0,1,2]}}'.

    Attributes:
        seed_offset: added to the run's seed, so that replicates of an arm share no seed (design=aa).
        weights: seed of the initial weights; null for the run's.
        order: seed of the order of documents; null for the run's.
        subset: seed of which documents a budget below a whole epoch reaches; null for that of the order.
        pool: "fixed", the whole pool in every run; or "shard": seed s has shard s modulo `shards` of the pool,
            the documents of a host (where they have no address, of a source file) staying together, so that
            intervals over seeds are over documents too.
        shards: how many; null for as many as the plan has seeds when it is first made, which stays the plan's
            number when seeds are added.
        stages: "fixed", or "run": what stages leave to chance (which copy deduplication keeps, MinHash's hash
            functions) follows the run's seed, and `{seed}` in a classifier's `model` is it.
        tokenizer: "fixed", one for all runs; or "run": each seed's is trained on its own sample, of its shard.
    """

    seed_offset: int = field(default=0, metadata=was("shift"))
    weights: int | None = None
    order: int | None = None
    subset: int | None = None
    pool: Literal["fixed", "shard"] = "fixed"
    shards: int | None = None
    stages: Literal["fixed", "run"] = "fixed"
    tokenizer: Literal["fixed", "run"] = "fixed"


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """What `ablate inspect` shows.

    Attributes:
        stage: the funnel's samples, or the deduplication that `duplicates` looks at.
        reason: only samples dropped for this reason.
        samples: documents or pairs shown of each kind.
        by: what `audit` groups documents by: host, tld, language, length, source, kind, or any
            metadata of the pool.
        min_group: documents that a group needs to be tested.
        sample_bytes: text in each sample that diversity is measured on.
        pairs: candidate pairs that `duplicates` shows.
        subsample: documents that `duplicates` compares each with each.
        gold, segments: files of known main texts and segments for `extraction`.
        methods: extractors that `extraction` scores; null for all.
        resamples: of the bootstrap of `extraction`.
        tolerance: cost that `spike` compares the rates of a swept defect with, in the primary metric's units.
    """

    stage: str | None = None
    reason: str | None = None
    samples: int = 3
    by: list[str] = field(default_factory=lambda: ["host", "tld", "language", "length", "source"])
    min_group: int = 20
    sample_bytes: int = 500_000
    pairs: int = 30
    subsample: int = 2_000
    gold: str | None = None
    segments: str | None = None
    methods: list[str] | None = None
    resamples: int = 1_000
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        least = {"samples": 0, "min_group": 1, "sample_bytes": 1, "pairs": 1, "subsample": 2, "resamples": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be {bound} or more, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """What `ablate calibrate` checks.

    Attributes:
        replications: simulated studies of each cell; 0 for none.
        seeds: numbers of seeds to simulate.
        noise: kinds of seed noise to simulate; null: all.
        seed: of the simulation.
        studies: folders of finished studies with many seeds.
        small: seeds of the small studies that those are cut into.
        dir: where CALIBRATION.md is written.
    """

    replications: int = 2_000
    seeds: list[int] = field(default_factory=lambda: [2, 3, 5, 8])
    noise: list[str] | None = None
    seed: int = 0
    studies: list[str] = field(default_factory=list)
    small: int = 3
    dir: str = "calibration"


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What `ablate label` labels.

    Attributes:
        sample: documents to label, drawn by a hash of their keys, so that a larger sample holds a smaller.
        seed: of that hash.
        prompt: text file with {text} where the document goes; null for our educational rubric.
        max_characters: of a document that are shown.
        max_tokens: of an answer.
        temperature: of the answers; 0 for the likeliest, null where the model does not let one choose.
        max_cost: of all answers of the sample, in the currency of the teacher's prices; null for no cap.
        dir: where labels.jsonl and summary.json are written.
    """

    sample: int = 1000
    seed: int = 0
    prompt: str | None = None
    max_characters: int = 4000
    max_tokens: int = 400
    temperature: float | None = 0.0
    max_cost: float | None = None
    dir: str = "${study.dir}/labels"

    def __post_init__(self) -> None:
        if self.sample < 1:
            raise ValueError(f"sample must be 1 or more, got {self.sample}")
        if self.max_cost is not None and self.max_cost <= 0:
            raise ValueError(f"max_cost must be above 0, or null, got {self.max_cost}")


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """What `ablate train_classifier` learns from.

    Attributes:
        labels: files with texts and scores; used unless `reference` is given.
        reference, background: files with good texts, and with what they are told apart from.
        text_column, score_column: fields of those files.
        target: "score" learns the score itself, "class" whether it is at least `positive_from`.
        positive_from: least score of a document that counts as good.
        validation: share of each score held out, in (0, 1).
        seed: of the split, the training and the bootstrap.
        resamples: of the bootstrap.
        dir: where the student and its page are written.
    """

    labels: list[str] = field(default_factory=lambda: ["${study.dir}/labels/labels.jsonl"])
    reference: list[str] = field(default_factory=list)
    background: list[str] = field(default_factory=list)
    text_column: str = "text"
    score_column: str = "score"
    target: Literal["score", "class"] = "score"
    positive_from: float = 3.0
    validation: float = 0.2
    seed: int = 0
    resamples: int = 2_000
    dir: str = "${study.dir}/classifier"

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise ValueError(f"validation must be in (0, 1), got {self.validation}")
        if self.resamples < 1:
            raise ValueError(f"resamples must be 1 or more, got {self.resamples}")


@dataclass(frozen=True, kw_only=True)
class ResultsConfig:
    """What `ablate import` reads.

    Attributes:
        csv: a file of arm, seed, task, score.
        lm_eval: folders, or globs of them, that lm-eval wrote to.
        pattern: how the folders inside name the run: {arm}, {seed}, and {tokens} if you like.
        mapping: a CSV of folder, arm, seed in place of `lm_eval` and `pattern`.
        tasks: of lm-eval, which tasks or groups to take; null for every task.
        primary: the headline's metric; null where there is only one.
        aggregate: tasks of the aggregate; null for all that have the metric.
        reference: the arm that the others are compared with; null for the first.
        higher_is_better: metric -> direction, where its name does not say it.
        chance: of a CSV, task or "task/metric" -> score of a guess.
        allow_missing: report runs and scores that are not there as missing, instead of stopping.
    """

    csv: str | None = None
    lm_eval: list[str] = field(default_factory=list)
    pattern: str = "{arm}/seed-{seed}"
    mapping: str | None = None
    tasks: list[str] | None = None
    primary: str | None = None
    aggregate: list[str] | None = None
    reference: str | None = None
    higher_is_better: dict[str, bool] | None = None
    chance: dict[str, float] | None = None
    allow_missing: bool = False


@dataclass(frozen=True, kw_only=True)
class SequentialConfig:
    """Seeds in rounds, to the arms of contrasts that are still open.

    Attributes:
        looks: seeds that an open contrast has at each interim look, e.g. [3, 5, 8]; null: all at once.
        spending: of alpha over the looks: pocock (stops early), obrien_fleming (late).
        alpha: family-wise error of all decisions at all looks.
        negligible: a contrast whose interval lies inside +/- this is closed too; null: never.
    """

    looks: list[int] | None = field(default=None, metadata=was("rounds"))
    spending: Literal["pocock", "obrien_fleming"] = "pocock"
    alpha: float = 0.05
    negligible: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must be in (0, 1), got {self.alpha}")


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """What `ablate plan` predicts beside the arms.

    Attributes:
        probe: time this machine: curation of a sample, some training steps, an evaluation.
        sample: documents of that sample.
        noise: standard deviation of a run's headline score: a number, or the folder of an earlier study.
        share: of the accelerator's peak that training reaches, in (0, 1]; small proxies reach less.
    """

    probe: bool = True
    sample: int = 200
    noise: float | str | None = None
    share: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be in (0, 1], got {self.share}")


@dataclass(frozen=True, kw_only=True)
class GoalConfig:
    """What a study must be able to see; `ablate plan` then names the cheapest designs.

    Attributes:
        mde: minimum detectable effect, in the units of the headline's aggregate.
        designs: to choose from; null for those that ask for a gain of every factor.
    """

    mde: float | None = None
    designs: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class WishConfig:
    """What a study must be able to rank; `ablate plan` then names a proxy, a design, seeds and their price.

    Attributes:
        within: gains that differ by more must be put in the right order, in the units of the headline's aggregate; null: no wish.
        confidence: share of studies in which the whole order holds, in (0, 1).
        power: chance that the study, with the noise that it will measure, can say so, in (0, 1).
        target: parameters of the model that is decided for, trained on twenty tokens each.
        reversal: most risk that two stages which the proxy ranks stand the other way round there, in (0, 1].
        proxies: to choose from; null: the shipped ones of the published ladders, 4M parameters and more.
        designs: to choose from; null: those that ask for a gain of every factor.
    """

    within: float | None = None
    confidence: float = 0.95
    power: float = 0.8
    target: float = 7e9
    reversal: float = 0.2
    proxies: list[str] | None = None
    designs: list[str] | None = None

    def __post_init__(self) -> None:
        if self.within is not None and not self.within > 0:
            raise ValueError(f"within must be above zero, got {self.within}")
        for name in ("confidence", "power"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be in (0, 1), got {getattr(self, name)}")
        if not self.target > 0:
            raise ValueError(f"target must be above zero, got {self.target}")
        if not 0 < self.reversal <= 1:
            raise ValueError(f"reversal must be in (0, 1], got {self.reversal}")


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What `ablate compare` compares with.

    Attributes:
        to: folder of the study whose ranking counts as right.
    """

    to: str | None = None


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """What `ablate init` looks at and writes.

    Attributes:
        folder: of documents.
        to: folder of configurations that the study file is written into.
        overwrite: whether a study file of that name may be replaced.
        heldout: documents that are taken out of the pool to score models on.
    """

    folder: str | None = None
    to: str = "my_conf"
    overwrite: bool = False
    heldout: int = 50

    def __post_init__(self) -> None:
        if self.heldout < 1:
            raise ValueError(f"heldout must be 1 or more, got {self.heldout}")


@dataclass(frozen=True, kw_only=True)
class DashboardConfig:
    """What `ablate dashboard` shows.

    Attributes:
        studies: folders that hold a study.json; none for the study that is named by `study`.
        to: the file that is written; none for `dashboard.html`, or for a server where one study is not complete.
        serve: whether the page is served on this machine; none to serve a single study that is not complete, unless `to` is given.
        port: of the server, on 127.0.0.1; 0 for a free one.
    """

    studies: list[str] = field(default_factory=list)
    to: str | None = None
    serve: bool | None = None
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class PaperConfig:
    """What a table of `ablate table` shows.

    Attributes:
        metric: one of the study's; null: the primary.
        tasks: to show; null: all that have the metric.
        estimand: which gains; null: the first that was planned.
        bold: "group": the best and every arm that is not told from it; "best": the best mean; "none".
        columns: heads of the columns to keep beside the first; null: all.
        out: file to write; null: print.
    """

    metric: str | None = None
    tasks: list[str] | None = None
    estimand: str | None = None
    bold: str = "group"
    columns: list[str] | None = None
    out: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What `ablate export` writes.

    Attributes:
        arm: of the study; null: its reference, which is the recipe as configured.
        seed: run whose corpus it is, where seeds draw documents or stages; null: the study's first.
        format: name of one, or a file NAME.py of your own with its `FORMAT`.
        order: "pool", or "run": as the run of `order_seed` reads them in its first epoch.
        order_seed: null: the seed.
        shard_mb: of text, or of token ids, in a shard, before compression.
        pipeline: write the recipe as this tool's script instead of documents: datatrove; null: documents.
        to: folder, or file of a script; null: studies/<name>/exports/<arm>/<format>.
    """

    arm: str | None = None
    seed: int | None = None
    format: str = "parquet"
    order: Literal["pool", "run"] = "pool"
    order_seed: int | None = None
    shard_mb: float = 256.0
    pipeline: str | None = None
    to: str | None = None

    def __post_init__(self) -> None:
        if not self.shard_mb > 0:
            raise ValueError(f"shard_mb must be above 0, got {self.shard_mb}")


@dataclass(frozen=True, kw_only=True)
class DesignConfig:
    """Which arms are run.

    Attributes:
        factors: what is varied; null: every enabled stage. A list of stages, or name -> parameter -> values.
        own_seeds: whether each arm has seeds of its own instead of those of all arms; not where draws of chance are varied.
        pairing: paired (gains are differences under one seed) or unpaired (between the means of two samples); null: paired
            where arms share seeds.
        method: the design.
        controls: "size_matched": beside the arms with and without a stage one in which as many tokens are removed at random
            in its place; "none".
    """

    name: str = MISSING
    factors: list[str] | dict[str, Any] | None = MISSING
    own_seeds: bool = False
    pairing: Literal["paired", "unpaired"] | None = None
    method: Any = MISSING
    controls: Literal["none", "size_matched"] = "none"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The top of the configuration.

    What is `Any` here is a group of nodes with a `_target_`, checked when that is built, and only where a command asks for it.
    """

    study: StudyConfig = field(default_factory=StudyConfig)
    pool: Any = MISSING
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    stages: Any = field(default_factory=dict)
    tokenizer: Any = MISSING
    proxy: Any = MISSING
    train: Any = MISSING
    budget: Any = MISSING
    evaluate: Any = MISSING
    design: DesignConfig = field(default_factory=DesignConfig)
    tracker: Any = field(default=MISSING, metadata=NOT_IDENTITY)
    accelerator: Any = field(default=MISSING, metadata=NOT_IDENTITY)
    executor: Any = field(default=MISSING, metadata=NOT_IDENTITY)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    estimands: list[str] | None = None
    give_up: bool = field(default=False, metadata=NOT_IDENTITY)
    randomness: RandomnessConfig = field(default_factory=RandomnessConfig)
    mixture: dict[str, float] | None = None
    chain: dict[str, str | int | float | None] | None = None
    workers: int | None = field(default=None, metadata=NOT_IDENTITY)
    store: str = field(default="store", metadata=NOT_IDENTITY)
    inspect: InspectConfig = field(default_factory=InspectConfig)
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    teacher: Any = MISSING
    label: LabelConfig = field(default_factory=LabelConfig)
    generate: Any = MISSING
    student: Any = MISSING
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    results: ResultsConfig = field(default_factory=ResultsConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    init: InitConfig = field(default_factory=InitConfig)
    table: str = "gains"
    format: str = "markdown"
    published: str | None = None
    paper: PaperConfig = field(default_factory=PaperConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    goal: GoalConfig = field(default_factory=GoalConfig)
    wish: WishConfig = field(default_factory=WishConfig)
    sequential: SequentialConfig = field(default_factory=SequentialConfig)


def settings_of(config: DictConfig) -> Config:
    """Read a composed configuration's settings; groups that are built by their `_target_` are left as they are by default.

    Raises:
        ConfigError: for an unknown key (names the nearest), a wrong type, or a value that is refused; names the key.
    """
    hints = typing.get_type_hints(Config)
    given = {
        str(key): plain(config[key])
        for key in config
        if key != "hydra" and hints.get(str(key)) is not Any and not OmegaConf.is_missing(config, key)
    }
    return build(Config, given, "")


def check_settings(config: DictConfig) -> None:
    """Check the settings; a number is stored as the type that it is for.

    Raises:
        ConfigError: as `settings_of`.
    """
    _store(config, settings_of(config))


def _store(node: DictConfig, read: Any) -> None:
    hints = typing.get_type_hints(type(read))
    for name in [entry.name for entry in dataclasses.fields(read) if entry.name in node]:
        value = getattr(read, name)
        if dataclasses.is_dataclass(value):
            _store(node[name], value)
        elif hints[name] is Any or OmegaConf.is_missing(node, name) or OmegaConf.is_interpolation(node, name):
            continue
        elif repr(value) != repr(plain(node[name])):
            OmegaConf.update(node, name, value)


def check_places(config: DictConfig) -> None:
    """Check what names folders: a study's name is that of one folder, and folders can be where they are to be.

    Raises:
        ConfigError: for a name that leads elsewhere or that no file system takes, and for a file in a folder's place.
    """
    name = config.study.name
    if not name or name in (".", "..") or "/" in name or not name.isprintable():
        raise ConfigError(
            f"study.name must be the name of one folder, got {shown(name)}; to put a study elsewhere give study.dir=<folder>"
        )
    if len(name.encode()) > MOST_NAME:
        raise ConfigError(f"study.name must have {MOST_NAME} bytes at most, got {len(name.encode())}")
    for key, path in (("store", Path(config.store)), ("study.dir", Path(config.study.dir))):
        if not str(path).isprintable() or not path.parts:
            raise ConfigError(f"{key} must name a folder, got {shown(str(path))}")
        for place in (path, *path.parents):
            try:
                if place.is_dir():
                    break
                if place.exists() or place.is_symlink():
                    raise ConfigError(f"{key}={path}: {place} is a file, and a folder is wanted there")
            except OSError as error:
                raise ConfigError(f"{key}={path}: {error.strerror}: {place}") from error
