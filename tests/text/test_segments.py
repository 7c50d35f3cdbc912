"""Words and sentences are spaCy's, whatever the short cuts."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.text import segments
from ablate.text.cutting import LONGEST_CHUNK, cut_many
from ablate.text.segments import Words, count_sentences, repeated_ngrams


@cache
def english() -> Any:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp


def texts_of(words: Words, ids: np.ndarray) -> list[str]:
    names = {number: word for word, number in words._numbers.items()}
    return [names[number] for number in ids.tolist()]


PIECES = ["don't", "cannot", "Mr.", "U.S.", "e.g.", "it's", "O'Neil", "I'm", "dont", "Im", "a.m.", "10am", "5km", "$5", "£3.20",
          "C++", "well-known", "and/or", "foo@bar.org", "https://a.b/c?d=e", "www.x.com.", "(see", "this)", "\"So", "be\"", "it.\"", "…", "...",
          "word", "Word", "WORD.", "word.", "word,", "word?!", "A.", "I.", "x.", "1.", "12:30", "3,000.5", "–", "—yes", "no—", "über.", "été,",
          "слово.", "今天，天气。", "日本語", "الكتاب؟", "हिन्दी।", "😀", "❤️", ":-)", ":)", "8)", "<3", "#tag", "_a_", "ﬁn", "Straße.", "ﷺ", "ͻa", "²",
          "can't.", "Gonna,", "gonna", "ain't!", "Ph.D.", "Inc.,", "'s", "’s", "'em", "y'all", "co.uk.", "\u00a0", "\u200b", "a\u00adb"]  # fmt: skip
CHUNKS = st.one_of(
    st.sampled_from(PIECES),
    st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8),
    st.tuples(st.sampled_from(PIECES), st.sampled_from(",.;:!?)(\"'")).map("".join),
)


@settings(max_examples=400, deadline=None)
@given(CHUNKS)
def test_a_chunk_is_cut_as_spacy_cuts_it(chunk: str) -> None:
    words = Words()
    expected = [token.text for token in english().tokenizer(chunk) if token.text.strip()]
    assert texts_of(words, words.ids(chunk)) == expected


MARKS = st.text(st.sampled_from("()[]{}<>«»“”‘’'\"`.,:;!?…-–—/\\*#@&%$€§+=~|^©→。，、؟।·°"), max_size=4)
CORES = ["word", "Word", "WORD", "wOrD", "mr", "US", "été", "слово", "СЛОВО", "ǅungla", "ªª", "日本", "हिन्दी", "การ", "well-known", "co-op",
         "e-mail", "qu'il", "d’euros", "they'll", "it's", "2025", "10", "3.5", "10:30", "1,000,000", "8", "am", "km", "d'abord"]  # fmt: skip


@settings(max_examples=1_000, deadline=None)
@given(MARKS, st.sampled_from(CORES), st.sampled_from(["", "'s", "’S", "s"]), MARKS)
def test_marks_around_a_word_are_cut_as_spacy_cuts_them(
    before: str, core: str, ending: str, after: str
) -> None:
    chunk = before + core + ending + after
    assert cut_many([chunk]) == [[token.text for token in english().tokenizer(chunk)]]


def test_chunks_asked_for_together_do_not_touch() -> None:
    chunks = [":", ")", "don't", "a.m.", "(-", "8", ")", "x:", ")y", "@_@", "…"]
    assert cut_many(chunks) == [cut_many([chunk])[0] for chunk in chunks]
    assert cut_many([]) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "\n", "One.", "Two!", "three", "Four"]), max_size=30).map(" ".join))
def test_sentences_are_counted_as_the_sentencizer_counts_them(text: str) -> None:
    line = " ".join(text.split())
    expected = sum(bool(sentence.text.strip()) for sentence in english()(line).sents) if line else 0
    # An emoticon that spans chunks is one word to spaCy and two here; the test keeps them apart.
    if [token.text for token in english()(line)] == texts_of(segments.WORDS, segments.WORDS.ids(line)):
        assert count_sentences(line) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([*PIECES, "\n", "\u2028", "One.", "Two!", "three"]), max_size=30).map(" ".join)
)
def test_no_sentence_goes_on_in_the_next_line(text: str) -> None:
    assert count_sentences(text) == sum(count_sentences(line) for line in text.splitlines())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(2, 10))
def test_repeated_ngrams_are_those_that_occur_twice(words: list[int], longest: int) -> None:
    found = list(repeated_ngrams(np.array(words, dtype=np.int64), longest))
    assert [n for n, _, _ in found] == list(range(2, longest + 1))
    for n, places, grams in found:
        every = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        assert places.tolist() == [i for i, gram in enumerate(every) if every.count(gram) > 1]
        named = {(every[i], number) for i, number in zip(places.tolist(), grams.tolist(), strict=True)}
        assert len(named) == len({gram for gram, _ in named}) == len({number for _, number in named})


def test_filters_of_one_text_share_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words, asked = Words(), []
    find = words._chunks.with_counts
    monkeypatch.setattr(words._chunks, "with_counts", lambda text: asked.append(text) or find(text))
    texts = [f"This is text {number} of three." for number in range(3)]
    for _ in range(4):
        for text in texts:
            words.ids(text)
    assert asked == texts


def test_the_tables_say_what_a_word_is() -> None:
    words = Words()
    ids = words.ids("Hello , 42 • ... x1 Ünï !")
    assert words.length[ids].tolist() == [5, 1, 2, 1, 3, 2, 3, 1]
    assert words.alphabetic[ids].tolist() == [True, False, False, False, False, True, True, False]
    assert words.symbol[ids].tolist() == [False, True, False, False, True, False, False, True]
    assert words.ending[ids].tolist() == [False] * 7 + [True]
    assert words.number("Hello") == ids[0] and words.number("never") == -1


def test_the_table_starts_anew_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_WORDS", 50)
    words = Words()
    for start in range(0, 600, 30):
        text = " ".join(f"w{number}" for number in range(start, start + 30))
        assert texts_of(words, words.ids(text)) == text.split()
        assert len(words._numbers) <= 50 + 30


@pytest.mark.parametrize("piece", ["(", "!", "a", "😀", "'", "."])
def test_a_megabyte_without_a_blank_takes_no_time(piece: str) -> None:
    words = Words()
    assert 1 <= words.ids(piece * 1_000_000).size <= 1_000_000
    assert words.ids(piece * (LONGEST_CHUNK - 1)).size >= 1


def test_real_texts_are_cut_as_spacy_cuts_them(shared: Path) -> None:
    words, differing, count = Words(), 0, 0
    for path in sorted((shared / "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file):
                if number >= 20:
                    break
                text = json.loads(line)["text"][:3000]
                expected = [token.text.strip() for token in english().tokenizer(text) if token.text.strip()]
                differing += texts_of(words, words.ids(text)) != expected
                count += 1
    # What differs is an emoticon written over a blank, as ":" and "*" on two lines.
    assert count >= 200 and differing <= count * 0.005
