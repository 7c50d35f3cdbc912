"""Which files a user names: files, globs and folders, and what in them is not read."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ablate.errors import FieldError
from ablate.reading.unpack import PACKINGS


@dataclass(frozen=True)
class Found:
    """Files under the paths that were given.

    Attributes:
        files: those to read, in order, each once.
        others: (file, why) of what stands beside them in a folder, or matches a glob, and is not read.
    """

    files: tuple[Path, ...]
    others: tuple[tuple[Path, str], ...]


def shown(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become U+FFFD."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def is_hidden(place: PurePath) -> bool:
    """Whether a file, said from the folder or archive that was given, is one that its owner never sees.

    Names that begin with a dot (editors, checksums of Spark and Hadoop, `._name` of macOS), and what lies in
    such a folder or in the `__MACOSX` of an archive. They bear the endings of the files that they go with.
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in place.parts)


def find_files(paths: str | Sequence[str], wanted: Callable[[Path], bool], what: str) -> Found:
    """Expand files, globs and folders, in the order given, each glob and folder sorted.

    Args:
        paths: what the user gave.
        wanted: whether a file's name says that it can be read.
        what: is expected, in words.
    Raises:
        FieldError: when nothing is given, an entry matches nothing to read, or a file that is named is not of
            that kind.
    """
    entries = [paths] if isinstance(paths, str) else list(paths)
    if not entries:
        raise FieldError(f"paths is empty: give the {what} to read, e.g. [data/*.gz]")
    files: dict[Path, Path] = {}
    others: dict[Path, str] = {}
    for entry in entries:
        if not isinstance(entry, str) or not entry.strip():
            raise FieldError(
                f"paths holds {entry!r}: give a file, a glob or a folder; the working folder is '.'"
            )
        folder = Path(entry).expanduser()
        matches, named = _matches(entry)
        if not matches:
            raise FieldError(f"paths: nothing matches {shown(entry)!r} (expected {what})")
        kept = 0
        for path in matches:
            hidden = not named and path.is_relative_to(folder) and is_hidden(path.relative_to(folder))
            if why := "hidden" if hidden else _unread(path, wanted):
                if named:
                    raise FieldError(f"paths: {shown(entry)!r} is not read: {why} (expected {what})")
                others[path] = why
            else:
                files.setdefault(path.parent.resolve() / path.name, path)
                kept += 1
        if not kept:
            whys = ", ".join(sorted(set(map(others.__getitem__, matches))))
            raise FieldError(
                f"paths: none of {len(matches)} files of {shown(entry)!r} is read: {whys} (expected {what})"
            )
    read = tuple(files.values())
    return Found(read, tuple((path, why) for path, why in others.items() if path not in read))


def _matches(entry: str) -> tuple[list[Path], bool]:
    """What an entry stands for, and whether it names one file."""
    path = Path(entry).expanduser()
    if path.is_dir():
        return sorted(place for place in path.rglob("*") if place.is_symlink() or not place.is_dir()), False
    if path.exists() or path.is_symlink():
        return [path], True
    found = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    everything = "**" in entry  # so the folders' files are among the matches
    return [match for match in found if match.is_symlink() or not (everything and match.is_dir())], False


def _unread(path: Path, wanted: Callable[[Path], bool]) -> str:
    """Why a path is no file to read; "" for one that is."""
    if not path.exists():
        return "a link to nothing"
    if not path.is_file():
        return "a folder" if path.is_dir() else "not a file"
    if wanted(path):
        return ""
    ending = path.suffix.lower()
    inner = PurePath(path.stem).suffix.lower() if ending in PACKINGS else ""
    return inner + ending or "no ending"
