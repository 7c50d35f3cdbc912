"""Mixtures: shares held at every sequence, an order of each source, and what cannot be is refused by name."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus.budget import copies_seen
from ablate.corpus.mixture import Division, Mixture, MixtureStream, Schedule
from ablate.corpus.tokens import TokenStream
from ablate.errors import ConfigError

CONTEXT = 4


def stream_over(members: np.ndarray, length: np.ndarray, seed: int) -> TokenStream:
    """A stream over some documents of a corpus; token t of document d is 1000 d + t."""
    flat = np.concatenate([1000 * d + np.arange(length[d]) for d in members]).astype(np.uint32)
    start = np.concatenate([[0], np.cumsum(length[members])[:-1]]).astype(np.int64)
    keys = members.astype(np.uint64) + 1
    return TokenStream(
        [flat],
        np.zeros(members.size, dtype=np.int64),
        start,
        length[members],
        keys,
        seed=seed,
        context=CONTEXT,
    )


def stream_of(division: Division, length: np.ndarray, seed: int = 0) -> MixtureStream:
    streams = [stream_over(part.members, length, seed) if part.weight else None for part in division.parts]
    return MixtureStream(streams, division, CONTEXT)


def divided(shares: dict[str, float], sources: list[str], length: np.ndarray) -> Division:
    return Mixture(shares).divide(sources, np.array([s.startswith("synthetic") for s in sources]), length)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=7).filter(any))
def test_no_part_is_ever_off_its_share_by_more_than_the_best_bound(weights: list[int]) -> None:
    """Tijdeman 1980: 1 - 1 / (2 k - 2) sequences at every point, and nothing after a whole period."""
    schedule, total = Schedule(weights), sum(weights)
    count = min(2 * total, 700)
    of = schedule.sources(0, count)
    given_so_far = np.cumsum(of[:, None] == np.arange(len(weights)), axis=0)
    exact = np.arange(1, count + 1)[:, None] * np.array(weights) / total
    live = sum(weight > 0 for weight in weights)
    bound = 0 if live == 1 else 1 - 1 / (2 * live - 2)
    assert np.abs(given_so_far - exact).max() <= bound + 1e-9
    np.testing.assert_array_equal(schedule.counts(count), given_so_far[-1])
    np.testing.assert_array_equal(schedule.counts(3 * schedule.period), 3 * np.array(schedule.weights))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any), st.integers(0, 400), st.integers(1, 90)
)
def test_any_stretch_of_a_schedule_can_be_asked_for_at_any_time(
    weights: list[int], first: int, count: int
) -> None:
    whole = Schedule(weights).sources(0, first + count)
    np.testing.assert_array_equal(Schedule(weights).sources(first, count), whole[first:])


def test_a_long_period_is_made_only_as_far_as_it_is_read() -> None:
    schedule = Schedule([123_456_789, 876_543_211])
    assert schedule.counts(1000).tolist() == [
        123,
        877,
    ]  # 123.46 and 876.54: either neighbour is within a half
    assert schedule.sources(10**9, 3).tolist() == schedule.sources(0, 3).tolist(), "it begins again"


shares = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
lengths = st.lists(st.integers(1, 9), min_size=9, max_size=9).map(np.array)


@settings(max_examples=60, deadline=None)
@given(lengths, shares, st.integers(0, 9), st.integers(1, 120))
def test_a_source_is_within_one_sequence_of_its_share_at_every_point(
    length: np.ndarray, share: float, seed: int, count: int
) -> None:
    sources = ["web"] * 4 + ["books"] * 3 + ["synthetic/story"] * 2
    division = divided({"synthetic": share}, sources, length)
    read = stream_of(division, length, seed).sequences(0, count)[:, :-1]
    synthetic = np.array([sources[d].startswith("synthetic") for d in range(9)])[read // 1000]
    for sequences in range(1, count + 1):
        tokens = sequences * CONTEXT
        assert abs(synthetic[:sequences].sum() - share * tokens) <= CONTEXT


@settings(max_examples=40, deadline=None)
@given(lengths, st.integers(0, 9), st.integers(1, 60))
def test_arms_of_other_shares_read_the_same_documents_of_a_source_in_the_same_order(
    length: np.ndarray, seed: int, count: int
) -> None:
    sources = ["web"] * 4 + ["books"] * 3 + ["synthetic/story"] * 2
    alone = stream_over(np.arange(7), length, seed).sequences(0, count)
    for share in (0.0, 0.25, 0.5, 0.9):
        read = stream_of(divided({"synthetic": share}, sources, length), length, seed).sequences(0, count)
        real = read[read[:, 0] < 7000]
        np.testing.assert_array_equal(real, alone[: len(real)])


@settings(max_examples=40, deadline=None)
@given(lengths, st.integers(0, 9), st.integers(0, 40), st.integers(1, 40))
def test_any_sequence_of_a_mixture_can_be_asked_for_at_any_time(
    length: np.ndarray, seed: int, first: int, count: int
) -> None:
    division = divided({"web": 0.3, "books": 0.2}, ["web"] * 4 + ["books"] * 3 + ["other"] * 2, length)
    whole = stream_of(division, length, seed).sequences(0, first + count)
    np.testing.assert_array_equal(stream_of(division, length, seed).sequences(first, count), whole[first:])


@settings(max_examples=40, deadline=None)
@given(lengths, st.integers(1, 80))
def test_documents_seen_and_epochs_are_what_the_sequences_hold(length: np.ndarray, count: int) -> None:
    sources = ["web"] * 6 + ["books"] * 3
    division = divided({"books": 0.4}, sources, length)
    stream, tokens = stream_of(division, length), count * CONTEXT
    read = stream.sequences(0, count)[:, :-1] // 1000
    seen, times = stream.documents_seen(tokens)
    assert seen.tolist() == np.unique(read).tolist() and (times >= 1).all()
    for part, said in zip(division.parts, division.read(tokens, CONTEXT), strict=True):
        of_part = int(np.isin(read, part.members).sum())
        assert said.tokens == of_part and said.epochs == of_part / length[part.members].sum()
    assert copies_seen(stream, np.zeros(9, dtype=np.int64), tokens)["documents_seen"] == seen.size


def test_shares_are_of_sources_patterns_or_kinds_and_the_rest_has_what_is_left() -> None:
    sources = ["web", "web", "books", "synthetic/story", "synthetic/textbook"]
    length = np.array([10, 20, 30, 40, 50])
    parts = divided({"synthetic/*": 0.25, "books": 0.25}, sources, length).parts
    assert [(p.name, p.share, p.members.tolist(), p.tokens) for p in parts] == [
        ("synthetic/*", 0.25, [3, 4], 90),
        ("books", 0.25, [2], 30),
        ("rest", 0.5, [0, 1], 30),
    ]
    (real, synthetic) = divided({"real": 0.5, "synthetic": 0.5}, sources, length).parts
    assert (real.members.tolist(), synthetic.members.tolist()) == ([0, 1, 2], [3, 4])
    thirds = divided({"web": 0.333333, "books": 0.333333, "synthetic": 0.333333}, sources, length).parts
    assert len(thirds) == 3, "shares that add up to 1 within a millionth leave nothing for a rest"


def test_one_pass_over_what_is_not_named_adds_what_is() -> None:
    """budget=source: 600 real tokens read once; with a synthetic share of a quarter 200 are added to them."""
    length = np.array([300, 300, 500])
    for share, total in ((0.0, 600), (0.25, 800), (0.5, 1200)):
        division = divided({"synthetic": share}, ["web", "web", "synthetic/story"], length)
        assert division.one_pass == total
        read = {part.name: part.tokens for part in division.read(total, CONTEXT)}
        assert abs(read["rest"] - 600) <= CONTEXT
    with pytest.raises(ConfigError, match="nothing is left to be read once"):
        _ = divided({"web": 0.5, "synthetic": 0.5}, ["web", "web", "synthetic/story"], length).one_pass


def test_a_source_that_is_read_more_than_four_times_is_said_loudly() -> None:
    division = divided({"synthetic": 0.5}, ["web", "synthetic/story"], np.array([1000, 100]))
    often, enough = division.read(1600, CONTEXT)
    assert often.repeats and "8.0 epochs of its 100 tokens, MORE THAN 4" in str(often)
    assert not enough.repeats and "MORE" not in str(enough)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({}, "names no source"),
        ({"web": 1.2}, "mixture.web must be a share in [0, 1], got 1.2"),
        ({"web": float("nan")}, "mixture.web must be a share in [0, 1]"),
        ({"web": 0.7, "books": 0.4}, "the shares of web, books add up to 1.1"),
        ({"rest": 0.4}, "they get what the other shares leave of 1"),
        ({"wbe": 0.4}, "mixture.wbe=0.4: the corpus has no such document: did you mean 'web'?"),
        ({"web": 0.5, "w*": 0.1}, "web and w* both fit documents of the source 'web'"),
        ({"web": 0.5, "books": 0.2}, "the shares leave 0.3 for documents that none of web, books fits"),
        ({"synthetic": 0.5}, "no document is of that kind"),
    ],
)
def test_what_cannot_be_is_refused_by_name(shares: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        divided(shares, ["web", "books"], np.array([5, 5]))
