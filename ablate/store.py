"""Artefacts on disk: written atomically, named by identity, checked when found again."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablate.errors import AblateError, DataError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The data reach the disk before the name does, so a reader, or the process after a crash, finds
    the whole file or none. A full disk leaves no file and raises with what was being written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(
            f"cannot write {path}: {error.strerror or error}. Nothing that was finished is lost; "
            "free some space or mend the folder's rights and run the same command again"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, NaN refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: when the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it and run again") from None


def write_table(path: Path, table: pa.Table, repeating: list[str] | None = None) -> None:
    """Write Parquet atomically, compressed with Zstandard.

    Args:
        repeating: the columns worth a dictionary, where that is known; trying it on all costs time.
    """
    with atomic(path) as part:
        pq.write_table(
            table, part, compression="zstd", use_dictionary=True if repeating is None else repeating
        )


def share(source: Path, path: Path) -> None:
    """Give a finished file another name: a hard link, or a copy where the file system has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        with atomic(path) as part:
            shutil.copyfile(source, part)


class Store:
    """A folder of artefacts, each in a folder of its own named by kind and identity.

    Attributes:
        root: the folder; created when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, kind: str, key: str, identity: dict[str, Any] | None = None) -> Path:
        """The folder of an artefact; with `identity`, what is stored there must be that identity.

        Raises:
            AblateError: when the folder holds another identity under the same key.
        """
        folder = self.root / kind / key
        if identity is not None:
            path = folder / "identity.json"
            if not path.exists():
                write_json(path, identity)
            elif read_json(path) != json.loads(json.dumps(identity)):
                raise AblateError(
                    f"{path} describes another {kind} than the one wanted under this key; "
                    f"delete {folder} and run again"
                )
        return folder


class Busy(AblateError):
    """Another process holds the lock."""


@contextmanager
def lock(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the block; the system frees it when the process dies.

    Args:
        wait: for a process that holds it; otherwise raise.
    Raises:
        Busy: at once, when another process holds it; names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Busy(
                f"{what} is already running in process {holder} (lock file {path}); "
                "wait for it or stop it, then run the same command again"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a file unless it is there; `make` gets the temporary path to write to."""
    if not path.exists():
        with atomic(path) as part:
            make(part)
    return path
