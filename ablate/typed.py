"""A value of the configuration, checked against the type of the field that it is for.

YAML and Hydra read some words as something else than the text they look like (YAML 1.1: `no`, `off` and `yes` are
booleans, `~` is null, `1_000` and `1e3` are numbers), so a value of another type is never made to fit. It is refused
with its key and with the quoting that would say what was meant.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from ablate.errors import ConfigError

SCALARS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}


SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands in a string for bytes that are not UTF-8."""
UNQUOTED = re.compile(r"[-+]?[0-9][0-9_.]*(e[-+]?[0-9]+)?|true|false|yes|no|on|off", re.IGNORECASE)
"""Texts that would be a number, or true or false, without their quotes."""


def typed(value: Any, hint: Any, where: str) -> Any:
    """The value as the hint wants it; lists are checked to their elements, mappings to keys and values.

    A whole number passes for a float, and a float without a fraction (1e6) for an int; true and false pass for
    neither. A list becomes the kind of sequence that the hint names.

    Args:
        value: plain data, or an object that `_target_` built.
        hint: of the field, as `typing.get_type_hints` gives it.
        where: path of the key in the configuration, for messages.
    Raises:
        ConfigError: for another type; names the key, the value and what to write.
    """
    options = _options(hint)
    if Any in options:
        return value
    refusals = []
    for option in sorted(options, key=_looseness):
        try:
            return _as(value, option, where)
        except ConfigError as refusal:
            refusals.append(refusal)
    if len(options) == 1 or (type(None) in options and len(options) == 2):
        raise next(
            r
            for option, r in zip(sorted(options, key=_looseness), refusals, strict=True)
            if option is not type(None)
        )
    inner = [r for r in refusals if not str(r).startswith(f"{where} must")]  # an element, not the whole
    if len(inner) == 1:
        raise inner[0]
    raise _refusal(value, " or ".join(_name(option) for option in options), where, str in options)


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _looseness(option: Any) -> int:
    """Exact types are tried before those that convert: an int stays an int where int and float are allowed."""
    return {type(None): 0, bool: 1, int: 2, float: 3, str: 4}.get(option, 5)


def _as(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint) or hint
    if hint is Any:
        return value
    if origin is typing.Literal:
        if not any(type(value) is type(choice) and value == choice for choice in typing.get_args(hint)):
            raise _refusal(value, _name(hint), where, any(isinstance(c, str) for c in typing.get_args(hint)))
        return value
    if origin in SCALARS:
        return _scalar(value, origin, where)
    if not isinstance(origin, type):
        return value
    if issubclass(origin, enum.Enum):
        if value not in [choice.value for choice in origin]:
            raise _refusal(value, _name(hint), where, quote=True)
        return origin(value)
    if issubclass(origin, Mapping):
        return _mapping(value, hint, where)
    if issubclass(origin, (Sequence, set, frozenset)):
        return _sequence(value, hint, origin, where)
    plain = value is None or isinstance(value, (str, bool, int, float, list, tuple, Mapping))
    if plain or not (getattr(origin, "_is_protocol", False) or isinstance(value, origin)):
        raise ConfigError(
            f"{where} must be a mapping with _target_: package.module.Class, got {shown(value)}"
        )
    return value


def _scalar(value: Any, wanted: type, where: str) -> Any:
    if wanted in (int, float) and isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} must be {_name(wanted)}, got {value}, which is none")
    if wanted is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(
                f"{where} must be a number below 1.8e308, got one of {len(str(value))} digits"
            ) from None
    if wanted is int and type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        raise _refusal(value, _name(wanted), where, wanted is str)
    if isinstance(value, str) and SURROGATE.search(value):
        raise ConfigError(f"{where} must be text in UTF-8, got {value!a}")
    return value


