"""Identity: everything that changes a result goes into a digest, nothing else does."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from ablate.errors import ConfigError, DataError
from ablate.extras import not_installed
from ablate.plain import Plain

CHUNK = 1 << 22


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical form; pass plain data")


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no white space, NaN refused.

    Raises:
        ValueError: for NaN or an infinity, which have no JSON form.
        TypeError: for an object that is neither plain data nor a dataclass.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )


def digest(value: Any) -> str:
    """128-bit BLAKE2b of the canonical form, as 32 hex digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Distribution -> its installed version, without the label of a local build (`2.13.0+cpu`).

    Raises:
        ConfigError: for one that is not installed.
    """
    found = {}
    for name in sorted(set(names)):
        try:
            found[name] = _asked(importlib.metadata.version, name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            raise ConfigError(not_installed(name)) from None
    return found


@cache
def _asked(version: Callable[[str], str], name: str) -> str:
    """An answer of `version`, which reads the files of a distribution at every call."""
    return version(name)


def file_stamp(path: str | Path) -> tuple[int, int, int, int]:
    """What changes whenever a file does: size, times of change of content and of entry, inode.

    The second time cannot be set, so a copy that keeps size and time (`cp -p`) is noticed.
    """
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def file_digest(path: str | Path) -> str:
    """128-bit BLAKE2b of a file's bytes, read again only when its stamp differs.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        return _read(str(Path(path).resolve()), file_stamp(path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=1024)
def _read(path: str, _: tuple[int, ...]) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            hashed.update(block)
    return hashed.hexdigest()


def folder_files(folder: str | Path) -> dict[str, Path]:
    """Name inside the folder -> path of every file below it; hidden ones are left out.

    Raises:
        DataError: when there is none.
    """
    root = Path(folder)
    names = {path: path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()}
    files = {
        name.as_posix(): path
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.parts)
    }
    if not files:
        raise DataError(f"expected a folder with files, found none in {folder}")
    return files


def folder_digest(folder: str | Path) -> str:
    """Names a folder by what its files hold and are called inside it, not by where it lies.

    Raises:
        DataError: when it holds no file.
    """
    return digest({name: file_digest(path) for name, path in folder_files(folder).items()})


NOT_IDENTITY = {"identity": False}
"""`metadata` of a dataclass field that changes no result: where something is kept, how fast it goes, what it is called."""


LATER = {"later": True}
"""`metadata` of a field that came when results had been named without it: at its default it names nothing."""


def was(name: str) -> dict[str, str]:
    """Return the `metadata` of a field that was called `name`: that key is refused with the new one, and names results still."""
    return {"was": name}


def counts(field: dataclasses.Field[Any]) -> bool:
    """Whether a field is part of what names a result; all are that do not say otherwise."""
    return bool(field.metadata.get("identity", True))


def counts_as(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field with this value is part of what names a result."""
    return counts(field) and not (field.metadata.get("later") and value == field.default)


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


def naming_fields(settings: _Dataclass) -> dict[str, Plain]:
    """The fields of a dataclass that name a result, with their values."""
    values = {entry.name: (entry, getattr(settings, entry.name)) for entry in dataclasses.fields(settings)}
    return {
        entry.metadata.get("was", name): value
        for name, (entry, value) in values.items()
        if counts_as(entry, value)
    }


def mix64(keys: np.ndarray, salt: int) -> np.ndarray:
    """Hash each key with `salt`: the splitmix64 finaliser (Steele et al. 2014), vectorised.

    Args:
        keys: shape (n,), uint64.
        salt: any integer; different salts give independent-looking orders.
    Returns:
        shape (n,), uint64.
    """
    with np.errstate(over="ignore"):
        start = np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        z = keys.astype(np.uint64) + start
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
