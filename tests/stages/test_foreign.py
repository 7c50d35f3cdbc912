"""Stages of other libraries: the pipe to their process, and datatrove itself where there is one.

Against datatrove these run with `ABLATE_TEST_DATATROVE=path/to/venv/bin/python`, an interpreter that has it; against
Data-Juicer with `ABLATE_TEST_DATA_JUICER`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError, DataError, DocumentError
from ablate.pool.source import Document
from ablate.stages.base import Filter, Transform
from ablate.stages.data_juicer import DataJuicer
from ablate.stages.datatrove import DataTrove
from ablate.testing import check_stage

CLASSES = Path(__file__).with_name("foreign_classes.py")


def own(name: str, **given: Any) -> DataTrove:
    return DataTrove(class_path=f"{CLASSES}:{name}", **given)


def reasons(stage: Filter, texts: list[str]) -> list[str | None]:
    verdict = stage.decide(stage.measure_many(texts))
    return [verdict.reasons[code - 1] if code else None for code in verdict.code]


def rewritten(stage: DataTrove | DataJuicer, texts: list[str]) -> list[str]:
    step = stage.steps()[-1]
    assert isinstance(step, Transform)
    return step.transform_many(texts)


def test_verdicts_with_the_reasons_of_the_class() -> None:
    assert reasons(own("LongWords"), ["a word", "a", "", "雨 four"]) == [
        None,
        "short_words",
        "no_words",
        None,
    ]
    assert reasons(own("LongWords", init_args={"least": 5}), ["a word"]) == ["short_words"]
    assert reasons(own("LongWords"), []) == []
    assert reasons(own("LongWords"), ["word"]) == [None]


def test_what_a_class_prints_is_no_answer_and_a_verdict_needs_no_reason() -> None:
    assert reasons(own("Plain"), ["x", "y", "\ud800x"]) == [None, "dropped", None]


def test_a_filter_that_rewrites_is_asked_for_both() -> None:
    texts = ["One.\nmenu\nTwo.", "menu", "Three."]
    stage = own("Lines", gives="keep_and_text")
    assert reasons(stage, texts) == [None, "no_lines", None]
    assert rewritten(stage, texts) == ["One.\nTwo.", "menu", "Three."]
    with pytest.raises(DocumentError, match=r"changed the text 'One.*give gives=keep_and_text") as caught:
        own("Lines").measure_many(["Three.", *texts])
    assert caught.value.position == 1


def test_what_a_filter_makes_of_a_text_that_it_drops_is_nothing_to_anyone() -> None:
    assert reasons(own("Empties"), ["good", "bad"]) == [None, "dropped"]
    assert rewritten(own("Empties", gives="keep_and_text"), ["good", "bad"]) == ["good", "bad"]


def test_a_formatter() -> None:
    stage = own("Upper", gives="text")
    assert rewritten(stage, ["a", "", "é"]) == ["A", "", "É"]
    assert not stage.removes_documents() and own("LongWords").removes_documents()


def test_addresses_and_tuples() -> None:
    # str.endswith takes a tuple and refuses a list, which is all that YAML has.
    stage = own("Hosts", column="url", init_args={"bad": [".example", ".test"]})
    stage.check()
    assert stage.reads == "url" and reasons(stage, ["http://a.example", "http://b.org"]) == ["bad_host", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "raise",
            r"Bad raised ZeroDivisionError: .*, line \d+ of foreign_classes.py, of the text that begins 'raise'",
        ),
        ("die", r"the process of Bad ended \(signal 9\), of the text that begins 'die'"),
        ("hang", r"Bad gave no answer within 0.5 s, .*'hang'; give it longer: document_s"),
    ],
)
def test_a_text_that_costs_the_answer_is_named_and_the_next_ones_are_answered(text: str, said: str) -> None:
    stage = own("Bad", document_s=0.5 if text == "hang" else 60.0)
    with pytest.raises(DocumentError, match=said) as caught:
        stage.measure_many(["good", "fine", text, "never asked"])
    assert caught.value.position == 2
    assert reasons(own("Bad"), ["good", "fine"]) == [None, None]


def test_chance_is_found_before_anything_is_measured_and_memory_at_the_second_call() -> None:
    with pytest.raises(ConfigError, match=r"Draws is not deterministic: .*in another process"):
        own("Draws").check()
    own("Counts", gives="text").check()
    with pytest.raises(DocumentError, match="Counts is not deterministic") as caught:
        rewritten(own("Counts", gives="text"), ["a", "rare"])
    assert caught.value.position in (0, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "class_path: none is given; name a class of datatrove"),
        (
            {"class_path": "no_such_library.Filter"},
            "ModuleNotFoundError: .*no_such_library.*give the interpreter that has it",
        ),
        ({"class_path": f"{CLASSES}:Nothing"}, "AttributeError: .*Nothing"),
        ({"class_path": f"{CLASSES}:os"}, "TypeError: .* is no class"),
        ({"class_path": f"{CLASSES}:Neither"}, "Neither has neither filter nor format"),
        (
            {"class_path": f"{CLASSES}:LongWords", "init_args": {"most": 3}},
            r"most.*init_args must be the arguments",
        ),
        ({"class_path": f"{CLASSES}:Upper"}, "gives: .*Upper is a formatter, so gives=text; got 'keep'"),
        ({"class_path": f"{CLASSES}:LongWords", "gives": "text"}, "is a filter, so gives=keep"),
        ({"class_path": f"{CLASSES}:Hosts"}, "fails whatever it is given: KeyError: 'url'"),
        (
            {"class_path": f"{CLASSES}:LongWords", "python": "/no/such/python"},
            "python: /no/such/python cannot be started",
        ),
        (
            {"class_path": f"{CLASSES}:LongWords", "python": "/bin/false"},
            "class_path: the process of .* ended",
        ),
    ],
)
def test_a_class_that_cannot_be_used_is_refused_before_anything_is_measured(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        DataTrove(**given).check()


@pytest.mark.parametrize(
    "given",
    [{"gives": "score"}, {"column": "language"}, {"column": "url", "gives": "text"}, {"document_s": 0.0}],
)
def test_parameters_out_of_range(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        DataTrove(**given)


def test_identity_is_what_is_loaded_and_not_where_it_lies(tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.py"
    moved.write_bytes(CLASSES.read_bytes())
    one = own("LongWords")
    assert DataTrove(class_path=f"{moved}:LongWords", document_s=5.0).identity() == one.identity()
    assert one.identity()["libraries"]["python"]  # type: ignore[index,call-overload]
    assert own("LongWords", init_args={"least": 5}).identity() != one.identity()
    moved.write_text(CLASSES.read_text(encoding="utf-8").replace("least: int = 4", "least: int = 5"))
    changed = DataTrove(class_path=f"{moved}:LongWords")
    assert changed.identity() != one.identity()
    assert reasons(changed, ["word"]) == [
        "short_words"
    ]  # by the file as it is now, not by the process begun before


def test_of_a_file_among_the_arguments_the_content_counts(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("heron")
    other.write_text("heron")
    identity = own("Reads", init_args={"path": str(one)}).identity()
    assert own("Reads", init_args={"path": str(other)}).identity() == identity
    other.write_text("egret")
    assert own("Reads", init_args={"path": str(other)}).identity() != identity


def test_it_is_pickled_and_works_in_worker_processes_and_what_it_costs_is_counted(
    make_pool: Any, store: Any
) -> None:
    stage = own("LongWords", init_args={"least": 9})
    assert pickle.loads(pickle.dumps(stage)) == stage
    pool = make_pool(store, [Document(f"page {'x' * (number % 12)}") for number in range(2_400)])
    annotations = Annotations(pool, store, workers=2)
    try:
        corpus = build_corpus([stage.called("long")], annotations)
        line = funnel(corpus, annotations, lambda version, rows: None)[1]
        spent = annotations.cpu_s(stage, segments=corpus.version.segments, rows=corpus.rows)
    finally:
        annotations.close()
    assert corpus.rows.tolist() == [number for number in range(2_400) if number % 12 >= 9]
    assert line["stage"] == "long" and line["dropped"] == {"short_words": 1_800}
    assert spent > 0


def test_an_error_names_the_document(make_pool: Any, store: Any) -> None:
    pool = make_pool(store, [Document("good"), Document("raise", url="https://a.example/1")])
    with pytest.raises(DataError, match=r"stage datatrove, row 1 of the pool .*https://a.example/1.*ZeroDiv"):
        build_corpus([own("Bad")], Annotations(pool, store, workers=1))


def test_it_keeps_what_every_stage_promises() -> None:
    check_stage(own("LongWords"), texts=["word", "a"], examples=5, libraries=False)


def test_another_protocol_is_refused_by_the_other_end() -> None:
    worker = CLASSES.parents[2] / "ablate" / "stages" / "foreign_worker.py"
    told = subprocess.run(
        [sys.executable, str(worker)],
        input=json.dumps({"protocol": 0}) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == {
        "protocol": 1,
        "error": "protocol 1 is spoken here, not 0",
    }


def juicer(name: str, **given: Any) -> DataJuicer:
    return DataJuicer(class_path=f"{CLASSES}:{name}", **given)


def test_operators_that_compute_and_then_judge_and_operators_that_map() -> None:
    stage = juicer("JuicerLength", init_args={"least": 3})
    stage.check()
    assert reasons(stage, ["abc", "ab", ""]) == [None, "dropped", "dropped"]
    mapped = juicer("JuicerStrip", gives="text").steps()[-1]
    assert isinstance(mapped, Transform) and mapped.transform_many([" a ", "b"]) == ["a", "b"]
    with pytest.raises(DocumentError, match="JuicerStrip raised ValueError: too many values"):
        juicer("JuicerStrip", gives="text", init_args={"copies": 2}).steps()[-1].transform_many(["a"])  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="Neither is neither a filter nor a mapper"):
        juicer("Neither").check()
    assert stage.identity() != own("LongWords").identity()


# datatrove itself -------------------------------------------------------------------------------------------


@pytest.fixture
def datatrove() -> Callable[..., DataTrove]:
    python = os.environ.get("ABLATE_TEST_DATATROVE")
    if python is None and importlib.util.find_spec("datatrove") is None:
        pytest.skip(
            "no datatrove: set ABLATE_TEST_DATATROVE to an interpreter that has datatrove[processing]"
        )
    return lambda name, **given: DataTrove(class_path=f"datatrove.pipeline.{name}", python=python, **given)


PROSE = "The committee met on Tuesday and discussed the plans that have been made to be with the harbour of the town.\n"


def test_gopher_s_quality_filter_as_it_is(datatrove: Callable[..., DataTrove]) -> None:
    stage = datatrove("filters.GopherQualityFilter")
    stage.check()
    # 21 words a line with the stop; 50 are wanted.
    assert reasons(stage, [PROSE * 3, PROSE, "word " * 60]) == [
        None,
        "gopher_short_doc",
        "gopher_enough_stop_words",
    ]
    assert {"datatrove", "spacy"} <= set(stage.versions())


def test_c4_s_filter_rewrites_what_it_keeps(datatrove: Callable[..., DataTrove]) -> None:
    stage = datatrove("filters.C4QualityFilter", gives="keep_and_text")
    stage.check()
    page = "Home | About\n" + PROSE * 5
    assert reasons(stage, [page, PROSE, PROSE * 5 + "a { b.\n"]) == [
        None,
        "too_few_sentences",
        "curly_bracket",
    ]
    assert rewritten(stage, [page]) == [(PROSE * 5).strip()]
    with pytest.raises(DocumentError, match="give gives=keep_and_text"):
        datatrove("filters.C4QualityFilter").measure_many([page])


def test_a_formatter_that_rotates_its_replacements_is_refused(datatrove: Callable[..., DataTrove]) -> None:
    text = "Write to jane.roe@acme.com"
    with pytest.raises(DocumentError, match="PIIFormatter is not deterministic"):
        rewritten(datatrove("formatters.PIIFormatter", gives="text"), [text])
    fixed = {"email_replacement": "email@example.com", "ip_replacement": "22.214.171.124"}
    stage = datatrove("formatters.PIIFormatter", gives="text", init_args=fixed)
    stage.check()
    assert rewritten(stage, [text]) == ["Write to email@example.com"]


@pytest.fixture
def data_juicer() -> Callable[..., DataJuicer]:
    python = os.environ.get("ABLATE_TEST_DATA_JUICER")
    if python is None and importlib.util.find_spec("data_juicer") is None:
        pytest.skip("no Data-Juicer: set ABLATE_TEST_DATA_JUICER to an interpreter that has py-data-juicer")
    return lambda name, **given: DataJuicer(class_path=f"data_juicer.ops.{name}", python=python, **given)


def test_operators_of_data_juicer_as_they_are(data_juicer: Callable[..., DataJuicer]) -> None:
    stage = data_juicer("filter.alphanumeric_filter.AlphanumericFilter", init_args={"min_ratio": 0.25})
    stage.check()
    assert reasons(stage, ["abc", "!!!!", "a!!!", "a!!!!"]) == [None, "dropped", None, "dropped"]
    assert "py-data-juicer" in stage.versions()
    mapper = data_juicer("mapper.clean_links_mapper.CleanLinksMapper", gives="text")
    mapper.check()
    assert rewritten(mapper, ["see https://a.example/ x"]) == ["see  x"]


def test_a_sampler_is_refused_before_anything_is_measured(datatrove: Callable[..., DataTrove]) -> None:
    with pytest.raises(ConfigError, match="SamplerFilter is not deterministic"):
        datatrove("filters.SamplerFilter", init_args={"rate": 0.5}).check()
