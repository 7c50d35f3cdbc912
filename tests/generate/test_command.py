"""`ablate generate` as a user runs it: seeds of the pool, files that it writes, what it refuses, and a study on top."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ablate.cli import main
from ablate.pool.testbed import prose
from ablate.pool.testbed.world import World

WORLD = World(0, 60, 16, 40)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A pool of articles and a recipe that only drops repeats."""
    monkeypatch.chdir(tmp_path)
    texts = ["\n\n".join(prose.article(Random(f"a{number}"), WORLD)) for number in range(12)]
    Path("real.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, texts[0]]))
    folder = Path("conf/recipe")
    folder.mkdir(parents=True)
    (folder / "plain.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /stages@stages.exact_dedup: exact_dedup\n"
        "recipe:\n  name: plain\n  order: null\n"
    )
    return [
        "--config-dir",
        "conf",
        "recipe=plain",
        "pool=files",
        "pool.paths=[real.jsonl]",
        "study.name=s",
        "workers=1",
        "teacher=testbed",
        "evaluate=heldout",
        "evaluate.heldout=real.jsonl",
    ]


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("studies/s/synthetic/synthetic.jsonl").read_text().splitlines()]


def test_it_writes_documents_a_page_and_what_other_tools_read(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *typed, "generate.questions=24"]) == 0
    made, out = rows(), capsys.readouterr().out
    assert (
        len(made) == 24
        and "24 of them new" in out
        and "seeds are not checked against evaluation tasks" in out
    )
    shown = [row["seeds"] for row in made]
    assert len(set(shown[:12])) == 12 and set(shown[12:]) == set(shown[:12]), (
        "each curated document once, then again"
    )
    names = {path.name for path in Path("studies/s/synthetic").iterdir()}
    assert names >= {"synthetic.jsonl", "SYNTHETIC.md", "generation.json", "croissant.json", "README.md"}
    assert json.loads(Path("studies/s/synthetic/generation.json").read_text())["complete"]
    assert main(["generate", *typed, "generate.questions=30"]) == 0
    assert rows()[:24] == made and "6 of them new" in capsys.readouterr().out
    where = "{_target_: ablate.pool.synthetic.Synthetic, path: studies/s/synthetic/synthetic.jsonl}"
    mixed = [one for one in typed if not one.startswith("pool")] + [
        "pool=mixed",
        "~pool.parts.pages",
        "pool.parts.texts.paths=[real.jsonl]",
        f"+pool.parts.synthetic={where}",
        "+stages@stages.well_formed=well_formed",
        "+stages@stages.seed_overlap=seed_overlap",
        "+stages@stages.rouge_dedup=rouge_dedup",
        "+stages@stages.sources=sources",
        "tokenizer.vocab_size=300",
    ]
    assert main(["inspect", "provenance", *mixed]) == 0
    found = json.loads(Path("studies/s/provenance.json").read_text())
    assert [(part["source"], part["term"]) for part in found] == [
        ("real", "unknown"),
        ("synthetic/textbook", "AlgorithmicMediaDigitalSource"),
    ]
    assert found[0]["kept"] == 12 and 0 < found[1]["kept"] < found[1]["documents"] <= 30
    assert sum(part["share"] for part in found) == pytest.approx(1.0)


def test_seeds_of_the_evaluation_are_refused_by_name(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    item = WORLD.leaked_items()[0]
    Path("tasks/leaked").mkdir(parents=True)
    Path("tasks/leaked/test.jsonl").write_text(json.dumps(item) + "\n")
    choices: Any = item["choices"]
    answer = choices[item["gold"]]
    Path("seeds.jsonl").write_text(
        "".join(json.dumps({"id": f"own-{n}", "instruction": f"Name {n} rivers."}) + "\n" for n in range(8))
        + json.dumps({"id": "stolen", "instruction": f"{item['query']} {answer}."})
        + "\n"
    )
    typed = [one for one in typed if not one.startswith("evaluate")]
    evaluate = ["evaluate=smooth", "evaluate.snapshot=tasks", "evaluate.tasks=[leaked]"]
    wanted = ["generate=self_instruct", "generate.seeds=seeds.jsonl", "generate.questions=5"]
    assert main(["generate", *typed, *evaluate, *wanted]) == 2
    said = capsys.readouterr().err
    assert "1 of 9 seeds stand in the evaluation tasks: stolen (leaked" in said
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("generate.max_cost=0", "generate.max_cost must be above 0"),
        ("generate.questions=0", "generate.questions must be in [1,"),
        ("generate.sampling.temperature=-1", "generate.sampling.temperature must be 0 or more"),
        ("generate.sampling.topp=1", "did you mean"),
        ("generate=texbook", "generate=texbook does not exist: did you mean 'textbook'?"),
        ("teacher.wrong=2", "teacher.wrong must be in [0, 1]"),
        ("generate=self_instruct teacher=anthropic", "teacher anthropic only understands chat"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(
    typed: list[str], capsys: pytest.CaptureFixture[str], override: str, said: str
) -> None:
    given = [one for one in typed if not (one == "teacher=testbed" and "teacher=" in override)]
    assert main(["generate", *given, *override.split()]) == 2
    assert said in capsys.readouterr().err
    assert not Path("studies").exists() and not Path("store").exists()


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--help"]) == 0
    said = capsys.readouterr().out
    for word in (
        "self_instruct",
        "textbook",
        "generate.max_cost",
        "only: synthetic",
        "answers_file",
        "Example: ablate generate",
    ):
        assert word in said
