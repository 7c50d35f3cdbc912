"""Composing the configuration: Hydra merges the files of `conf/` and the command line; what is wrong is said in one line."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path, get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import KeyValidationError, OmegaConfBaseException

from ablate.config import CONF, called_now, identified, locate, plain, unknown_key
from ablate.errors import ConfigError, nearest
from ablate.fingerprint import digest, file_stamp
from ablate.ladder import RESOLVERS
from ablate.settings import Config, check_settings
from ablate.typed import shown
from ablate.yaml_slips import describe, surprises

OWN = "command-line"
"""Provider of the folder that --config-dir names, in Hydra's search path."""
Composer = Hydra
"""Hydra, opened over folders of configurations."""


@cache
def register() -> None:
    """Tell Hydra the keys there are and the resolvers, once per process.

    The keys are given without their types: OmegaConf makes a value fit its type (`name: no` becomes the text "False"),
    `check_settings` refuses it.
    """
    ConfigStore.instance().store(name="schema", node=OmegaConf.create(dataclasses.asdict(Config())))
    OmegaConf.register_new_resolver("digest", lambda node: digest(identified(plain(node)))[:12], replace=True)
    for name, of in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, of, replace=True)


def flags() -> ArgumentParser:
    """Return the parser of Hydra's own flags."""
    return get_args_parser()


def open_hydra(config_dir: str | None = None) -> Composer:
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


def unset(error: OmegaConfBaseException, hydra: Composer) -> ConfigError:
    """Word the error of a value that a command asks for and nobody has given.

    Args:
        error: a `MissingMandatoryValue`, or that of an interpolation that leads to one.
    """
    key = str(error).splitlines()[0].rpartition("Missing mandatory value: ")[2]
    if options := hydra.config_loader.get_group_options(key) if "." not in key else []:
        return ConfigError(f"{key} is not set; choose one: {key}={'|'.join(sorted(options))}")
    return ConfigError(f"{key} is not set; give it as {key}=...")


def overruled(overrides: Sequence[str], config: DictConfig, hydra: Composer) -> list[str]:
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


def compose(overrides: Sequence[str], hydra: Composer | None = None) -> DictConfig:
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
        config = _values_on_groups(overrides, hydra) or _merged(overrides, hydra)
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


def _merged(overrides: Sequence[str], hydra: Composer) -> DictConfig:
    """What Hydra makes of its files and of all overrides."""
    config: DictConfig = hydra.compose_config(
        config_name="config",
        overrides=list(overrides),
        run_mode=RunMode.MULTIRUN,
        with_log_configuration=False,
        validate_sweep_overrides=False,
    )
    return config


def _values_on_groups(overrides: Sequence[str], hydra: Composer) -> DictConfig | None:
    """The same as `_merged`, with what the chosen groups give merged once per process and choice.

    Merging the files takes a third of a second, setting values on the result a tenth of that. Hydra does the one after the
    other, so the order of the two kinds of override among each other does not matter.

    Returns:
        None where the whole has to be asked: with a folder of the user's own, a mapping in place of an option, a sweep,
        a variable of the environment that Hydra copies, or an error, which Hydra is to word.
    """
    if _own_folders(hydra):
        return None
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        chosen: list[Override] = []
        values: list[Override] = []
        for one in parsed:
            (chosen if _chooses(one, hydra) else values).append(one)
        if any(one.is_sweep_override() for one in parsed) or any(
            isinstance(one.value(), dict) for one in chosen
        ):
            return None
        config = copy.deepcopy(
            _of_groups(_Groups(tuple(str(one.input_line) for one in chosen), _stamps(), hydra))
        )
        if config.hydra.job.env_copy:
            return None
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
    except (HydraException, OmegaConfBaseException):
        return None
    task = [one for one in parsed if not one.is_hydra_override()]
    config.hydra.overrides.task = [one.input_line for one in task]
    config.hydra.runtime.cwd = os.getcwd()
    config.hydra.job.override_dirname = get_overrides_dirname(
        task, **config.hydra.job.config.override_dirname
    )
    return config


def _chooses(override: Override, hydra: Composer) -> bool:
    """Whether an override decides which files are merged, or is about Hydra's own node."""
    key = override.key_or_group
    groups = hydra.config_loader.repository  # type: ignore[attr-defined]
    return override.is_hydra_override() or override.package is not None or bool(groups.group_exists(key))


