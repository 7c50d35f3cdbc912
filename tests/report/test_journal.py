"""What a study's history leaves of its plan: seeds added after a look, a headline that was changed, gains named late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.design.base import ContrastSpec
from ablate.errors import DataError
from ablate.report.effects_table import effects_table
from ablate.report.page import write_report
from ablate.study.journal import JOURNAL, Entry, gain_key, note_plan, read_journal, seeds_seen, standing
from ablate.study.results import load_study
from ablate.study.schema import Arm, Headline, Plan

METRICS = Headline(primary="acc", aggregate=None, average_last=1)
GAINS = tuple(
    ContrastSpec(name, "on", "off", "leave_one_out", {"full": 1.0, f"without_{name}": -1.0}) for name in "ab"
)


def plan(seeds: int | list[int], metrics: Headline = METRICS, gains: int = 2) -> Plan:
    seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
    arms = {name: Arm(name=name, levels={}, config={}) for name in ("full", "without_a", "without_b")}
    return Plan(
        study="study",
        title="",
        question="",
        prediction="",
        design="leave_one_out",
        arms=arms,
        reference="full",
        factors=(),
        seeds=tuple(seeds),
        contrasts=GAINS[:gains],
        metrics=metrics,
        stages=(),
        tracker={},
    )


def entry(of: Plan, seen: int) -> Entry:
    keys = tuple(gain_key(gain) for gain in of.contrasts)
    return Entry(of.digest, of.seeds, of.metrics, keys, tuple(range(seen)))


def test_a_plan_made_once_is_taken_at_its_word() -> None:
    for entries in ([], [entry(plan(5), 0)], [entry(plan(3), 0), entry(plan(5), 0)]):
        found = standing(plan(5), entries)
        assert (found.looks, found.changed) == ((5,), "")


def test_seeds_added_after_a_look_make_the_study_sequential() -> None:
    entries = [entry(plan(3), 0), entry(plan(5), 3), entry(plan(8), 5)]
    assert standing(plan(8), entries).looks == (3, 5, 8)
    # The seeds of the first look come first, wherever the plan puts them.
    assert standing(plan([7, 6, 0, 1, 2]), [entry(plan(3), 0), entry(plan([7, 6, 0, 1, 2]), 3)]).seeds == (
        0,
        1,
        2,
        7,
        6,
    )


def test_another_headline_after_the_runs_is_exploration() -> None:
    other = replace(METRICS, primary="bpb")
    assert (
        "headline was changed"
        in standing(plan(3, other), [entry(plan(3), 0), entry(plan(3, other), 3)]).changed
    )
    assert standing(plan(3, other), [entry(plan(3), 0), entry(plan(3, other), 0)]).changed == "", (
        "nothing was seen yet"
    )


def test_dropping_a_seed_that_was_seen_is_no_claim() -> None:
    assert (
        "seeds 0 were dropped" in standing(plan([1, 2]), [entry(plan(3), 0), entry(plan([1, 2]), 1)]).changed
    )


def test_a_gain_named_after_the_runs_is_not_among_the_claims() -> None:
    found = standing(plan(3, gains=2), [entry(plan(3, gains=1), 0), entry(plan(3, gains=2), 3)])
    assert found.gains == {gain_key(GAINS[0])}
    assert "before the first plan" in standing(plan(3), [entry(plan(3), 3)]).changed


def test_the_journal_is_kept_beside_the_plan(tmp_path: Path) -> None:
    note_plan(plan(2), tmp_path, seeds_seen(tmp_path))
    note_plan(plan(2), tmp_path, seeds_seen(tmp_path))
    for arm in ("full", "without_a"):
        (tmp_path / "runs" / arm / "seed-1").mkdir(parents=True)
        (tmp_path / "runs" / arm / "seed-1" / "record.json").write_text("{}")
    note_plan(plan(4), tmp_path, seeds_seen(tmp_path))
    assert [(len(one.seeds), one.seen) for one in read_journal(tmp_path)] == [(2, ()), (4, (1,))]
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"digest": 3}\n')
    with pytest.raises(DataError, match=r"plans\.jsonl, line 3"):
        read_journal(tmp_path)


def test_a_report_uses_the_looks_that_were_had(make_study: Callable[..., Any]) -> None:
    scores = {
        "full": [0.7, 0.74, 0.72, 0.71],
        "without_a": [0.5, 0.53, 0.53, 0.5],
        "without_b": [0.71, 0.72, 0.74, 0.7],
    }
    study = make_study(scores)
    alone = {row.factor: row for row in effects_table(study) if row.task == "quiz" and row.metric == "acc"}
    early = replace(study.plan, seeds=(0, 1))
    note_plan(early, study.folder, ())
    note_plan(study.plan, study.folder, (0, 1))
    again = load_study(study.folder)
    rows = {row.factor: row for row in effects_table(again) if row.task == "quiz" and row.metric == "acc"}
    assert again.looks is not None and again.looks.seeds == (2, 4)
    assert rows["a"].method == "sequential" != alone["a"].method
    assert rows["a"].p_value > alone["a"].p_value
    write_report(again)
    page = (again.folder / "REPORT.md").read_text()
    assert "**Seeds were added**" in page and "The 5 % are this report's" in page

    note_plan(
        replace(study.plan, metrics=replace(study.plan.metrics, primary="bpb")),
        study.folder,
        (0, 1, 2, 3),
    )
    (study.folder / JOURNAL).write_text(
        "\n".join((study.folder / JOURNAL).read_text().splitlines()[1:]) + "\n"
    )
    assert "runs existed before the first plan" in load_study(study.folder).history.changed
