"""Configuration: Hydra composes it, this module checks it and builds what it describes."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import KeyValidationError, OmegaConfBaseException

from ablate.errors import ConfigError, nearest
from ablate.fingerprint import ASIDE, counts_as, digest
from ablate.ladder import RESOLVERS
from ablate.typed import shown, typed
from ablate.yaml_slips import describe, surprises

_PACKAGED = Path(__file__).parent / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "conf"
OWN = "command-line"
"""Provider of the folder that --config-dir names, in Hydra's search path."""
MOST_NAME = 200
"""Bytes of a study's name; file systems take 255, and some of its files have longer names."""
RESERVED = ("_target_", "enabled", "without")
"""Keys of a stage's node that are not parameters of the stage."""


@dataclass
class StudyConfig:
    """What is asked, and where answers go."""

    name: str = field(default="default", metadata=ASIDE)
    title: str = field(default="", metadata=ASIDE)
    question: str = field(default="", metadata=ASIDE)
    prediction: str = field(default="", metadata=ASIDE)
    dir: str = field(default="studies/${study.name}", metadata=ASIDE)
    replan: bool = field(default=False, metadata=ASIDE)


@dataclass
class RecipeConfig:
    """The order of the stages; null keeps the order in which the recipe names them."""

    name: str = MISSING
    order: list[str] | None = None


@dataclass
class RandomnessConfig:
    """What a run's seed draws anew, and where its random numbers come from.

    Varied as factors, these separate the components of the noise, e.g.
    'design.factors={weights: {randomness.weights: [0,1,2]}, order: {randomness.order: [0,1,2]}}'.

    Attributes:
        shift: added to the run's seed, so that replicates of an arm share no seed (design=aa).
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

    shift: int = 0
    weights: int | None = None
    order: int | None = None
    subset: int | None = None
    pool: str = "fixed"
    shards: int | None = None
    stages: str = "fixed"
    tokenizer: str = "fixed"


@dataclass
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


@dataclass
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


@dataclass
class LabelConfig:
    """What `ablate label` labels.

    Attributes:
        sample: documents to label, drawn by a hash of their keys, so that a larger sample holds a smaller.
        seed: of that hash.
        max_cost: of all answers of the sample, in the currency of the teacher's prices; null for no cap.
        dir: where labels.jsonl and summary.json are written.
    """

    sample: int = 1000
    seed: int = 0
    max_cost: float | None = None
    dir: str = "${study.dir}/labels"


@dataclass
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
    target: str = "score"
    positive_from: float = 3.0
    validation: float = 0.2
    seed: int = 0
    resamples: int = 2_000
    dir: str = "${study.dir}/classifier"


@dataclass
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


@dataclass
class SequentialConfig:
    """Seeds in rounds, to the arms of contrasts that are still open.

    Attributes:
        rounds: seeds that an open contrast has after each round, e.g. [3, 5, 8]; null: all at once.
        spending: of alpha over the rounds: pocock (stops early), obrien_fleming (late).
        alpha: family-wise error of all decisions in all rounds.
        negligible: a contrast whose interval lies inside +/- this is closed too; null: never.
    """

    rounds: list[int] | None = None
    spending: str = "pocock"
    alpha: float = 0.05
    negligible: float | None = None


@dataclass
class PlanConfig:
    """What `ablate plan` predicts beside the arms.

    Attributes:
        probe: time this machine: curation of a sample, some training steps, an evaluation.
        sample: documents of that sample.
        noise: standard deviation of a run's headline score: a number, or the folder of an earlier study.
        accelerator: for which training time is computed.
        share: of its peak that training reaches; small proxies reach less.
    """

    probe: bool = True
    sample: int = 200
    noise: float | str | None = None
    accelerator: str = "h100"
    share: float = 0.35


@dataclass
class GoalConfig:
    """What a study must be able to see; `ablate plan` then names the cheapest designs.

    Attributes:
        mde: minimum detectable effect, in the units of the headline's aggregate.
        designs: to choose from; null for those that ask for a gain of every factor.
    """

    mde: float | None = None
    designs: list[str] | None = None


@dataclass
class CompareConfig:
    """What `ablate compare` compares with.

    Attributes:
        to: folder of the study whose ranking counts as right.
    """

    to: str | None = None


@dataclass
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
    pairing: str | None = None
    method: Any = MISSING
    controls: str = "none"


@dataclass
class Config:
    """The top of the configuration; every group below is checked when it is built."""

    study: StudyConfig = field(default_factory=StudyConfig)
    pool: Any = MISSING
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    stages: dict[str, Any] = field(default_factory=dict)
    tokenizer: Any = MISSING
    proxy: Any = MISSING
    train: Any = MISSING
    budget: Any = MISSING
    evaluate: Any = MISSING
    design: DesignConfig = field(default_factory=DesignConfig)
    tracker: Any = field(default=MISSING, metadata=ASIDE)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    estimands: list[str] | None = None
    randomness: RandomnessConfig = field(default_factory=RandomnessConfig)
    workers: int | None = field(default=None, metadata=ASIDE)
    store: str = field(default="store", metadata=ASIDE)
    inspect: InspectConfig = field(default_factory=InspectConfig)
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    teacher: Any = MISSING
    label: LabelConfig = field(default_factory=LabelConfig)
    student: Any = MISSING
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    results: ResultsConfig = field(default_factory=ResultsConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    goal: GoalConfig = field(default_factory=GoalConfig)
    sequential: SequentialConfig = field(default_factory=SequentialConfig)


def register() -> None:
    """Tell Hydra the keys there are and the resolvers; safe to call again.

    The keys are given without their types: OmegaConf makes a value fit its type (`name: no` becomes the text "False"),
    `check_settings` refuses it.
    """
    ConfigStore.instance().store(name="schema", node=OmegaConf.create(dataclasses.asdict(Config())))
    OmegaConf.register_new_resolver("digest", lambda node: digest(plain(node))[:12], replace=True)
    for name, of in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, of, replace=True)


def plain(node: Any) -> Any:
    """A config node as plain dicts and lists, interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def open_hydra(config_dir: str | None = None) -> Hydra:
    """Hydra over `conf/` and, when given, a folder of the user's own searched first."""
    register()
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    search_path = create_automatic_config_search_path(
        calling_file=None, calling_module=None, config_path=str(CONF.resolve())
    )
    if config_dir:
        if not Path(config_dir).is_dir():
            raise ConfigError(f"--config-dir {config_dir}: no such folder")
        search_path.prepend(OWN, f"file://{Path(config_dir).resolve()}")
    return Hydra.create_main_hydra2(task_name="ablate", config_search_path=search_path)


