"""Stages without code of one's own: `column`, `regex`, `fasttext` and `python`, with values counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pytest

from ablate.compose import compose
from ablate.config import make_stages, plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError, DataError, DocumentError
from ablate.pool.files import Files
from ablate.pool.pool import build_pool
from ablate.pool.source import Document
from ablate.stages.base import Filter, Stage
from ablate.stages.column import Column
from ablate.stages.fasttext import FastText
from ablate.stages.language import MODEL
from ablate.stages.python import Python
from ablate.stages.regex import Regex
from ablate.stages.thresholds import least_kept
from ablate.store import Store


def reasons(stage: Filter, texts: list[str]) -> list[str | None]:
    verdict = stage.decide(stage.measure_many(texts))
    return [verdict.reasons[code - 1] if code else None for code in verdict.code]


def records(name: str, *values: Any) -> list[str]:
    return [json.dumps({name: value}) for value in values]


# column -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"min": 3.0}, ["too_low", None, None, None, "missing", "missing"]),
        ({"max": 3.0}, [None, None, "too_high", "too_high", "missing", "missing"]),
        ({"min": 3.0, "max": 4.0, "missing": "keep"}, ["too_low", None, None, "too_high", None, None]),
        # Of the four with a value, half: 5 and 4.
        ({"keep_fraction": 0.5}, ["not_best", "not_best", None, None, "missing", "missing"]),
        (
            {"keep_fraction": 0.25, "best": "lowest"},
            [None, "not_best", "not_best", "not_best", "missing", "missing"],
        ),
        ({"keep": (3, "x")}, ["not_listed", None, "not_listed", "not_listed", "missing", "missing"]),
        ({"drop": (4.0, 5), "missing": "keep"}, [None, None, "listed", "listed", None, None]),
    ],
)
def test_a_column_s_rules(rule: dict[str, Any], expected: list[str | None]) -> None:
    found = [*records("score", 2, 3.0, "4", 5.0), "{}", '{"score": NaN}']
    assert reasons(Column(column="score", **rule), found) == expected


def test_ties_at_the_cut_are_kept_whatever_their_order() -> None:
    assert least_kept(np.array([1.0, 2.0, 2.0, 3.0]), 0.5) == 2.0
    assert reasons(Column(column="s", keep_fraction=0.5), records("s", 2, 1, 3, 2)) == [
        None,
        "not_best",
        None,
        None,
    ]


def test_values_of_a_set_are_compared_as_they_read() -> None:
    stage = Column(column="s", keep=(True, "雨", 3, 10**30))
    found = records("s", True, "true", 1, "雨", "3", 3.0, 10**30, 10**30 + 1, "")
    assert reasons(stage, found) == [
        None,
        None,
        "not_listed",
        None,
        None,
        None,
        None,
        "not_listed",
        "missing",
    ]


def test_whole_numbers_beyond_floating_point_compare_like_infinities() -> None:
    assert reasons(Column(column="s", min=0.0), records("s", 10**400, -(10**400))) == [None, "too_low"]


@pytest.mark.parametrize("value", ["abc", True, "1_000", "٣"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(DocumentError, match="s must be a number, got") as caught:
        Column(column="s", min=1.0).measure_many(records("s", 1, value))
    assert caught.value.position == 1


def test_rules_are_decided_after_measuring() -> None:
    one, other = Column(column="s", min=1.0), Column(column="s", keep_fraction=0.5, missing="keep")
    assert one.slow_identity() == other.slow_identity() != Column(column="s", keep=(1,)).slow_identity()
    assert one.identity() != other.identity()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"min": 2.0, "max": 1.0}, "min must not be above max"),
        ({"keep_fraction": 0.0}, "keep_fraction must be in"),
        ({"min": 1.0, "keep": (1,)}, "keep and drop take values as they are"),
        ({"best": "first"}, "best must be"),
        ({"missing": "no"}, "missing must be"),
        ({"min": float("nan")}, "min must be a number"),
        ({"column": "text"}, "column: 'text' is no value"),
    ],
)
def test_a_column_s_parameters_out_of_range(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Column(**{"column": "s", **parameters})


@pytest.fixture
def corpus_of(tmp_path: Path) -> Any:
    """Builds the corpus of some stages over a file of JSON lines; gives the texts that are left, and the funnel."""

    def build(
        rows: list[dict[str, Any]], *stages: Stage, name: str = "part.jsonl"
    ) -> tuple[list[str], list[Any]]:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        store = Store(tmp_path / "store")
        annotations = Annotations(build_pool(Files(paths=[str(path)]), store), store, workers=1)
        corpus = build_corpus(list(stages), annotations)
        texts = [text for _, text in annotations.texts(corpus.version, corpus.rows)]
        return texts, funnel(corpus, annotations, lambda version, rows: None)

    return build


ROWS = [
    {"text": "one", "score": 1.5, "language": "en"},
    {"text": "two", "score": 3, "language": "de"},
    {"text": "three", "language": "en"},
    {"text": "four", "score": 4.5, "language": "en"},
]


def test_two_columns_of_a_file_under_the_names_that_the_recipe_gives_them(corpus_of: Any) -> None:
    edu = Column(column="score", min=2.0).called("edu")
    english = Column(column="language", keep=("en",)).called("english")
    texts, lines = corpus_of(ROWS, edu, english)
    assert texts == ["four"]
    assert [line["stage"] for line in lines] == ["input", "edu", "english"]
    assert lines[1]["dropped"] == {"missing": 1, "too_low": 1} and lines[1]["found"] == {"missing": 1}
    assert lines[2]["dropped"] == {"not_listed": 1}
    assert edu.identity() == Column(column="score", min=2.0).identity()


def test_the_same_texts_with_other_scores_are_measured_anew(corpus_of: Any) -> None:
    stage = Column(column="score", min=2.0)
    assert corpus_of(ROWS, stage)[0] == ["two", "four"]
    turned = [{**row, "score": 5 - row["score"]} if "score" in row else row for row in ROWS]
    assert corpus_of(turned, stage)[0] == ["one", "two"]


def test_a_column_that_no_document_has_is_refused_with_those_there_are(corpus_of: Any) -> None:
    with pytest.raises(
        DataError,
        match=r"stages\.column\.column: no document .* 'scor': did you mean 'score'\?.*score, language",
    ):
        corpus_of(ROWS, Column(column="scor", min=1.0))


def test_a_value_of_the_wrong_type_names_row_and_file(corpus_of: Any) -> None:
    rows = [*ROWS, {"text": "five", "score": "high", "url": "https://a.example/5"}]
    with pytest.raises(
        DataError,
        match=r"stage column, row 4 of the pool \(part, https://a.example/5\): score must be a number, got \"high\"",
    ):
        corpus_of(rows, Column(column="score", min=1.0))


@pytest.mark.parametrize(
    ("preset", "column"),
    [
        ("fineweb_edu_score", "int_score"),
        ("fineweb_language_score", "language_score"),
        ("dclm_quality", "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob"),
    ],
)
def test_presets_compose_into_stages_of_their_own_name(preset: str, column: str) -> None:
    config = compose(["study=demo", f"+stages/columns@stages.chosen={preset}"])
    stage = make_stages({key: plain(config[key]) for key in ("stages", "recipe")})[-1]
    assert (stage.name, stage.column) == ("chosen", column)


# regex ------------------------------------------------------------------------------------------------------


def test_matches_and_their_share() -> None:
    measured = Regex(patterns=("[0-9]+", "a1b?")).measure_many(["a12b 34", "", "none", "雨 3 雨", "a1b\r\n"])
    # "12", "34" and "a1": 5 of 7 characters, the 1 once; "1" and "a1b": 3 of 4 with the line's end.
    assert measured["matches"].tolist() == [3, 0, 0, 1, 2]
    assert measured["share"].tolist() == [5 / 7, 0.0, 0.0, 1 / 5, 3 / 4]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, ["match", "match", None]),
        ({"min_count": 2}, ["match", None, None]),
        ({"min_share": 0.5}, ["match", None, None]),
        ({"on_match": "keep"}, [None, None, "no_match"]),
    ],
)
def test_a_pattern_s_rules(rule: dict[str, Any], expected: list[str | None]) -> None:
    stage = Regex(patterns=("(?i)spam",), **rule)
    assert reasons(stage, ["Spam spam", "spam in a long text", "ham"]) == expected
    assert stage.slow_identity() == Regex(patterns=("(?i)spam",)).slow_identity()


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a(b", r"'a\(b' is no regular expression: missing \) at position 3"),
        ("x*", "matches the empty text"),
        ("[", "position"),
        ("(?P<n>a)(?P<n", "position"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_place(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"patterns: .*{said}"):
        Regex(patterns=("good", pattern))


def test_a_pattern_without_an_end_names_itself_and_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.stages.regex.SECONDS", 0.05)
    with pytest.raises(DocumentError, match="found no end") as caught:
        Regex(patterns=(r"(?:a|aa)+$",)).measure_many(["short", "a" * 60 + "!"])
    assert caught.value.position == 1


# fasttext ---------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_model_and_every_label_is_measured_at_once() -> None:
    texts = [
        "The committee met on Tuesday to discuss the plans.",
        " \n",
        "Der Ausschuss traf sich am Dienstag.",
    ]
    english, german = (FastText(model=str(MODEL), label=label, min=0.5) for label in ("en", "__label__de"))
    assert reasons(english, texts) == [None, "missing", "too_low"]
    assert reasons(german, texts) == ["too_low", "missing", None]
    assert english.slow_identity() == german.slow_identity()
    model = fasttext.load_model(str(MODEL))
    place = sorted(model.get_labels()).index("__label__en")
    labels, values = model.predict(texts[0], k=176)
    direct = dict(zip(labels, values, strict=True))["__label__en"]
    assert english.measure_many(texts)["scores"][0, place] == pytest.approx(direct)


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model: .* is not a file"):
        FastText(model=str(tmp_path / "none.bin"), label="hq", min=0.5)
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"empty\.bin is no fastText classifier"):
        FastText(model=str(tmp_path / "empty.bin"), label="hq", min=0.5).check()
    with pytest.raises(ConfigError, match="label: the model does not know 'eng': did you mean 'en'"):
        FastText(model=str(MODEL), label="eng", min=0.5).check()
    with pytest.raises(ConfigError, match="model: no model is given"):
        FastText(label="hq", min=0.5).check()
    with pytest.raises(ConfigError, match="no rule is given"):
        FastText(model=str(MODEL), label="en").check()


# python -----------------------------------------------------------------------------------------------------


@pytest.fixture
def function(tmp_path: Path) -> Any:
    """Writes a file of one function `f` and gives its name."""

    def write(source: str, name: str = "own.py") -> str:
        (tmp_path / name).write_text(source, encoding="utf-8")
        return f"{tmp_path / name}:f"

    return write


TEXTS = ["one two three", "one", ""]


def test_what_a_function_gives(function: Any) -> None:
    words = function("def f(text):\n    return len(text.split()) or None\n")
    assert reasons(Python(function=words, min=2), TEXTS) == [None, "too_low", "missing"]
    assert reasons(Python(function=words, keep_fraction=0.5, missing="keep"), TEXTS) == [
        None,
        "not_best",
        None,
    ]
    kept = function("def f(text):\n    return ' ' in text\n")
    assert reasons(Python(function=kept, gives="keep"), TEXTS) == [None, "not_kept", "not_kept"]
    upper = function("def f(texts):\n    return [text.upper() for text in texts]\n")
    (step,) = Python(function=upper, gives="text", batched=True).steps()
    assert step.transform_many(TEXTS) == ["ONE TWO THREE", "ONE", ""]  # type: ignore[union-attr]
    assert step.transform_many([]) == []  # type: ignore[union-attr]


def test_identity_is_the_source_and_not_the_place(function: Any) -> None:
    one = Python(function=function("def f(text):\n    return 1\n"), min=1).identity()
    assert Python(function=function("def f(text):\n    return 1\n", "moved.py"), min=1).identity() == one
    named = function("def f(text):\n    return 2\n")  # of the same size, under the same path
    assert Python(function=named, min=1).identity() != one
    assert reasons(Python(function=named, min=2), ["a"]) == [None]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", r"has no function 'f': known: \(none\)"),
        ("def g(text):\n    return 1\n", "has no function 'f': known: g"),
        ("def f(text)\n    return 1\n", "own.py cannot be run: SyntaxError: .*, line 1"),
        ("import nothing_of_that_name\n", "cannot be run: ModuleNotFoundError: .*, line 1 of"),
        ("raise SystemExit(3)\n", "cannot be run: SystemExit: 3, line 1"),
        ("f = 3\n", "has no function 'f'"),
        ("\0", "cannot be run"),
        ("import lxml\ndef f(text):\n    return 1\n", r"imports lxml, .*uses=\[lxml\]"),
        (
            "import random\ndef f(text):\n    return random.random()\n",
            "own.py:f is not deterministic: .*at a second call",
        ),
        (
            "seen = set()\ndef f(text):\n    new = text not in seen\n    seen.add(text)\n    return new\n",
            "not deterministic",
        ),
        ("def f(text):\n    return hash(text)\n", "not deterministic: .*in another process"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_before_anything_is_measured(
    function: Any, source: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Python(function=function(source), min=1).check()


def test_a_function_whose_memory_shows_only_in_the_pool_is_refused_while_measuring(function: Any) -> None:
    named = function("n = 0\ndef f(text):\n    global n\n    n += 'rare' in text\n    return n\n")
    stage = Python(function=named, min=0)
    stage.check()
    with pytest.raises(DocumentError, match=r"not deterministic: it gave 1\.0, and of the same text 2\.0"):
        stage.measure_many(["rare"])


def test_an_exception_names_line_and_document(function: Any, corpus_of: Any) -> None:
    named = function("def f(text):\n    if 'our' in text:\n        return 1 / 0\n    return 1\n")
    with pytest.raises(
        DataError,
        match=r"stage python, row 3 of the pool \(part\): .*own.py:f raised ZeroDivisionError: .*, line 3 of",
    ):
        corpus_of(ROWS, Python(function=named, min=1))
    batch = function("def f(texts):\n    return [1 / len(text.strip('w')) for text in texts]\n")
    with pytest.raises(DocumentError, match="ZeroDivisionError") as caught:
        Python(function=batch, batched=True, min=1).measure_many(["a", "w"])
    assert caught.value.position == 1


@pytest.mark.parametrize(
    ("source", "gives", "said"),
    [
        ("def f(text):\n    return 'yes'\n", "score", "gave 'yes', expected a number"),
        ("def f(text):\n    return 1\n", "keep", "expected true or false"),
        ("def f(text):\n    return True\n", "score", "expected a number"),
        ("def f(text):\n    return None\n", "text", "expected a text"),
        ("def f(text):\n    return '\\ud800'\n", "text", "lone surrogate"),
    ],
)
def test_an_answer_of_the_wrong_type(function: Any, source: str, gives: str, said: str) -> None:
    (step,) = Python(function=function(source), gives=gives).steps()
    with pytest.raises(DocumentError, match=said):
        step.transform_many(["a"]) if gives == "text" else step.measure_many(["a"])  # type: ignore[union-attr]


def test_a_batch_must_come_back_as_long(function: Any) -> None:
    with pytest.raises(DocumentError, match="a list of 3 texts and must give a list as long, got 1"):
        Python(function=function("def f(texts):\n    return [1]\n"), batched=True, min=0).measure_many(TEXTS)


def test_a_function_works_in_worker_processes(function: Any, make_pool: Any, store: Any) -> None:
    named = function("def f(text):\n    return int(text.split()[1])\n")
    pool = make_pool(store, [Document(f"page {number}") for number in range(2_500)])
    annotations = Annotations(pool, store, workers=2)
    try:
        corpus = build_corpus([Python(function=named, min=2_000)], annotations)
    finally:
        annotations.close()
    assert corpus.rows.tolist() == list(range(2_000, 2_500))
