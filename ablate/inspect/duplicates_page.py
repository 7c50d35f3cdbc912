"""The page and tables of the audit of near-duplicate detection."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ablate.inspect.page import between, escape, percent
from ablate.inspect.retention import Share
from ablate.inspect.similarity import Agreement
from ablate.render.tables import aligned, markdown, unsigned

BIN_HEADER = ("true Jaccard", "pairs", "candidates", "share", "95 % interval", "S-curve", "")
AGREEMENT_HEADER = ("Jaccard from", "true pairs", "precision", "recall", "by S-curve", "cluster precision",
                    "cluster recall", "removed", "truly", "")  # fmt: skip
READING = """\
- **True** is the exact Jaccard similarity of the distinct shingles, found by comparing every pair. A **candidate** is a
  pair that shares a bucket and, where the stage verifies, is alike; the stage drops all but one of each connected
  group of candidates.
- **S-curve** is 1 - (1 - s^rows)^bands, averaged over the true similarities of the pairs in the line; 0 for pairs that
  verification by Jaccard refuses, and absent where it goes by edit similarity. Observed shares
  scatter around it: the hash functions are drawn once, and pairs of one cluster stand or fall together.
- **Precision**: candidates that are true pairs. **Recall**: true pairs that are candidates. For clusters the same is
  counted over pairs of documents in one connected group; groups grow by chaining, so theirs can be lower.
- **removed**, **truly**: documents dropped among those compared, by the candidates' groups and by true pairs' groups.
- Intervals are Wilson's, 95 %, and take pairs as independent; a cluster of m documents gives m (m - 1) / 2 pairs that
  are not, so with few large clusters they are too narrow.
- The pairs to read are drawn by a hash of their keys from all documents that reach the stage, at most 64 of a bucket,
  so large clusters count for less; texts begin a little before the place where they first differ.
- A random subsample of a share p of the documents holds only p² of the pairs: raise `inspect.subsample` when there
  are few."""


@dataclass(frozen=True)
class Bin:
    """Pairs of compared documents in a range of true similarity.

    Attributes:
        low, high: the range, `high` outside it; equal for the pairs of similarity 1.
        mean: similarity of the pairs; NaN where there is none, or it was not kept.
        share: candidates among the pairs.
        expected: mean of the S-curve; NaN without one.
    """

    low: float
    high: float
    mean: float
    share: Share
    expected: float

    @property
    def name(self) -> str:
        """The range in words."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Shown:
    """A candidate pair to read.

    Attributes:
        similarity: its true Jaccard similarity.
        stratum: lower end of its stratum.
        of, drawn: candidate pairs of that stratum, and of all strata, among those drawn.
        urls, texts: of both documents, the texts shortened.
    """

    similarity: float
    stratum: float
    of: int
    drawn: int
    urls: tuple[str, str]
    texts: tuple[str, str]


def _share(share: Share) -> str:
    return "–" if math.isnan(share.value) else f"{percent(share.value)} {between(*share.interval)}"


def bin_cells(bins: Sequence[Bin]) -> list[list[str]]:
    """Cells of the table by similarity; empty ranges are left out."""
    return [
        [
            b.name,
            f"{b.share.total:,}",
            f"{b.share.hits:,}",
            percent(b.share.value, 2),
            between(*b.share.interval),
            percent(b.expected, 2),
            "",
        ]
        for b in bins
        if b.share.total
    ]


def agreement_cells(agreements: Sequence[Agreement]) -> list[list[str]]:
    """Cells of the table by threshold."""
    return [
        [
            unsigned(a.threshold, 2),
            f"{a.recall.total:,}",
            _share(a.precision),
            _share(a.recall),
            percent(a.expected_recall),
            _share(a.cluster_precision),
            _share(a.cluster_recall),
            f"{a.removed:,}",
            f"{a.truly:,}",
            "",
        ]
        for a in agreements
    ]


def duplicates_page(
    title: str,
    heading: str,
    bins: Sequence[Bin],
    agreements: Sequence[Agreement],
    shown: Sequence[Shown],
    floor: float,
    facts: Mapping[str, object],
) -> str:
    """The whole page, as Markdown."""
    parts = [f"# {title}: near-duplicate detection", f"{heading}."]
    parts += ["## Precision and recall", markdown(AGREEMENT_HEADER, agreement_cells(agreements))]
    parts += ["## Candidates by true similarity", markdown(BIN_HEADER, bin_cells(bins))]
    parts.append(f"Pairs below {floor:g} are counted, not measured one by one.")
    parts.append("![Share of pairs that are candidates, by true similarity](candidates.svg)")
    parts.append("## Candidate pairs to read")
    if not shown:
        parts.append("The stage found no candidate pair.")
    for _, some in groupby(shown, key=lambda pair: pair.stratum):
        pairs = list(some)
        parts.append(f"**From {pairs[0].stratum:g}**: {_stratum(pairs[0])}")
        rows = [
            [
                unsigned(pair.similarity, 3),
                *(f"{_address(u)}<br>{escape(t)}" for u, t in zip(pair.urls, pair.texts, strict=True)),
            ]
            for pair in pairs
        ]
        parts.append(markdown(("Jaccard", "one", "other"), rows, left=3))
    parts += ["## How to read this", READING, "## To make it again"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    return "\n\n".join(parts) + "\n"


def _stratum(pair: Shown) -> str:
    return f"{pair.of:,} of {pair.drawn:,} candidate pairs drawn ({percent(pair.of / pair.drawn)})"


def _address(url: str) -> str:
    return f"`{url.replace('`', '%60')}`" if url else "(no address)"


def terminal(
    heading: str, bins: Sequence[Bin], agreements: Sequence[Agreement], shown: Sequence[Shown], count: int
) -> str:
    """Tables and, of each stratum of similarity, the first pairs."""
    parts = [
        heading,
        aligned(AGREEMENT_HEADER, agreement_cells(agreements)),
        aligned(BIN_HEADER, bin_cells(bins)),
    ]
    for _, some in groupby(shown, key=lambda pair: pair.stratum):
        pairs = list(some)[:count]
        if not pairs:
            break
        lines = [f"true Jaccard from {pairs[0].stratum:g}: {_stratum(pairs[0])}"]
        for pair in pairs:
            lines.append(f"  {pair.similarity:.3f}")
            for url, text in zip(pair.urls, pair.texts, strict=True):
                lines.append(f"    {url or '(no address)'}")
                lines.append(f"      {textwrap.shorten(text, 200, placeholder=' ...') or text[:200]}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