def _sequence(value: Any, hint: Any, origin: type, where: str) -> Any:
    if isinstance(value, str) and origin is Sequence:
        value = [value]  # one path needs no brackets
    if not isinstance(value, (list, tuple)):
        example = f"{where}=[{value}]" if isinstance(value, str) else f"{where}=[...]"
        raise ConfigError(f"{where} must be {_name(hint)}, got {shown(value)}; e.g. {example}")
    inner = typing.get_args(hint) or (Any,)
    if issubclass(origin, tuple) and not (len(inner) == 2 and inner[1] is Ellipsis) and typing.get_args(hint):
        if len(value) != len(inner):
            raise ConfigError(f"{where} must be {_name(hint)}, got {len(value)} values: {shown(value)}")
        hints: Sequence[Any] = inner
    else:
        hints = [inner[0]] * len(value)
    items = [
        typed(item, one, f"{where}[{n}]") for n, (item, one) in enumerate(zip(value, hints, strict=True))
    ]
    return (
        list(items)
        if origin is list
        else set(items)
        if issubclass(origin, (set, frozenset))
        else tuple(items)
    )


def _mapping(value: Any, hint: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be {_name(hint)}, got {shown(value)}")
    key_hint, value_hint = typing.get_args(hint) or (Any, Any)
    checked = {}
    for key, inner in value.items():
        if key_hint is str and not isinstance(key, str):
            raise _refusal(key, "text", f"a key of {where}", quote=True)
        checked[typed(key, key_hint, f"a key of {where}")] = typed(inner, value_hint, f"{where}.{key}")
    return checked


def _refusal(value: Any, wanted: str, where: str, quote: bool) -> ConfigError:
    said = f"{where} must be {wanted}, got {shown(value)}"
    if isinstance(value, str) and UNQUOTED.fullmatch(value) and ("number" in wanted or "true" in wanted):
        return ConfigError(f"{said}; a number, true and false stand without quotes")
    if not quote or not (value is None or isinstance(value, (bool, int, float))):
        return ConfigError(said)
    if value is None:
        reading, word = "null, ~ and nothing at all mean that", "null"
    elif isinstance(value, bool):
        reading = f"{'yes, on and true' if value else 'no, off and false'} mean that"
        word = "yes" if value else "no"
    else:
        reading, word = "1e3, 012 and 1_000 are numbers", str(value) if isinstance(value, int) else "1e3"
    key, _, element = where.partition("[")
    example = f"\"{key}={'[' if element else ''}'{word}'{']' if element else ''}\""
    shell = "" if " " in where else f" and {example} in a shell"  # " ": a key of a mapping
    return ConfigError(
        f"{said}: without quotes {reading}; for the text write it in quotes, '{word}' in a file{shell}"
    )


def shown(value: Any) -> str:
    """The value and what it is, as YAML would have it, shortened."""
    if value is None or isinstance(value, bool):
        return str({None: "null", True: "true", False: "false"}[value])
    if isinstance(value, (int, float)):
        return (
            f"the number {value!r}" if len(text := repr(value)) <= 80 else f"a number of {len(text)} digits"
        )
    if dataclasses.is_dataclass(value):
        return f"a {type(value).__name__}"
    text = value if isinstance(value, str) else repr(value)
    text = repr(value) if len(text) <= 80 else f"{text[:80]!r}..."
    kind = "text" if isinstance(value, str) else "list" if isinstance(value, (list, tuple)) else "mapping"
    return f"the {kind} {text}"


def _name(hint: Any) -> str:
    if hint is Any:
        return "anything"
    origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_name(option) for option in inner)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in SCALARS:
        return SCALARS[origin]
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return f"one of {', '.join(str(choice.value) for choice in origin)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping to {_name(inner[1])}" if inner else "a mapping"
    if isinstance(origin, type) and issubclass(origin, tuple) and inner and inner[-1] is not Ellipsis:
        return f"a list of {', '.join(_name(one) for one in inner)}"
    if isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)):
        return f"a list, of {_name(inner[0])} each" if inner else "a list"
    return getattr(hint, "__name__", str(hint))