@dataclasses.dataclass(frozen=True)
class _Groups:
    """Choices of groups, over files in a state."""

    overrides: tuple[str, ...]
    stamps: tuple[tuple[str, tuple[int, ...]], ...]
    hydra: Composer = dataclasses.field(compare=False)


def _stamps() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Every file of `conf/` with what changes when it does."""
    return tuple((str(path), file_stamp(path)) for path in sorted(CONF.rglob("*.yaml")))


@lru_cache(maxsize=64)
def _of_groups(groups: _Groups) -> DictConfig:
    return _merged(groups.overrides, groups.hydra)


def _check_stages(config: DictConfig) -> None:
    for name in config.stages:
        if not OmegaConf.is_dict(config.stages[name]):
            raise ConfigError(
                f"stages.{name} must be a mapping, got {shown(plain(config.stages[name]))}; a stage is switched off by "
                f"stages.{name}.enabled=false"
            )


def _own_folders(hydra: Composer) -> list[Path]:
    """Folders of configurations of the user's own."""
    entries = hydra.config_loader.get_search_path().get_path()
    return [Path(entry.path.removeprefix("file://")) for entry in entries if entry.provider == OWN]


def _own_files(config: DictConfig, hydra: Composer) -> list[Path]:
    """The user's files that a composed configuration was made from."""
    chosen = plain(config.hydra.runtime.choices)
    names = [f"{group.split('@')[0]}/{option}.yaml" for group, option in chosen.items()]
    return [path for folder in _own_folders(hydra) for name in names if (path := folder / name).is_file()]


def _explain(error: Exception, overrides: Sequence[str], hydra: Composer) -> str:
    text = str(error).strip()
    if isinstance(cause := error.__cause__, KeyValidationError):
        where = f"a key of {cause.full_key}" if cause.full_key else "a key"
        kind = re.search(r"'(\w+)'", str(cause))
        got = kind[1].replace("NoneType", "null") if kind else "something else"
        return f"{where} must be text, got {got}; write it in quotes"
    if option := re.search(r"Could not find '([^']+)/([^/']+)'", text):
        group, name = option.groups()
        options = hydra.config_loader.get_group_options(group)
        here = group == "study" and Path("studies", name).is_dir()
        there = f"; the study in studies/{name} is study.name={name}" if here else ""
        return f"{group}={name} does not exist: {nearest(name, options)} (known: {', '.join(sorted(options))}){there}"
    if not re.search(r"Could not override|not in '?[A-Z]|is not in struct|Could not append", text):
        return text
    for override in overrides:
        path = override.lstrip("+~").split("=")[0]
        if path.startswith("hydra/") and "@" not in path:
            groups = [f"hydra/{name}" for name in hydra.config_loader.list_groups("hydra")]
            if path not in groups:
                return f"{path}: no such group: {nearest(path, groups)} (known: {', '.join(sorted(groups))})"
        if "@" in path or "/" in path:  # a group, perhaps put at another place: +stages@stages.pii=pii
            continue
        hydras = path.startswith(
            "hydra."
        )  # what Hydra's own node holds is said by its groups, which are of no matter elsewhere
        others = [o for o in overrides if o is not override and (hydras or not o.startswith("hydra/"))]
        if message := _misspelt(path, others, hydra):
            return message
    return text


def _misspelt(path: str, others: Sequence[str], hydra: Composer) -> str | None:
    groups = [o for o in others if "." not in o.split("=")[0] or "@" in o.split("=")[0]]
    try:
        node: Any = _values_on_groups(groups, hydra) or _merged(groups, hydra)
    except (HydraException, OmegaConfBaseException):
        return None
    for depth, key in enumerate(parts := path.split(".")):
        if not OmegaConf.is_dict(node):
            return None
        if key not in list(node):  # `in node` would deny a key whose value is still missing
            known = [str(name) for name in node if name not in ("hydra", "_target_")]
            if parts[:depth] == ["hydra", "launcher"]:
                choice = plain(node["_target_"]).rpartition(".")[2]
                these = nearest(key, known) if known else "it has none"
                return f"{path}: {choice} has no setting {key!r}: {these}; hydra/launcher=... chooses another launcher"
            if "_target_" in node:
                return unknown_key(".".join(parts[:depth]), key, known, locate(node["_target_"], path))
            if now := called_now(Config, path):
                return f"{path} is called {now} now"
            what = f"unknown stage {key!r}" if parts[:depth] == ["stages"] else f"{path}: no such key {key!r}"
            return f"{what}: {nearest(key, known)} (known: {', '.join(sorted(known))})"
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            return None
        node = node[key]
    return None