def overruled(overrides: Sequence[str], config: DictConfig, hydra: Hydra) -> list[str]:
    """A note for each option chosen on the command line of which the study sets values otherwise.

    A study is composed last: `study=demo train=ladder` has the demo's learning rate.
    """

    def read(name: str) -> Mapping[str, Any]:
        found = hydra.config_loader.repository.load_config(name)  # type: ignore[attr-defined]
        return {} if found is None else OmegaConf.to_container(found.config)  # type: ignore[return-value]

    study = config.hydra.runtime.choices.get("study")
    sets, given = read(f"study/{study}"), {override.partition("=")[0].lstrip("+") for override in overrides}
    notes = []
    for override in overrides:
        group, _, option = override.partition("=")
        own = sets.get(group)
        if group == "study" or not isinstance(own, dict):
            continue
        asked = read(f"{group}/{option}")
        left = [
            f"{group}.{key}={value}"
            for key, value in own.items()
            if key in asked and asked[key] != value and f"{group}.{key}" not in given
        ]
        if left:
            notes.append(
                f"note: study={study} sets {', '.join(left)}, which stands whatever {override} says; give the ones that "
                f"you want from {option} on the command line, or write a study of your own"
            )
    return notes


def compose(overrides: Sequence[str], hydra: Hydra | None = None) -> DictConfig:
    """Compose the configuration, Hydra's own node included, and check what no `_target_` builds.

    Raises:
        ConfigError: for an unknown key or option (names the nearest right one), a value of the wrong type, or a file
            that is not YAML.
    """
    hydra = hydra or open_hydra()
    for override in overrides:
        name, _, option = override.partition("=")
        if option in ("null", "~") and "." not in name and hydra.config_loader.get_group_options(name):
            options = ", ".join(sorted(hydra.config_loader.get_group_options(name)))
            raise ConfigError(f"{override}: expected the name of one of its options (known: {options})")
    try:
        config: DictConfig = hydra.compose_config(
            config_name="config", overrides=list(overrides), run_mode=RunMode.MULTIRUN,
            with_log_configuration=False, validate_sweep_overrides=False,
        )  # fmt: skip
        check_settings(config)
        _check_stages(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, overrides, hydra)) from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        named = {override.partition("=")[2] for override in overrides}
        files = [path for folder in _own_folders(hydra) for path in sorted(folder.rglob("*.yaml"))]
        said = describe(error, sorted(files, key=lambda path: path.stem not in named))
        raise ConfigError(said or f"the configuration cannot be read: {error}") from error
    for path in _own_files(config, hydra):
        for surprise in surprises(path):
            raise ConfigError(surprise)
    return config


