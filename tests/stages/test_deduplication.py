"""Exact and near-deduplication: what counts as the same, bands by theory, subsets by the law."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.errors import DataError
from ablate.stages import _verify as verify
from ablate.stages.base import Groups, Relation
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.minhash_dedup import MinhashDedup

ODD = ["", " ", "!!!", "😀 😀", "a\x00b", "w" * 10**6, "word " * 50_000, "مرحبا بالعالم", "e\u0301"]
STAGES = [ExactDedup(), MinhashDedup()]
VERIFIED = [
    MinhashDedup(bands=20, rows=2, verify=verify, min_similarity=0.7) for verify in ("jaccard", "edit")
]


def names(stage: Relation) -> str:
    return stage.name


def related(stage: Relation, texts: list[str], rows: np.ndarray) -> Groups:
    """What the stage finds among documents that stand at `rows` of a pool."""
    at = dict(zip(rows.tolist(), texts, strict=True))
    return stage.relate(
        stage.sketch_many(texts), rows, lambda some: [(row, at[row]) for row in some.tolist()]
    )


def kept(stage: Relation, texts: list[str], rows: list[int] | None = None) -> list[int]:
    """Rows that survive when the pool is grouped once and then restricted to `rows`."""
    pool = np.arange(len(texts))
    groups = related(stage, texts, pool)
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
    assert ExactDedup(seed=1, keep="first").slow_identity() == ExactDedup().slow_identity()


def test_another_seed_draws_other_hash_functions_of_minhash():
    """Six words of ten in common: a band of two rows agrees with 0.6^2, one of four with 0.832, seed by seed."""
    texts = ["a b c d e f g h", "a b c d e f i j"]
    joined = 0
    for seed in range(300):
        one, other = MinhashDedup(ngram=1, bands=4, rows=2, seed=seed).sketch_many(texts)
        joined += bool((one == other).any())
    assert stats.binomtest(joined, 300, 1 - (1 - 0.6**2) ** 4).pvalue > 1e-3
    same, moved = MinhashDedup().slow_identity(), MinhashDedup(seed=7).slow_identity()
    assert "hashes" not in same and moved == {**same, "hashes": 7}, "the default has the name it always had"


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


@pytest.mark.parametrize(
    "stage",
    [replace(stage, keep=keep) for stage in [*STAGES, *VERIFIED] for keep in ("first", "longest", "random")],
    ids=lambda stage: f"{stage.name}-{getattr(stage, 'verify', '')}-{stage.keep}",
)
@given(corpora())
@settings(max_examples=25, deadline=None)
def test_restricting_the_groups_equals_deduplicating_the_subset(stage, corpus):
    texts, rows = corpus
    alone = [texts[row] for row in rows]
    position = np.array(rows, dtype=np.int64)
    keys = np.arange(len(texts), dtype=np.uint64) + np.uint64(1000)
    size = np.array([len(text.encode()) for text in alone], dtype=np.int64)
    groups = related(stage, alone, position)  # made from the subset and nothing else
    expected = position[stage.resolve(groups, position, keys=keys, n_bytes=size).keep].tolist()
    assert kept(stage, texts, rows) == expected


@pytest.mark.parametrize(
    "parameters",
    [{"ngram": 0}, {"bands": 0}, {"rows": 0}, {"keep": "best"}, {"verify": "both"}, {"min_similarity": 0}],
    ids=str,
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        MinhashDedup(**parameters)


# ---- verification ----


def jaccard_of(one: str, other: str, n: int) -> float:
    first, second = (
        {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))}
        for words in (one.split(), other.split())
    )
    return len(first & second) / len(first | second)


def edit_similarity_of(one: str, other: str) -> float:
    """By the textbook's table (Wagner & Fischer 1974)."""
    first, second = one.split(), other.split()
    line = list(range(len(second) + 1))
    for i, word in enumerate(first, start=1):
        above, line[0] = line[0], i
        for j, against in enumerate(second, start=1):
            above, line[j] = line[j], min(line[j] + 1, line[j - 1] + 1, above + (word != against))
    return 1 - line[-1] / max(len(first), len(second))


def pairs_of(groups: Groups) -> set[tuple[int, int]]:
    """Documents that share a bucket."""
    members: dict[int, list[int]] = {}
    for document, bucket in zip(groups.document.tolist(), groups.bucket.tolist(), strict=True):
        members.setdefault(bucket, []).append(document)
    return {pair for some in members.values() for pair in combinations(sorted(some), 2)}


@pytest.mark.parametrize("large", [0, 5, 1000], ids=lambda n: f"large-from-{n}")
@pytest.mark.parametrize("stage", VERIFIED, ids=lambda stage: stage.verify)
@given(st.integers(0, 10_000), st.integers(2, 25), st.sampled_from([0.5, 0.7, 0.8, 0.9, 1.0]))
@settings(max_examples=25, deadline=None)
def test_verified_pairs_are_the_candidates_that_are_alike(stage, large, seed, count, least):
    rng = random.Random(seed)
    base, texts = prose(seed, 40), []
    for _ in range(count):
        words = list(rng.choice([base, base, texts[-1].split() if texts else base]))
        for _ in range(rng.choice([0, 0, 1, 1, 2, 4, 9])):
            words[rng.randrange(len(words))] = rng.choice(["edited", "other", "words"])
        texts.append(" ".join(words[: rng.choice([len(words), len(words), 30])]))
    stage = replace(stage, ngram=2, min_similarity=least)
    rows = np.arange(0, 3 * count, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "LARGE", large)
        patch.setattr(verify, "BATCH", 4)
        found = pairs_of(related(stage, texts, rows))
    sketches = stage.sketch_many(texts)
    expected = set()
    for i, j in combinations(range(count), 2):
        alike = (
            jaccard_of(texts[i], texts[j], 2)
            if stage.verify == "jaccard"
            else edit_similarity_of(texts[i], texts[j])
        )
        if (sketches[i] == sketches[j]).any() and alike >= least:
            expected.add((3 * i, 3 * j))
    assert found == expected


