"""Deduplication of lines, paragraphs and three-sentence spans: what a unit is, and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.pool.source import Document
from ablate.stages.line_dedup import LineDedup, hash_runs, paragraph_spans
from ablate.text.segments import WORDS, count_sentences, line_spans, sentence_spans


@pytest.fixture
def curate(make_pool, store):
    """The texts that are left, by pool row, of one stage on its own pool."""

    def run(stage, texts):
        annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
        corpus = build_corpus([stage], annotations)
        return dict(annotations.texts(corpus.version, corpus.rows))

    return run


def cut_up(spans, text):
    return [text[begin:end] for begin, end in spans(text)]


def test_what_the_units_are():
    text = " One. \r\nTwo? Three!\n \t\n\n(Four) five.\n"
    assert cut_up(line_spans, text) == ["One.", "Two? Three!", "(Four) five."]
    assert cut_up(paragraph_spans, text) == ["One. \r\nTwo? Three!", "(Four) five."]
    assert cut_up(sentence_spans, text) == ["One.", "Two?", "Three!", "(Four) five."]
    assert cut_up(sentence_spans, 'He said "Go!" Then (?) left. Fine') == [
        'He said "Go!"',
        "Then (?)",
        "left.",
        "Fine",
    ]
    for spans in (line_spans, paragraph_spans, sentence_spans):
        assert cut_up(spans, "") == cut_up(spans, " \n\n\t ") == []


def word_by_word(text: str) -> list[tuple[int, int]]:
    """Sentences by walking over all words of each line."""
    spans: list[tuple[int, int]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        ended, fresh = False, True
        for number in WORDS.ids(line).tolist():
            while text[at].isspace():
                at += 1
            size = int(WORDS.length[number])
            opens = not WORDS.ending[number] and not WORDS.mark[number]
            if fresh or (ended and opens):
                spans.append((at, at + size))
            spans[-1] = (spans[-1][0], at + size)
            ended = bool(WORDS.ending[number]) or (ended and not opens)
            at, fresh = at + size, False
        while at < len(text) and text[at].isspace():
            at += 1
    return spans


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "It",
                "rained",
                ".",
                "?!",
                "...",
                '"',
                "(",
                " ",
                " ",
                "\n",
                "\n\n",
                "\x85",
                "雨。",
                "don't",
                "3.5",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_units_cover_every_character_and_sentences_are_c4s(text):
    for spans in (line_spans, paragraph_spans, sentence_spans):
        assert "".join("".join(cut_up(spans, text)).split()) == "".join(text.split())
        assert all(piece == piece.strip() for piece in cut_up(spans, text))
    spaced = text.replace("。", ".")  # C4's count wants a blank behind an end, of whatever script
    assert sentence_spans(spaced) == word_by_word(spaced)
    assert len(sentence_spans(spaced)) == count_sentences(spaced)


def test_lines_match_in_normal_form(curate):
    texts = ["Read more\nIt rained.", "READ  more!\nIt snowed.", "Résumé 12\n---", "resume 7\n---"]
    assert curate(LineDedup(), texts) == {
        0: "Read more\nIt rained.",
        1: "It snowed.",
        2: "Résumé 12\n---",
        3: "---",
    }
    assert curate(LineDedup(keep="none"), texts) == {0: "It rained.", 1: "It snowed.", 2: "---", 3: "---"}
    assert curate(LineDedup(on_hit="drop"), texts) == {0: texts[0], 2: texts[2]}
    assert curate(LineDedup(on_hit="drop", max_share=0.5), texts) == dict(enumerate(texts))
    assert curate(LineDedup(min_words=3), texts) == dict(enumerate(texts))


def test_a_line_repeated_within_a_document_stays_once(curate):
    assert curate(LineDedup(), ["a b\nc\na b\na b\nd"]) == {0: "a b\nc\nd"}


def test_paragraphs_match_whole(curate):
    texts = ["One two\nthree.\n\nFour.\n\nFive.", "Six.\n\none TWO three\n\nSeven.", "Four.\nOne two"]
    paragraph = LineDedup(unit="paragraph")
    assert curate(paragraph, texts) == {0: texts[0], 1: "Six.\n\nSeven.", 2: texts[2]}
    assert curate(LineDedup(unit="paragraph", keep="none"), texts) == {
        0: "Four.\n\nFive.",
        1: "Six.\n\nSeven.",
        2: texts[2],
    }


A, B, C, D, E = "Anna sang.", "Bob left!", "Did Carl stay?", "Dora slept.", "Emil wrote."


def test_three_sentences_in_a_row(curate):
    texts = [f"{A} {B} {C} {D}", f"{E} {A} {B} {C}", f"{A} {B} {E} {C}", f"{B} {C}\n{D} {E}"]
    three = LineDedup(unit="three_sentences")
    # A B C stands in 0 and 1, B C D in 0 and 3.
    assert curate(three, texts) == {0: texts[0], 1: E, 2: texts[2], 3: E}
    assert curate(LineDedup(unit="three_sentences", keep="none"), texts) == {1: E, 2: texts[2], 3: E}
    assert curate(LineDedup(unit="three_sentences", min_words=8), texts) == dict(enumerate(texts))
    assert curate(LineDedup(unit="three_sentences", min_words=7), texts)[1] == E
    assert curate(LineDedup(unit="three_sentences", on_hit="drop"), texts) == {0: texts[0], 2: texts[2]}
    # Three of four sentences are repeated in 1 and in 3.
    assert curate(LineDedup(unit="three_sentences", on_hit="drop", max_share=0.75), texts) == dict(
        enumerate(texts)
    )


def test_every_planted_unit_is_found(curate):
    lines = [f"Planted line number {word}." for word in ("one", "two", "three")]
    texts = [f"Own text {'x' * n}.\n\n" + " ".join(lines) + f"\n\nMore {'y' * n}." for n in range(1, 60)]
    own = [f"Own text {'x' * n}.\n\nMore {'y' * n}." for n in range(1, 60)]
    for unit in ("line", "paragraph", "three_sentences"):
        assert curate(LineDedup(unit=unit, keep="none"), texts) == dict(enumerate(own))
        assert curate(LineDedup(unit=unit), texts) == dict(enumerate([texts[0], *own[1:]]))


def test_runs_hash_alike_when_and_only_when_their_words_are():
    words = np.random.default_rng(0).integers(0, 3, 400).astype(np.uint64)
    first = np.repeat(np.arange(390), 6)
    last = first + np.tile(np.arange(6), 390)
    hashes = hash_runs(words, first, last).tolist()
    runs = [tuple(words[a:b].tolist()) for a, b in zip(first, last, strict=True)]
    assert len(set(zip(runs, hashes, strict=True))) == len(set(runs)) == len(set(hashes))
    assert 0 not in hashes


@pytest.mark.parametrize(
    "parameters", [{"unit": "word"}, {"min_words": 0}, {"keep": "longest"}, {"max_share": -0.1}], ids=str
)
def test_parameters_out_of_range(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        LineDedup(**parameters)
