"""Records and texts of any file that a user gives: one reader, whatever the file is for.

A file's ending, in any case, says its format: JSON Lines (`.jsonl`, `.ndjson`, and `.json` of one object a
line), JSON (`.json` with an array of objects, or one object), `.csv`, `.tsv` (with a header), `.parquet`, `.txt`,
`.html`, `.htm`. All but Parquet may be packed (`.gz`, `.zst`, `.bz2`, `.xz`), or stand together in a `.zip`.

What cannot be read comes as a `Fault` in its place. A pool counts it; everywhere else it is an error.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablate.errors import DataError
from ablate.reading.encoding import BOMS, decode, is_binary, wide
from ablate.reading.paths import is_hidden, shown
from ablate.reading.unpack import PACKINGS, PIECE, Damage, Damaged, Unpacked, unpacked, worded, zip_members

LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
RECORDS = (*LINES, ".json", *TABLES, ".parquet")
TEXTS = (".txt", ".html", ".htm")
FORMATS = (*RECORDS, *TEXTS)
ARCHIVE = ".zip"
PACKED = (*PACKINGS, ARCHIVE)
READABLE = f"{', '.join(FORMATS)}; all but .parquet also with {', '.join(PACKED)}"

MAX_LINE = 64_000_000
"""Bytes of a record of JSON Lines: the largest document with every character escaped fits."""
MAX_WHOLE = 1_000_000_000
"""Bytes of a file that is read at once: a table, a JSON array, a text that is no document."""
ROWS = 500
SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
)
"""Kinds of Parquet columns that fit a document's metadata; others are not even read unless they are asked for."""

csv.field_size_limit(MAX_LINE)


@dataclass(frozen=True)
class Fault:
    """A record, or the rest of a file, that cannot be read.

    Attributes:
        reason: a few words, and behind a colon what is particular to this one.
    """

    reason: str


Row = Mapping[str, object]
Record = tuple[int, Row | Fault]
"""Line, from 1, in a text file; row, from 0, in a Parquet file or a JSON array."""


@dataclass(frozen=True)
class Part:
    """A file, or one of the files in an archive.

    Attributes:
        name: to show; an archive's files stand behind its name and a slash.
        format: its ending in lower case, without that of the packing.
        pieces: its bytes, unpacked; may raise what `Unpacked` turns into damage.
        path: of the file.
    """

    name: str
    format: str
    pieces: Callable[[], Iterator[bytes]]
    path: Path

    @property
    def unit(self) -> str:
        """What its numbers count."""
        return "row" if self.format == ".parquet" else "line"

    @property
    def is_hidden(self) -> bool:
        """Whether it is a file of an archive that its owner never sees; see `paths.is_hidden`."""
        return is_hidden(PurePosixPath(self.name.removeprefix(shown(self.path.name))))

    @property
    def place(self) -> str:
        """Its name with the folder that the file lies in, to show."""
        return shown(str(self.path.parent / self.name))


@dataclass(frozen=True)
class Place:
    """Where a record stands.

    Attributes:
        name: of the file.
        unit: "line" or "row".
        number: which one.
    """

    name: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}, {self.unit} {self.number}"


def format_of(path: Path | PurePosixPath) -> str:
    """The ending that says a file's format, in lower case and without that of its packing."""
    ending = path.suffix.lower()
    return PurePosixPath(path.stem).suffix.lower() if ending in PACKED else ending


def is_readable(path: Path) -> bool:
    """Whether a file's name says one of the formats read here."""
    ending, kind = path.suffix.lower(), format_of(path)
    return ending == ARCHIVE or (kind in FORMATS and (kind != ".parquet" or ending == ".parquet"))


def parts(path: Path) -> list[Part]:
    """The file itself, or each file in an archive.

    Raises:
        Damaged: for an archive that cannot be opened.
        OSError: for a file that cannot.
    """
    if path.suffix.lower() != ARCHIVE:
        return [Part(shown(path.name), format_of(path), partial(unpacked, path), path)]
    found = []
    for name, pieces in zip_members(path):
        ending = PurePosixPath(name).suffix.lower()
        kind = ending if ending in (*FORMATS, *PACKED) else format_of(path) or ending
        found.append(Part(f"{shown(path.name)}/{clean_text(name)}", kind, pieces, path))
    return found


