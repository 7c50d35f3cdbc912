"""Parts that live outside the package: what a newcomer writes of each kind, found by the configuration and held to its contract."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablate.benchmarks.snapshot import read_snapshot, references
from ablate.cli import main
from ablate.compose import compose, open_hydra
from ablate.config import make, make_pool, make_stages, plain
from ablate.errors import AblateError, DataError
from ablate.estimand.base import load_estimand
from ablate.evaluate.building import build
from ablate.evaluate.tasks import find_tasks
from ablate.report.section import load_section
from ablate.study.plan import load_plan
from ablate.testing import (
    ContractError,
    check_estimand,
    check_report_section,
    check_source,
    check_stage,
    check_student,
    check_task_kind,
    check_teacher,
    check_tracker,
    check_view,
)

OUTSIDE = Path(__file__).parent / "outside"
ROWS = {
    "stage": "a stage",
    "source": "a source of documents",
    "teacher": "a teacher",
    "student": "a student",
    "tracker": "a tracker",
    "task_kind": "a task kind",
    "view": "a view of `ablate inspect`",
    "design": "a design",
    "estimand": "an estimand",
    "section": "a section of the report",
}
"""Folder of an example -> its row in CONTRIBUTING.md."""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The folder of an example, on Python's path as a user's own folder would be."""
    folder = OUTSIDE / str(request.param)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return folder


def composed(own: Path, *overrides: str) -> Any:
    return compose(["pool=testbed", "study.name=own", *overrides], open_hydra(str(own)))


