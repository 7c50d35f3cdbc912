"""URL filter: drop documents by their address, before anything is read of them.

Sources: RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, appendix G.1): blocklists of UT1, then words in
the address, hard and soft; FineWeb (arXiv 2406.17557, section 3.2) and datatrove's `URLFilter` likewise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from unicodedata import normalize

import numpy as np

from ablate.fingerprint import file_stamp
from ablate.plain import Plain
from ablate.reading.records import read_lines
from ablate.stages._blocklists import Address, from_punycode, read_blocklists, without_percent
from ablate.stages.base import Filter, Table, Verdict
from ablate.text.letters import WORD
from ablate.text.scripts import HAS_UNSPACED

INVISIBLE = re.compile("[\u00ad\u0640\u200b-\u200d\u2060\ufeff]")
"""Soft hyphens, joiners and the stroke that lengthens Arabic words: a word is the same with and without."""
PUNYCODE = re.compile(r"(?<![a-z0-9-])xn--[a-z0-9-]+", re.IGNORECASE)
DEEPEST = 3
"""Times that an address may be percent-encoded over."""
WORD_FILES = ("banned_words", "soft_banned_words", "banned_subwords")


@dataclass(frozen=True, kw_only=True)
class UrlFilter(Filter):
    """Drop documents whose address is listed or says what the page is; without lists it keeps all.

    A document without an address is kept. Words are letters and digits of any script, compared without regard to
    case and in Unicode's form NFKC; percent-encoding and punycode are undone first. In scripts without blanks
    (Chinese, Japanese, Thai, ...) a word is also found inside a longer run.

    Attributes:
        blocklists: folders or `.tar.gz` files in the layout of UT1; see `ablate.stages._blocklists`.
        categories: names of the UT1 categories to take, such as adult; null for all that are there.
        banned_words: file, a word a line: a word of the address that equals one drops the document.
        soft_banned_words: file likewise: `soft_threshold` different ones drop it.
        soft_threshold: how many.
        banned_subwords: file likewise: one that occurs anywhere in the address, blanks and punctuation
            ignored, drops the document.
    """

    name: ClassVar[str] = "url_filter"
    version: ClassVar[int] = 2
    decide_only: ClassVar[tuple[str, ...]] = ("soft_threshold",)
    reads: ClassVar[str] = "url"
    blocklists: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    banned_words: str | None = None
    soft_banned_words: str | None = None
    soft_threshold: int = 2
    banned_subwords: str | None = None

    def __post_init__(self) -> None:
        if self.soft_threshold < 1:
            raise ValueError(f"soft_threshold must be 1 or more, got {self.soft_threshold}")
        if self.categories is not None and not self.categories:
            raise ValueError("categories names none; give some, or null for all")
        for path in self.blocklists:
            if not Path(str(path)).exists():
                raise ValueError(f"blocklists: {path} does not exist; give a folder or .tar.gz of UT1")
        for name in WORD_FILES:
            path = getattr(self, name)
            if path is not None and not Path(str(path)).is_file():
                raise ValueError(f"{name}: {path} is not a file; give one with a word a line")

    def parameters(self) -> dict[str, Plain]:
        """Name the lists by their content; where they lie, in which categories and how they are packed does not count."""
        lists: dict[str, Any] = {name: sorted(self._words(name)) for name in WORD_FILES}
        lists["blocklists"] = read_blocklists(self.blocklists, self.categories).digest
        return {name: value for name, value in super().parameters().items() if name != "categories"} | lists

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `domains`, `urls`, bool; of each kind of word, how many different ones (parts: any): int64."""
        addresses = [Address.of(url) for url in texts]
        table = read_blocklists(self.blocklists, self.categories).listed(addresses)
        whole, soft, parts = (self._words(name) for name in WORD_FILES)
        counts = np.zeros((len(texts), len(WORD_FILES)), dtype=np.int64)
        if whole or soft or parts:
            inside = [frozenset(filter(HAS_UNSPACED.search, some)) for some in (whole, soft)]
            for row, url in enumerate(texts):
                words = address_words(url)
                runs = [word for word in words if HAS_UNSPACED.search(word)]
                found = [
                    (some & set(words)) | {word for word in within if any(word in run for run in runs)}
                    for some, within in zip((whole, soft), inside, strict=True)
                ]
                joined = "".join(words)
                counts[row] = len(found[0]), len(found[1]), any(map(joined.__contains__, parts))
        return {**table, **dict(zip(WORD_FILES, counts.T, strict=True))}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reasons `domain`, `url`, `banned_word`, `soft_banned_words`, `banned_subword`, tried in that order."""
        return Verdict.first_of(
            domain=measured["domains"],
            url=measured["urls"],
            banned_word=measured["banned_words"] > 0,
            soft_banned_words=measured["soft_banned_words"] >= self.soft_threshold,
            banned_subword=measured["banned_subwords"] > 0,
        )

    def _words(self, name: str) -> frozenset[str]:
        path = getattr(self, name)
        return _read_words(path, file_stamp(path)) if path is not None else frozenset()


@lru_cache(maxsize=16)
def _read_words(path: str, _: tuple[int, ...]) -> frozenset[str]:
    lines = read_lines(path, "a list of words")
    words = ("".join(words_of(line)) for line in lines if not line.startswith("#"))
    return frozenset(word for word in words if word)


def words_of(text: str) -> list[str]:
    """Return letters and digits in a row, without regard to case, in Unicode's form NFKC."""
    if not text.isascii():
        text = normalize("NFKC", normalize("NFKC", INVISIBLE.sub("", text)).casefold())
    return WORD.findall(text.lower())


def address_words(url: str) -> list[str]:
    """Return the words of an address as a reader sees it: no percent-encoding, no punycode."""
    for _ in range(DEEPEST):
        plain = without_percent(url, keep="")
        if plain == url:
            break
        url = plain
    return words_of(PUNYCODE.sub(lambda match: from_punycode(match.group()), url))
