"""A plan is what was frozen: what changes a result is part of it, nothing else is, and it is checked when read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from ablate.compose import compose
from ablate.errors import AblateError, ConfigError, DataError
from ablate.study.plan import freeze, load_plan, make_plan, planned_tests, run_folder
from ablate.study.prediction import Prediction
from ablate.study.record import Record, Training, read_record, write_record
from ablate.study.results import load_study
from ablate.study.schema import Plan, counting

Run = Callable[..., int]
MakeStudy = Callable[..., Any]


def planned(tiny: tuple[str, ...], *more: str) -> Plan:
    return make_plan(compose([*tiny, *more]))


def found(run: str = "x") -> Record:
    """What a run might have found."""
    return Record(
        run=run,
        seed=0,
        corpus=None,
        model=None,
        train=Training(tokens=1),
        tasks={},
        scores={"facts": {"acc": 0.7}},
        curve=(),
        cost={},
        provenance={},
    )


def documents(record: Path) -> int:
    """In the corpus of a run's record."""
    corpus = read_record(record.parent).corpus
    assert corpus
    return corpus.documents


@pytest.mark.parametrize(
    "change",
    [
        "tracker=wandb",
        "study.title=Another",
        "study.question=Why?",
        "study.prediction=None",
        "study.name=other",
        "study.dir=elsewhere",
        "train.threads=2",
        "train.checkpoint_s=30",
        "train.micro_batch=4",
        "train.device=cpu",
        "train.compile=true",
        "train.stacked_runs=2",
        "store=/elsewhere/store",
        "workers=3",
        "hydra/launcher=joblib",
        "plan.noise=0.1",
        "inspect.samples=9",
    ],
)
def test_what_changes_no_result_may_change(tiny: tuple[str, ...], change: str) -> None:
    assert planned(tiny, change).digest == planned(tiny).digest


@pytest.mark.parametrize(
    "change",
    [
        "train.lr=0.01",
        "train.tokens=4096",
        "seeds=[0,1,2]",
        "stages.language.threshold=0.5",
        "evaluate.limit=3",
        "proxy.layers=2",
        "pool.world.seed=1",
        "tokenizer.vocab_size=301",
        "evaluate.average_last=2",
        "evaluate.aggregate=all",
        "evaluate.primary=acc",
        "design=cumulative",
        "budget=source",
        "randomness.seed_offset=1",
        "evaluate.heldout=mine.jsonl",
        "design.factors=[language]",
        "design.own_seeds=true",
        "design.pairing=unpaired",
        "design.controls=size_matched",
        "stages.extraction.method=raw",
        "train.precision=fp32",
        "train.evaluations=[1.0]",
    ],
)
def test_what_changes_a_result_may_not(tiny: tuple[str, ...], change: str) -> None:
    given = tuple(
        o for o in tiny if not (change.startswith("design.factors") and o.startswith("design.factors"))
    )
    assert planned(given, change).digest != planned(tiny).digest


def test_on_a_planned_study_the_newer_words_are_taken(tiny: tuple[str, ...], tmp_path: Path) -> None:
    first = freeze(replace(planned(tiny), predicted=Prediction(flops=1.0)), tmp_path)
    again = freeze(planned(tiny, "study.title=Better", "study.prediction=Less", "train.threads=2"), tmp_path)
    assert load_plan(tmp_path) == again and again.title == "Better" and again.prediction == "Less"
    assert again.digest == first.digest and again.predicted == Prediction(flops=1.0)
    assert {arm.train.threads for arm in again.arms.values()} == {2}
    write_record(run_folder(tmp_path, "full", 0), found())
    with pytest.raises(AblateError, match=r"study\.prediction differs .*'Less'.*study\.replan=true"):
        freeze(planned(tiny, "study.prediction=I knew it"), tmp_path)
    assert freeze(planned(tiny, "study.prediction=Less", "study.title=Best"), tmp_path).title == "Best"
    with pytest.raises(AblateError, match=r"another plan .*arms\.full\.config\.train\.lr"):
        freeze(planned(tiny, "train.lr=0.5"), tmp_path)


