"""Lexical diversity: by hand on tiny texts, and at the same size whatever the corpus."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import zstandard

from ablate.corpus.annotate import Annotations
from ablate.inspect.diversity import (
    MEASURES,
    SAMPLES,
    Point,
    compression,
    distinct_share,
    measure,
    segmental_ttr,
)
from ablate.pool.source import Document
from ablate.store import Store

TEXTS = ["The cat, the dog.", "A cat the dog!"]


@pytest.mark.parametrize(
    ("n", "n_words", "expected"),
    [
        (1, 8, 4 / 8),  # the cat dog a
        (2, 8, 4 / 6),  # the-cat cat-the the-dog a-cat | cat-the and the-dog again
        (3, 8, 3 / 4),  # the-cat-the cat-the-dog a-cat-the | cat-the-dog again
        (1, 5, 4 / 5),  # the cat the dog | a
        (2, 5, 3 / 3),  # the second text has one word, so no pair
        (2, 6, 4 / 4),
        (3, 2, float("nan")),
        (1, 0, float("nan")),
    ],
)
def test_distinct_share_by_hand(n: int, n_words: int, expected: float) -> None:
    assert distinct_share(TEXTS, n, n_words) == pytest.approx(expected, nan_ok=True)


def test_segmental_type_token_ratio_by_hand() -> None:
    # the cat the | dog a cat | (the dog is not a full window)
    assert segmental_ttr(TEXTS, 8, window=3) == pytest.approx((2 / 3 + 3 / 3) / 2)
    assert segmental_ttr(TEXTS, 3, window=3) == pytest.approx(2 / 3)
    assert np.isnan(segmental_ttr(TEXTS, 2, window=3)) and np.isnan(segmental_ttr([], 9))


def test_compression_is_of_the_first_bytes_and_sees_repeats_far_apart() -> None:
    raw = b"one\ntwo"
    assert compression(["one", "two"], 99) == len(raw) / len(zstandard.ZstdCompressor(level=9).compress(raw))
    noise = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=100_000))
    assert compression([noise, noise], 200_001) > 1.9 * compression([noise], 100_000)
    assert compression([noise, "x" * 10**6], 100_000) == compression([noise], 100_000)
    assert np.isnan(compression([], 10))


def corpus(words: int, pages: int, seed: int) -> list[Document]:
    letters = random.Random(seed)
    return [
        Document(
            " ".join(
                f"w{'abcdefghij'[letters.randrange(10)]}{letters.choice('klmnopqrst')}" for _ in range(words)
            ),
            url=f"u{seed}/{i}",
        )
        for i in range(pages)
    ]


def test_every_point_is_measured_at_the_same_size(make_pool: Any, store: Store) -> None:
    pages = [*corpus(300, 60, 0), Document("<p>markup</p>", kind="html")]
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    version = annotations.root()
    points = [
        Point("input", version, np.arange(61)),
        Point("all", version, np.arange(60)),
        Point("few", version, np.arange(12)),
    ]
    found = measure(points, annotations, 10**9)
    assert set(found.values) == {"all", "few"}  # HTML source is not measured
    assert found.n_bytes == sum(len(page.text) for page in pages[:12]) // 2
    assert 0.9 * found.n_bytes < 4 * found.n_words < 1.6 * found.n_bytes  # words of three letters and a blank
    for values in found.values.values():
        assert values.shape == (SAMPLES, len(MEASURES)) and np.isfinite(values).all()
        # 100 kinds of words: at the same size both corpora are as diverse.
        np.testing.assert_allclose(values[:, 0], 100 / found.n_words, rtol=0.02)
    again = measure(points, annotations, 10**9)
    assert all((found.values[name] == again.values[name]).all() for name in found.values)
    np.testing.assert_array_equal(
        measure(points[1:2], annotations, 2_000).values["all"][:, 0] > found.values["all"][:, 0], True
    )  # a shorter sample repeats fewer words


def test_repeats_lower_every_share_and_raise_compression(make_pool: Any, store: Store) -> None:
    fresh, copies = corpus(200, 40, 1), corpus(200, 4, 2) * 10
    copies = [Document(page.text, url=f"copy/{i}") for i, page in enumerate(copies)]
    annotations = Annotations(make_pool(store, [*fresh, *copies]), store, workers=1)
    points = [
        Point("fresh", annotations.root(), np.arange(40)),
        Point("copies", annotations.root(), np.arange(40, 80)),
    ]
    values = measure(points, annotations, 10**9).values
    assert (values["fresh"][:, 2] > values["copies"][:, 2]).all()
    assert (values["fresh"][:, 4] < values["copies"][:, 4]).all()


def test_no_text_at_all(make_pool: Any, store: Store) -> None:
    annotations = Annotations(make_pool(store, [Document("<p>x</p>", kind="html")]), store, workers=1)
    assert measure([Point("input", annotations.root(), np.arange(1))], annotations, 100).values == {}