@pytest.mark.parametrize("kind", sorted(path.name for path in OUTSIDE.iterdir() if path.is_dir()))
def test_an_example_has_as_many_files_as_contributing_says(kind: str) -> None:
    files = [path for path in (OUTSIDE / kind).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    said = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    row = re.search(rf"^\| {re.escape(ROWS[kind])} \|.*\| (\d) \|", said, re.MULTILINE)
    assert row and int(row[1]) == len(files)


@pytest.mark.parametrize("own", ["stage"], indirect=True)
def test_a_stage(own: Path) -> None:
    config = composed(own, "recipe=c4", "+stages@stages.capitals=capitals", "stages.capitals.max_share=0.5")
    stage = make_stages({key: plain(config[key]) for key in ("recipe", "stages")})[-1]
    assert (stage.name, stage.max_share) == ("capitals", 0.5)
    assert stage.decide(stage.measure_many(["BUY now", "BUY NOW", "buy", ""])).code.tolist() == [0, 1, 0, 0]
    check_stage(stage, texts=["BUY NOW", "Buy Now"], examples=5)


@pytest.mark.parametrize("own", ["stage"], indirect=True)
def test_a_stage_is_varied_like_any_other(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages.jsonl").write_text('{"text": "BUY NOW"}\n{"text": "It rained."}\n')
    given = [
        "study.name=own", "pool=files", "pool.paths=[pages.jsonl]", "recipe=c4", "+stages@stages.capitals=capitals",
        "evaluate=heldout", "evaluate.heldout=pages.jsonl", "design.factors=[capitals]", "plan.probe=false",
    ]  # fmt: skip
    assert main(["plan", "--config-dir", str(own), *given]) == 0
    assert "without_capitals" in capsys.readouterr().out


@pytest.mark.parametrize("own", ["design"], indirect=True)
def test_a_design(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages.jsonl").write_text('{"text": "It rained."}\n')
    given = [
        "study.name=own", "pool=files", "pool.paths=[pages.jsonl]", "recipe=c4", "design=ends", "plan.probe=false",
        "evaluate=heldout", "evaluate.heldout=pages.jsonl", "design.factors=[language,line_dedup]",
    ]  # fmt: skip
    assert main(["plan", "--config-dir", str(own), *given]) == 0
    assert "2 arms" in capsys.readouterr().out


@pytest.mark.parametrize("own", ["estimand"], indirect=True)
@pytest.mark.parametrize("by", ["file", "module"])
def test_an_estimand(
    own: Path, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of its one file, by what `estimands` names alone: frozen by a plan, under that name."""
    monkeypatch.chdir(tmp_path)
    named = "mine/without_both.py:WithoutBoth" if by == "file" else "without_both.WithoutBoth"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "without_both.py").write_bytes((own / "without_both.py").read_bytes())
    check_estimand(load_estimand(named))
    (tmp_path / "pages.jsonl").write_text('{"text": "It rained."}\n')
    given = [
        "study.name=own",
        "pool=files",
        "pool.paths=[pages.jsonl]",
        "recipe=c4",
        "design=full_factorial",
        "plan.probe=false",
        "evaluate=heldout",
        "evaluate.heldout=pages.jsonl",
        "design.factors=[language,line_dedup]",
        f"estimands=[main_effect,{named}]",
    ]
    assert main(["plan", *given]) == 0
    assert f"reported: main_effect, {named}" in capsys.readouterr().out
    assert main(["plan", *given[:-1], "estimands=[main_effect,mine/nowhere.py:WithoutBoth]"]) == 2
    assert "mine/nowhere.py is not a file" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["section"], indirect=True)
@pytest.mark.parametrize("by", ["file", "module"])
def test_a_section_of_the_report(
    own: Path, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of its one file, named for one report or in the plan; one that is gone or wrong leaves the rest of the report whole."""
    monkeypatch.chdir(tmp_path)
    named = "mine/ranking.py:Ranking" if by == "file" else "ranking.Ranking"
    Path("mine").mkdir()
    Path("mine/ranking.py").write_bytes((own / "ranking.py").read_bytes())
    check_report_section(load_section(named))
    arms = {"full": 0.5, "without_a": 0.2, "without_b": 0.4}
    lines = [f"{arm},{seed},t,acc,{score + seed / 100}" for arm, score in arms.items() for seed in (0, 1)]
    Path("scores.csv").write_text("\n".join(["arm,seed,task,metric,score", *lines]))
    given = ["study.name=theirs", "results.csv=scores.csv", "results.reference=full"]
    assert main(["import", *given]) == 0
    report = Path("studies/theirs/REPORT.md")
    bare = report.read_text()
    assert "Which stage is worth most" not in bare
    assert main(["import", *given, f"study.sections=[{named}]"]) == 0
    section = report.read_text().partition("## Which stage is worth most\n\n")[2].partition("\n\n##")[0]
    ranked = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()[2:]]
    # Each arm against full, in the scores: -0.1 without b and -0.3 without a, to four digits.
    assert [(place, gain) for place, _, gain in ranked] == [("1", "-0.1000"), ("2", "-0.3000")]
    assert report.read_text().replace(f"## Which stage is worth most\n\n{section}\n\n", "") == bare
    Path("mine/bad.py").write_text(
        "from ablate.report.section import Section\n\n\nclass Bad(Section):\n    title = 'Bad'\n\n"
        "    def paragraphs(self, study, rows):\n        return [1 / 0]\n"
    )
    assert main(["report", "study.name=theirs", "study.sections=[mine/bad.py:Bad,gone.py:Gone]"]) == 0
    told = report.read_text()
    assert (
        "## Bad\n\nThis section could not be made: ZeroDivisionError: division by zero, line 8 of mine/bad.py"
        in told
    )
    assert (
        "## gone.py:Gone\n\nThis section could not be made: ConfigError: study.sections: gone.py is not a file"
        in told
    )
    with pytest.raises(ContractError, match=r"Bad, in a study with three arms.*it raises ZeroDivisionError"):
        check_report_section(load_section("mine/bad.py:Bad"))
    Path("pages.jsonl").write_text('{"text": "It rained."}\n')
    plan = [
        "plan", "study.name=own", "pool=files", "pool.paths=[pages.jsonl]", "recipe=c4", "evaluate=heldout",
        "evaluate.heldout=pages.jsonl", "design.factors=[language]", "plan.probe=false",
    ]  # fmt: skip
    assert main([*plan, f"study.sections=[{named}]"]) == 0
    assert load_plan(Path("studies/own")).sections == (named,)
    before = load_plan(Path("studies/own")).digest
    assert main(plan) == 0, "sections are no part of what a plan is"
    assert load_plan(Path("studies/own")).digest == before
    capsys.readouterr()
    assert main([*plan, "study.sections=[mine/ranking.py:Rank]"]) == 2
    assert "study.sections: mine/ranking.py has no 'Rank'" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["source"], indirect=True)
def test_a_source(own: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.\n\nTwo,\ntoo.\n\n \n\nThree.")
    config = composed(own, "pool=paragraphs", f"pool.path={tmp_path / 'a.txt'}")
    source = make_pool(config.pool)
    assert [getattr(item, "text", None) for item in source.documents()] == [
        "One.",
        "Two,\ntoo.",
        None,
        "Three.",
    ]
    check_source(source)


@pytest.mark.parametrize("own", ["teacher"], indirect=True)
def test_a_teacher(own: Path) -> None:
    check_teacher(make(composed(own, "teacher=long_words", "teacher.letters=5").teacher, "teacher"))


@pytest.mark.parametrize("own", ["student"], indirect=True)
def test_a_student(own: Path) -> None:
    check_student(make(composed(own, "student=average_length").student, "student"))


@pytest.mark.parametrize("own", ["task_kind"], indirect=True)
def test_a_task_kind(own: Path, tmp_path: Path) -> None:
    """Its items are asked as lm-eval asks BoolQ's, and a leaked copy of one is question and right answer."""
    row = {"passage": "Water is wet.", "question": "is water wet", "answer": True}
    named = yaml.safe_load((own / "passages" / "kind.yaml").read_text())
    check_task_kind(make(named, "kind"), [row, {**row, "answer": False}])
    shutil.copytree(own / "passages", tmp_path / "passages")
    items = tmp_path / "passages" / "test.jsonl"
    items.write_text(json.dumps(row) + "\n")
    (task,) = read_snapshot(tmp_path, ["passages"])
    prompt = "Water is wet.\nQuestion: is water wet?\nAnswer:"
    assert task.items == ({"id": "test-1", "query": prompt, "choices": ["false", "true"], "gold": 1},)
    assert [found.with_answer for found in references(tmp_path, ["passages"])] == [f"{prompt} true"]
    (source,) = find_tasks(["passages"], snapshot=str(tmp_path), limit=None, store=None)
    (asked,) = build(source).documents
    assert [request.args for request in asked] == [(prompt, " false"), (prompt, " true")]
    items.write_text(json.dumps({**row, "answer": "yes"}) + "\n")
    with pytest.raises(DataError, match=r"test\.jsonl.*answer must be true or false, got 'yes'"):
        read_snapshot(tmp_path, ["passages"])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("_target_: yes_or_no.Nothing", "cannot import 'yes_or_no.Nothing'"),
        ("_target_: ablate.testing.contract.ContractError", "must name a dataclass"),
        ("_target_: ablate.settings.RecipeConfig", "is no TaskKind"),
        ("_target_: yes_or_no.YesOrNo\nmaybe: x", r"\.maybe does not exist"),
        ("_target_: [", "not YAML"),
        ("_target_: yes_or_no.YesOrNo\nyes: x", "keys must be text, got True"),
        ("[]", "expected _target_"),
    ],
)
@pytest.mark.parametrize("own", ["task_kind"], indirect=True)
def test_a_task_kind_that_cannot_be_is_refused_with_its_file(
    own: Path, kind: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "passages").mkdir()
    (tmp_path / "passages" / "test.jsonl").write_text("{}\n")
    (tmp_path / "passages" / "kind.yaml").write_text(kind)
    with pytest.raises(AblateError, match=rf"kind\.yaml.*{said}"):
        read_snapshot(tmp_path, ["passages"])


@pytest.mark.parametrize("own", ["tracker"], indirect=True)
def test_a_tracker(own: Path, tmp_path: Path) -> None:
    node = composed(own, "tracker=json_lines", f"study.dir={tmp_path}").tracker
    folder = Path(node.path)

    def shown() -> list[str]:
        return [json.loads(path.read_text())["id"] for path in folder.glob("*.json")]

    check_tracker(lambda: make(node, "tracker"), shown)
    whole = json.loads((folder / "check-without_a-0.json").read_text())
    assert [point["tokens"] for point in whole["points"]] == [5, 10, 15] and whole["status"] == "done"


@pytest.mark.parametrize("own", ["view"], indirect=True)
@pytest.mark.parametrize("name", ["file", "module"])
def test_a_view(own: Path, name: str, tmp_path: Path) -> None:
    pages = tmp_path / "pages.jsonl"
    pages.write_text("".join(json.dumps({"text": "word" * count}) + "\n" for count in (1, 2, 4)))
    overrides = [
        "pool=files",
        f"pool.paths=[{pages}]",
        "recipe=c4",
        "evaluate=heldout",
        f"evaluate.heldout={pages}",
        "workers=1",
        *(f"stages.{stage}.enabled=false" for stage in ("language", "c4_quality")),
    ]
    asked = str(own / "lengths.py") if name == "file" else "views_of_mine.lengths"
    if name == "module":
        (tmp_path / "views_of_mine").mkdir()
        (tmp_path / "views_of_mine" / "lengths.py").write_text((own / "lengths.py").read_text())
        sys.path.insert(0, str(tmp_path))
    try:
        shown = check_view(asked, overrides, folder=tmp_path / "shown")
    finally:
        if name == "module":
            sys.path.remove(str(tmp_path))
    assert "3 documents are kept; half have 8 characters or fewer" in shown
