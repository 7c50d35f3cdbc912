"""The contracts of sources and tokenizers, and what fails them and that of students."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ablate.classifier.student import Scorer, Student
from ablate.config import CONF
from ablate.corpus.annotate import Annotations
from ablate.corpus.sampled_source import Sampled
from ablate.corpus.tokenizer import TokenizerConfig, load_tokenizer, prepare_tokenizer, tokenizer_digest
from ablate.pool.crawl_index import CrawlIndex
from ablate.pool.digital_source import SYNTHETIC, TERM
from ablate.pool.files import Files
from ablate.pool.hub import Hub
from ablate.pool.mixed import Mixed
from ablate.pool.repeated import Edition, Repeated
from ablate.pool.source import Document, Skipped, Source
from ablate.pool.synthetic import Synthetic
from ablate.pool.testbed import pages
from ablate.pool.testbed import source as testbed_source
from ablate.pool.warc import Warc
from ablate.stages.exact_dedup import ExactDedup
from ablate.testing import ContractError, check_golden, check_source, check_student, check_tokenizer

ROWS = [
    {"text": f"Line {n} of the old town.", "url": f"https://a.example/{n}", "body": "b"} for n in range(4)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "[]\n")
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nA page of the old town."
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/\r\nContent-Type: application/http\r\n"
    record = f"{head}Content-Length: {len(page)}\r\n\r\n".encode() + page + b"\r\n\r\n"
    (tmp_path / "b.warc").write_bytes(record * 2)
    return tmp_path


SLOW = ("hf", "testbed")


def crawl_index_of(folder: Path) -> CrawlIndex:
    """An index of the two records of `b.warc`."""
    length = (folder / "b.warc").stat().st_size // 2
    rows = [
        {
            "url": "https://a.example/",
            "url_host_name": "a.example",
            "content_digest": f"D{n}",
            "warc_filename": "b.warc",
            "warc_record_offset": n * length,
            "warc_record_length": length,
        }
        for n in range(2)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "index.parquet")
    return CrawlIndex(paths=[str(folder / "index.parquet")], root=str(folder), rate=1.0)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])
        for path in sorted((CONF / "pool").glob("*.yaml"))
    ],
)
def test_every_source_keeps_the_contract(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by folder: no list of sources to keep."""
    monkeypatch.chdir(folder)
    files, warc = Files(paths=[str(folder / "data")]), Warc(paths=[str(folder / "b.warc")])
    hub = Hub(path=str(folder / "data"), limit=4)
    (folder / "data" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    world = pages.TestbedConfig(pages=4, towns=2, values=4, islands=1)
    testbed = testbed_source.Testbed(folder=str(folder / "testbed"), world=world)
    mixed = Mixed(parts={"a": files, "b": warc})
    generated = folder / "synthetic.jsonl"
    rows = [{"text": f"made {n}", TERM: SYNTHETIC[0], "source": "synthetic/x"} for n in range(3)]
    generated.write_text("".join(json.dumps(row) + "\n" for row in rows))
    synthetic = Synthetic(path=str(generated))
    repeated = Repeated(
        of=files, editions={"once": Edition(once=2), "often": Edition(once=1, repeated=1, times=3)}
    )
    source = {
        "repeated": repeated,
        "taught": Mixed(parts={"real": repeated, "synthetic": synthetic}),
        "sampled": Sampled(of=files, rate=0.5),
        "crawl_index": crawl_index_of(folder),
        "synthetic": synthetic,
        "files": files,
        "warc": warc,
        "hf": hub,
        "mixed": mixed,
        "testbed": testbed,
    }[kind]
    few = {"hf": {"text_column": ["body"]}, "files": {"text_column": ["body"], "every": [2]}}.get(kind, {})
    check_source(source, values=few)


@dataclass(frozen=True, kw_only=True)
class Forgetful(Source):
    """Its request leaves out what it takes."""

    first: int = 0

    def request(self) -> dict[str, Any]:
        return {"forgetful": 1}

    def documents(self) -> Iterator[Document | Skipped]:
        yield Document(f"number {self.first}")


def test_a_source_that_forgets_a_field_fails_it() -> None:
    with pytest.raises(ContractError, match=r"Forgetful\.first=.* changes what is read"):
        check_source(Forgetful())


@dataclass(frozen=True, kw_only=True)
class Careless(Student):
    """Its identity leaves its field out."""

    file: ClassVar[str] = "w"
    scale: float = 1.0

    def identity(self) -> dict[str, Any]:
        return {"student": "Careless"}

    def fit(
        self, texts: Sequence[str], targets: np.ndarray, path: Path, *, binary: bool, seed: int
    ) -> dict[str, Any]:
        path.write_text("")
        return {}

    def load(self, path: Path, facts: Mapping[str, Any]) -> Scorer:
        return lambda texts: np.array([len(text) * self.scale for text in texts], dtype=np.float64)


def test_a_student_that_forgets_a_field_fails_it() -> None:
    with pytest.raises(ContractError, match=r"Careless\.scale=.* changes the model"):
        check_student(Careless())


def test_the_tokenizer_keeps_the_contract(
    store: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations = Annotations(
        make_pool(store, [Document("it rained on the old town " * 9)]), store, workers=1
    )
    version = annotations.root()
    folder = prepare_tokenizer(TokenizerConfig(vocab_size=270), annotations, version, store)
    check_tokenizer(folder)
    # What stands beside the vocabulary counts, and so does the library.
    before, tokenizer = tokenizer_digest(folder), load_tokenizer(folder)
    tokenizer.eos_token = "a"
    tokenizer.save_pretrained(store.root / "other")
    assert tokenizer_digest(store.root / "other") != before
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    assert tokenizer_digest(folder) != before
    assert prepare_tokenizer(TokenizerConfig(vocab_size=270), annotations, version, store) != folder


def test_a_pretrained_folder_is_named_by_what_it_does(tmp_path: Path, store: Any, make_pool: Any) -> None:
    """Content replaced under one path: the new counts; the same content elsewhere: nothing is new."""
    annotations = Annotations(
        make_pool(store, [Document("it rained on the old town " * 9)]), store, workers=1
    )
    made = {
        size: load_tokenizer(
            prepare_tokenizer(TokenizerConfig(vocab_size=size), annotations, annotations.root(), store)
        )
        for size in (270, 280)
    }

    def prepared(name: str, size: int) -> Path:
        made[size].save_pretrained(tmp_path / name)
        config = TokenizerConfig(pretrained=str(tmp_path / name))
        return prepare_tokenizer(config, annotations, annotations.root(), store)

    first = prepared("tok", 280)
    assert prepared("elsewhere", 280) == first
    changed = prepared("tok", 270)
    assert changed != first and len(load_tokenizer(changed)) == len(made[270]) != len(made[280])


def test_a_version_that_was_not_raised_fails_its_golden_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"exact_dedup-v{ExactDedup.version}.json"
    with pytest.raises(ContractError, match="no golden file"):
        check_golden(ExactDedup(), ["a", "b"], path)
    check_golden(ExactDedup(), ["a", "b"], path, write=True)
    check_golden(ExactDedup(), ["a", "b"], path)
    honest = ExactDedup.sketch_many
    monkeypatch.setattr(ExactDedup, "sketch_many", lambda self, texts: honest(self, texts) + np.uint64(1))
    with pytest.raises(ContractError, match="raise its version"):
        check_golden(ExactDedup(), ["a", "b"], path)
