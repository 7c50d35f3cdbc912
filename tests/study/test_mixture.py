"""A mixture as its user meets it: a factor, a dose, in the record, in the report, and nowhere where it is not asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ablate.pool.digital_source import RULE_MADE
from ablate.pool.testbed import prose
from ablate.pool.testbed.world import World

Run = Callable[..., int]
BASE = (
    "study.name=mix", "pool=files", "pool.paths=[real.jsonl,made.jsonl]", "recipe=c4", "stages.c4_quality.enabled=false", "stages.language.enabled=false",
    "stages.line_dedup.enabled=false", "evaluate=heldout",
    "evaluate.heldout=held.txt", "tokenizer.vocab_size=300", "proxy=tiny", "proxy.hidden_size=16", "proxy.layers=1", "proxy.heads=2",
    "proxy.intermediate_size=32", "proxy.context=32", "train.tokens=8192", "train.batch_tokens=256", "train.evaluations=[0.5,1.0]",
    "seeds=[0,1]", "workers=1", "plan.probe=false",
)  # fmt: skip


@pytest.fixture
def two_sources(here: Path) -> Path:
    """40 real documents and a generated one ones."""
    world = World(0, 6, 6, 4)
    for name, count, more in (
        ("real", 40, {}),
        ("made", 1, {"source": "synthetic/textbook", "digital_source_type": RULE_MADE}),
    ):
        lines = [
            {"text": "\n\n".join(prose.article(Random(f"{name} {n}"), world)), **more} for n in range(count)
        ]
        (here / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (here / "held.txt").write_text(" ".join(prose.article(Random("held"), world)))
    return here


def records(folder: Path) -> dict[str, dict]:
    return {
        path.parts[-3]: json.loads(path.read_text())
        for path in folder.glob("studies/mix/runs/*/seed-0/record.json")
    }


def test_a_share_is_a_dose_and_its_repeats_are_said_loudly(
    ablate: Run, two_sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dose = (
        "design=dose",
        "design.factors={synthetic: {mixture.synthetic: [0.5, 0, 0.25]}}",
        "mixture={synthetic: 0.5}",
    )
    assert ablate("sweep", *BASE, *dose) == 0
    assert "MORE THAN 4: repeats cost" in capsys.readouterr().out
    found = {
        name: record["record"]["corpus"] if "record" in record else record["corpus"]
        for name, record in records(two_sources).items()
    }
    assert len(found) == 3
    for name, corpus in found.items():
        share = float(name.rpartition("=")[2])
        synthetic, rest = corpus["mixture"]
        assert (synthetic["name"], rest["name"]) == ("synthetic", "rest")
        assert abs(synthetic["tokens"] - share * 8192) <= 32 and synthetic["tokens"] + rest["tokens"] == 8192
        assert synthetic["documents"] == 1 and rest["documents"] == 40
        assert synthetic["unique_tokens"] + rest["unique_tokens"] == corpus["unique_tokens"]
    assert len({json.dumps(corpus["key"]) for corpus in found.values()}) == 1, (
        "one corpus, three ways to read it"
    )
    report = (two_sources / "studies" / "mix" / "REPORT.md").read_text()
    assert "**Repeated more than 4 times**" in report and "`synthetic=0.5` reads `synthetic`" in report
    # A second time nothing is trained; another share is another run.
    assert ablate("sweep", *BASE, *dose) == 0
    assert "6 already done" in capsys.readouterr().out


def test_an_arm_without_a_mixture_is_what_it_was_before_there_were_any(
    ablate: Run, two_sources: Path
) -> None:
    assert ablate("plan", *BASE, "design=single") == 0
    plan = json.loads((two_sources / "studies" / "mix" / "plan.json").read_text())
    assert "mixture" not in plan["arms"]["arm"]["config"]


def test_with_the_other_budget_a_share_is_added(ablate: Run, two_sources: Path) -> None:
    factors = "design.factors={synthetic: {mixture.synthetic: [0.2, 0]}}"
    assert (
        ablate(
            "sweep", *BASE, "design=dose", factors, "mixture={synthetic: 0.2}", "budget=source", "seeds=[0]"
        )
        == 0
    )
    read = {
        name: {part["name"]: part["tokens"] for part in record["corpus"]["mixture"]}
        for name, record in records(two_sources).items()
    }
    one, none = read["synthetic=0.2"], read["synthetic=0"]
    assert none["synthetic"] == 0
    assert abs(one["rest"] - none["rest"]) <= 256, "as many real tokens, to a batch"
    assert abs(one["synthetic"] / sum(one.values()) - 0.2) < 0.01


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["mixture={synthetc: 0.2}"],
            "mixture.synthetc=0.2: the corpus has no such document: did you mean 'synthetic'?",
        ),
        (["mixture={synthetic: 1.2}"], "mixture.synthetic must be a share in [0, 1], got 1.2"),
        (["mixture={synthetic: true}"], "mixture.synthetic must be a number, got true"),
        (
            ["mixture={synthetic: 0.2}", "train.branch_from=reference"],
            "mixture is not for train.branch_from=reference",
        ),
    ],
)
def test_a_mixture_that_cannot_be_is_refused_before_anything_runs(
    ablate: Run, two_sources: Path, overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate("plan", *BASE, "design=single", *overrides) == 2
    assert said in capsys.readouterr().err


def test_random_mixtures_are_a_design(ablate: Run, two_sources: Path) -> None:
    factors = "design.factors={synthetic: {mixture.synthetic: {from: 0, to: 1, points: 11}}}"
    assert (
        ablate(
            "plan", *BASE, "mixture={synthetic: 0.3}", "design=mixtures", "design.method.n_arms=5", factors
        )
        == 0
    )
    plan = json.loads((two_sources / "studies" / "mix" / "plan.json").read_text())
    drawn = [arm["config"]["mixture"]["synthetic"] for arm in plan["arms"].values()]
    assert drawn[0] == 0.3 and len(set(drawn)) == 5 and all(0 <= share <= 1 for share in drawn)


def test_provenance_gives_share_and_epochs_of_each_source(ablate: Run, two_sources: Path) -> None:
    assert ablate("inspect", "provenance", *BASE, "mixture={synthetic: 0.25}") == 0
    parts = json.loads((two_sources / "studies" / "mix" / "provenance.json").read_text())
    made = next(part for part in parts if part["source"] == "synthetic/textbook")
    assert abs(made["share"] - 0.25) < 32 / 8192
    assert made["epochs"] == pytest.approx(0.25 * 8192 / made["tokens"], rel=0.02)
