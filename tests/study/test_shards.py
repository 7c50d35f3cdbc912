"""Seeds that draw documents, choices of stages and tokenizers: what a plan freezes, what runs do, what reports say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ablate.study.run as running
from ablate.compose import compose
from ablate.errors import AblateError, ConfigError
from ablate.study.chance import chance_of, draw_of
from ablate.study.plan import freeze, make_plan
from ablate.study.results import load_study
from ablate.study.schema import Plan

Run = Callable[..., int]


def planned(tiny: tuple[str, ...], *more: str) -> Plan:
    return make_plan(compose([*tiny, *more]))


def records(study: Path) -> dict[tuple[str, int], dict[str, Any]]:
    found = {}
    for path in study.glob("runs/*/*/record.json"):
        found[path.parts[-3], int(path.parts[-2].removeprefix("seed-"))] = json.loads(path.read_text())
    return found


def test_a_plan_without_shards_is_the_plan_it_always_was(tiny: tuple[str, ...], here: Path) -> None:
    plan = planned(tiny)
    assert plan.arms["full"].config["randomness"] == {
        "seed_offset": 0,
        "weights": None,
        "order": None,
        "subset": None,
    }
    said = planned(tiny, "randomness.pool=fixed", "randomness.stages=fixed", "randomness.tokenizer=fixed")
    assert said == plan


def test_the_number_of_shards_is_written_in_the_plan_and_stays_when_seeds_are_added(
    tiny: tuple[str, ...], here: Path
) -> None:
    first = planned(tiny, "randomness.pool=shard", "seeds=[0,1,2]")
    assert first.arms["full"].randomness["shards"] == 3
    freeze(first, here / "studies" / "demo")
    more = planned(tiny, "randomness.pool=shard", "seeds=[0,1,2,3,4]")
    assert more.arms == first.arms, "what was run stays valid"
    other = planned(tiny, "randomness.pool=shard", "seeds=[0,1,2,3,4]", "randomness.shards=5")
    with pytest.raises(AblateError, match=r"randomness\.shards: there 3, here 5"):
        freeze(replace(other, seeds=first.seeds), here / "studies" / "demo")
    shards = [draw_of(more.arms["full"], seed).shard for seed in (0, 2, 3, -1)]
    assert [str(shard) for shard in shards] == [
        "shard 0 of 3",
        "shard 2 of 3",
        "shard 0 of 3",
        "shard 2 of 3",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("randomness.pool=shards", r"randomness\.pool must be one of fixed, shard, got the text 'shards'"),
        ("randomness.stages=shard", r"randomness\.stages must be one of fixed, run, got the text 'shard'"),
        ("randomness.shards=3", r"randomness\.shards is only for randomness\.pool=shard"),
        (
            "design.factors={pool: {randomness.pool: [fixed, shard]}}",
            r"randomness\.pool cannot be varied within a study",
        ),
        (
            "design.factors={t: {randomness.tokenizer: [fixed, run]}}",
            r"randomness\.tokenizer cannot be varied",
        ),
    ],
)
def test_what_cannot_be_is_refused(tiny: tuple[str, ...], here: Path, change: str, message: str) -> None:
    given = tuple(
        o for o in tiny if not (change.startswith("design.factors") and o.startswith("design.factors"))
    )
    with pytest.raises(ConfigError, match=message):
        planned(given, change)
    with pytest.raises(ConfigError, match=r"randomness\.shards must be 1 or more, got 0"):
        planned(tiny, "randomness.pool=shard", "randomness.shards=0")


@pytest.fixture
def letters(here: Path) -> tuple[str, ...]:
    """Overrides of a pool of 60 texts from six source files, one of which has half of them."""
    (here / "texts").mkdir()
    counts = {"a": 30, "b": 6, "c": 6, "d": 6, "e": 6, "f": 6}
    for name, count in counts.items():
        lines = [
            json.dumps({"text": f"Letter {name} {n} tells of the weather in the old town."})
            for n in range(count)
        ]
        (here / "texts" / f"{name}.jsonl").write_text("\n".join(lines))
    return ("pool=files", "pool.paths=[texts/*.jsonl]", "stages.extraction.enabled=false")


def test_a_plan_refuses_empty_shards_and_warns_of_unequal_ones(
    ablate: Run, tiny: tuple[str, ...], letters: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    study = tuple(o for o in tiny if not o.startswith("pool."))
    heldout = (
        "evaluate=heldout",
        "evaluate.heldout=texts/a.jsonl",
        "evaluate.claims=null",
        "stages.decontamination.enabled=false",
    )
    common = (*study, *letters, *heldout, "randomness.pool=shard")
    assert ablate("plan", *common, "randomness.shards=40") == 2
    assert "shards hold no document" in (told := capsys.readouterr().err) and "6 hosts or sources" in told
    assert ablate("plan", *common, "randomness.shards=2", "seeds=[0,1,2]") == 0
    told = capsys.readouterr().out
    assert "shards are unequal" in told and "source a, has 30 of 60" in told
    assert "seeds that share a shard: 0, 2." in told
    assert (
        "seeds vary: initial weights, order of documents" in told
        and "documents (2 shards of the pool" in told
    )


@pytest.mark.slow
def test_a_sharded_study_covers_the_pool_and_goes_on_when_seeds_are_added(
    ablate: Run,
    here: Path,
    tiny: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = here / "studies" / "demo"
    shared = (
        *tiny,
        "randomness.pool=shard",
        "randomness.shards=3",
        "design.factors=[language,minhash_dedup]",
    )
    assert ablate("sweep", *shared) == 0
    first = {path: path.read_bytes() for path in study.glob("runs/*/*/record.json")}
    assert ablate("sweep", *shared, "seeds=[0,1,2]", "study.replan=true") == 0
    assert all(path.read_bytes() == content for path, content in first.items())
    found = records(study)
    came_in = {run: record["corpus"]["funnel"][0]["documents"] for run, record in found.items()}
    for arm in ("full", "without_language", "without_minhash_dedup"):
        assert sum(came_in[arm, seed] for seed in range(3)) == 160, "three shards are the pool"
        assert all(came_in[arm, seed] == came_in["full", seed] for seed in range(3)), (
            "arms of a seed share theirs"
        )
    report = (study / "REPORT.md").read_text()
    assert "documents (3 shards of the pool, by host or source file)" in report
    assert "**Held fixed**: tokenizer, choices of deduplication, items." in report
    assert "| input | 160 |" in report, "the funnel is that of all shards together"
    loaded = load_study(study)
    assert len(loaded.draws("full")) == 3
    # The whole pool's measurements are in the store; another number of shards trains other runs.
    monkeypatch.setattr(running, "train_runs", lambda *_: pytest.fail("a run was trained again"))
    assert ablate("sweep", *shared, "seeds=[0,1,2]") == 0


@pytest.mark.slow
def test_one_shard_is_the_same_runs_as_a_fixed_pool(ablate: Run, here: Path, tiny: tuple[str, ...]) -> None:
    alone = (*tiny, "design.factors=[language]", "seeds=[0]")
    assert ablate("sweep", *alone, "study.name=fixed") == 0
    assert ablate("sweep", *alone, "study.name=sharded", "randomness.pool=shard") == 0
    one, other = (records(here / "studies" / name) for name in ("fixed", "sharded"))
    assert {run: r["run"] for run, r in one.items()} == {run: r["run"] for run, r in other.items()}


@pytest.mark.slow
def test_choices_of_stages_and_the_tokenizer_follow_the_seed(
    ablate: Run, here: Path, tiny: tuple[str, ...]
) -> None:
    """Seed 0 is what the stages and the tokenizer have of their own, so its run is that of a fixed study."""
    # A sample that is a part of the text, so that it can be another part.
    alone = (*tiny, "design.factors=[language]", "tokenizer.sample_bytes=50_000")
    follow = ("randomness.stages=run", "randomness.tokenizer=run")
    assert ablate("sweep", *alone, "study.name=fixed") == 0
    assert ablate("sweep", *alone, "study.name=run", *follow) == 0
    assert ablate("sweep", *alone, "study.name=stages", follow[0]) == 0
    fixed, both, stages = (records(here / "studies" / name) for name in ("fixed", "run", "stages"))
    assert both["full", 0]["run"] == fixed["full", 0]["run"] == stages["full", 0]["run"]
    assert len({r["full", 1]["run"] for r in (fixed, both, stages)}) == 3
    kept = [r["full", 1]["corpus"]["key"] for r in (fixed, both, stages)]
    assert kept[0] != kept[1] == kept[2], "other copies survive; the tokenizer changes no text"
    chance = chance_of(load_study(here / "studies" / "run").plan)
    assert chance is not None and {"tokenizer", "choices of deduplication"} <= set(chance.varied)
    assert chance.fixed == ("the pool of documents", "items")


def test_a_classifier_of_each_seed_is_asked_for_when_planning(
    tiny: tuple[str, ...], here: Path, student_folder: str
) -> None:
    with_it = (
        *tiny,
        "+stages@stages.classifier_quality=classifier_quality",
        'stages.classifier_quality.model="students/{seed}"',
    )
    with pytest.raises(ConfigError, match=r"classifier_quality\.model: \{seed\}.*randomness\.stages=run"):
        planned(with_it)
    shutil.copytree(student_folder, here / "students" / "0")
    with pytest.raises(ConfigError, match=r"stages\.classifier_quality\.model: no .* in students/1"):
        planned(with_it, "randomness.stages=run")
    shutil.copytree(student_folder, here / "students" / "1")
    chance = chance_of(planned(with_it, "randomness.stages=run"))
    assert chance is not None and "classifier" in chance.varied


def test_gains_are_paired_where_a_seed_draws_the_documents(tiny: tuple[str, ...], here: Path) -> None:
    """Also where every arm has weights of its own: the arms of a seed share its shard, and stages may depend on it."""
    rest = [o for o in tiny if not o.startswith("design")]
    factorial = (*rest, "design=full_factorial", "design.factors=[language,pii]", "design.own_seeds=true")
    assert planned(factorial).pairing == "unpaired"
    sharded = planned(factorial, "randomness.pool=shard")
    assert sharded.pairing == "paired"
    freeze(sharded, here / "studies" / "demo")
    study = load_study(here / "studies" / "demo")
    assert {study.method(contrast.weights) for contrast in study.contrasts} == {"paired"}
    assert {str(draw_of(arm, 1).shard) for arm in sharded.arms.values()} == {"shard 1 of 2"}