def test_a_new_plan_keeps_no_record_of_an_arm_that_it_configures_otherwise(
    tiny: tuple[str, ...], tmp_path: Path
) -> None:
    plan = freeze(planned(tiny), tmp_path)
    for arm in plan.arms:
        write_record(run_folder(tmp_path, arm, 0), found(arm))
    freeze(planned(tiny, "seeds=[0,1,2]"), tmp_path, replan=True)
    assert len(list(tmp_path.glob("runs/*/*/record.json"))) == len(plan.arms), "one more seed changes no arm"
    freeze(planned(tiny, "seeds=[0,1,2]", "train.lr=0.5"), tmp_path, replan=True)
    assert not list(tmp_path.glob("runs/*/*/record.json"))


def test_a_plan_that_was_changed_is_noticed(tiny: tuple[str, ...], tmp_path: Path) -> None:
    freeze(planned(tiny), tmp_path)
    path = tmp_path / "plan.json"
    whole = json.loads(path.read_text())
    whole["contrasts"][0]["weights"] = {"full": -1.0}
    path.write_text(json.dumps(whole))
    for read in (load_plan, load_study):
        with pytest.raises(DataError, match=r"plan\.json is not what was frozen"):
            read(tmp_path)
    path.write_text(json.dumps({**whole, "arms": None}))
    with pytest.raises(DataError, match="is damaged"):
        load_plan(tmp_path)


@pytest.mark.parametrize("number", [1, 99, None])
def test_a_plan_of_another_format_is_not_read(
    tiny: tuple[str, ...], tmp_path: Path, number: int | None
) -> None:
    plan = freeze(planned(tiny), tmp_path)
    write_record(run_folder(tmp_path, "full", 0), found())
    (tmp_path / "plan.json").write_text(json.dumps({**plan.to_json(), "format": number}))
    with pytest.raises(DataError, match=rf"format is {number}, this version reads 2.*study\.replan=true"):
        load_plan(tmp_path)
    with pytest.raises(AblateError, match=rf"format is {number}.*study\.replan=true"):
        freeze(plan, tmp_path)
    assert freeze(plan, tmp_path, replan=True) == load_plan(tmp_path)
    assert not list(tmp_path.glob("runs/*/*/record.json")), (
        "what another version recorded is taken from the store"
    )


