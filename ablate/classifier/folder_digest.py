"""Names a model by what its files hold, not by where they lie."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ablate.errors import DataError
from ablate.fingerprint import digest

CHUNK = 1 << 22


def file_digest(path: str | Path) -> str:
    """128-bit BLAKE2b of a file's bytes, read again only when size or time of change differ.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        stat = Path(path).stat()
        return _read(str(Path(path).resolve()), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=1024)
def _read(path: str, size: int, changed_ns: int) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            hashed.update(block)
    return hashed.hexdigest()


def folder_digest(folder: str | Path) -> str:
    """Of every file in a folder with its name; hidden ones are left out.

    Raises:
        DataError: when there is none.
    """
    root = Path(folder)
    names = {path: path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()}
    files = {
        name.as_posix(): file_digest(path)
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.parts)
    }
    if not files:
        raise DataError(f"expected a folder with files, found none in {folder}")
    return digest(files)
