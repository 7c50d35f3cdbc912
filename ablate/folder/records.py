"""What stands in a folder's files of records: which field is the text, which of them have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ablate.errors import ConfigError
from ablate.folder.kinds import ending_of, globs_of
from ablate.pool.source import field_of, scalars
from ablate.reading.paths import shown
from ablate.reading.records import ARCHIVE, RECORDS, Fault, Part, Row, format_of, parts, records
from ablate.reading.unpack import UNPACK_ERRORS, Damaged, worded

TEXTS = ("text", "raw_content", "content", "document", "body", "raw_text", "page_content", "markdown", "html")
URLS = ("url", "uri", "link", "warc-target-uri", "metadata.url", "meta.url", "metadata.warc_url", "meta.uri")
LANGUAGES = ("language", "lang", "metadata.language", "meta.language", "metadata.lang", "meta.lang")
IDS = ("input_ids", "token_ids", "tokens")
REMOVED = ("removed", "rejected", "discarded", "excluded")
ROWS, GROUPS = 25, 1_000
"""Records of a file, and folders (for each ending of their files), that are looked at."""
SHORTEST = 40
"""Mean characters of a field, of no name known here, that is taken for the text."""


@dataclass(frozen=True)
class Group:
    """Files of one folder and format.

    Attributes:
        folder: they lie in.
        form: their format, e.g. ".jsonl".
        files: all of them.
        rows: some of their records.
        faults: why others could not be read.
    """

    folder: Path
    form: str
    files: tuple[Path, ...]
    rows: tuple[Row, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """Which fields of the records a pool takes.

    Attributes:
        text, url, language: their paths; "" where there is none.
        others: of the remaining plain fields, some values.
    """

    text: str
    url: str
    language: str
    others: Mapping[str, tuple[object, ...]]


def groups_of(files: Sequence[Path]) -> list[Group]:
    """Files by folder and format, with records of the first and last of each that can be read."""
    found: dict[tuple[Path, str], list[Path]] = {}
    for path in files:
        found.setdefault((path.parent, ending_of(path)), []).append(path)
    if len(found) > GROUPS:
        raise ConfigError(
            f"init.folder: its records lie in {len(found):,} folders, more than {GROUPS:,}; give one of the folders in it"
        )
    groups = []
    for (folder, _), members in found.items():
        rows: list[Row] = []
        faults: list[str] = []
        for path in dict.fromkeys((members[0], members[len(members) // 2], members[-1])):
            for row in _rows(path):
                if isinstance(row, Fault):
                    faults.append(f"{shown(path.name)}: {row.reason}")
                else:
                    rows.append(row)
        groups.append(
            Group(folder, format_of(members[0]) or ARCHIVE, tuple(members), tuple(rows), tuple(faults))
        )
    return groups


def _rows(path: Path) -> Iterator[Row | Fault]:
    """The first records of a file."""
    try:
        names = tuple(pq.read_schema(path).names) if path.suffix.lower() == ".parquet" else ()
    except (OSError, pa.ArrowException):
        names = ()
    try:
        for part in islice(_record_parts(path), 3):
            for _, row in islice(records(part, names), ROWS):
                yield row
    except (Damaged, *UNPACK_ERRORS) as error:
        yield Fault(f"unreadable: {worded(error)}")


def _record_parts(path: Path) -> Iterator[Part]:
    """The file itself, or the files of records in an archive; what cannot be read of it is among them, and says so."""
    for part in parts(path):
        if not part.is_hidden and (part.format in RECORDS or part.name.endswith("/")):
            yield part


def columns_of(rows: Sequence[Row]) -> Columns | None:
    """The fields that hold text, address and language; None where no field holds text."""
    named = next((name for name in TEXTS if _mean_length(rows, name)), "")
    if not named:
        lengths = {name: _mean_length(rows, name) for name in _strings(rows)}
        named = max(lengths, key=lambda name: lengths[name], default="")
        if not named or lengths[named] < SHORTEST:
            return None
    url, language = (
        next((name for name in known if any(field_of(row, name) for row in rows)), "")
        for known in (URLS, LANGUAGES)
    )
    others: dict[str, list[object]] = {}
    for row in rows:
        for name, value in scalars(row, (named, url, language, "source")).items():
            others.setdefault(name, []).append(value)
    return Columns(named, url, language, {name: tuple(values) for name, values in others.items()})


def _strings(rows: Sequence[Row]) -> list[str]:
    names = Counter(name for row in rows for name, value in _deep(row) if isinstance(value, str))
    return sorted(names)


def _deep(row: Mapping[str, object], outer: str = "") -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and not outer.count("."):
            yield from _deep(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", value


def _mean_length(rows: Sequence[Row], name: str) -> float:
    texts = [value for row in rows if isinstance(value := field_of(row, name), str) and value.strip()]
    return sum(map(len, texts)) / len(texts) if len(texts) * 2 >= len(rows) and texts else 0.0


def tokenised(rows: Sequence[Row]) -> str:
    """The field of token numbers that records have; "" where there is none."""
    return next((name for name in IDS if any(isinstance(row.get(name), (list, bytes)) for row in rows)), "")


@dataclass(frozen=True)
class Chosen:
    """The files of records that are a pool.

    Attributes:
        paths: for `pool.paths`: the folder, or globs of those in it that have texts.
        files: all that these stand for.
        columns: of their records.
        rows: some of them.
        notes: what was left out and why, what could not be read.
    """

    paths: tuple[str, ...]
    files: tuple[Path, ...]
    columns: Columns
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def choose(folder: Path, files: Sequence[Path], *, alone: bool) -> Chosen:
    """Decide which files of records make a pool.

    Args:
        folder: that the user gave.
        alone: whether it holds no other files, so that it can be named as it is.
    Raises:
        ConfigError: when none has text; says what they have.
    """
    groups = groups_of(files)
    notes = [fault for group in groups for fault in group.faults[:1]]
    whole = columns_of([row for group in groups for row in group.rows if columns_of([row])])
    if whole is None:
        raise ConfigError(f"init.folder: {_without_text(folder, groups)}")
    kept = [group for group in groups if _mean_length(group.rows, whole.text)]
    if any(not _is_removed(folder, group) for group in kept):
        notes += [
            _left_out(folder, group, "what a filter removed") for group in kept if _is_removed(folder, group)
        ]
        kept = [group for group in kept if not _is_removed(folder, group)]
    without = [group for group in groups if group.rows and not _mean_length(group.rows, whole.text)]
    notes += [_left_out(folder, group, f"no text in {whole.text}") for group in without]
    rows = tuple(row for group in kept for row in group.rows)
    columns = columns_of(rows)
    assert columns is not None
    every = len(kept) == len(groups) and alone
    chosen = tuple(path for group in kept for path in group.files)
    return Chosen((str(folder),) if every else globs_of(chosen), chosen, columns, rows, tuple(notes))


def _is_removed(folder: Path, group: Group) -> bool:
    return any(part.lower() in REMOVED for part in group.folder.relative_to(folder).parts)


def _left_out(folder: Path, group: Group, why: str) -> str:
    place = group.folder.relative_to(folder)
    return f"left out: {len(group.files)} files {group.form} in {shown(str(place))} ({why})"


def _without_text(folder: Path, groups: Sequence[Group]) -> str:
    rows = [row for group in groups for row in group.rows]
    if name := tokenised(rows):
        return (
            f"{shown(str(folder))} is tokenised (its records hold {name} and no text): stages read text, so give the folder "
            "from before tokenisation"
        )
    if rows:
        names = sorted({name for row in rows for name, _ in _deep(row)})[:20]
        return f"no field of the records in {shown(str(folder))} holds text (fields: {', '.join(names)}); pool=files with pool.text_column takes one"
    faults = [fault for group in groups for fault in group.faults]
    return f"no record in {shown(str(folder))} can be read: {faults[0] if faults else 'the files are empty'}"
