"""What a folder of documents holds, and the pool that it makes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ablate.errors import ConfigError
from ablate.folder.kinds import (
    ARCHIVES,
    ARROW,
    EXPECTED,
    IMAGES,
    PAGE,
    RECORD,
    TEXT,
    TOKENS,
    WARC,
    WAT,
    WET,
    Kind,
    globs_of,
    kinds_in,
)
from ablate.folder.records import Chosen, Columns, choose
from ablate.pool.files import Files
from ablate.pool.http_body import is_markup
from ablate.pool.source import Document, Skipped
from ablate.pool.warc import Warc, read_warc
from ablate.reading.paths import shown
from ablate.stages.extraction import Extraction
from ablate.stages.language import Language, language_codes

SAMPLE_FILES, PER_FILE = 12, 40
"""Files, and documents of each, that a sample is read from; as many files as that makes where each may be a document."""
MOST_SKIPPED = 10
"""Times as many records of a file are looked at as documents are wanted of it."""
UNREAD = {
    WAT: "WAT files hold links and headers of pages and no text: give the WARC or WET files of the same crawl",
    TOKENS: "these are tokens (datatrove's .ds, Megatron's .bin and .idx, NumPy arrays) and stages read text: give the folder from before tokenisation",
    ARROW: "Arrow files of `datasets` are not read: write them as Parquet (dataset.to_parquet)",
    IMAGES: "these are images: no text",
    ARCHIVES: "these ZIP archives hold no file that is read from an archive: unpack them, and give the folder of what was in them",
}
DATA = {ARROW, TOKENS}
"""Kinds whose records, if no field of theirs holds text, only describe them, such as the `state.json` of a saved dataset."""


@dataclass(frozen=True)
class Sampled:
    """One document of the sample.

    Attributes:
        document: as the pool has it.
        text: of a page, its main text; else the document's.
        language: that lid.176 takes it for, where it is sure enough; else "".
    """

    document: Document
    text: str
    language: str


@dataclass(frozen=True)
class Part:
    """A pool that the folder makes, or a part of one.

    Attributes:
        group: of `conf/pool`: warc or files.
        paths: for `pool.paths`.
        columns: of records; None elsewhere.
        html: whether a field of records holds pages.
        files: that it reads.
    """

    group: str
    paths: tuple[str, ...]
    files: tuple[Path, ...]
    columns: Columns | None = None
    html: bool = False


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
        folder: as it was given.
        kinds: of files.
        parts: one, or pages and texts beside them.
        sample: of the documents.
        skipped: reason -> records of the sample that hold none.
        notes: what is not read, and why.
    """

    folder: Path
    kinds: tuple[Kind, ...]
    parts: tuple[Part, ...]
    sample: tuple[Sampled, ...]
    skipped: dict[str, int]
    notes: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of the files that are read, packed as they are."""
        return sum(path.stat().st_size for part in self.parts for path in part.files)

    @property
    def has_pages(self) -> bool:
        """Whether any document is HTML."""
        return any(one.document.kind == "html" for one in self.sample)

    @property
    def languages(self) -> Counter[str]:
        """Language -> documents of the sample; "" for those that were not told."""
        return Counter(one.language for one in self.sample)


def look(folder: Path) -> Look:
    """Look at a folder: its files' kinds, and a sample read from them as a study would.

    Raises:
        ConfigError: when no study can be made of it; one sentence that says what it is and what to give instead.
    """
    kinds = kinds_in(folder)
    by_name = {kind.name: kind for kind in kinds}
    parts, notes = _parts(folder, kinds)
    if not parts:
        why = next((UNREAD[kind.name] for kind in kinds if kind.name in UNREAD), EXPECTED)
        endings = Counter(path.suffix or path.name for kind in kinds for path in kind.files)
        there = ", ".join(f"{count} x {shown(ending)}" for ending, count in endings.most_common(5))
        raise ConfigError(f"init.folder: {shown(str(folder))} holds no documents ({there}): {why}")
    taken = {path for part in parts for path in part.files}
    for name, kind in by_name.items():
        if name in UNREAD or not taken.intersection(kind.files):
            notes.append(f"not read: {len(kind.files)} files: {UNREAD.get(name, f'{name} files')}")
    documents, skipped = _sample(parts)
    notes = list(dict.fromkeys(note for note in notes if note))
    if len(documents) < 2:
        why = (
            ", ".join(f"{count} x {reason}" for reason, count in skipped.most_common(4))
            or "the files are empty"
        )
        has = "a single document" if documents else "no documents"
        raise ConfigError(
            f"init.folder: {shown(str(folder))} gave {has} where files were tried ({why}); a study needs more"
        )
    return Look(folder, tuple(kinds), tuple(parts), tuple(_told(documents)), dict(skipped), tuple(notes))


def _parts(folder: Path, kinds: Sequence[Kind]) -> tuple[list[Part], list[str]]:
    """The pools of a folder: pages of WARC files (or the texts of WET), and files of records, texts and pages."""
    by_name = {kind.name: kind for kind in kinds}
    parts, notes = [], []
    archive = by_name.get(WARC) or by_name.get(WET)
    if archive:
        alone = all(kind.name == archive.name for kind in kinds)
        paths = (str(folder),) if alone else globs_of(archive.files)
        parts.append(Part("warc", paths, archive.files))
        if archive.name == WARC and WET in by_name:
            notes.append(
                "not read: WET files, which hold the texts of the same pages as the WARC files beside them"
            )
    records, texts = by_name.get(RECORD), [by_name[name] for name in (TEXT, PAGE) if name in by_name]
    plain = tuple(path for kind in texts for path in kind.files)
    if records:
        alone = all(kind.name == RECORD for kind in kinds)
        try:
            chosen = choose(folder, records.files, alone=alone)
        except ConfigError as error:
            if not (parts or texts) and DATA.isdisjoint(by_name):
                raise
            notes.append(str(error).removeprefix("init.folder: "))
        else:
            notes += chosen.notes
            parts.append(Part("files", chosen.paths, chosen.files, chosen.columns, _holds_pages(chosen)))
            if plain:
                notes.append(f"not read: {len(plain)} .txt and .html files beside the records")
            return parts, notes
    if texts:
        parts.append(Part("files", (str(folder),) if len(texts) == len(kinds) else globs_of(plain), plain))
    return parts, notes


def _holds_pages(chosen: Chosen) -> bool:
    texts = [row.get(chosen.columns.text) for row in chosen.rows]
    pages = [is_markup(text[:2000].encode("utf-8", "replace")) for text in texts if isinstance(text, str)]
    return bool(pages) and 2 * sum(pages) > len(pages)


def _sample(parts: Sequence[Part]) -> tuple[list[Document], Counter[str]]:
    documents: list[Document] = []
    skipped: Counter[str] = Counter()
    for part in parts:
        whole = (
            part.group == "files" and part.columns is None
        )  # .txt and .html, a document each, or archives of them
        count = min(len(part.files), SAMPLE_FILES * (PER_FILE if whole else 1))
        for path in (part.files[place * len(part.files) // count] for place in range(count)):
            left = min(PER_FILE, SAMPLE_FILES * PER_FILE // count)
            for item in islice(_read(part, path), MOST_SKIPPED * left):
                if not left:
                    break
                if isinstance(item, Skipped):
                    skipped[item.reason.split(":")[0]] += 1
                else:
                    documents.append(item)
                    left -= 1
    return documents, skipped


def _read(part: Part, path: Path) -> Iterator[Document | Skipped]:
    if part.group == "warc":
        return read_warc(path)
    return source_of(part, (str(path),)).documents()


def source_of(part: Part, paths: Sequence[str]) -> Files | Warc:
    """The source that reads a part's files."""
    if part.group == "warc":
        return Warc(paths=paths)
    if part.columns is None:
        return Files(paths=paths)
    return Files(
        paths=paths,
        text_column=part.columns.text,
        url_column=part.columns.url or "url",
        language_column=part.columns.language or "language",
        kind="html" if part.html else "text",
    )


