"""What the slow halves return for a few documents, byte for byte, per version of a stage.

A difference means that the stage's `version` must go up and the golden file be made anew, under its new
name: `python tests/stages/test_golden_texts.py`.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from ablate.classifier.linear import Linear
from ablate.classifier.student import train_student
from ablate.config import CONF, RESERVED, make
from ablate.corpus.size_matched import SizeMatchedRemoval
from ablate.stages._references import References
from ablate.stages.base import Filter, Relation, SpanRelation, Stage, Transform
from ablate.stages.c4_quality import C4Quality
from ablate.stages.classifier_quality import ClassifierQuality
from ablate.stages.column import Column
from ablate.stages.decontamination import CountPieces, CutHits, FindItems
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.extraction import METHODS, Extraction
from ablate.stages.fasttext import FastText
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.foreign import Foreign
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition
from ablate.stages.language import MODEL, Language
from ablate.stages.line_dedup import UNITS, LineDedup
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import CountPii, Pii
from ablate.stages.python import Python, PythonText
from ablate.stages.random_removal import RandomRemoval
from ablate.stages.regex import Regex
from ablate.stages.rouge_dedup import RougeDedup
from ablate.stages.seed_overlap import SeedOverlap
from ablate.stages.sources import Sources
from ablate.stages.substring_dedup import SubstringDedup
from ablate.stages.url_filter import UrlFilter
from ablate.stages.verifier import Verifier
from ablate.stages.well_formed import RecordedDefects, TextDefects
from ablate.testing.contract import variations

GOLDEN = Path(__file__).parent / "golden"
ITEM = "The heron stood on one leg beside the mill pond until the last of the light had gone"
REFERENCES = References.of([ITEM, "Seven bells rang over the empty harbour twice"], 13, 8)
TEXTS = [
    "",
    " \n\t ",
    "Rain.",
    "It rained all night, and in the morning the lower field was under water.",
    "It rained all night and in the morning the lower field was under water!",
    f"In the evening we walked. {ITEM}. Then we went home.",
    "At noon seven bells rang over the empty harbour, twice.",
    "Write to jane.roe@acme.com or look at 8.8.8.8; 192.168.0.1 is ours, version 1.2.3.4 is old.",
    "Am Abend stand der Reiher am Teich, bis das letzte Licht verschwunden war.",
    "Le héron se tenait au bord de l'étang jusqu'à la tombée de la nuit.",
    "夕方、サギは池のほとりに立っていました。",
    "وقف مالك الحزين بجانب البركة حتى المساء.",
    "\U0001f600 \U0001f680 \U0001f44d",
    "!!! ... ---",
    "nul\x00inside the text",
    "1,234.5 and 99 and 7",
    "e\u0301cole \u00e9cole ECOLE",
    "one\ntwo\n\nthree",
    "word " * 40,
    "Home | About | Contact | Login",
]
PAGES = [
    f"<html><head><title>Page {n}</title></head><body><nav><a href='/'>Home</a></nav><article><h1>Head</h1>"
    f"<p>{text}</p><p>{ITEM}, said the keeper of the mill, who had seen it there many times before.</p>"
    "</article><footer>Imprint</footer></body></html>"
    for n, text in enumerate(TEXTS)
]
ADDRESSES = [
    "",
    "https://good.example/a",
    "http://www.bad.example/b",
    "https://shop.example/cheap-pills/list",
    "https://a.example/xpillsx",
]
RECORDS = [
    "{}",
    '{"score": 3}',
    '{"score": 3.0}',
    '{"score": "3"}',
    '{"score": -1e3}',
    '{"score": NaN}',
    '{"score": ""}',
]
GENERATED = ["{}", '{"defects": "cut_off echo", "shown_overlap": 0.75}', '{"defects": "empty"}']


def given() -> Path:
    """Lists and a student with known weights, for stages that read files."""
    folder = Path(tempfile.mkdtemp(prefix="ablate-golden-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "words.txt").write_text("cheap\n")
    (folder / "parts.txt").write_text("pills\n")
    (folder / "lists" / "adult").mkdir(parents=True)
    (folder / "lists" / "adult" / "domains").write_text("bad.example\n")
    train_student(
        Linear(buckets=64),
        [TEXTS[3], TEXTS[19]],
        np.array([1.0, 0.0]),
        folder / "student",
        binary=True,
        seed=0,
        recipe={},
    )
    (folder / "own.py").write_text(
        "def size(text):\n    return len(text)\n\n\ndef half(text):\n    return text[::2]\n"
    )
    return folder


GIVEN = given()
STAGES: dict[str, Stage] = {
    **{f"extraction-{method}": Extraction(method=method) for method in METHODS},
    "language": Language(),
    "exact_dedup": ExactDedup(),
    "minhash_dedup": MinhashDedup(),
    "decontamination": FindItems(references=REFERENCES),
    "decontamination-cut": CutHits(references=REFERENCES, window=5),
    "pii": Pii(),
    "substring_dedup": SubstringDedup(),
    **{f"line_dedup-{unit}": LineDedup(unit=unit) for unit in UNITS},
    "decontamination-pieces": CountPieces(references=REFERENCES, window=5, max_pieces=10),
    "pii_counts": CountPii(),
    "gopher_quality": GopherQuality(),
    "gopher_repetition": GopherRepetition(),
    "fineweb_quality": FineWebQuality(),
    "c4_lines": next(step for step in C4Quality(min_words_per_line=2).steps() if isinstance(step, Transform)),
    "c4_documents": next(step for step in C4Quality().steps() if isinstance(step, Filter)),
    "url_filter": UrlFilter(
        banned_words=str(GIVEN / "words.txt"),
        banned_subwords=str(GIVEN / "parts.txt"),
        blocklists=(str(GIVEN / "lists"),),
    ),
    "random_removal": RandomRemoval(),
    "verifier": Verifier(),
    "size_matched_removal": SizeMatchedRemoval(),
    "classifier_quality": ClassifierQuality(model=str(GIVEN / "student")),
    "column": Column(column="score", min=2.0),
    "column-values": Column(column="score", keep=(3, "a")),
    "well_formed_recorded": RecordedDefects(),
    "well_formed_text": TextDefects(),
    "seed_overlap": SeedOverlap(),
    "rouge_dedup": RougeDedup(),
    "sources": Sources(drop=("one*",)),
    "regex": Regex(patterns=("[0-9]+", "(?i)the")),
    "fasttext": FastText(model=str(MODEL), label="de", min=0.5),
    "python": Python(function=f"{GIVEN / 'own.py'}:size", min=1),
    "python-text": PythonText(function=f"{GIVEN / 'own.py'}:half", batched=False, uses=()),
}


def made(stage: Stage) -> object:
    """The slow half's output as plain data; 64-bit numbers as hex, scores to four digits."""
    if isinstance(stage, Transform):
        return stage.transform_many(PAGES if stage.kinds == ("html",) else TEXTS)
    if isinstance(stage, (Relation, SpanRelation)):
        texts = [*TEXTS, "\n".join(TEXTS)] if isinstance(stage, SpanRelation) else TEXTS
        return [[f"{value:016x}" for value in row.tolist()] for row in stage.sketch_many(texts)]
    assert isinstance(stage, Filter)
    texts = {"url": ADDRESSES, "metadata": RECORDS}.get(stage.reads, TEXTS)
    texts = GENERATED if isinstance(stage, (RecordedDefects, SeedOverlap)) else texts
    measured = stage.measure_many(texts).items()
    return {
        name: (column if column.dtype.kind in "bu" else np.round(column, 4)).tolist()
        for name, column in measured
    }


