"""Lines end in many ways, and neither those nor the blanks before them are content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.gopher_repetition import GopherRepetition
from ablate.stages.language import Language
from ablate.stages.line_dedup import LineDedup, paragraph_spans
from ablate.text.lines import line_ends, one_line, plain_lines

ENDS = ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"]
"""The newline functions of The Unicode Standard, section 5.8."""
TEXT = "Rain fell.\nIt fell all night.\n\n- reeds\nRain fell.\n"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("blank", ["", " ", "\t\u00a0", "\u3000 "])
def test_every_line_end_is_one(end: str, blank: str) -> None:
    text = TEXT.replace("\n", f"{blank}{end}")
    assert plain_lines(text) == TEXT
    assert plain_lines(text + blank) == TEXT
    assert line_ends(text) == 5


def test_texts_by_hand() -> None:
    assert [plain_lines(text) for text in ("", " ", "\r\n", "a", "a ", "a\n ", " a\r \r\n b")] == [
        "",
        "",
        "\n",
        "a",
        "a",
        "a\n",
        " a\n\n b",
    ]
    assert plain_lines("a\n\r\nb\r\r\nc") == "a\n\nb\n\nc"


@given(st.text(st.characters(exclude_characters="\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")))
def test_lines_that_end_in_lf_and_not_in_blanks_stay(text: str) -> None:
    lines = [line.rstrip() for line in text.split("\n")]
    assert plain_lines("\n".join(lines)) == "\n".join(lines)
    assert plain_lines(text) == "\n".join(lines)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("blank", ["", "  "])
def test_measures_by_hand(end: str, blank: str) -> None:
    """Four lines, three of which end like sentences, one a repeat of 10 of the 45 characters; 5 line ends to 13 words."""
    text = TEXT.replace("\n", f"{blank}{end}")
    measured = FineWebQuality().measure(text)
    assert measured["punctuated_lines"] == 3 / 4
    assert measured["short_lines"] == 1
    assert measured["duplicate_chars"] == 10 / 45
    assert measured["line_breaks"] == 5 / 13
    repetition = GopherRepetition().measure(text)
    assert repetition["dup_lines"] == 1 / 5, "the reference counts the empty line behind the last end"
    assert repetition["dup_line_chars"] == 10 / 50
    assert repetition["dup_paragraphs"] == 0
    assert len(paragraph_spans(text)) == 2


@pytest.mark.parametrize("end", ENDS)
def test_paragraphs_end_at_blank_lines_and_not_at_single_ends(end: str) -> None:
    text = f"one{end}two{end} {end}three{end}{end}{end}four{end}"
    spans = [text[begin:last] for begin, last in paragraph_spans(text)]
    assert spans == [f"one{end}two", "three", "four"]


def test_a_line_is_found_again_whatever_ends_it() -> None:
    lines = [sketch.tolist() for sketch in LineDedup().sketch_many([TEXT, TEXT.replace("\n", "\u2028")])]
    assert lines[0] == lines[1] and lines[0][0] == lines[0][3]


def test_what_is_left_of_a_cut_keeps_its_break() -> None:
    """Of the gaps beside a cut the one with more line ends joins what is left."""
    stage, text = LineDedup(), "one\rtwo\r\rthree"
    assert stage.cut(text, np.array([1]), np.array([2])) == "one\r\rthree"


def test_fasttext_reads_a_text_to_its_end() -> None:
    """`</s>` is fastText's own word for the end of a line."""
    english = "The quick brown fox jumps over the lazy dog and runs along the river bank to its den."
    german = "Am Abend stand der Reiher am Teich, bis das letzte Licht über dem Wasser verschwunden war. " * 4
    texts = [
        f"{english} {german}",
        f"{english} </s> {german}",
        f"{english}\n</s>\0{german}",
        f"</s> {german}",
        german,
    ]
    measured = Language(languages=("de",)).measure_many(texts)
    assert measured["top_score"][0] == measured["top_score"][1] == measured["top_score"][2]
    assert measured["top_score"][3] == measured["top_score"][4]
    assert one_line("a</s>b </s> c") == "a</s>b c"
