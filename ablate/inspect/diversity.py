"""Lexical diversity of a corpus, on samples of a fixed size so that corpora can be compared.

A longer text repeats itself more, so every number is taken at the same number of words or bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import zstandard

from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.dropped_texts import is_markup
from ablate.fingerprint import mix64
from ablate.text.text_norm import WORD, grams_up_to

SAMPLES = 5
"""Samples of each corpus; their range says how much of a change is sampling."""
WINDOW = 1_000
"""Words over which the type-token ratio is taken."""
LONGEST = 3
MEASURES = (*(f"distinct_{n}" for n in range(1, LONGEST + 1)), f"ttr_{WINDOW}", "compression")


@dataclass(frozen=True, eq=False)
class Point:
    """A corpus at some place in an arm: after a stage, or before the first.

    Attributes:
        name: of the stage, or "input".
        version, rows: its texts.
    """

    name: str
    version: TextVersion
    rows: np.ndarray


@dataclass(frozen=True)
class Diversity:
    """What was measured on the samples of every point.

    Attributes:
        n_words, n_bytes: of each sample.
        values: point -> shape (SAMPLES, len(MEASURES)); absent where texts are HTML source.
    """

    n_words: int
    n_bytes: int
    values: dict[str, np.ndarray]


def distinct_share(texts: Sequence[str], n: int, n_words: int) -> float:
    """Distinct word n-grams over all n-grams of the first `n_words` words; none crosses two texts.

    Returns:
        Share in (0, 1]; NaN when there is no n-gram.
    Source: Li et al. 2016 (arXiv 1510.03055), "distinct-n". Words as the deduplication sees them.
    """
    found, left = [], n_words
    for text in texts:
        if left <= 0:
            break
        grams = dict(grams_up_to(text, n))
        if 1 in grams:
            if n in grams:
                found.append(grams[n][: max(0, left - n + 1)])
            left -= grams[1].size
    joined = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    return np.unique(joined).size / joined.size if joined.size else float("nan")


def segmental_ttr(texts: Sequence[str], n_words: int, window: int = WINDOW) -> float:
    """Type-token ratio at a fixed length: mean over consecutive windows of distinct words / words.

    Args:
        n_words: words used; the last window that is not full is left out.
    Returns:
        Mean in (0, 1]; NaN when not one window is full.
    Source: Johnson (1944), the mean segmental type-token ratio.
    """
    parts = [grams for text in texts for n, grams in grams_up_to(text, 1)]
    words = np.concatenate(parts)[:n_words] if parts else np.zeros(0, dtype=np.uint64)
    full = words[: words.size // window * window].reshape(-1, window)
    if full.size == 0:
        return float("nan")
    ordered = np.sort(full, axis=1)
    return float((1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)).mean() / window)


def compression(texts: Sequence[str], n_bytes: int) -> float:
    """Bytes of the texts, one after another and cut at `n_bytes`, over their bytes when compressed.

    Higher is more redundant. Zstandard rather than zlib, whose window of 32 kB sees no repeats
    between documents.

    Returns:
        NaN for an empty text.
    Source: Shaib et al. 2024 (arXiv 2403.00553), the compression ratio.
    """
    raw = "\n".join(texts).encode()[:n_bytes]
    return len(raw) / len(zstandard.ZstdCompressor(level=9).compress(raw)) if raw else float("nan")


def measure(points: Sequence[Point], annotations: Annotations, sample_bytes: int) -> Diversity:
    """Measure every point on samples of the same number of words and of bytes.

    A sample takes whole documents in the order of a hash of their keys, so that points that share
    documents share them in their samples too, and differences between points vary less than the points.
    A sample is `sample_bytes` or, where that is less, half of the smallest corpus.
    """
    points = [point for point in points if not is_markup(annotations, point.version, point.rows).any()]
    if not points:
        return Diversity(0, 0, {})
    totals = [int(annotations.sizes(point.version)[point.rows].sum()) for point in points]
    n_bytes = min(sample_bytes, min(totals) // 2)
    texts = {point.name: list(_samples(point, annotations, n_bytes)) for point in points}
    counts = [sum(len(WORD.findall(text)) for text in some) for sample in texts.values() for some in sample]
    n_words = min(counts)
    return Diversity(
        n_words,
        n_bytes,
        {name: np.array([_values(some, n_words, n_bytes) for some in them]) for name, them in texts.items()},
    )


def _samples(point: Point, annotations: Annotations, n_bytes: int) -> Iterator[list[str]]:
    sizes, keys = annotations.sizes(point.version)[point.rows], annotations.pool.keys[point.rows]
    picked = []
    for salt in range(1, SAMPLES + 1):
        order = np.argsort(mix64(keys, salt), kind="stable")
        enough = next((i for i, n in enumerate(accumulate(sizes[order].tolist()), 1) if n >= n_bytes), 0)
        picked.append(point.rows[order[:enough]])
    text = dict(annotations.texts(point.version, np.unique(np.concatenate(picked))))
    for rows in picked:
        yield [text[row] for row in rows.tolist()]


def _values(texts: Sequence[str], n_words: int, n_bytes: int) -> list[float]:
    return [
        *(distinct_share(texts, n, n_words) for n in range(1, LONGEST + 1)),
        segmental_ttr(texts, n_words),
        compression(texts, n_bytes),
    ]
