"""Exact-substring deduplication: planted spans are found, shorter ones never, cuts leave tidy text."""

from __future__ import annotations

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import DataError
from ablate.pool.source import Document
from ablate.stages.substring_dedup import SubstringDedup
from ablate.text import running_hash
from ablate.text.scripts import UNSPACED_SET


def prose(seed: int, words: int) -> list[str]:
    """Words that occur nowhere else."""
    letters = random.Random(seed)
    return [f"{''.join(letters.choices('abcdefghij', k=5))}{seed}" for _ in range(words)]


@pytest.fixture
def curate(make_pool, store):
    """The texts that are left, by pool row, of one stage on its own pool."""

    def run(stage, texts):
        annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
        corpus = build_corpus([stage], annotations)
        return dict(annotations.texts(corpus.version, corpus.rows))

    return run


def planted(length: int, copies: int = 60) -> tuple[list[str], list[str]]:
    """Documents of their own words, each with the same `length` tokens at a place of its own."""
    span, places = prose(10_000, length), random.Random(length)
    texts, own = [], []
    for number in range(copies):
        words = prose(number, 80)
        at = places.randrange(81)
        texts.append(" ".join(words[:at] + span + words[at:]))
        own.append(" ".join(words))
    return texts, own


@pytest.mark.parametrize("length", [50, 51, 73, 200])
def test_every_planted_span_of_fifty_tokens_is_cut_and_nothing_else(curate, length):
    texts, own = planted(length)
    assert curate(SubstringDedup(), texts) == dict(enumerate([texts[0], *own[1:]]))
    assert curate(SubstringDedup(keep="none"), texts) == dict(enumerate(own))
    assert curate(SubstringDedup(on_hit="drop"), texts) == {0: texts[0]}


def test_spans_of_forty_nine_tokens_are_never_touched(curate):
    texts, _ = planted(49)
    for keep in ("first", "none"):
        for on_hit in ("cut", "drop"):
            assert curate(SubstringDedup(keep=keep, on_hit=on_hit), texts) == dict(enumerate(texts))


def test_what_each_mode_does_by_hand(curate):
    # Tokens: A = a b c d (4), stands in 0, twice in 1 and in 3.
    texts = ["a b c d e", "x a b c d y a b c d", "p q r s", "a b c d"]
    four = {"min_tokens": 4}
    assert curate(SubstringDedup(**four), texts) == {0: "a b c d e", 1: "x y", 2: "p q r s"}
    assert curate(SubstringDedup(keep="none", **four), texts) == {0: "e", 1: "x y", 2: "p q r s"}
    assert curate(SubstringDedup(on_hit="drop", **four), texts) == {0: texts[0], 2: texts[2]}
    # 8 of the 10 tokens of document 1, all 4 of document 3.
    assert curate(SubstringDedup(on_hit="drop", max_share=0.8, **four), texts) == dict(enumerate(texts[:3]))
    assert curate(SubstringDedup(on_hit="drop", max_share=0.79, **four), texts) == {0: texts[0], 2: texts[2]}
    assert curate(SubstringDedup(keep="none", on_hit="drop", **four), texts) == {2: texts[2]}


def test_a_document_without_a_token_of_its_own_is_dropped_as_empty(make_pool, store):
    annotations = Annotations(make_pool(store, [Document("a b c"), Document("a b c")]), store, workers=1)
    corpus = build_corpus([SubstringDedup(min_tokens=3)], annotations)
    (decision,) = corpus.decisions
    assert corpus.rows.tolist() == [0]
    assert decision.verdict.reasons == ("empty",) and decision.verdict.code.tolist() == [0, 1]
    assert decision.measured["pieces"].tolist() == [3, 3]
    assert decision.measured["repeated_pieces"].tolist() == [0, 3]
    with pytest.raises(DataError, match="substring_dedup drops every document"):
        build_corpus([SubstringDedup(min_tokens=3, keep="none")], annotations)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Rain, rain!", ["Rain", ",", "rain", "!"]),
        ("don't 3.5 a_b", ["don", "'", "t", "3", ".", "5", "a_b"]),
        ("夕方、サギ", ["夕", "方", "、", "サ", "ギ"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("हिन्दी है", ["हिन्दी", "है"]),
        ("नमस्\u200dते نمی\u200cخواهم", ["नमस्\u200dते", "نمی\u200cخواهم"]),
        ("ꦲꦏ꧀ꦱꦫ ｶﾀ", ["ꦲ", "ꦏ꧀", "ꦱ", "ꦫ", "ｶ", "ﾀ"]),
        ("e\u0301cole, \U0001f44d\u00a0ok", ["e\u0301cole", ",", "\U0001f44d", "ok"]),
        ("nul\x00 \n", ["nul", "\x00"]),
        ("", []),
    ],
)
def test_what_a_token_is(text, tokens):
    stage = SubstringDedup()
    assert [text[begin:end] for begin, end in stage.pieces(text)] == tokens
    (sketch,) = stage.sketch_many([text])
    assert sketch.size == len(tokens)
    assert (sketch[:, None] == sketch[None, :]).tolist() == [[a == b for b in tokens] for a in tokens]


