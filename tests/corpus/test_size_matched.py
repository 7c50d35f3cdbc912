"""Size-matched removal: as many tokens as asked for, of whole documents, whatever their order; no draw like another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.size_matched import SizeMatchedRemoval, size_matched
from ablate.corpus.view import build_corpus
from ablate.fingerprint import mix64
from ablate.pool.source import Document
from ablate.stages.random_removal import RandomRemoval
from ablate.store import Store

DRAWS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30, unique=True)


def kept(step: RandomRemoval, draws: np.ndarray) -> np.ndarray:
    return np.asarray(step.decide({"draw": draws}).keep)


@settings(deadline=None)
@given(DRAWS, st.integers(0, 2**32), st.data())
def test_what_is_left_is_as_near_as_whole_documents_in_the_order_of_the_draw_can_be(
    draws: list[int], seed: int, data: st.DataObject
) -> None:
    keys = np.array(draws, dtype=np.uint64)
    counts = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(draws), max_size=len(draws))))
    tokens = data.draw(st.integers(0, int(counts.sum()) + 20))
    left = kept(size_matched({"draw": keys}, counts, tokens=tokens, seed=seed), keys)
    # The documents one after another in the order of the draw, the first ones gone: every number of them tried.
    order = sorted(range(keys.size), key=lambda i: float(mix64(keys[i : i + 1], seed)[0] >> 11) / 2**53)
    nearest = min(abs(int(counts[order[gone:]].sum()) - tokens) for gone in range(keys.size))
    assert abs(int(counts[left].sum()) - tokens) == nearest
    assert left.any() and {order[i] for i in range(int((~left).sum()))} == set(np.flatnonzero(~left).tolist())


@settings(deadline=None)
@given(DRAWS, st.randoms(use_true_random=False), st.integers(1, 400))
def test_which_documents_go_does_not_depend_on_their_order(
    draws: list[int], chance: Any, tokens: int
) -> None:
    keys, counts = np.array(draws, dtype=np.uint64), np.array([1 + draw % 29 for draw in draws])
    order = np.array(chance.sample(range(keys.size), keys.size))
    straight = kept(size_matched({"draw": keys}, counts, tokens=tokens, seed=3), keys)
    shuffled = kept(size_matched({"draw": keys[order]}, counts[order], tokens=tokens, seed=3), keys[order])
    np.testing.assert_array_equal(shuffled, straight[order])


def test_none_goes_where_fewer_are_there_than_are_to_be_left() -> None:
    found = size_matched({"draw": np.arange(3, dtype=np.uint64)}, np.array([5, 5, 5]), tokens=16, seed=0)
    assert found == SizeMatchedRemoval(rate=0.0, seed=0)


def share_dropped(step: RandomRemoval, draws: np.ndarray) -> tuple[float, float]:
    """The share, and its distance from the rate in binomial standard errors."""
    share = 1 - kept(step, draws).mean()
    return share, abs(share - step.rate) / np.sqrt(step.rate * (1 - step.rate) / draws.size)


def test_draws_have_their_rate_and_nothing_in_common_with_other_seeds_or_with_deduplications_choice() -> None:
    keys = mix64(np.arange(100_000, dtype=np.uint64), 12345)
    draws = np.asarray(RandomRemoval().measure_many(keys.tolist())["draw"])
    first, second = RandomRemoval(rate=0.3, seed=0), RandomRemoval(rate=0.3, seed=1)
    assert share_dropped(first, draws)[1] < 5
    assert share_dropped(first, draws[~kept(second, draws)])[1] < 5, "other seeds draw anew"
    # Deduplication keeps the copy with the least hash of its key under its seed, 0 unless set.
    chosen = mix64(keys, 0).reshape(-1, 10).argmin(axis=1) + np.arange(0, keys.size, 10)
    assert share_dropped(first, draws[chosen])[1] < 5
    # A run meets documents in the order of a hash of key, seed and epoch.
    early = np.argsort(mix64(mix64(keys, 0), 0))[:20_000]
    assert share_dropped(first, draws[early])[1] < 5


def test_a_control_draws_otherwise_than_a_random_removal_that_it_controls() -> None:
    keys = list(range(50_000))
    draws, own = (np.asarray(cls().measure_many(keys)["draw"]) for cls in (RandomRemoval, SizeMatchedRemoval))
    stage, control = RandomRemoval(rate=0.3, seed=0), SizeMatchedRemoval(rate=0.3, seed=0)
    assert share_dropped(control, own[~kept(stage, draws)])[1] < 5


def test_a_larger_rate_drops_what_a_smaller_one_does_and_more() -> None:
    draws = mix64(np.arange(1000, dtype=np.uint64), 5)
    some, more = (kept(RandomRemoval(rate=rate, seed=2), draws) for rate in (0.2, 0.5))
    assert not (more & ~some).any() and more.sum() < some.sum()


def test_copies_go_one_by_one_and_the_pools_order_does_not_matter(
    make_pool: Any, store: Store, tmp_path: Path
) -> None:
    pages = [Document("The same notice.") for _ in range(40)] + [Document(f"Page {i}.") for i in range(40)]
    texts = []
    for number, documents in enumerate((pages, pages[::-1])):
        own = Store(tmp_path / str(number))
        annotations = Annotations(make_pool(own, documents), own, workers=1)
        corpus = build_corpus([RandomRemoval(rate=0.5, seed=4)], annotations)
        texts.append(sorted(text for _, text in annotations.texts(corpus.version, corpus.rows)))
    assert texts[0] == texts[1]
    assert 0 < texts[0].count("The same notice.") < 40, "copies are documents of their own"
