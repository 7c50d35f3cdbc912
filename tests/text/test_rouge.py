"""ROUGE-L beside the package that Self-Instruct's gate uses, and pairs beside comparing each with each."""

from __future__ import annotations

import gzip
import json
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from ablate.text.model_text import is_canned, is_refusal, loop_share
from ablate.text.rouge import alike, nearest, rouge_l, rouge_words

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
PIECES = st.sampled_from(
    ["the", "The", "river", "mill-wheel", "it's", "88", "C3PO", "under", "...", "(old)", "\n", "naïve"]
)
TEXTS = st.lists(PIECES, max_size=25).map(" ".join)


@given(TEXTS, TEXTS)
def test_f_is_that_of_rouge_score(one: str, other: str) -> None:
    expected = SCORER.score(one, other)["rougeL"].fmeasure
    assert rouge_l(rouge_words(one), rouge_words(other)) == pytest.approx(expected, abs=1e-12)


def test_a_hand_count() -> None:
    # In common, in order: the, mill, by, river: 4 of 5 and of 6 words.
    assert (
        rouge_l(rouge_words("The mill stands by river"), rouge_words("the old mill by the river")) == 8 / 11
    )
    assert rouge_l([], ["a"]) == 0.0 == nearest("", [["a"]]) == nearest("a", [])


def test_other_scripts_have_words_too() -> None:
    assert nearest("नदी के किनारे एक पुरानी चक्की है", [rouge_words("नदी के किनारे एक नई चक्की है")]) > 0.7
    assert SCORER.score("नदी के", "नदी के")["rougeL"].fmeasure == 0.0, "where rouge-score has none"


@given(
    st.lists(TEXTS.filter(lambda text: bool(rouge_words(text))), max_size=8), st.sampled_from([0.3, 0.5, 0.7])
)
def test_pairs_are_those_of_comparing_each_with_each(texts: list[str], threshold: float) -> None:
    split = [rouge_words(text) for text in texts]
    expected = {
        pair
        for pair in combinations(range(len(split)), 2)
        if rouge_l(split[pair[0]], split[pair[1]]) > threshold
    }
    found = [
        (min(i, j), max(i, j))
        for one, other in alike(split, threshold)
        for i, j in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(expected)


def test_blocks_lose_no_pair() -> None:
    draw = random.Random(3)
    texts = [[str(draw.randrange(6)) for _ in range(draw.randint(1, 12))] for _ in range(600)]
    expected = sum(rouge_l(one, other) > 0.7 for one, other in combinations(texts, 2))
    assert sum(one.size for one, _ in alike(texts, 0.7)) == expected


def test_the_published_seeds_and_user_tasks_hold_the_pairs_that_rouge_score_finds(shared: Path) -> None:
    texts = []
    for name, count in (("self_instruct_seed_tasks", 175), ("user_oriented_instructions", 60)):
        with gzip.open(shared / "seeds" / f"{name}.jsonl.gz", "rt") as file:
            texts += [json.loads(line)["instruction"] for line in file][:count]
    split = [rouge_words(text) for text in texts]
    expected = [
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if 0.5
        < len(split[i]) / len(split[j])
        < 2  # F is at most 2 shorter / (both), which is above 0.7 only then
        and SCORER.score(texts[i], texts[j])["rougeL"].fmeasure > 0.7
    ]
    pairs = [np.stack([one, other]) for one, other in alike(split, 0.7)]
    found = sorted(map(tuple, np.sort(np.concatenate(pairs, axis=1), axis=0).T.tolist()))
    assert found == expected


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("They played. " * 10, 1.0),
        ("one two three four five six seven eight nine ten", 0.0),
        ("a b a b", 0.0),
        ("x y z " * 3 + "and then they all went home to eat", 9 / 17),
        ("The mill is old. The bridge is new. The mill is old. The road is long.", 0.0),
    ],
)
def test_loops_are_pieces_said_three_times_in_a_row(text: str, share: float) -> None:
    assert loop_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "refusal", "canned"),
    [
        ("I'm sorry, but I can't help with that.", True, False),
        ("As an AI language model, I have no opinion.", True, False),
        ("I cannot provide such a text.", True, False),
        ("Sure! Here is your text.", False, True),
        ("Here is a text about frogs:\nFrogs jump.", False, True),
        ("Welcome to this lesson on rivers.", False, True),
        ("Great Britain is an island.", False, False),
        ("He said that he was sorry and went home.", False, False),
        ("The river flows. " * 40 + "I'm sorry, he said.", False, False),
    ],
)
def test_what_models_say_to_whoever_asked(text: str, refusal: bool, canned: bool) -> None:
    assert (is_refusal(text), is_canned(text)) == (refusal, canned)
