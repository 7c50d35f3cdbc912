"""How much of a page's main text an extractor finds, and how much else it brings along.

Precision, recall and F1 over the multiset of word 4-grams, as in Scrapinghub's article extraction benchmark;
characters of scripts without blanks between words (Chinese, Japanese, Thai, ...) count as words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ablate.errors import DataError
from ablate.reading.records import read_rows

NGRAM = 4
WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W\u0e00-\u0eff"
    r"\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
LEAST_PAGES = 5
"""Languages with fewer pages of a kind stand together in one line."""
SCORES = ("f1", "precision", "recall")

Extractor = Callable[[str], str]


def tokens(text: str) -> list[str]:
    """Words in lower case; single characters where no blanks stand between words."""
    return WORD.findall(text.lower())


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Every word 4-gram, with how often it occurs; the whole text where it is shorter."""
    found = tokens(text)
    if 0 < len(found) < NGRAM:
        return Counter([tuple(found)])
    return Counter(zip(*(found[i:] for i in range(NGRAM)), strict=False))


@dataclass(frozen=True)
class Gold:
    """What a page's main text is known to be.

    Attributes:
        url: names the page.
        kind: of the gold text, or of the segments.
        language: code; "" where it is not known.
        text: the main text; None where only segments are known.
        present, absent: segments of the main text, and of the boilerplate.
    """

    url: str
    kind: str
    language: str
    text: str | None = None
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def read_gold(path: Path) -> list[Gold]:
    """Gold texts: a JSON object a line with `url` and `text`; `gold_kind` and `language` where known.

    Raises:
        DataError: for a missing file, a line without them, or no line at all.
    """
    return [
        Gold(str(row["url"]), str(row.get("gold_kind") or ""), str(row.get("language") or ""), row["text"])
        for row in _rows(path, "inspect.gold", "url", "text")
    ]


def read_segments(path: Path) -> list[Gold]:
    """Segments: a JSON object a line with `url` and lists `with`, `without`; `segment_kind` where known.

    Raises:
        DataError: for a missing file, a line without them, or no line at all.
    """
    return [
        Gold(
            str(row["url"]),
            str(row.get("segment_kind") or ""),
            str(row.get("language") or ""),
            present=tuple(row["with"]),
            absent=tuple(row["without"]),
        )
        for row in _rows(path, "inspect.segments", "url", "with", "without")
    ]


def _rows(path: Path, key: str, *fields: str) -> list[Mapping[str, Any]]:
    rows = []
    for where, row in read_rows(path, key):
        missing = [
            field
            for field in fields
            if not isinstance(row.get(field), str if field in ("url", "text") else list)
        ]
        if missing:
            raise DataError(f"{where}: no {missing[0]!r}; there is {', '.join(row)}")
        rows.append(row)
    if not rows:
        raise DataError(f"{path} is empty")
    return rows


@dataclass(frozen=True)
class PageScore:
    """One page by one method; a share of nothing is NaN.

    Attributes:
        precision: share of the shingles it gives that are gold; NaN where it gives none.
        recall: share of the gold shingles that it gives.
        f1: their harmonic mean; 0 where it gives none.
        kept: share of the segments of the main text that it gives.
        leaked: share of the segments of the boilerplate that it gives.
    """

    precision: float = np.nan
    recall: float = np.nan
    f1: float = np.nan
    kept: float = np.nan
    leaked: float = np.nan


def score(text: str, gold: Gold) -> PageScore:
    """Compare an extracted text with what is known of its page."""
    if gold.text is not None:
        given, wanted = shingles(text), shingles(gold.text)
        common, n_given, n_wanted = (given & wanted).total(), given.total(), wanted.total()
        return PageScore(
            precision=common / n_given if n_given else np.nan,
            recall=common / n_wanted if n_wanted else np.nan,
            f1=2 * common / (n_given + n_wanted) if n_given + n_wanted else np.nan,
        )
    whole = f" {' '.join(tokens(text))} "
    return PageScore(kept=_share_in(whole, gold.present), leaked=_share_in(whole, gold.absent))


def _share_in(whole: str, segments: Sequence[str]) -> float:
    wanted = [" ".join(found) for segment in segments if (found := tokens(segment))]
    # A segment may be cut in the middle of a word, so its end needs no word boundary.
    return sum(f" {segment}" in whole for segment in wanted) / len(wanted) if wanted else np.nan


@dataclass(frozen=True, eq=False)
class Scored:
    """All pages by all methods.

    Attributes:
        gold: what was known, in order.
        scores: method -> one for each of `gold`.
        pages_per_second: method -> pages over the process's seconds in it.
    """

    gold: tuple[Gold, ...]
    scores: Mapping[str, tuple[PageScore, ...]]
    pages_per_second: Mapping[str, float]


def evaluate(gold: Sequence[Gold], pages: Mapping[str, str], methods: Mapping[str, Extractor]) -> Scored:
    """Extract every page that is known by every method; each page is extracted once.

    Args:
        gold: of texts, of segments, or of both kinds; those without a page are left out.
        pages: url -> HTML.
        methods: name -> HTML to text; one that raises gives no text.
    """
    gold = [one for one in gold if one.url in pages]
    known = dict.fromkeys(one.url for one in gold)
    scores, speed = {}, {}
    for name, extract in methods.items():
        texts, seconds = {}, 0.0
        for url in known:
            begin = process_time()
            try:
                texts[url] = extract(pages[url])
            except Exception:
                texts[url] = ""
            seconds += process_time() - begin
        scores[name] = tuple(score(texts[one.url], one) for one in gold)
        speed[name] = len(known) / seconds if seconds else np.nan
    return Scored(tuple(gold), scores, speed)


@dataclass(frozen=True)
class Mean:
    """A mean over pages.

    Attributes:
        value: NaN without a page.
        low, high: 95 % percentile interval of a bootstrap over pages; NaN with fewer than two.
        pages: with a value.
    """

    value: float
    low: float
    high: float
    pages: int

    @classmethod
    def of(cls, values: Iterable[float], resamples: int, seed: int = 0) -> Mean:
        """Of the values that are numbers."""
        known = np.asarray([value for value in values if not np.isnan(value)])
        if known.size < 2:
            return cls(float(known[0]) if known.size else np.nan, np.nan, np.nan, known.size)
        drawn = np.random.default_rng(seed).integers(0, known.size, (resamples, known.size))
        low, high = np.quantile(known[drawn].mean(axis=1), [0.025, 0.975])
        return cls(float(known.mean()), float(low), float(high), int(known.size))


def groups(gold: Sequence[Gold]) -> dict[tuple[str, str], list[int]]:
    """(kind, language) -> positions, and (kind, "all"); kinds and languages with most pages first."""
    by_kind: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, one in enumerate(gold):
        by_kind[one.kind][one.language or "unknown"].append(number)
    found: dict[tuple[str, str], list[int]] = {}
    for kind, languages in sorted(by_kind.items(), key=lambda e: (-sum(map(len, e[1].values())), e[0])):
        found[kind, "all"] = sorted(number for some in languages.values() for number in some)
        few = [name for name, some in languages.items() if len(some) < LEAST_PAGES]
        for name, some in sorted(languages.items(), key=lambda e: (-len(e[1]), e[0])):
            if name not in few and len(languages) > 1:
                found[kind, name] = some
        if few and len(languages) > 1:
            found[kind, f"{len(few)} others"] = sorted(number for name in few for number in languages[name])
    return found
