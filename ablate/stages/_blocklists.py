"""Blocklists of web addresses in the layout of UT1 (Université Toulouse Capitole), as squidGuard reads it.

A category is a folder with a file `domains`, a file `urls` or both, one entry a line:

    adult/domains    bad.example            this domain and every one below it
    adult/urls       site.example/~bad      this page and every page below it

Files may be gzipped (`domains.gz`), and a category or a folder of categories may be one `.tar.gz`, as they
are shipped. Lists run to millions of entries, so they are kept as 64-bit hashes, 8 bytes an entry.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import urlsplit

import numpy as np

from ablate.errors import DataError, nearest
from ablate.fingerprint import digest, file_stamp
from ablate.reading.paths import shown
from ablate.reading.records import Part, clean_text, part_lines, read_lines
from ablate.reading.unpack import UNPACK_ERRORS, unpacked_file, worded

KINDS = ("domains", "urls")
COMMON_HOSTS = re.compile(r"^(?:www|web|ftp)\d*\.(?=[^.]+\.)")
"""Leading labels that squidGuard takes off an address before it compares it."""
PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
DOT = re.compile("[。｡．]")
"""What else ends a label of a host (UTS #46)."""
IGNORED = re.compile("[\u00ad\u200b\u2060\ufeff\ufe00-\ufe0f]")
"""What browsers leave out of a host."""


@dataclass(frozen=True)
class Address:
    """A web address, split for look-up.

    Attributes:
        host: lower case, punycode, without port and trailing dot; "" where there is none.
        path: from the first slash on; percent-encoding is undone where that cannot change how it is read.
        query: what follows the question mark, likewise.
    """

    host: str = ""
    path: str = ""
    query: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Split an address, whether or not it names a scheme; one that cannot be split has no host."""
        try:
            parts = urlsplit(url.strip() if "://" in url else f"//{url.strip()}")
            host = ascii_host(parts.hostname or "").strip(".")
        except ValueError:
            return cls()
        return cls(host, without_percent(parts.path), without_percent(parts.query))

    @property
    def domains(self) -> list[str]:
        """The host and every domain above it: a.b.example, b.example, example; a number stands alone."""
        if not self.host or self.host[-1].isdigit() or ":" in self.host:
            return [self.host] if self.host else []
        labels = self.host.split(".")
        return [".".join(labels[first:]) for first in range(len(labels))]

    @property
    def pages(self) -> list[str]:
        """Every address above this one by whole path segments, and itself, without scheme and `www.`."""
        if not self.host:
            return []
        segments = [segment for segment in self.path.split("/") if segment]
        names = [COMMON_HOSTS.sub("", self.host)]
        for segment in segments:
            names.append(f"{names[-1]}/{segment}")
        return [*names, f"{names[-1]}?{self.query}"] if self.query else names


def ascii_host(host: str) -> str:
    """Return a host in lower case with punycode for letters beyond ASCII, as browsers look it up (UTS #46, section 4)."""
    if "%" in host:
        host = without_percent(host, keep="")
    if host.isascii():
        return host.lower()
    host = DOT.sub(".", normalize("NFKC", IGNORED.sub("", host)).lower())
    labels = (
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in host.split(".")
    )
    return ".".join(labels)


def from_punycode(label: str) -> str:
    """Return the letters that a label `xn--...` stands for; the label itself where it stands for none."""
    try:
        return label[4:].encode("ascii").decode("punycode")
    except ValueError:
        return label


def without_percent(text: str, keep: str = "/?#%") -> str:
    """Return percent-encoded UTF-8 as what it stands for, in Unicode's form NFC; other bytes stay, in capitals.

    Args:
        keep: characters that stay encoded, for as themselves they would part the address.
    """

    def plain(match: re.Match[str]) -> str:
        try:
            decoded = bytes.fromhex(match.group().replace("%", "")).decode()
        except ValueError:
            return match.group().upper()
        return "".join(f"%{ord(sign):02X}" if sign in keep else sign for sign in decoded)

    text = PERCENT.sub(plain, text) if "%" in text else text
    return text if text.isascii() else normalize("NFC", text)


def hashes(entries: Iterable[str]) -> np.ndarray:
    """Return 64-bit BLAKE2b of each entry: shape (n,), uint64."""
    blake2b = hashlib.blake2b
    raw = b"".join(blake2b(entry.encode("utf-8", "replace"), digest_size=8).digest() for entry in entries)
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)


@dataclass(frozen=True, eq=False)
class Blocklists:
    """The entries of some categories.

    Attributes:
        domains, urls: sorted hashes of the entries: shape (n,), uint64.
    """

    domains: np.ndarray
    urls: np.ndarray

    @property
    def digest(self) -> str:
        """Names the entries, wherever the files lie and however they are packed."""
        return digest([1, *(hashlib.blake2b(a.tobytes()).hexdigest() for a in (self.domains, self.urls))])

    def listed(self, addresses: Sequence[Address]) -> dict[str, np.ndarray]:
        """Tell which addresses fall under a listed domain, and which under a listed page.

        Returns:
            `domains` and `urls`: shape (len(addresses),), bool.
        """
        return {
            "domains": _any_of([address.domains for address in addresses], self.domains),
            "urls": _any_of([address.pages for address in addresses], self.urls),
        }


def _any_of(names: Sequence[Sequence[str]], wanted: np.ndarray) -> np.ndarray:
    found = np.zeros(len(names), dtype=bool)
    if wanted.size == 0:
        return found
    owner = np.repeat(np.arange(len(names)), [len(some) for some in names])
    looked_up = hashes(name for some in names for name in some)
    place = np.minimum(np.searchsorted(wanted, looked_up), wanted.size - 1)
    found[owner[wanted[place] == looked_up]] = True
    return found


def read_blocklists(paths: Sequence[str], categories: Sequence[str] | None = None) -> Blocklists:
    """Read folders and archives; unchanged files are read once per process.

    Args:
        paths: each a category's folder, a folder of categories, or a `.tar.gz` of either.
        categories: names of the categories to take; None for all.
    Raises:
        DataError: when a path holds no list, or none of a category that was asked for.
    """
    stamps = []
    for path in map(Path, paths):
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        stamps.append(tuple((str(file), *file_stamp(file)) for file in files))
    return _read(tuple(paths), tuple(categories) if categories is not None else None, tuple(stamps))


@lru_cache(maxsize=4)
def _read(paths: tuple[str, ...], categories: tuple[str, ...] | None, _: object) -> Blocklists:
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    seen: set[str] = set()
    for path in paths:
        none = True
        for category, kind, lines in _lists(Path(path)):
            none = False
            seen.add(category)
            if categories is None or category in categories:
                read = _domain if kind == "domains" else _page
                entries = (line.strip() for line in lines)
                names = (read(entry) for entry in entries if entry and not entry.startswith("#"))
                found[kind].append(hashes(name for name in names if name))
        if none:
            raise DataError(
                f"{path} holds no blocklist: expected files named `domains` or `urls` (or .gz), in it, in a "
                "folder in it, or in a .tar.gz"
            )
    for category in categories or ():
        if category not in seen:
            raise DataError(f"the blocklists have no category {category!r}: {nearest(category, seen)}")
    empty = np.zeros(0, dtype=np.uint64)
    return Blocklists(*(np.unique(np.concatenate([*found[kind], empty])) for kind in KINDS))


def _domain(entry: str) -> str:
    """An entry of `domains` as `Address.domains` writes it; nearly all of them are so already."""
    plain = entry.isascii() and not any(mark in entry for mark in "/:@%")
    return entry.strip(".").lower() if plain else Address.of(entry).host


def _page(entry: str) -> str:
    """An entry of `urls` as `Address.pages` writes it; "" for one that is no address."""
    return (Address.of(entry).pages or [""])[-1]


def _lists(path: Path) -> Iterator[tuple[str, str, Iterable[str]]]:
    """(category, kind, lines) of every list under a path."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            kind = file.name.removesuffix(".gz")
            if file.is_file() and kind in KINDS:
                yield file.parent.name, kind, read_lines(file, "a blocklist")
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                kind = name.name.removesuffix(".gz")
                if member.isfile() and kind in KINDS and (raw := archive.extractfile(member)):
                    pieces = partial(unpacked_file, raw, name.suffix)
                    list_ = Part(f"{shown(str(path))}/{clean_text(member.name)}", ".txt", pieces, path)
                    yield name.parent.name, kind, part_lines(list_, "a blocklist")
    except (tarfile.TarError, *UNPACK_ERRORS) as error:
        raise DataError(
            f"{shown(str(path))}: expected a folder or a .tar.gz of blocklists ({worded(error)})"
        ) from error
