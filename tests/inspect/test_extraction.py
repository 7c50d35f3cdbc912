"""`ablate inspect extraction`: scores counted by hand, and the command on pages with known texts."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.cli import main
from ablate.errors import DataError
from ablate.inspect.extraction_score import Gold, Mean, evaluate, groups, read_gold, score, shingles, tokens

MAIN = " ".join(f"The river rose by {n} metres in the spring of that year." for n in range(30))
MENU = "Home Shop Contact Cookies"


def test_words_are_cut_where_blanks_are_and_characters_where_none_are() -> None:
    assert tokens("It rained, twice!") == ["it", "rained", "twice"]
    assert tokens("今日は雨 ABC") == ["今", "日", "は", "雨", "abc"]
    assert shingles("one two three") == {("one", "two", "three"): 1}
    assert shingles("a b a b a b a") == {("a", "b", "a", "b"): 2, ("b", "a", "b", "a"): 2}
    assert not shingles("... !")


def test_precision_recall_and_f1_by_hand() -> None:
    gold = Gold("u", "", "", "a b c d e f")  # three shingles
    found = score("x a b c d e", gold)  # xabc, abcd, bcde
    assert (found.precision, found.recall, found.f1) == (2 / 3, 2 / 3, 2 / 3)
    twice = score("a b c d e f a b c d", gold)  # seven shingles; abcd stands twice and counts once
    assert (twice.precision, twice.recall, twice.f1) == (3 / 7, 1, 6 / 10)
    nothing = score("", gold)
    assert math.isnan(nothing.precision) and (nothing.recall, nothing.f1) == (0, 0)


def test_segments_by_hand() -> None:
    gold = Gold(
        "u", "", "", present=("It rained, all ni", "Nobody came"), absent=("Cookies", "Log in", "...")
    )
    found = score("It rained all night. Cookies?", gold)
    assert (found.kept, found.leaked) == (0.5, 0.5)  # a segment without a word is none
    assert math.isnan(score("x", Gold("u", "", "", present=("x",))).leaked)


@given(
    st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), min_size=1, max_size=30)
)
def test_precision_and_recall_are_each_others_mirror(one: list[str], two: list[str]) -> None:
    a, b = " ".join(one), " ".join(two)
    forth, back = score(a, Gold("u", "", "", b)), score(b, Gold("u", "", "", a))
    assert forth.precision == back.recall or math.isnan(forth.precision)
    assert forth.f1 == back.f1 and score(b, Gold("u", "", "", b)).f1 == 1


def test_means_have_intervals_that_hold_them() -> None:
    mean = Mean.of([0.0, 1.0, 1.0, math.nan, 0.5], 500)
    assert mean.pages == 4 and mean.value == 0.625 and mean.low < mean.value < mean.high
    assert Mean.of([0.3], 10) == Mean(
        0.3, pytest.approx(math.nan, nan_ok=True), pytest.approx(math.nan, nan_ok=True), 1
    )
    assert math.isnan(Mean.of([], 10).value)


def test_an_extractor_that_raises_gives_no_text() -> None:
    def broken(html: str) -> str:
        raise RecursionError

    scored = evaluate(
        [Gold("u", "k", "en", MAIN), Gold("elsewhere", "k", "en", MAIN)],
        {"u": MAIN},
        {"broken": broken, "all": str},
    )
    assert [len(scored.gold), scored.scores["broken"][0].f1, scored.scores["all"][0].f1] == [1, 0, 1]


def test_small_languages_stand_together() -> None:
    languages = ["en"] * 6 + ["de"] * 5 + ["cs", "it"]
    found = groups([Gold(str(n), "human", language, "x") for n, language in enumerate(languages)])
    assert {key: len(places) for key, places in found.items()} == {
        ("human", "all"): 13,
        ("human", "en"): 6,
        ("human", "de"): 5,
        ("human", "2 others"): 2,
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pages with a menu around known text."""
    monkeypatch.chdir(tmp_path)
    html = f"<html><body><nav><a href='/'>{MENU}</a></nav><article><p>{MAIN}</p></article><footer>{MENU}</footer></body></html>"
    pages = [{"text": html, "url": f"https://a.example/{n}"} for n in range(7)]
    Path("pages.jsonl").write_text("\n".join(map(json.dumps, pages)))
    gold = [{"url": p["url"], "text": MAIN, "gold_kind": "by hand", "language": "en"} for p in pages[:6]]
    with gzip.open("gold.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, [*gold, {**gold[0], "url": "https://no.example"}])))
    segments = [{"url": p["url"], "with": [MAIN[:90]], "without": [MENU]} for p in pages]
    Path("segments.jsonl").write_text("\n".join(map(json.dumps, segments)))
    return tmp_path


COMMAND = ("inspect", "extraction", "study.name=small", "pool=files", "pool.paths=[pages.jsonl]", "pool.kind=html",
           "evaluate=heldout", "evaluate.heldout=x", "inspect.gold=gold.jsonl.gz")  # fmt: skip


def test_the_command(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "inspect.segments=segments.jsonl"]) == 0
    assert "by hand" in (shown := capsys.readouterr().out) and "pages a second" in shown
    folder = Path("studies/small/extraction")
    rows = list(csv.DictReader((folder / "extraction.csv").read_text().splitlines()))
    value = {(r["kind"], r["method"], r["score"]): float(r["value"]) for r in rows}
    assert value["by hand", "resiliparse", "f1"] == value["by hand", "trafilatura", "f1"] == 1
    assert value["by hand", "raw", "recall"] == 1 > value["by hand", "raw", "precision"]
    assert value["", "raw", "leaked"] == value["", "raw", "kept"] == 1
    assert value["", "resiliparse", "leaked"] == 0 and value["", "resiliparse", "kept"] == 1
    page = (folder / "extraction.md").read_text()
    assert "7 of 8 known ones are in the pool" in page and "## By hand" in page
    before = (folder / "extraction.csv").read_bytes()
    assert main([*COMMAND, "inspect.segments=segments.jsonl"]) == 0
    assert (folder / "extraction.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["inspect.gold=null"], "nothing to compare with: give inspect.gold=<file>"),
        (["inspect.gold=none.jsonl"], "none.jsonl does not exist"),
        (["inspect.gold=segments.jsonl"], "line 1: no 'text'; there is url, with, without"),
        (["inspect.methods=[trafilatur]"], "unknown method 'trafilatur': did you mean 'trafilatura'?"),
        (["pool.kind=text"], "none of 7 urls of the gold file is an HTML page of the pool"),
        (["inspect.resamples=0"], "inspect.resamples must be 1 or more"),
    ],
)
def test_what_is_wrong_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main([*COMMAND, *more]) == 2
    assert said in capsys.readouterr().err


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"url": "u", "text": "t"}\nnot json\n')
    with pytest.raises(DataError, match=r"g\.jsonl, line 2: not JSON"):
        read_gold(tmp_path / "g.jsonl")