def _check_stages(config: DictConfig) -> None:
    for name in config.stages:
        if not OmegaConf.is_dict(config.stages[name]):
            raise ConfigError(
                f"stages.{name} must be a mapping, got {shown(plain(config.stages[name]))}; a stage is switched off by "
                f"stages.{name}.enabled=false"
            )


def _own_folders(hydra: Hydra) -> list[Path]:
    """Folders of configurations of the user's own."""
    entries = hydra.config_loader.get_search_path().get_path()
    return [Path(entry.path.removeprefix("file://")) for entry in entries if entry.provider == OWN]


def _own_files(config: DictConfig, hydra: Hydra) -> list[Path]:
    """The user's files that a composed configuration was made from."""
    chosen = plain(config.hydra.runtime.choices)
    names = [f"{group.split('@')[0]}/{option}.yaml" for group, option in chosen.items()]
    return [path for folder in _own_folders(hydra) for name in names if (path := folder / name).is_file()]


def _explain(error: Exception, overrides: Sequence[str], hydra: Hydra) -> str:
    text = str(error).strip()
    if isinstance(cause := error.__cause__, KeyValidationError):
        where = f"a key of {cause.full_key}" if cause.full_key else "a key"
        kind = re.search(r"'(\w+)'", str(cause))
        got = kind[1].replace("NoneType", "null") if kind else "something else"
        return f"{where} must be text, got {got}; write it in quotes"
    if option := re.search(r"Could not find '([^']+)/([^/']+)'", text):
        group, name = option.groups()
        options = hydra.config_loader.get_group_options(group)
        return (
            f"{group}={name} does not exist: {nearest(name, options)} (known: {', '.join(sorted(options))})"
        )
    if not re.search(r"Could not override|not in '?[A-Z]|is not in struct|Could not append", text):
        return text
    for override in overrides:
        path = override.lstrip("+~").split("=")[0]
        if "@" in path or "/" in path:  # a group, perhaps put at another place: +stages@stages.pii=pii
            continue
        others = [o for o in overrides if o is not override and not o.startswith("hydra/")]
        if message := _misspelt(path, others, hydra):
            return message
    return text


def _misspelt(path: str, others: Sequence[str], hydra: Hydra) -> str | None:
    groups = [o for o in others if "." not in o.split("=")[0] or "@" in o.split("=")[0]]
    try:
        node: Any = hydra.compose_config(
            config_name="config", overrides=groups, run_mode=RunMode.RUN, with_log_configuration=False
        )
    except (HydraException, OmegaConfBaseException):
        return None
    for depth, key in enumerate(parts := path.split(".")):
        if not OmegaConf.is_dict(node):
            return None
        if key not in list(node):  # `in node` would deny a key whose value is still missing
            known = [str(name) for name in node if name not in ("hydra", "_target_")]
            what = f"unknown stage {key!r}" if parts[:depth] == ["stages"] else f"{path}: no such key {key!r}"
            return f"{what}: {nearest(key, known)} (known: {', '.join(sorted(known))})"
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            return None
        node = node[key]
    return None