def golden(name: str) -> Path:
    return GOLDEN / f"{name}-v{STAGES[name].version}.json"


def test_no_step_of_any_stage_is_without_one() -> None:
    """Steps of every stage in `conf/stages`, with other values of its fields, which may make other steps of it."""
    there = {type(stage) for stage in STAGES.values()}
    for path in (CONF / "stages").glob("*.yaml"):
        node = yaml.safe_load(path.read_text())
        model = MODEL if path.stem == "fasttext" else GIVEN / "student"
        outside = {"snapshot": None, "tasks": [], "model": str(model)}
        given = {key: outside.get(key, value) for key, value in node.items()}
        stage = make(given, path.stem, leave_out=RESERVED)
        if isinstance(stage, Foreign):  # what it gives is its class's, whose source and version name it
            continue
        for one in (stage, *(changed for _, _, changed in variations(stage))):
            assert {type(step) for step in one.steps()} <= there, path.stem


@pytest.mark.parametrize("name", STAGES)
def test_the_slow_half_returns_what_its_version_promises(name):
    expected = json.loads(golden(name).read_text(encoding="utf-8"))
    found = json.loads(json.dumps(made(STAGES[name])))
    if isinstance(found, dict):  # floating-point scores may differ in the last digits between builds
        assert found.keys() == expected.keys()
        for column, values in expected.items():
            np.testing.assert_allclose(found[column], values, atol=2e-4)
    else:
        assert found == expected


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in STAGES:
        if not golden(each).exists():
            lines = json.dumps(made(STAGES[each]), indent=1, ensure_ascii=True)
            golden(each).write_text(lines + "\n", encoding="utf-8")