def records(
    part: Part, columns: Sequence[str] = (), *, plain: bool = True, unique: bool = False
) -> Iterator[Record]:
    """Every record of a part in one of the formats `RECORDS`, and every one that cannot be read, in its place.

    Args:
        columns: of a Parquet file, those to read; one within a struct by its path, `metadata.url`.
        plain: and those that hold plain scalars, in structs too.
        unique: take a JSON object that names a field twice for a fault; else the last one counts.
    """
    if part.format == ".parquet":
        return _parquet(part, columns, plain)
    if part.format in TABLES:
        return _table(part)
    return _json(part, unique) if part.format == ".json" else _json_lines(part, unique)


def texts(part: Part, limit: int = MAX_WHOLE) -> Iterator[str | Fault]:
    """The one text of a part, and a fault where it cannot be read or is longer than `limit` bytes."""
    body, damage = _whole(part, limit)
    if len(body) > limit:
        yield Fault(f"larger than {limit:,} bytes")
    elif is_binary(body):
        yield Fault("binary: no text")
    elif not damage or damage.whole:
        yield decode(body)
    if damage:
        yield _from_here(damage)


def read_parts(path: str | Path, key: str) -> list[Part]:
    """The parts of a file that a configuration key names, without hidden files of an archive.

    Raises:
        DataError: when there is no such file, or it cannot be opened.
    """
    path = Path(path)
    try:
        if not path.is_file():
            why = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{key}: cannot read it: {shown(str(path))} {why}")
        return [part for part in parts(path) if not part.is_hidden]
    except (OSError, Damaged) as error:
        raise DataError(f"{key}: cannot read {shown(str(path))}: {worded(error)}") from error


def read_rows(path: str | Path, key: str, otherwise: str = ".jsonl") -> Iterator[tuple[Place, Row]]:
    """(place, record) of a file that must be readable to its last record; every column of a Parquet file.

    Args:
        path: of a file in one of the formats `RECORDS`.
        key: the configuration key that names the file, for messages.
        otherwise: the format of a file with another ending.
    Raises:
        DataError: for anything that cannot be read, and a text in an archive; names file and line.
    """
    for part in read_parts(path, key):
        if part.format in TEXTS and part.path.suffix.lower() == ARCHIVE:
            raise DataError(
                f"{key}: {part.place} is a text: expected an archive of records ({', '.join(RECORDS)}), so write the "
                "texts as records (.jsonl, an object a line) or take the file out of the archive"
            )
        yield from part_rows(part if part.format in RECORDS else replace(part, format=otherwise))


def part_rows(part: Part) -> Iterator[tuple[Place, Row]]:
    """(place, record) of a part in one of the formats `RECORDS`; likewise, with the same error."""
    columns = _columns(part) if part.format == ".parquet" else ()
    for number, row in records(part, columns, unique=True):
        place = Place(part.place, part.unit, number)
        if isinstance(row, Fault):
            raise DataError(f"{place}: {row.reason}")
        yield place, row


def read_text(path: str | Path, key: str) -> str:
    """The text of a file that must be readable to its end, line ends as they are; see `encoding.decode`.

    Raises:
        DataError: for anything that cannot be read; names the file.
    """
    return "\n\n".join(part_text(part, key) for part in read_parts(path, key))


def part_text(part: Part, key: str) -> str:
    """The text of a part likewise."""
    found = list(texts(part))
    for text in found:
        if isinstance(text, Fault):
            raise DataError(f"{key}: cannot read {part.place}: {text.reason}")
    return "".join(map(str, found))


def read_lines(path: str | Path, key: str) -> list[str]:
    """Lines of a text file, cut at LF, CR or both, without them."""
    return _cut(read_text(path, key))


def part_lines(part: Part, key: str) -> list[str]:
    """Lines of a part likewise."""
    return _cut(part_text(part, key))


def _cut(text: str) -> list[str]:
    return re.split("\r\n|\n|\r", text.removesuffix("\n"))


