"""Building what a composed configuration describes: each `_target_` is a dataclass, checked by the types of its fields."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from ablate.errors import ConfigError, nearest
from ablate.fingerprint import counts_as
from ablate.typed import shown, typed

_PACKAGED = Path(__file__).parent / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "conf"
RESERVED = ("_target_", "enabled", "without")
"""Keys of a stage's node that are not parameters of the stage."""


Built = typing.TypeVar("Built")


def plain(node: Any) -> Any:
    """Return a config node as plain dicts and lists, interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


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
    return build(locate(values["_target_"], where), values, where, leave_out)


def build(cls: type[Built], values: Mapping[str, Any], where: str, leave_out: Sequence[str] = ()) -> Built:
    """Build a dataclass from its fields: the one place where what a configuration says is checked.

    Args:
        values: field -> value. Where there is no `_target_`, a field that is a dataclass takes a mapping of its own fields.
        where: their place in the configuration, for messages; "" at its top.
        leave_out: keys that are not fields.
    Raises:
        ConfigError: as `make`.
    """
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init}
    arguments = _arguments(cls, values, where, leave_out)
    unset = (dataclasses.MISSING,)
    for name, entry in fields.items():
        if name not in arguments and entry.default in unset and entry.default_factory in unset:
            path = _path(where, name)
            raise ConfigError(f"{path} is not set; give it as {path}=...")
    with naming(where, fields):
        return cls(**arguments)


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def make_pool(node: Any) -> Any:
    """Build the source that `pool` describes; with `pool.spike`, the one that plants defects into it.

    Raises:
        ConfigError: as `make`.
    """
    values = dict(plain(node)) if isinstance(plain(node), Mapping) else plain(node)
    spike = values.pop("spike", None) if isinstance(values, dict) else None
    source = make(values, "pool")
    return source if spike is None else make({**spike, "of": source}, "pool.spike")


def _arguments(cls: type, values: Mapping[str, Any], where: str, leave_out: Sequence[str]) -> dict[str, Any]:
    """What a class is given, checked by type; what is still missing is left out."""
    hints, known = typing.get_type_hints(cls), {f.name for f in dataclasses.fields(cls) if f.init}
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key in leave_out or value == MISSING:
            continue
        path = _path(where, key)
        if key not in known:
            raise ConfigError(unknown_key(where, str(key), known, cls))
        if "_target_" not in values and dataclasses.is_dataclass(hint := hints[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{path} must be a mapping, got {shown(value)}")
            arguments[key] = build(typing.cast(type, hint), value, path)
        else:
            arguments[key] = typed(_nested(value, path), hints[key], path)
    return arguments


@contextmanager
def naming(where: str, fields: Iterable[str], otherwise: str | None = None) -> typing.Iterator[None]:
    """Put the configuration's path before what a class says of a field of its own.

    Classes name the field ("limit must be ..."), as they cannot know where in the configuration they stand.

    Args:
        where: path of the object.
        fields: of its class.
        otherwise: what stands before an error that begins with none of them; None for the path.
    """
    try:
        yield
    except (ConfigError, ValueError, TypeError) as error:
        said = str(error)
        own = re.match(r"\w+", said)
        if own and own[0] in fields:
            raise ConfigError(_path(where, said)) from error
        before = where if otherwise is None else otherwise
        raise ConfigError(f"{before}: {said}" if before else said) from error


def identified(node: Any, settings: type | None = None) -> Any:
    """A config node without the fields that its class sets aside: what changes a result, and nothing else.

    Only this package's classes are asked, since a plan that came from elsewhere may name any module.

    Args:
        node: plain data.
        settings: class of a node that names none; settings inside it are of the classes that its fields have.
    """
    if isinstance(node, Mapping):
        fields, inner = _fields_of(node, settings)
        return {
            fields[key].metadata.get("was", key) if key in fields else key: identified(value, inner.get(key))
            for key, value in node.items()
            if key not in fields or counts_as(fields[key], value)
        }
    return [identified(value) for value in node] if isinstance(node, (list, tuple)) else node


def renamed(node: Any, settings: type | None = None) -> Any:
    """Return a config node that an earlier version stored, under the names that its fields have now.

    Args:
        node, settings: as for `identified`.
    """
    if isinstance(node, Mapping):
        fields, inner = _fields_of(node, settings)
        return {
            fields[key].name if key in fields else key: renamed(value, inner.get(key))
            for key, value in node.items()
        }
    return [renamed(value) for value in node] if isinstance(node, (list, tuple)) else node


def _fields_of(
    node: Mapping[str, Any], settings: type | None
) -> tuple[dict[str, dataclasses.Field[Any]], dict[str, type]]:
    """The fields of a node's class, by their names and former ones, and the classes of those that are settings.

    None of a class outside the package.
    """
    target = node.get("_target_")
    if "_target_" in node:
        settings = locate(target, "") if isinstance(target, str) and target.startswith("ablate.") else None
    if settings is None:
        return {}, {}
    entries = dataclasses.fields(settings)
    former = {entry.metadata["was"]: entry for entry in entries if "was" in entry.metadata}
    return former | {entry.name: entry for entry in entries}, settings_within(settings)


@cache
def settings_within(cls: type) -> dict[str, type]:
    """Field -> its class, of those fields of a dataclass whose values are dataclasses themselves."""
    hints = typing.get_type_hints(cls).items()
    return {name: hint for name, hint in hints if isinstance(hint, type) and dataclasses.is_dataclass(hint)}


def called_now(cls: type, path: str) -> str | None:
    """Return what a dotted path below some settings is called now; None where no key of it was renamed."""
    now = []
    for key in path.split("."):
        found = {
            entry.metadata["was"]: entry.name for entry in dataclasses.fields(cls) if "was" in entry.metadata
        }
        now.append(found.get(key, key))
        if (inner := settings_within(cls).get(now[-1])) is None:
            break
        cls = inner
    said = ".".join([*now, *path.split(".")[len(now) :]])
    return said if said != path else None


def unknown_key(where: str, key: str, known: Iterable[str], cls: Any = None) -> str:
    """Say that a key does not exist: what it is called now where it was renamed, else the nearest of those there are."""
    path = _path(where, key)
    for entry in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if entry.metadata.get("was") == key:
            return f"{path} is called {_path(where, entry.name)} now"
    known = sorted(known)
    return f"{path} does not exist: {nearest(key, known)} (known: {', '.join(known)})"


def _nested(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return make(value, where)
        return {key: _nested(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nested(inner, f"{where}[{n}]") for n, inner in enumerate(value)]
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
        # Stages take values from it, and a wrong one is named where it was typed.
        _arguments(locate(evaluate["_target_"], "evaluate"), evaluate, "evaluate", ("_target_",))
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


def stage_names() -> list[str]:
    """Every stage that has a file in `conf/stages`."""
    return sorted(path.stem for path in (CONF / "stages").glob("*.yaml"))
