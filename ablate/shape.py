"""Values that travel as JSON: written from dataclasses, and read back with their shape checked.

A file is read as what its class says or not at all: a key that is missing, one that is not known and a value of another
type are refused by name. Nothing is converted but lists, which become tuples, so that what was read is written again
with the same bytes.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar

from ablate.errors import DataError, nearest
from ablate.typed import SCALARS, shown

T = TypeVar("T")
Read = Callable[[Any], Any]
"""Turn plain data into a value, or raise `_Refused`."""

KEY = {"key": True}
"""`metadata` of a field whose value is the key under which the whole stands in a mapping, and not inside it."""


class _Refused(Exception):
    """A value that is not what its place wants; each container that it leaves puts its own key before the path."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.path: list[str | int] = []


def to_json(value: Any) -> Any:
    """Return a dataclass as plain data, fields in their order; mappings and tuples are followed.

    A field with the metadata `ablate.fingerprint.LATER` is left out at its default; one that `ablate.fingerprint.was`
    called otherwise keeps that name in files.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _written(entry): to_json(inner)
            for entry in dataclasses.fields(value)
            if not entry.metadata.get("key") and not _left_out(entry, inner := getattr(value, entry.name))
        }
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


def from_json(cls: type[T], value: Any, where: str) -> T:
    """Build a dataclass from plain data.

    Args:
        cls: whose fields are text, numbers, true or false, None, tuples, mappings from text, dataclasses and TypedDicts of
            these, and unions of them that the kind of JSON tells apart.
        value: as `json.loads` gives it.
        where: the file, for messages.
    Raises:
        DataError: for a key that is missing or unknown and for a value of another type; names file and key.
    """
    kind: Any = cls
    try:
        found: T = _reader(kind)(value)
    except _Refused as refused:
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in refused.path)
        raise DataError(f"{where}: {f'{path[1:]} ' if path else ''}{refused}") from None
    return found


def _written(entry: dataclasses.Field[Any]) -> str:
    """Return the key under which a field stands in a file."""
    name: str = entry.metadata.get("was", entry.name)
    return name


def _left_out(entry: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field is one that is not written at its default, and is at it."""
    if not entry.metadata.get("later"):
        return False
    made = entry.default_factory
    return bool(value == (entry.default if made is dataclasses.MISSING else made()))


@cache
def _reader(hint: Any) -> Read:
    if hint is Any:
        return lambda value: value
    if hint in SCALARS:
        return _scalar(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _fields(hint)
    if typing.is_typeddict(hint):
        readers = {name: _reader(inner) for name, inner in typing.get_type_hints(hint).items()}
        return lambda value: _named(value, readers, needed=list(readers))
    origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return _union(inner)
    if origin is tuple:
        return _several(_reader(inner[0])) if inner[1:] == (Ellipsis,) else _each(inner)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(inner[1])
    raise TypeError(f"{hint} has no JSON form")


def _scalar(kind: type) -> Read:
    taken = (int, float) if kind is float else (kind,)

    def read(value: Any) -> Any:
        if not isinstance(value, taken) or (isinstance(value, bool) and kind is not bool):
            raise _Refused(f"must be {SCALARS[kind]}, got {shown(value)}")
        return value

    return read


def _union(options: tuple[Any, ...]) -> Read:
    readers = {_json_kind(option): _reader(option) for option in options}
    readers |= {"int": readers["float"]} if "float" in readers and "int" not in readers else {}
    expected = " or ".join(dict.fromkeys(_expected(option) for option in options))

    def read(value: Any) -> Any:
        reader = readers.get(_kind_of(value))
        if reader is None:
            raise _Refused(f"must be {expected}, got {shown(value)}")
        return reader(value)

    return read


def _json_kind(hint: Any) -> str:
    if hint in SCALARS:
        return "null" if hint is NoneType else str(hint.__name__)
    return "list" if (typing.get_origin(hint) or hint) is tuple else "mapping"


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "mapping"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)


def _expected(hint: Any) -> str:
    return SCALARS.get(hint) or f"a {_json_kind(hint)}"


def _several(reader: Read) -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Refused(f"must be a list, got {shown(value)}")
        return tuple(_inside(reader, inner, number) for number, inner in enumerate(value))

    return read


def _each(hints: tuple[Any, ...]) -> Read:
    readers = [_reader(hint) for hint in hints]

    def read(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(readers):
            raise _Refused(f"must be a list of {len(readers)}, got {shown(value)}")
        pairs = enumerate(zip(readers, value, strict=True))
        return tuple(_inside(reader, inner, number) for number, (reader, inner) in pairs)

    return read


def _mapping(hint: Any) -> Read:
    if key := _key_of(hint):
        return _keyed(hint, key)
    reader = _reader(hint)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Refused(f"must be a mapping, got {shown(value)}")
        return {name: _inside(reader, inner, name) for name, inner in value.items()}

    return read


def _keyed(cls: Any, key: str) -> Read:
    """Read a mapping of dataclasses that know the key under which they stand."""
    build = _fields(cls)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Refused(f"must be a mapping, got {shown(value)}")
        return {name: _inside(partial(build, **{key: name}), inner, name) for name, inner in value.items()}

    return read


def _key_of(hint: Any) -> str | None:
    if not dataclasses.is_dataclass(hint):
        return None
    return next((entry.name for entry in dataclasses.fields(hint) if entry.metadata.get("key")), None)


def _fields(cls: Any) -> Callable[..., Any]:
    hints = typing.get_type_hints(cls)
    entries = [entry for entry in dataclasses.fields(cls) if not entry.metadata.get("key")]
    readers = {_written(entry): _reader(hints[entry.name]) for entry in entries}
    names = {_written(entry): entry.name for entry in entries}
    needed = [
        _written(entry)
        for entry in entries
        if entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
    ]

    def read(value: Any, **given: str) -> Any:
        try:
            found = _named(value, readers, needed)
            return cls(**given, **{names[key]: inner for key, inner in found.items()})
        except ValueError as error:  # what the class itself refuses
            raise _Refused(f"is not allowed: {error}") from None

    return read


def _named(value: Any, readers: Mapping[str, Read], needed: list[str]) -> dict[str, Any]:
    """Read a mapping of which each key has a reader of its own."""
    if not isinstance(value, dict):
        raise _Refused(f"must be a mapping, got {shown(value)}")
    for name in needed:
        if name not in value:
            raise _Refused(f"lacks the key {name!r}")
    for name in value:
        if name not in readers:
            raise _Refused(f"has an unknown key {name!r}: {nearest(name, readers)}")
    return {name: _inside(readers[name], value[name], name) for name in value}


def _inside(reader: Read, value: Any, key: str | int) -> Any:
    try:
        return reader(value)
    except _Refused as refused:
        refused.path.insert(0, key)
        raise
