"""Each reason of the heuristic filters, on texts counted by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.stages.base import Filter
from ablate.stages.c4_quality import C4Documents, C4Lines, C4Quality
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition

PROSE = "The quick brown fox and the lazy dog have to be friends with that old grey cat of ours."


def reason(stage: Filter, text: str) -> str | None:
    """Why a stage drops a text; None when it keeps it."""
    verdict = stage.decide(stage.measure_many([text]))
    code = int(verdict.code[0])
    return verdict.reasons[code - 1] if code else None


def measured(stage: Filter, text: str) -> dict[str, Any]:
    return {name: column[0] for name, column in stage.measure_many([text]).items()}


def test_gopher_quality_counts() -> None:
    seen = measured(GopherQuality(), "- The cat sat with #7 ...\nIt slept …\n• and woke")
    # The cat sat with 7 It slept • and woke: the list of punctuation that the reference uses lacks the bullet.
    assert seen["words"] == 10
    assert seen["mean_length"] == pytest.approx((3 + 3 + 3 + 4 + 1 + 2 + 5 + 1 + 3 + 4) / 10)
    assert seen["bullet_lines"] == pytest.approx(2 / 3)
    assert seen["ellipsis_lines"] == pytest.approx(2 / 3)
    assert seen["stop_words"] == 2, "'with' and 'and'; 'The' is not lower case"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" ".join([PROSE] * 3), None),
        (PROSE, "gopher_short_doc"),
        ("a b " * 40, "gopher_below_avg_threshold"),
        ("the and " + "extraordinarily " * 60, "gopher_above_avg_threshold"),
        (" ".join([PROSE + " # # #"] * 4), "gopher_too_many_hashes"),
        (" ".join([PROSE + " … … … …"] * 4), "gopher_too_many_ellipsis"),
        ("\n".join(["- " + PROSE] * 4), "gopher_too_many_bullets"),
        ("\n".join([PROSE + " ..."] * 4), "gopher_too_many_end_ellipsis"),
        (" ".join([PROSE + " 100 200 300 400 500 600"] * 4), "gopher_below_alpha_threshold"),
        (
            " ".join(["Every night seven ships sail past our small harbour town."] * 6),
            "gopher_enough_stop_words",
        ),
    ],
)
def test_gopher_quality_names_its_reason(text: str, why: str | None) -> None:
    assert reason(GopherQuality(), text) == why


def test_gopher_quality_limits_are_inclusive() -> None:
    text = " ".join([PROSE] * 3)
    words = int(measured(GopherQuality(), text)["words"])
    assert words == 57
    assert reason(GopherQuality(min_words=words), text) is None
    assert reason(GopherQuality(min_words=words + 1), text) == "gopher_short_doc"
    assert reason(GopherQuality(min_words=1, max_words=words), text) is None
    assert reason(GopherQuality(min_words=1, max_words=words - 1), text) == "gopher_long_doc"


def test_gopher_repetition_counts() -> None:
    stage = GopherRepetition()
    seen = measured(stage, "one line\nother line\none line\none line")
    assert seen["dup_lines"] == pytest.approx(2 / 4)
    # 2 x 8 characters of repeated lines, of 37 in the text.
    assert seen["dup_line_chars"] == pytest.approx(16 / 37)
    seen = measured(stage, "first part\n\nsecond part\n\nfirst part")
    assert seen["dup_paragraphs"] == pytest.approx(1 / 3)
    assert seen["dup_paragraph_chars"] == pytest.approx(10 / 35)


def test_gopher_repetition_counts_n_grams() -> None:
    # "a b" occurs three times, 3 characters each, in 17 characters.
    seen = measured(GopherRepetition(), "a b c a b d a b e")
    assert seen["top_2_gram"] == pytest.approx(3 * 3 / 17)
    seen = measured(GopherRepetition(), "p q r s t x p q r s t")
    # "p q r s t" comes again: its characters without the blanks between, of 21.
    assert seen["dup_5_gram"] == pytest.approx(5 / 21)


def numbers(first: int, count: int) -> str:
    return " ".join(f"w{first + i:03d}" for i in range(count))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (numbers(0, 80), None),
        ("\n\n".join([numbers(0, 5), numbers(5, 5), numbers(0, 5), numbers(0, 5)]), "dup_para_frac"),
        (
            "\n\n".join([numbers(0, 60), numbers(100, 5), numbers(200, 5), numbers(300, 5), numbers(0, 60)]),
            "dup_para_char_frac",
        ),
        ("\n".join(["a", *(numbers(i * 20, 20) for i in range(4)), "a", "a", "a"]), "dup_line_frac"),
        (
            "\n".join([numbers(0, 60), *(numbers(100 + 5 * i, 5) for i in range(4)), numbers(0, 60)]),
            "dup_line_char_frac",
        ),
        (" ".join(f"the end {numbers(i, 1)}" for i in range(40)), "top_2_gram"),
        (" ".join(f"at the end {numbers(3 * i, 3)}" for i in range(40)), "top_2_gram"),
        (numbers(0, 40) + " " + numbers(0, 15), "duplicated_5_n_grams"),
    ],
)
def test_gopher_repetition_names_its_reason(text: str, why: str | None) -> None:
    assert reason(GopherRepetition(), text) == why


def c4_lines(text: str, **changes: object) -> str:
    lines, _ = C4Quality(**changes).steps()
    assert isinstance(lines, C4Lines)
    return lines.transform(text)


def test_c4_line_rules() -> None:
    text = "\n".join(
        [
            "A sentence of five words.",
            "No end mark here",
            "Too short.",
            "Please enable JavaScript to go on.",
            "We uses cookies on this site.",
            "It trails off after this...",
            "As told elsewhere[3][citation needed].",
            "x" * 1001 + " is a long word.",
            'He said "so be it"',
        ]
    )
    assert c4_lines(text).splitlines() == [
        "A sentence of five words.",
        "As told elsewhere.",
        'He said "so be it"',
    ]
    free = c4_lines(text, terminal_punctuation=False).splitlines()
    assert "No end mark here" in free and "It trails off after this..." in free and "Too short." not in free


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("One is here. Two is here. Three is here. Four is here. Five is here.", None),
        ("One is here. Two is here. Three is here. Four is here.", "too_few_sentences"),
        ("One. Two. Three. Four. Five. Lorem Ipsum dolor.", "lorem_ipsum"),
        ("One. Two. Three. Four. Five. if (x) { y }.", "curly_bracket"),
    ],
)
def test_c4_document_rules(text: str, why: str | None) -> None:
    _, documents = C4Quality().steps()
    assert isinstance(documents, C4Documents)
    assert reason(documents, text) == why


def test_c4_lines_keeps_what_condemns_a_document() -> None:
    # The line is dropped by no line rule before the document rule has seen it.
    lines, documents = C4Quality(min_sentences=0).steps()
    assert isinstance(lines, C4Lines) and isinstance(documents, C4Documents)
    left = lines.transform("if (x) { javascript terms of use }.\nA sentence of five words.")
    assert reason(documents, left) == "curly_bracket" or "{" not in left


LINES = [f"{word} is a line that is long enough to be counted as long." for word in "abcdefgh"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\n".join(LINES), None),
        (" \n ", "empty"),
        (
            "\n".join(
                [LINES[0], *(line.rstrip(".") for line in LINES[1:]), "one more line that goes on and on"]
            ),
            "line_punct_ratio",
        ),
        ("\n".join([LINES[0], *(f"short {i}." for i in range(5))]), "short_line_ratio"),
        ("\n".join([*LINES, LINES[0]]), "char_dup_ratio"),
        ("\n".join(f"{letter}onaudampfschifffahrtsgesellschaft." for letter in "ABCDEFGHI"), "list_ratio"),
    ],
)
def test_fineweb_quality_names_its_reason(text: str, why: str | None) -> None:
    assert reason(FineWebQuality(), text) == why


def test_fineweb_quality_counts() -> None:
    seen = measured(FineWebQuality(), "This is the first line, long enough.\nshort\nshort\n")
    assert seen["punctuated_lines"] == pytest.approx(1 / 3)
    assert seen["short_lines"] == pytest.approx(2 / 3)
    assert seen["duplicate_chars"] == pytest.approx(5 / (36 + 5 + 5))
    # Words and marks: This is the first line , long enough . short short
    assert seen["line_breaks"] == pytest.approx(3 / 11)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dd", "e"]), max_size=60))
def test_repetition_is_what_going_through_the_words_one_by_one_gives(words: list[str]) -> None:
    """Rae et al. 2021, table A1, as the reference implements it: strings, a counter and a set."""
    text = " ".join(words)
    seen = measured(GopherRepetition(), text)
    for n in range(2, 5):
        counts = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        (gram, count), *_ = counts.most_common(1) or [("", 0)]
        assert seen[f"top_{n}_gram"] == len(gram) * count / max(1, len(text))
    for n in range(5, 11):
        known: set[str] = set()
        covered = place = 0
        while place <= len(words) - n:
            gram = "".join(words[place : place + n])
            covered += len(gram) if gram in known else 0
            place += n if gram in known else 1
            known.add(gram)
        assert seen[f"dup_{n}_gram"] == covered / max(1, len(text))