def test_a_chain_is_cut_where_its_ends_are_not_alike_and_kept_where_links_are():
    words = prose(1, 100)
    chain = [
        " ".join(words[start : start + 60]) for start in (0, 4, 8, 40)
    ]  # neighbours share 56 of 64 words
    stage = MinhashDedup(ngram=1, bands=60, rows=2, keep="first")
    assert kept(stage, chain) == [0]
    assert kept(replace(stage, verify="jaccard", min_similarity=0.85), chain) == [0, 3]
    assert kept(replace(stage, verify="jaccard", min_similarity=0.85), chain, [0, 2, 3]) == [0, 2, 3]
    assert kept(replace(stage, verify="edit", min_similarity=0.85), chain) == [0, 3]


def test_many_near_copies_in_a_bucket_cost_a_comparison_each(monkeypatch):
    words = prose(2, 200)
    texts = []
    for number in range(3000):
        words[number % 200], old = f"edit{chr(97 + number % 26)}", words[number % 200]
        texts.append(" ".join(words))
        words[number % 200] = old
    compared = []
    near, alike = verify.Jaccard.near, verify.Jaccard.alike
    monkeypatch.setattr(
        verify.Jaccard,
        "near",
        lambda self, pivot, others: compared.append(others.size) or near(self, pivot, others),
    )
    monkeypatch.setattr(
        verify.Jaccard,
        "alike",
        lambda self, first, second: compared.append(first.size) or alike(self, first, second),
    )
    stage = MinhashDedup(ngram=1, verify="jaccard", min_similarity=0.7, keep="first")
    assert kept(stage, texts) == [0]
    distinct = len(set(texts))
    assert sum(compared) < 30 * distinct < distinct**2 / 2


def test_a_bucket_of_texts_that_are_hardly_alike_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(verify, "MOST_PAIRS", 1000)
    shared = prose(3, 1)
    texts = [" ".join(shared + prose(100 + number, 20)) for number in range(400)]
    with pytest.raises(DataError, match=r"minhash_dedup\.rows"):
        kept(MinhashDedup(ngram=1, bands=200, rows=1, verify="jaccard"), texts)


def test_what_is_verified_names_the_groups_but_not_the_sketches():
    plain, checked = MinhashDedup(), MinhashDedup(verify="jaccard")
    assert checked.slow_identity() == plain.slow_identity()
    assert checked.relate_identity() != plain.relate_identity()
    assert replace(plain, min_similarity=0.5).relate_identity() == plain.relate_identity()
    assert replace(checked, min_similarity=0.5).relate_identity() != checked.relate_identity()


@pytest.mark.parametrize(
    "stage",
    [ExactDedup(keep="first"), MinhashDedup(keep="first"), *(replace(s, keep="first") for s in VERIFIED)],
    ids=lambda stage: f"{stage.name}-{getattr(stage, 'verify', '')}",
)
def test_every_exact_copy_is_found(stage):
    texts = [" ".join(prose(number % 40, 5 + number % 40)) for number in range(400)]
    assert kept(stage, texts) == list(range(40))


@pytest.mark.parametrize("edited", [2, 4, 6, 8, 12])
def test_planted_edits_are_found_as_often_as_theory_says(edited):
    """Word 5-grams, 14 bands of 8, as FineWeb: pairs whose true similarity is computed from their shingles."""
    rng, stage = random.Random(edited), MinhashDedup()
    texts, expected = [], []
    for pair in range(400):
        words = prose(20_000 + 1000 * edited + pair, 200)
        other = list(words)
        for place in rng.sample(range(0, 200, 10), edited):  # edits ten words apart break five shingles each
            other[place] = "edited" + other[place][:3]
        texts += [" ".join(words), " ".join(other)]
        expected.append(jaccard_of(texts[-2], texts[-1], 5))
    assert min(expected) > 0.5 and max(expected) < 0.95
    sketches = stage.sketch_many(texts)
    hits = (sketches[::2] == sketches[1::2]).any(axis=1).sum()
    chance = np.mean([1 - (1 - s**8) ** 14 for s in expected])
    assert stats.binomtest(int(hits), len(expected), chance).pvalue > 1e-3


@settings(deadline=None)
@given(
    columns=st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=12),
    survives=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_groups_are_the_components_of_those_that_agree_in_a_column(columns, survives):
    """A number names a bucket of its column, 0 in all columns matches nothing; labels go by the first of each group."""
    sketches = np.array(columns, dtype=np.uint64)
    stage, pool = ExactDedup(), np.arange(len(columns))
    groups = stage.relate(sketches, pool, lambda rows: iter(()))
    rows = pool[np.array(survives[: len(columns)], dtype=bool)]
    label = groups.clusters(rows, pool.size)
    leader = {row: row for row in rows.tolist()}
    for _ in rows:  # as often as the longest chain has links
        for a, b in combinations(rows.tolist(), 2):
            if (sketches[a] == sketches[b]).any() and sketches[a].any() and sketches[b].any():
                leader[a] = leader[b] = min(leader[a], leader[b])
    first = sorted(set(leader.values()))
    assert label.tolist() == [first.index(leader[row]) for row in rows.tolist()]
