"""Exact and near-deduplication: what counts as the same, bands by theory, subsets by the law."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.stages.base import Relation
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.minhash_dedup import MinhashDedup

ODD = ["", " ", "!!!", "😀 😀", "a\x00b", "w" * 10**6, "word " * 50_000, "مرحبا بالعالم", "e\u0301"]
STAGES = [ExactDedup(), MinhashDedup()]


def names(stage: Relation) -> str:
    return stage.name


def kept(stage: Relation, texts: list[str], rows: list[int] | None = None) -> list[int]:
    """Rows that survive when the pool is grouped once and then restricted to `rows`."""
    pool = np.arange(len(texts))
    groups = stage.relate(stage.sketch_many(texts), pool)
    some = pool if rows is None else np.array(rows, dtype=np.int64)
    keys = np.arange(len(texts), dtype=np.uint64) + np.uint64(1000)
    size = np.array([len(texts[row].encode()) for row in some], dtype=np.int64)
    return some[stage.resolve(groups, some, keys=keys, n_bytes=size).keep].tolist()


def prose(seed: int, words: int = 200) -> list[str]:
    letters = random.Random(seed)
    return ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(words)]


def test_exact_means_byte_for_byte():
    assert kept(ExactDedup(keep="first"), ["one", "two", "one", "One", "one "]) == [0, 1, 3, 4]


def test_near_means_up_to_case_punctuation_numbers_and_accents():
    base = " ".join(prose(0)) + " résumé of 1995."
    other = base.upper().replace(" ", ",  ").replace("RÉSUMÉ", "resume").replace("1995", "2001")
    assert kept(MinhashDedup(keep="first"), [base, other, " ".join(prose(1))]) == [0, 2]


def test_an_edited_first_sentence_is_found_and_a_different_text_is_not():
    body = prose(2, 300)
    texts = [" ".join(prose(3, 8) + body), " ".join(prose(4, 8) + body), " ".join(prose(5, 308))]
    assert kept(MinhashDedup(keep="first"), texts) == [0, 2]


def test_documents_shorter_than_a_shingle_match_whole():
    assert kept(MinhashDedup(keep="first"), ["Hello, world", "hello world!", "hello there"]) == [0, 2]


def test_a_text_without_a_word_matches_nothing():
    sketches = MinhashDedup().sketch_many(["", "...", "\U0001f600", "a word"])
    assert sketches.shape == (4, 14) and sketches.dtype == np.uint64
    assert not sketches[:3].any() and sketches[3].all()
    assert kept(MinhashDedup(keep="first"), ["...", "...", "!"]) == [0, 1, 2]


@pytest.mark.parametrize(("keep", "expected"), [("first", [0, 3]), ("longest", [1, 3])])
def test_which_one_is_kept(keep, expected):
    base = " ".join(prose(6))
    assert kept(MinhashDedup(keep=keep), [base, base + "!!!!", base + "!", " ".join(prose(7))]) == expected


def test_the_random_survivor_depends_on_the_seed_and_on_nothing_else():
    texts = ["same"] * 8
    winners = [kept(ExactDedup(seed=seed), texts) for seed in range(200)]
    assert winners == [kept(ExactDedup(seed=seed), texts) for seed in range(200)]
    counts = np.bincount([row for (row,) in winners], minlength=8)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert MinhashDedup(seed=1, keep="first").slow_identity() == MinhashDedup().slow_identity()


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 3)])
@pytest.mark.parametrize("jaccard", [0.5, 0.75, 0.85])
def test_chance_of_a_shared_bucket_follows_theory(bands, rows, jaccard):
    # Word unigrams make the similarity exact: a documents of u shared and v own words each.
    shared = 300
    own = round(shared * (1 - jaccard) / (2 * jaccard))
    exact = shared / (shared + 2 * own)
    stage, hits, pairs = MinhashDedup(ngram=1, bands=bands, rows=rows), 0, 120
    for pair in range(pairs):
        words = prose(1000 + pair, shared + 2 * own)
        first, second = words[: shared + own], words[:shared] + words[shared + own :]
        a, b = stage.sketch_many([" ".join(first), " ".join(second)])
        hits += bool((a == b).any())
    expected = 1 - (1 - exact**rows) ** bands
    assert stats.binomtest(hits, pairs, expected).pvalue > 1e-3


def test_estimated_similarity_is_unbiased():
    # With one row a band, the share of equal columns estimates Jaccard directly.
    words = prose(9, 400)
    a, b = MinhashDedup(ngram=1, bands=2000, rows=1).sketch_many(
        [" ".join(words[:300]), " ".join(words[100:])]
    )
    assert stats.binomtest(int((a == b).sum()), 2000, 200 / 400).pvalue > 1e-3


@pytest.mark.parametrize("stage", STAGES, ids=names)
def test_a_batch_gives_what_its_texts_give_alone(stage):
    texts = ODD + [" ".join(prose(n, 30)) for n in range(5)]
    together = pickle.loads(pickle.dumps(stage)).sketch_many(texts)
    np.testing.assert_array_equal(together, np.concatenate([stage.sketch_many([text]) for text in texts]))
    assert stage.sketch_many([]).shape == (0, together.shape[1])


@st.composite
def corpora(draw):
    """Texts with exact copies and near copies, and a subset of the rows."""
    texts = []
    for _ in range(draw(st.integers(1, 25))):
        words = prose(draw(st.integers(0, 4)), 60)
        for place in draw(st.lists(st.integers(0, 59), max_size=3)):
            words[place] = "edited"
        texts.append(" ".join(words))
    rows = sorted(draw(st.sets(st.integers(0, len(texts) - 1), min_size=1)))
    return texts, rows


@pytest.mark.parametrize("stage", [type(stage)(keep=keep) for stage in STAGES for keep in ("first", "longest", "random")],
                         ids=lambda stage: f"{stage.name}-{stage.keep}")  # fmt: skip
@given(corpora())
@settings(max_examples=25, deadline=None)
def test_restricting_the_groups_equals_deduplicating_the_subset(stage, corpus):
    texts, rows = corpus
    alone = [texts[row] for row in rows]
    sketches = stage.sketch_many(alone)
    position = np.array(rows, dtype=np.int64)
    keys = np.arange(len(texts), dtype=np.uint64) + np.uint64(1000)
    size = np.array([len(text.encode()) for text in alone], dtype=np.int64)
    groups = stage.relate(sketches, position)  # made from the subset and nothing else
    expected = position[stage.resolve(groups, position, keys=keys, n_bytes=size).keep].tolist()
    assert kept(stage, texts, rows) == expected


@pytest.mark.parametrize("parameters", [{"ngram": 0}, {"bands": 0}, {"rows": 0}, {"keep": "best"}], ids=str)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        MinhashDedup(**parameters)