MARKS = (
    "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c)[0] == "M")
    + "\u0640\u180e\u200c\u200d"
)
TOKEN = re.compile(
    f"(?![{MARKS}])[{UNSPACED_SET}][{MARKS}]*|(?![{MARKS}])[^\\W{UNSPACED_SET}](?:[^\\W{UNSPACED_SET}]|[{MARKS}])*|[^\\s][{MARKS}]*"
)
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("ab_1,. \n\u00a0\x1c\x85日ไ\u0e31कि\u0301\u20dd\U0001f44d\U0001f3fd\u200d"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(CHARACTERS, max_size=30), max_size=4), st.sampled_from([1, 5, 1 << 16]))
def test_tokens_are_those_of_a_regular_expression_however_texts_are_batched(texts, batch):
    stage = SubstringDedup()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_hash, "BATCH", batch)
        sketches = stage.sketch_many(texts)
    tokens = [TOKEN.findall(text) for text in texts]
    assert [[text[a:b] for a, b in stage.pieces(text)] for text in texts] == tokens
    numbers = {
        token: number
        for some, sketch in zip(tokens, sketches, strict=True)
        for token, number in zip(some, sketch.tolist(), strict=True)
    }
    assert [[numbers[token] for token in some] for some in tokens] == [sketch.tolist() for sketch in sketches]
    assert len(set(numbers.values())) == len(numbers)


def test_case_and_marks_count_and_blanks_do_not(curate):
    three = SubstringDedup(min_tokens=3)
    assert curate(three, ["a b c", "x a\n\n b\tc y"]) == {0: "a b c", 1: "x y"}
    assert curate(three, ["a b c", "x A b c y", "x a b, c y"])[2] == "x a b, c y"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("one CUT two", "one two"),
        ("one\nCUT two", "one\ntwo"),
        ("one\n\nCUT\ntwo", "one\n\ntwo"),
        ("one\n  CUT\n    two", "one\n    two"),
        ("one(CUT)two", "one( )two"),
        ("one CUT, two", "one , two"),
        ("CUT two ", "two "),
        (" \n CUT\n two", "two"),
        ("  one CUT \n", "  one"),
        ("CUT", ""),
        ("CUT one CUT\ntwo CUT", "one\ntwo"),
        ("日本CUT語", "日本 語"),
    ],
)
def test_cuts_leave_one_gap(text, left):
    class Marked(SubstringDedup):
        def pieces(self, text):
            """Each CUT a piece, and each other token."""
            spans, at = [], 0
            for part in text.replace("CUT", "\x00CUT\x00").split("\x00"):
                spans += (
                    [(at, at + 3)] if part == "CUT" else [(at + a, at + b) for a, b in super().pieces(part)]
                )
                at += len(part)
            return spans

    stage = Marked()
    places = np.array([n for n, (a, b) in enumerate(stage.pieces(text)) if text[a:b] == "CUT"])
    edges = np.flatnonzero(np.diff(places, prepend=-9) > 1)
    assert stage.cut(text, places[edges], places[np.append(edges[1:], places.size) - 1] + 1) == left


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab,. \n\t日e\u0301"), max_size=40), st.data())
def test_a_cut_removes_its_tokens_and_no_other(text, data):
    stage = SubstringDedup()
    tokens = [text[begin:end] for begin, end in stage.pieces(text)]
    hits = (
        data.draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)).filter(any))
        if tokens
        else []
    )
    if not hits:
        return
    edges = np.diff(np.array([False, *hits, False]).astype(int))
    left = stage.cut(text, np.flatnonzero(edges == 1), np.flatnonzero(edges == -1))
    assert [left[begin:end] for begin, end in stage.pieces(left)] == [
        token for token, hit in zip(tokens, hits, strict=True) if not hit
    ]


def test_a_sweep_of_the_shortest_span_reads_the_texts_once(make_pool, store, monkeypatch):
    texts, _ = planted(60, copies=5)
    annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
    calls = []
    sketch = SubstringDedup.sketch_many
    monkeypatch.setattr(
        SubstringDedup, "sketch_many", lambda self, texts: calls.append(len(texts)) or sketch(self, texts)
    )
    kept = [
        build_corpus([SubstringDedup(min_tokens=least)], annotations)
        .decisions[0]
        .measured["repeated_pieces"]
        .sum()
        for least in (30, 50, 60, 61)
    ]
    assert kept == [240, 240, 240, 0] and calls == [5]


@pytest.mark.parametrize(
    "parameters", [{"min_tokens": 0}, {"keep": "longest"}, {"on_hit": "mask"}, {"max_share": 1.0}], ids=str
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        SubstringDedup(**parameters)