def make(node: Any, where: str, leave_out: Sequence[str] = ("_target_",)) -> Any:
    """Build the dataclass that a config node describes.

    Args:
        node: mapping with `_target_` and the fields of that class; nested nodes are built first.
        where: its place in the configuration, for messages.
        leave_out: keys that are not fields.
    Raises:
        ConfigError: for an unknown field (names the nearest), a missing one, a wrong type, or a value
            that the class refuses.
    """
    values = plain(node)
    if not isinstance(values, Mapping) or not values.get("_target_"):
        raise ConfigError(
            f"{where} must be a mapping with _target_: package.module.Class, got {shown(values)}"
        )
    cls, arguments = _arguments(values, where, leave_out)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    unset = (dataclasses.MISSING,)
    for name, entry in fields.items():
        if name not in arguments and entry.default in unset and entry.default_factory in unset:
            raise ConfigError(f"{where}.{name} is not set; give it as {where}.{name}=...")
    with naming(where, fields):
        return cls(**arguments)


def make_pool(node: Any) -> Any:
    """Build the source that `pool` describes; with `pool.spike`, the one that plants defects into it.

    Raises:
        ConfigError: as `make`.
    """
    values = dict(plain(node)) if isinstance(plain(node), Mapping) else plain(node)
    spike = values.pop("spike", None) if isinstance(values, dict) else None
    source = make(values, "pool")
    return source if spike is None else make({**spike, "of": source}, "pool.spike")


def _arguments(
    values: Mapping[str, Any], where: str, leave_out: Sequence[str] = ("_target_",)
) -> tuple[type, dict[str, Any]]:
    """The class that a node names and what it is given, checked by type; what is still missing is left out."""
    cls = locate(values["_target_"], where)
    fields = {f.name for f in dataclasses.fields(cls) if f.init}
    hints, arguments = typing.get_type_hints(cls), {}
    for key, value in values.items():
        if key in leave_out or value == MISSING:
            continue
        if key not in fields:
            raise ConfigError(
                f"{where}.{key} does not exist: {nearest(str(key), fields)} (known: {', '.join(sorted(fields))})"
            )
        arguments[key] = typed(_nested(value, f"{where}.{key}"), hints[key], f"{where}.{key}")
    return cls, arguments


@contextmanager
def naming(where: str, fields: Iterable[str]) -> typing.Iterator[None]:
    """Put the configuration's path before what a class says of a field of its own.

    Classes name the field ("limit must be ..."), as they cannot know where in the configuration they stand.
    """
    try:
        yield
    except (ConfigError, ValueError, TypeError) as error:
        said = str(error)
        own = re.match(r"\w+", said)
        raise ConfigError(f"{where}.{said}" if own and own[0] in fields else f"{where}: {said}") from error


def identified(node: Any) -> Any:
    """A config node without the fields that its class sets aside: what changes a result, and nothing else.

    Only this package's classes are asked, since a plan that came from elsewhere may name any module.
    """
    if isinstance(node, Mapping):
        fields: dict[str, dataclasses.Field[Any]] = {}
        target = node.get("_target_")
        if isinstance(target, str) and target.startswith("ablate."):
            fields = {entry.name: entry for entry in dataclasses.fields(locate(target, ""))}
        return {
            key: identified(value)
            for key, value in node.items()
            if key not in fields or counts_as(fields[key], value)
        }
    return [identified(value) for value in node] if isinstance(node, (list, tuple)) else node


