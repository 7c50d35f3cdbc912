"""The contract of identity, over every stage in `conf/stages`; stages that forget something fail it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

import ablate.fingerprint as fingerprint
from ablate.config import CONF, RESERVED, make
from ablate.corpus.annotate import Annotations
from ablate.pool.source import Document
from ablate.stages.base import Filter, Relation, Stage, Table, Transform, Verdict
from ablate.stages.extraction import Extraction
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.language import Language
from ablate.testing import ContractError, check_libraries, check_stage
from tests.stages.needed import NEEDED

NAMES = sorted(path.stem for path in (CONF / "stages").glob("*.yaml"))
VALUES: dict[str, dict[str, list[Any]]] = {
    "language": {"languages": [("fr",), ("en", "de")]},
    "gopher_repetition": {"top_n_grams": [((2, 0.01),)], "dup_n_grams": [((5, 0.01),)]},
    "classifier_quality": {"keep_fraction": [0.3, 0.9]},
}


def stage_of(name: str, model: str | None = None) -> Stage:
    node = yaml.safe_load((CONF / "stages" / f"{name}.yaml").read_text())
    given = {
        key: {"snapshot": None, "tasks": [], "model": model}.get(key, value) for key, value in node.items()
    } | NEEDED.get(name, {})
    stage = make(given, f"stages.{name}", leave_out=RESERVED)
    assert isinstance(stage, Stage)
    return stage


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_keeps_the_contract(name: str, student_folder: str) -> None:
    check_stage(stage_of(name, student_folder), values=VALUES.get(name), examples=5)


@dataclass(frozen=True, kw_only=True)
class Narrow(Filter):
    """Measures with a field that it calls decide-only."""

    name: ClassVar[str] = "narrow"
    decide_only: ClassVar[tuple[str, ...]] = ("width", "least")
    width: int = 3
    least: float = 0.5

    def measure(self, text: str) -> dict[str, float | int | bool]:
        return {"short": sum(len(line) < self.width for line in text.split("\n"))}

    def decide(self, measured: Table) -> Verdict:
        return Verdict.first_of(short=measured["short"] > self.least)


@dataclass(frozen=True, kw_only=True)
class Unnamed(Transform):
    """Leaves a field out of its identity."""

    name: ClassVar[str] = "unnamed"
    mark: str = "-"

    def parameters(self) -> dict[str, Any]:
        return {}

    def transform(self, text: str) -> str:
        return f"{text} {self.mark}"


@dataclass(frozen=True, kw_only=True)
class Undeclared(Filter):
    """Uses a library and does not say so."""

    name: ClassVar[str] = "undeclared"

    def measure(self, text: str) -> dict[str, float | int | bool]:
        import lxml.etree

        return {"parts": len(lxml.etree.LXML_VERSION)}

    def decide(self, measured: Table) -> Verdict:
        return Verdict.first_of(never=measured["parts"] < 0)


@dataclass(frozen=True, kw_only=True)
class Declared(Undeclared):
    """The same, and says so."""

    libraries: ClassVar[tuple[str, ...]] = ("lxml",)


@dataclass(frozen=True, kw_only=True)
class Batched(Filter):
    """Measures a text by the others in its batch."""

    name: ClassVar[str] = "batched"

    def measure_many(self, texts: Sequence[str]) -> Table:
        sizes = np.array([len(text) for text in texts], dtype=np.float64)
        return {"size": sizes - (sizes.mean() if sizes.size else 0.0)}

    def decide(self, measured: Table) -> Verdict:
        return Verdict.first_of(small=measured["size"] < 0)


@dataclass(frozen=True, kw_only=True)
class Remembering(Filter):
    """Writes into what was measured."""

    name: ClassVar[str] = "remembering"

    def measure(self, text: str) -> dict[str, float | int | bool]:
        return {"size": len(text)}

    def decide(self, measured: Table) -> Verdict:
        measured["size"][:] += 1
        return Verdict.first_of(small=measured["size"] < 3)


@dataclass(frozen=True, kw_only=True)
class Blind(Relation):
    """Sketches with a field that it says only `relate` reads."""

    name: ClassVar[str] = "blind"
    relate_only: ClassVar[tuple[str, ...]] = ("start",)
    start: int = 4

    def sketch_many(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text[: self.start]) + 1] for text in texts], dtype=np.uint64).reshape(-1, 1)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (Narrow(), r"Narrow\.width=.* changes what Narrow measures"),
        (Unnamed(), r"Unnamed\.mark=.* changes what Unnamed measures"),
        (Blind(), r"Blind\.start=.* changes what Blind measures"),
        (Batched(), "alone or in another order than in a batch"),
        (Remembering(), "changes what was measured"),
    ],
)
def test_a_forgetful_stage_fails_it(stage: Stage, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_stage(stage, examples=3, libraries=False)


def test_a_library_that_is_not_declared_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    assert Undeclared.__module__ in sys.modules
    with pytest.raises(ContractError, match=r"Undeclared uses lxml, .*Add 'lxml' to Undeclared\.libraries"):
        check_stage(Undeclared(), examples=1)
    check_stage(Declared(), examples=1)


@dataclass(frozen=True, kw_only=True)
class NoExtractor(Extraction):
    libraries: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class OneExtractor(Extraction):
    libraries: ClassVar[tuple[str, ...]] = ("resiliparse",)


@dataclass(frozen=True, kw_only=True)
class NoModel(Language):
    libraries: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class NoWords(GopherQuality):
    libraries: ClassVar[tuple[str, ...]] = ()


@pytest.mark.parametrize(
    ("kind", "settings", "library"),
    [
        (NoExtractor, {"method": "raw"}, "resiliparse"),
        (OneExtractor, {"method": "trafilatura"}, "trafilatura"),
        (NoModel, {}, "fasttext"),
        (NoWords, {}, "spacy"),
    ],
)
def test_so_it_does_where_a_helper_uses_it(
    kind: Any, settings: dict[str, Any], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with pytest.raises(ContractError, match=f"uses {library}, "):
        check_libraries(kind(**settings), ["<p>It rained all night.</p>"])


def test_decide_only_must_name_fields() -> None:
    with pytest.raises(TypeError, match="names 'treshold', which is no field"):
        type("Typo", (Narrow,), {"decide_only": ("treshold",), "__module__": __name__})


def test_an_upgrade_never_leaves_old_texts_under_a_new_version(
    make_pool: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same store, another version of trafilatura that makes other texts: they are made anew."""
    page = "<html><body><article><p>It rained all night over the old town.</p></article></body></html>"
    pool = make_pool(store, [Document(page, "html")])
    stage = Extraction(method="trafilatura")
    (before,) = [text for _, text in _texts(pool, store, stage)]
    installed = fingerprint.importlib.metadata.version
    monkeypatch.setattr(
        fingerprint.importlib.metadata,
        "version",
        lambda name: "99.0" if name == "trafilatura" else installed(name),
    )
    monkeypatch.setattr("ablate.stages.extraction._trafilatura", lambda html: "what the new version makes")
    assert [text for _, text in _texts(pool, store, stage)] == ["what the new version makes"] != [before]
    other = Extraction(method="resiliparse")
    assert "trafilatura" not in str(other.identity()["libraries"]), "an upgrade costs what it touches"


def _texts(pool: Any, store: Any, stage: Transform) -> list[tuple[int, str]]:
    annotations = Annotations(pool, store, workers=1)
    return list(annotations.texts(annotations.transform(annotations.root(), stage), np.arange(len(pool))))