def clean_text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, legal in JSON, become U+FFFD."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def cleaned(value: Any) -> Any:
    """A JSON value with every text in it, names included, cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [cleaned(entry) for entry in value]
    if isinstance(value, dict):
        return {clean_text(name): cleaned(entry) for name, entry in value.items()}
    return value


def _from_here(damage: Damage) -> Fault:
    return Fault(f"unreadable from here: {damage.reason}")


# Lines ------------------------------------------------------------------------------------------------------


def _lines(part: Part) -> Iterator[tuple[int, bytes | Fault]]:
    """(number, line) in UTF-8, cut at LF only; a line that damage cuts is no line."""
    stream, number = Unpacked(_as_utf8(part.pieces())), 0
    reader = io.BufferedReader(stream, PIECE)
    for number, line in enumerate(iter(partial(reader.readline, MAX_LINE + 1), b""), start=1):
        if line[-1] != 10:
            if len(line) > MAX_LINE:
                while (more := reader.readline(PIECE)) and more[-1] != 10:
                    pass
                yield number, Fault(f"larger than {MAX_LINE:,} bytes: one line")
                continue
            if stream.damage and not stream.damage.whole:
                number -= 1  # it is the first of what cannot be read
                break
        yield number, line
    if stream.damage:
        yield number + 1, _from_here(stream.damage)


def _as_utf8(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces without a byte order mark; UTF-16 and UTF-32, as the mark or the first two characters say, in UTF-8."""
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= 4:
            break
    unmarked = b"", wide(first) or "utf-8"
    mark, name = next(((mark, name) for mark, name in BOMS if first.startswith(mark)), unmarked)
    first = first[len(mark) :]
    if name == "utf-8":
        if first:
            yield first
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    yield decoder.decode(first).encode()
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", True).encode()


def _json_lines(part: Part, unique: bool) -> Iterator[Record]:
    for number, line in _lines(part):
        if isinstance(line, Fault):
            yield number, line
        elif line.removeprefix(codecs.BOM_UTF8).strip():
            yield number, _object(line, unique)


def _object(line: bytes, unique: bool) -> Row | Fault:
    try:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = decode(line)
        row = _loads(text.lstrip("\ufeff"), unique)  # files with a mark each that were joined
        if b"\\ud" in line or b"\\uD" in line:
            row = cleaned(row)
    except _TwiceNamed as error:
        return Fault(f"a field is named twice: {error}")
    except (ValueError, RecursionError) as error:
        return Fault(f"not JSON: {error}")
    return row if isinstance(row, dict) else Fault(f"expected an object, got {type(row).__name__}")


class _TwiceNamed(Exception):
    """A JSON object has a name twice."""


def _loads(text: str, unique: bool) -> Any:
    return json.loads(text, object_pairs_hook=_unique) if unique else json.loads(text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceNamed(next(repr(name) for n, (name, _) in enumerate(pairs) if name in dict(pairs[:n])))
    return row


# JSON that is not one object a line -------------------------------------------------------------------------


def _json(part: Part, unique: bool) -> Iterator[Record]:
    """Records of a `.json`: the elements of an array, one object a line, or one object over several lines."""
    first = next((line for _, line in _lines(part) if isinstance(line, Fault) or not line.isspace()), b"")
    is_line = isinstance(first, bytes) and isinstance(_object(first, unique=False), dict)
    if is_line or not first:
        yield from _json_lines(part, unique)
        return
    body, damage = _whole(part, MAX_WHOLE)
    text = decode(body) if len(body) <= MAX_WHOLE else ""
    if len(body) > MAX_WHOLE:
        yield 1, Fault(f"larger than {MAX_WHOLE:,} bytes: write one object a line (.jsonl)")
    elif text.lstrip().startswith("["):
        yield from _array(text, damage, unique)
    elif not damage and isinstance(whole := _object(text.encode("utf-8", "surrogatepass"), unique), dict):
        yield 1, whole
    else:
        yield from _json_lines(part, unique)


def _array(text: str, damage: Damage | None, unique: bool) -> Iterator[Record]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique if unique else None)
    space = re.compile(r"[ \t\r\n]*")
    place, number, line, counted = text.index("[") + 1, 0, 1, 0
    while True:
        place = space.match(text, place).end()  # type: ignore[union-attr]
        if text[place : place + 1] == "]" and space.fullmatch(text, place + 1):
            break
        if number:
            place = space.match(text, place + (text[place : place + 1] == ",")).end()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, place), place
        try:
            row, place = decoder.raw_decode(text, place)
            row = cleaned(row)
        except _TwiceNamed as error:
            yield line, Fault(f"unreadable from here: a field is named twice: {error}")
            return
        except (ValueError, RecursionError) as error:
            yield line, _from_here(damage or Damage(f"not JSON: {error}"))
            return
        number += 1
        yield line, row if isinstance(row, dict) else Fault(f"expected an object, got {type(row).__name__}")
    if damage:
        yield line, _from_here(damage)


def _whole(part: Part, limit: int) -> tuple[bytes, Damage | None]:
    """All bytes of a part, or `limit` + 1 of them, and why they are not all."""
    stream, pieces, size = Unpacked(part.pieces()), [], 0
    while size <= limit and (piece := stream.read(min(PIECE, limit + 1 - size))):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), stream.damage


