"""Which pairs are shown, and from where their texts are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import Decision, build_corpus
from ablate.inspect.figure import curve_figure, retention_figure
from ablate.inspect.retention import Retention
from ablate.inspect.views.duplicates import FLOOR, compare, from_difference, sample_pairs
from ablate.pool.source import Document
from ablate.render.figure import save
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.store import Store


def test_texts_are_shown_from_a_little_before_they_differ() -> None:
    one, two = from_difference("same " * 100 + "left end", "same " * 100 + "right end")
    assert one == "... " + "same " * 16 + "left end" and two == "... " + "same " * 16 + "right end"
    assert from_difference("equal", "equal") == ("equal", "equal")
    assert from_difference("begin one", "begin one two") == ("begin one", "begin one two")
    long = from_difference("a" * 1000, "b" * 1000)  # one word that cannot be shortened at a blank
    assert long[0] and len(long[0]) <= 300


@pytest.fixture(scope="module")
def near(make_pool: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Decision, Annotations]:
    """Pairs of texts of 200 words, with 0 to 40 of them replaced: similarity from 1 down to about 0.3."""
    rng, pages = np.random.default_rng(0), []
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    for pair in range(240):
        words = ["".join(rng.choice(letters, 6)) for _ in range(200)]
        other = list(words)
        for place in rng.choice(200, pair % 41, replace=False):
            other[place] = "".join(rng.choice(letters, 6))
        pages += [
            Document(" ".join(text), url=f"u/{len(pages) + i}") for i, text in enumerate((words, other))
        ]
    store = Store(tmp_path_factory.mktemp("near") / "store")
    annotations = Annotations(make_pool(store, pages), store, workers=1)
    return build_corpus([MinhashDedup(bands=20, rows=4)], annotations).decisions[0], annotations


def test_observed_candidates_follow_the_s_curve_of_true_similarities(
    near: tuple[Decision, Annotations],
) -> None:
    decision, annotations = near
    step = decision.step
    assert isinstance(step, MinhashDedup)
    groups = annotations.groups(decision.before, step)
    found = compare(decision, step, groups, annotations, 10_000)
    assert found.documents == found.compared == 480
    assert sum(b.share.total for b in found.bins) == 480 * 479 // 2
    assert sum(b.share.hits for b in found.bins) == found.n_candidates
    tested = [b for b in found.bins if b.low >= FLOOR and b.share.total >= 5 and 0 < b.expected < 1]
    assert len(tested) >= 5  # pairs are of different texts, so the binomial holds
    for b in tested:
        assert stats.binomtest(b.share.hits, b.share.total, b.expected).pvalue > 1e-3
    for agreed in found.agreements:
        assert agreed.recall.value > 0.9 and agreed.precision.value < 1
        assert agreed.removed == found.n_candidates  # every group is one pair
    few = compare(decision, step, groups, annotations, 50)
    assert few.compared == 50 and sum(b.share.total for b in few.bins) == 50 * 49 // 2


def test_verified_candidates_are_those_that_are_alike(near: tuple[Decision, Annotations]) -> None:
    annotations = near[1]
    stage = MinhashDedup(bands=20, rows=4, verify="jaccard", min_similarity=0.8)
    (decision,) = build_corpus([stage], annotations).decisions
    found = compare(decision, stage, annotations.groups(decision.before, stage), annotations, 10_000)
    unverified = compare(
        *near[:1], stage, annotations.groups(near[0].before, near[0].step), annotations, 10_000
    )  # type: ignore[arg-type]
    for now, before in zip(found.bins, unverified.bins, strict=True):
        assert now.share.total == before.share.total
        assert now.share.hits == (before.share.hits if now.low >= 0.8 else 0)
        assert now.expected == before.expected or now.low < 0.8
    at = {agreed.threshold: agreed for agreed in found.agreements}
    assert at[0.8].precision.value == 1 and at[0.8].recall.value > 0.9
    edited = MinhashDedup(bands=20, rows=4, verify="edit", min_similarity=0.9)
    (decision,) = build_corpus([edited], annotations).decisions
    found = compare(decision, edited, annotations.groups(decision.before, edited), annotations, 10_000)
    assert found.n_candidates > 0 and all(np.isnan(b.expected) for b in found.bins)


def test_pairs_come_from_every_stratum(near: tuple[Decision, Annotations]) -> None:
    decision, annotations = near
    step = decision.step
    assert isinstance(step, MinhashDedup)
    groups = annotations.groups(decision.before, step)
    shown = sample_pairs(decision, step, groups, annotations, 14)
    assert len(shown) == 14 and {pair.stratum for pair in shown} == {0.0, 0.5, 0.7, 0.75, 0.8, 0.9, 1.0}
    assert [pair.similarity for pair in shown] == sorted(pair.similarity for pair in shown)
    for pair in shown:
        first, second = (int(url.removeprefix("u/")) for url in pair.urls)
        assert second == first + 1 and first % 2 == 0  # only planted pairs are candidates
        assert (pair.texts[0] == pair.texts[1]) == (pair.similarity == 1.0)
    everything = sample_pairs(decision, step, groups, annotations, 10_000)
    assert len(everything) == everything[0].drawn
    assert sum(pair.stratum == 1.0 for pair in everything) == everything[-1].of


def test_figures_are_drawn_with_nothing_to_show(tmp_path: Path) -> None:
    line = Retention("s", "host", "a", 30, 30, 0.9, 1.0, 1.0, float("nan"))
    for name, figure in (
        ("none", retention_figure([line], "title")),
        ("empty", retention_figure([], "title")),
        ("curve", curve_figure(np.linspace(0, 1, 3), None, [], "title")),
    ):
        save(figure, tmp_path / name)
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        assert (tmp_path / f"{name}.svg").read_text().rstrip().endswith("</svg>")