def _told(documents: Sequence[Document]) -> list[Sampled]:
    """Documents with their main texts and languages."""
    pages = [number for number, document in enumerate(documents) if document.kind == "html"]
    texts = [document.text for document in documents]
    extraction = Extraction(method="resiliparse")
    for number, text in zip(pages, extraction.transform_many([texts[page] for page in pages]), strict=True):
        texts[number] = text
    codes = language_codes()
    measured = Language().measure_many(texts)
    best, score = measured["top"], measured["top_score"]
    sure = [
        codes[code] if code >= 0 and share >= 0.5 else ""
        for code, share in zip(best.tolist(), score.tolist(), strict=True)
    ]
    return [Sampled(*one) for one in zip(documents, texts, sure, strict=True)]


def described(found: Look) -> list[str]:
    """What was found, in lines."""
    lines = [f"{shown(str(found.folder))}:"]
    for kind in found.kinds:
        lines.append(
            f"  {kind.name:<8} {len(kind.files):>7,} files  {_size(kind.bytes):>9}   e.g. {shown(kind.files[0].name)}"
        )
    for part in found.parts:
        lines.append(
            f"pool: {part.group}, {len(part.files):,} files ({', '.join(map(shown, part.paths[:3]))})"
        )
        if part.columns:
            lines += _columns(part.columns)
    sizes = sorted(len(one.text.encode()) for one in found.sample)
    lines.append(
        f"sample: {len(sizes)} documents, {'HTML' if found.has_pages else 'text'}; bytes of text: median "
        f"{statistics.median(sizes):,.0f}, largest {sizes[-1]:,}"
    )
    told = ", ".join(
        f"{language or 'not told'} {count}" for language, count in found.languages.most_common(6)
    )
    lines.append(f"  languages (by lid.176): {told}")
    lines += [
        f"  skipped in the sample: {count} x {reason}" for reason, count in sorted(found.skipped.items())
    ]
    one = max(found.sample[:20], key=lambda one: min(len(one.text), 300))
    lines.append(
        f"  for example {shown(one.document.url) or '(no address)'}: {' '.join(one.text.split())[:160]!r}"
    )
    return lines + [f"note: {note}" for note in found.notes]


def _columns(columns: Columns) -> list[str]:
    named = [f"text={columns.text}"] + [
        f"{name}={value}" for name, value in (("url", columns.url), ("language", columns.language)) if value
    ]
    lines = [f"  fields: {', '.join(named)}"]
    for name, values in list(columns.others.items())[:30]:
        numbers = [
            value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)
        ]
        if len(numbers) == len(values) and numbers:
            lines.append(f"    {name}: {min(numbers):g} to {max(numbers):g}")
        else:
            lines.append(f"    {name}: e.g. {str(values[0])[:60]!r}")
    return lines


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} TB"