def _nested(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return make(value, where)
        return {key: _nested(inner, f"{where}.{key}") for key, inner in value.items()}
    return value


MOVED = {"ablate.report.tracker": "ablate.tracking.tracker"}
"""Module that a stored plan may name -> where its classes are now."""


def locate(target: Any, where: str) -> type:
    """The dataclass that a `_target_` names.

    Raises:
        ConfigError: when there is none of that name.
    """
    if not isinstance(target, str):
        raise ConfigError(f"{where}._target_ must be text, package.module.Class, got {shown(target)}")
    module, _, name = target.rpartition(".")
    try:
        cls: type = getattr(importlib.import_module(MOVED.get(module, module)), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{where}._target_: cannot import {target!r} ({error})") from error
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ConfigError(f"{where}._target_ must name a dataclass, and {target} is none")
    return cls


def check_settings(config: DictConfig, schema: type = Config, where: str = "") -> None:
    """Check what no `_target_` builds against its dataclass; a number is stored as the type that it is for.

    Raises:
        ConfigError: for an unknown key (names the nearest) or a wrong type; names the key.
    """
    hints = typing.get_type_hints(schema)
    for key in list(config):
        path = f"{where}.{key}" if where else str(key)
        if key == "hydra" or (key in hints and OmegaConf.is_missing(config, key)):
            continue
        if key not in hints:
            raise ConfigError(
                f"{path} does not exist: {nearest(str(key), hints)} (known: {', '.join(sorted(hints))})"
            )
        if dataclasses.is_dataclass(hints[key]):
            if not OmegaConf.is_dict(config[key]):
                raise ConfigError(f"{path} must be a mapping, got {shown(plain(config[key]))}")
            check_settings(config[key], typing.cast(type, hints[key]), path)
            continue
        value = plain(config[key])
        if hints[key] is Any or value == MISSING:
            continue
        checked = typed(value, hints[key], path)
        if not OmegaConf.is_interpolation(config, key) and repr(checked) != repr(value):
            OmegaConf.update(config, str(key), checked)


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


def stage_order(config: Mapping[str, Any]) -> list[str]:
    """Names of the recipe's stages in order.

    Raises:
        ConfigError: when `recipe.order` does not name each stage of the recipe once.
    """
    names = [str(name) for name in config["stages"]]
    order = config["recipe"].get("order")
    if order is None:
        return names
    for name in order:
        if name not in names:
            raise ConfigError(f"recipe.order: unknown stage {name!r}: {nearest(name, names)}")
    left_out = [name for name in names if name not in order]
    if left_out or len(set(order)) != len(order):
        raise ConfigError(
            f"recipe.order must name every stage of the recipe once; missing: {left_out}, got {list(order)}. "
            "To leave a stage out, disable it: stages.<name>.enabled=false"
        )
    return list(order)


def make_stages(config: Mapping[str, Any], seed: int | None = None) -> list[Any]:
    """The stages in effect, in recipe order.

    A disabled stage is absent, unless its `without` says which parameters stand for its absence
    (`extraction` then keeps all visible text, as a WET file does).

    Args:
        seed: that stages draw under; None for their own seeds.
    """
    config = plain(config)
    if isinstance(evaluate := config.get("evaluate"), Mapping) and "_target_" in evaluate:
        _arguments(
            evaluate, "evaluate"
        )  # stages take values from it, and a wrong one is named where it was typed
    stages = []
    for name in stage_order(config):
        node = config["stages"][name]
        where = f"stages.{name}"
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise ConfigError(
                f"unknown stage {name!r}: {nearest(name, stage_names())} (known: {', '.join(stage_names())})"
            )
        enabled = typed(node.get("enabled", True), bool, f"{where}.enabled")
        stage = make(node, where, leave_out=RESERVED)
        if not enabled and node.get("without") is None:
            continue
        if not enabled:
            stage = make({**node, **node["without"]}, where, leave_out=RESERVED)
        with naming(where, node):
            stage = stage if seed is None else stage.drawn(seed)
            if enabled:
                stage.check()
        stages.append(stage.called(name))
    return stages


BUILT = ("tokenizer", "proxy", "train", "budget", "evaluate")
"""Groups of an arm's configuration that are one `_target_` each, beside the pool."""


def check_arm(config: Mapping[str, Any], seeds: Iterable[int | None] = (None,)) -> None:
    """Build everything that an arm's configuration describes, so that what could not run is found now.

    Args:
        seeds: that stages draw under.
    Raises:
        ConfigError: names the key. Stages come last, since some take their values from other groups.
    """
    make_pool(config["pool"])
    for group in BUILT:
        make(config[group], group)
    for seed in seeds:
        make_stages(config, seed)


def stage_names() -> list[str]:
    """Every stage that has a file in `conf/stages`."""
    return sorted(path.stem for path in (CONF / "stages").glob("*.yaml"))