def test_a_record_that_was_changed_is_noticed_by_the_report(make_tampered: Callable[..., Path]) -> None:
    def flip(folder: Path) -> None:
        path = folder / "record.json"
        path.write_text(path.read_text().replace('"acc": 0.7', '"acc": 0.9', 1))

    def strip(folder: Path) -> None:
        record = json.loads((folder / "record.json").read_text())
        del record["digest"]
        (folder / "record.json").write_text(json.dumps(record))

    def items(folder: Path) -> None:
        content = bytearray((folder / "items.parquet").read_bytes())
        content[len(content) // 3] ^= 4
        (folder / "items.parquet").write_bytes(content)

    for number, (change, message) in enumerate(
        [
            (flip, r"record\.json is not what the run wrote"),
            (strip, r"record\.json has no digest"),
            (items, r"items\.parquet is not what"),
            (lambda folder: (folder / "items.parquet").unlink(), r"items\.parquet is not what"),
        ]
    ):
        study = make_tampered(str(number))
        assert load_study(study).records
        change(run_folder(study, "full", 0))
        with pytest.raises(DataError, match=message):
            load_study(study)


@pytest.fixture
def make_tampered(tmp_path: Path, tiny: tuple[str, ...]) -> Callable[[str], Path]:
    """A planned study with one record and its items."""

    def make(name: str) -> Path:
        study = tmp_path / name
        freeze(planned(tiny), study)
        folder = run_folder(study, "full", 0)
        folder.mkdir(parents=True)
        (folder / "items.parquet").write_bytes(bytes(range(256)))
        write_record(folder, found())
        assert read_record(folder) == found()
        return study

    return make


ACCENT = "caf\u00e9"
TWINS = [
    ("C4", "c4"),
    (normalize("NFC", ACCENT), normalize("NFD", ACCENT)),
    ("a.", "a"),
    ("x" * 300, "x" * 301),
    ("stra\u00dfe", "strasse"),
    ("\u212a", "k"),
    ("a/b", "a-b"),
    ("é" * 200, "é" * 201),
    ("", "-"),
    ("..", "."),
]


@pytest.mark.parametrize("twins", TWINS)
def test_arms_never_share_a_folder_on_any_file_system(twins: tuple[str, str], tmp_path: Path) -> None:
    """Names as a file system that knows neither case nor the form of accents sees them (macOS, Windows)."""
    names = [run_folder(Path("s"), arm, 0).parent.name for arm in twins]
    assert len({normalize("NFKD", name).casefold().rstrip(". ") for name in names}) == 2
    for name in names:
        assert 0 < len(name.encode()) <= 255 and name not in (".", "..") and "/" not in name
        (tmp_path / name).mkdir()


def test_a_plain_name_is_its_own_folder() -> None:
    for arm in ("full", "without_c4_quality", "extraction=raw", "+language", "threshold=0.65"):
        assert run_folder(Path("s"), arm, 3) == Path("s") / "runs" / arm / "seed-3"


def test_a_record_of_other_texts_is_done_again(
    ablate: Run, here: Path, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"text": f"It rained all night over the old town, and line {n} says no more. " * 3} for n in range(40)
    ]
    path = here / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    texts = [o for o in tiny if not o.startswith(("pool.", "study=", "design.", "seeds="))]
    alone = [
        *texts,
        "study.name=one",
        "pool=files",
        f"pool.paths=[{path}]",
        "recipe=gopher",
        "evaluate=heldout",
        f"evaluate.heldout={path}",
        "seeds=[0]",
        "train.tokens=512",
    ]
    off = [
        f"stages.{name}.enabled=false"
        for name in ("language", "gopher_quality", "gopher_repetition", "decontamination", "minhash_dedup")
    ]
    assert ablate("run", *alone, *off) == 0
    (record,) = here.glob("studies/one-run/**/record.json")
    assert documents(record) == 40
    path.write_text("\n".join(map(json.dumps, rows[:25])))
    capsys.readouterr()
    assert ablate("run", *alone, *off) == 0
    assert "have changed since" in capsys.readouterr().out
    assert documents(record) == 25


def test_plans_keep_claims_and_refuse_unknown_names(tiny: tuple[str, ...]) -> None:
    plain = make_plan(compose([*tiny, "evaluate.claims=null"]))
    assert make_plan(compose(tiny)) == replace(plain, arms=make_plan(compose(tiny)).arms), (
        "the demo claims a stage that is not varied here: no claim, and no other plan"
    )
    stage = plain.contrasts[0].factor
    asked = make_plan(compose([*tiny, f"evaluate.claims={{leaked: [{stage}]}}"]))
    assert "claims" not in plain.to_json()["metrics"] and asked.metrics.claims == {"leaked": (stage,)}
    assert asked.digest != plain.digest
    assert planned_tests(asked) == planned_tests(plain) + 1
    with pytest.raises(
        ConfigError, match=rf"evaluate\.claims\.leaked: unknown stage '{stage}x': did you mean '{stage}'"
    ):
        make_plan(compose([*tiny, f"evaluate.claims={{leaked: [{stage}x]}}"]))
    with pytest.raises(ConfigError, match=r"evaluate\.claims\.leaked"):
        make_plan(compose([*tiny, f"evaluate.claims={{leaked: {stage}}}"]))


def test_what_describes_the_runs_is_in_the_digest_whatever_keys_the_commands_have(
    tiny: tuple[str, ...], tmp_path: Path
) -> None:
    """A key of the configuration that is set aside must not take a key of the plan of the same name with it."""
    freeze(planned(tiny), tmp_path)
    counted = counting(json.loads((tmp_path / "plan.json").read_text(encoding="utf-8")))
    described = {
        "format",
        "design",
        "arms",
        "reference",
        "factors",
        "chance",
        "seeds",
        "contrasts",
        "metrics",
        "stages",
    }
    assert described <= counted.keys()