# Tables -----------------------------------------------------------------------------------------------------


def _table(part: Part) -> Iterator[Record]:
    """Rows under a header; line ends within quotes are part of the cell."""
    body, damage = _whole(part, MAX_WHOLE)
    if len(body) > MAX_WHOLE:
        yield 1, Fault(f"larger than {MAX_WHOLE:,} bytes: write Parquet or JSON Lines")
        return
    text = decode(body)
    if damage and not damage.whole:
        text = text[: text.rfind("\n") + 1]
    lines = _Counted(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter="\t" if part.format == ".tsv" else ",")
    names: list[str] = []
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield begin, Fault(f"not a row of a table: {error}")
            continue
        if lines.ended:
            if not damage:
                yield begin, Fault("unreadable from here: a quotation mark is never closed")
            break
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = [cell.strip() for cell in cells]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                yield (
                    begin,
                    Fault(f"columns of one name: {', '.join(map(repr, twice))} stands twice in the header"),
                )
                return
        elif len(cells) != len(names):
            yield begin, Fault(f"expected {len(names)} cells: {', '.join(names)}; got {len(cells)}")
        else:
            yield begin, dict(zip(names, cells, strict=True))
    if damage:
        yield begin, _from_here(damage)


class _Counted:
    """Lines, and whether the last one was asked for another: a row in quotes that never end does so."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.ended = lines, False

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            return line
        self.ended = True
        raise StopIteration


# Parquet ----------------------------------------------------------------------------------------------------


def _columns(part: Part) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(part.path).names) if part.path.suffix.lower() == ".parquet" else ()
    except (OSError, pa.ArrowException):
        return ()  # `_parquet` says why


def _parquet(part: Part, columns: Sequence[str], plain: bool) -> Iterator[Record]:
    """Rows by row groups; a damaged one costs its own rows."""
    first = 0
    try:
        source: Path | pa.BufferReader = part.path
        if part.path.suffix.lower() != ".parquet":
            body, damage = _whole(part, MAX_WHOLE)
            if damage or len(body) > MAX_WHOLE:
                yield 0, _from_here(damage or Damage(f"larger than {MAX_WHOLE:,} bytes"))
                return
            source = pa.BufferReader(body)
        with pq.ParquetFile(source) as file:
            schema = file.schema_arrow
            names = schema.names
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                yield 0, Fault(f"columns of one name: {', '.join(map(repr, twice))}")
                return
            wanted = [path for f in schema for path in _leaves(f, columns, plain)]
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                yield from _row_group(file, group, wanted, first, rows)
                first += rows
    except (OSError, pa.ArrowException, ValueError) as error:
        yield first, _from_here(Damage(worded(error)))


def _leaves(field: pa.Field, columns: Sequence[str], plain: bool, outer: str = "") -> list[str]:
    """Of a column, what is read of it: all, or the fields of a struct that are asked for or plain, by their paths."""
    name = f"{outer}{field.name}"
    if name in columns:
        return [name]
    if pa.types.is_struct(field.type):
        kind = field.type
        inner = [kind.field(number) for number in range(kind.num_fields)]
        return [path for one in inner for path in _leaves(one, columns, plain, f"{name}.")]
    return [name] if plain and _is_plain(field.type) else []


def _is_plain(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(check(kind) for check in PLAIN)


def _row_group(
    file: pq.ParquetFile, group: int, wanted: list[str], first: int, count: int
) -> Iterator[Record]:
    number = first
    try:
        for batch in file.iter_batches(batch_size=ROWS, row_groups=[group], columns=wanted):
            values = [_values(column) for column in batch.columns]
            for cells in zip(*values, strict=True) if values else [()] * batch.num_rows:
                yield number, dict(zip(batch.schema.names, cells, strict=True))
                number += 1
    except (OSError, pa.ArrowException) as error:
        lost = first + count - number
        yield number, Fault(f"unreadable from here: {lost:,} rows of a damaged row group: {worded(error)}")


def _values(column: pa.Array) -> list[object]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, LookupError, pa.ArrowException):  # one of them does not fit Python
        return [_value(value) for value in column]


def _value(value: pa.Scalar) -> object:
    """A value; a text that is not UTF-8 decoded like any other, and None where there is no such value here."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return decode(value.as_buffer().to_pybytes())
    except (ValueError, OverflowError, LookupError, pa.ArrowException):
        return None
