"""What kinds of file lie in a folder, told by their names, and by those of the files in an archive."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import ConfigError
from ablate.reading.paths import is_hidden, shown
from ablate.reading.records import ARCHIVE, FORMATS, TEXTS, format_of, is_readable, parts
from ablate.reading.unpack import PACKINGS, UNPACK_ERRORS, Damaged

WARC, WET, WAT, RECORD, TEXT, PAGE = "WARC", "WET", "WAT", "records", "texts", "pages"
TOKENS, ARROW, IMAGES, ARCHIVES, OTHER = "tokens", "Arrow", "images", "archives", "other"
ENDINGS = {
    TOKENS: (".ds", ".ds.index", ".ds.metadata", ".bin", ".idx", ".npy", ".npz", ".tfrecord"),
    ARROW: (".arrow", ".feather"),
    IMAGES: (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg"),
}
MOST_FILES = 200_000
"""Files of a folder that are looked at."""
EXPECTED = (
    "expected WARC or WET files, records (.jsonl, .json, .csv, .tsv, .parquet), or .txt and .html files; all but .parquet "
    "may be packed with .gz, .zst, .bz2 or .xz, or stand in a .zip"
)


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes:
        name: one of those above.
        files: in order.
        bytes: of all of them, packed as they are.
    """

    name: str
    files: tuple[Path, ...]
    bytes: int


def kind_of(path: Path) -> str:
    """The kind of file that a name says; of a ZIP archive, that of the files in it."""
    name = path.name.lower()
    words = name.split(".")
    for kind in (WAT, WET, WARC):
        if kind.lower() in words[1:]:
            return kind
    for kind, endings in ENDINGS.items():
        if name.endswith(endings):
            return kind
    if not is_readable(path):
        return OTHER
    return _archive_kind(path) if path.suffix.lower() == ARCHIVE else _format_kind(format_of(path))


def _format_kind(form: str) -> str:
    if form == ".txt":
        return TEXT
    return PAGE if form in TEXTS else RECORD


def _archive_kind(path: Path) -> str:
    """The kind of the files in an archive; with records among them all count as such, as a pool reads both."""
    try:
        forms = [part.format for part in parts(path) if not part.is_hidden]
    except (Damaged, *UNPACK_ERRORS):
        return RECORD  # whose reader says why it cannot be read
    inner = {_format_kind(form) for form in forms if form in FORMATS}
    return next((kind for kind in (RECORD, TEXT, PAGE) if kind in inner), ARCHIVES)


def ending_of(path: Path) -> str:
    """The ending of a file's name, with that of its packing: `.jsonl.gz` of `a.v1.jsonl.gz`."""
    packed = path.suffix.lower() in PACKINGS
    return Path(path.stem).suffix + path.suffix if packed else path.suffix


def globs_of(files: Sequence[Path]) -> tuple[str, ...]:
    """Globs that stand for these files and no others: one for each folder and ending, or the files' own names."""
    groups: dict[tuple[Path, str], set[str]] = {}
    for path in files:
        groups.setdefault((path.parent, ending_of(path)), set()).add(path.name)
    found: list[str] = []
    for (folder, ending), names in sorted(groups.items()):
        pattern = f"*{glob.escape(ending)}"
        matched = set(glob.glob(pattern, root_dir=folder))
        found += [
            f"{glob.escape(str(folder))}/{one}"
            for one in ([pattern] if matched == names else map(glob.escape, sorted(names)))
        ]
    return tuple(found)


def kinds_in(folder: Path) -> list[Kind]:
    """The kinds of a folder's files that are not hidden, the largest first.

    Raises:
        ConfigError: when it is no folder, or holds no file.
    """
    if not folder.is_dir():
        why = "is a file; give the folder that it lies in" if folder.exists() else "does not exist"
        raise ConfigError(f"init.folder: {shown(str(folder))} {why}")
    found: dict[str, list[tuple[Path, int]]] = {}
    for path in _files(folder):
        try:
            size = path.stat().st_size
        except OSError:  # a link that leads nowhere
            continue
        found.setdefault(kind_of(path), []).append((path, size))
    if not found:
        raise ConfigError(f"init.folder: {shown(str(folder))} holds no files; {EXPECTED}")
    kinds = [
        Kind(name, tuple(sorted(path for path, _ in files)), sum(size for _, size in files))
        for name, files in found.items()
    ]
    return sorted(kinds, key=lambda kind: (-kind.bytes, kind.name))


def _files(folder: Path) -> Iterable[Path]:
    count = 0
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not is_hidden(Path(name)))
        for name in sorted(names):
            if is_hidden(Path(name)):
                continue
            count += 1
            if count > MOST_FILES:
                raise ConfigError(
                    f"init.folder: {shown(str(folder))} holds more than {MOST_FILES:,} files; give one of the folders in it"
                )
            yield Path(place) / name
