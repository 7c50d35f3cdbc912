"""What each kind of table says, from a study that was counted by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from ablate.errors import ConfigError
from ablate.summary.model import Summary, from_dict
from ablate.tables.asked import Asked
from ablate.tables.kinds import kinds, make_table
from ablate.tables.model import MISSING, Cell, Table, decimals_of, number, written
from ablate.testing.summary import made_study

MakeSummary = Callable[..., Summary]


def row(table: Table, name: str) -> dict[str, Cell]:
    (line,) = [line for line in table.rows if line[0].text == name]
    return {column.head: cell for column, cell in zip(table.columns, line, strict=True)}


def test_arms_have_mean_and_standard_error_and_the_group_of_the_best_is_bold(
    make_summary: MakeSummary,
) -> None:
    table = make_table("arms", make_summary())
    full = row(table, "full")["quiz"]
    assert full.value == pytest.approx(0.51)
    assert full.error == pytest.approx(0.01 / math.sqrt(3))  # seeds 0.50, 0.52, 0.51: sd 0.01
    assert (full.number, full.spread, full.n) == ("0.5100", "0.0058", 3)
    # Two of three arms are the same runs, so the group has two of three: more than half, and nothing is bold.
    assert not any(cell.bold for line in table.rows for cell in line)
    assert any("more than half" in note and "quiz" in note for note in table.notes)
    four = make_summary(
        ("full", "x", "y", "z"),
        ((0.50, 0.52, 0.51), (0.40, 0.43, 0.40), (0.41, 0.42, 0.41), (0.40, 0.42, 0.42)),
    )
    bold = {line[0].text for line in make_table("arms", four).rows if line[1].bold}
    assert bold == {"full"}
    best = make_table("arms", make_summary(), Asked(bold="best"))
    assert [line[1].bold for line in best.rows] == [True, False, True]
    none = make_table("arms", make_summary(), Asked(bold="none"))
    assert not any(line[1].bold for line in none.rows)


def test_gains_are_turned_marked_and_beside_them_stands_what_was_removed(make_summary: MakeSummary) -> None:
    table = make_table("gains", make_summary())
    a, b = row(table, "a"), row(table, "b")
    assert (a["gain"].number, a["gain"].mark, a["95 % interval"].interval) == (
        "+0.1000",
        "*",
        "[+0.0800, +0.1200]",
    )
    assert a["text removed"].value == pytest.approx(40.0)  # 1000 bytes, then 600
    assert a["curation"].value == pytest.approx(1.5)
    assert (b["gain"].number, b["95 % interval"].text) == ("0", MISSING)
    assert any("same texts" in note for note in table.notes)


def test_stages_tell_the_score_without_each(make_summary: MakeSummary) -> None:
    table = make_table("stages", make_summary())
    assert row(table, "full")["score without it"].value == pytest.approx(0.51)
    assert row(table, "a")["score without it"].value == pytest.approx(0.41)
    assert row(table, "a")["gain"].number == "+0.1000"


def test_design_ticks_what_an_arm_has_and_pairs_by_seed(make_summary: MakeSummary) -> None:
    table = make_table("design", make_summary())
    without = row(table, "without_a")
    assert (without["a"].text, without["b"].text) == (MISSING, "✓")
    assert without["difference"].value == pytest.approx(-0.1)  # 0.10, 0.09, 0.11 under the seeds
    assert without["difference"].error == pytest.approx(0.01 / math.sqrt(3))
    assert row(table, "full")["difference"].text == ""


def test_a_missing_run_leaves_its_seed_out_and_an_arm_without_runs_is_a_dash(
    make_summary: MakeSummary,
) -> None:
    table = make_table("arms", make_summary(scores=((0.5, 0.6, 0.7), (0.4, None, 0.6), (None, None, None))))
    assert row(table, "without_a")["quiz"].n == 2
    assert row(table, "without_b")["quiz"].text == MISSING
    apart = row(
        make_table("design", make_summary(scores=((0.5, 0.6, 0.7), (0.4, None, 0.6), (None, None, None)))),
        "without_a",
    )
    assert (apart["difference"].value, apart["difference"].n) == (pytest.approx(-0.1), 2)


def test_one_seed_has_no_error_and_no_bold_is_said_of_it(make_summary: MakeSummary) -> None:
    table = make_table("arms", make_summary(scores=((0.5,), (0.4,), (0.45,))))
    assert [line[1].error for line in table.rows] == [None] * 3
    assert not any(line[1].bold for line in table.rows)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "beside"])
def test_every_kind_says_scale_and_plan(make_summary: MakeSummary, kind: str) -> None:
    table = make_table(kind, make_summary())
    assert "3 arms x 3 seeds, 1.3M parameters, 6k tokens" in table.caption
    assert "plan d0" in table.origin[0]
    assert len(table.rows) >= 1


def test_what_is_not_there_is_named(make_summary: MakeSummary) -> None:
    with pytest.raises(ConfigError, match="did you mean 'gains'"):
        make_table("gain", make_summary())
    with pytest.raises(ConfigError, match="known: acc"):
        make_table("arms", make_summary(), Asked(metric="loss"))
    with pytest.raises(ConfigError, match="quiz"):
        make_table("arms", make_summary(), Asked(tasks=("quizz",)))
    with pytest.raises(ConfigError, match="group"):
        Asked(bold="groups")
    with pytest.raises(ConfigError, match="dclm_table17"):
        make_table("gains", make_summary(), Asked(published="dclm_table_17"))
    with pytest.raises(ConfigError, match="published"):
        make_table("beside", make_summary())


@pytest.mark.parametrize(
    ("error", "decimals"),
    [(0.0123, 3), (0.0996, 2), (3.4, 1), (34.0, 0), (120.0, 0), (0.00099, 5), (0.0, 4), (math.nan, 4)],
)
def test_an_error_is_shown_with_two_significant_digits(error: float, decimals: int) -> None:
    assert decimals_of(error) == decimals


def test_zero_has_no_minus_and_nothing_measured_is_a_dash() -> None:
    assert written(-0.00001, 3) == "0.000"
    assert written(-0.00001, 3, signed=True) == "+0.000"
    assert number(math.nan).text == number(None).text == MISSING


def test_a_table_of_one_task_shows_the_one_that_was_asked_for() -> None:
    summary = from_dict(made_study(stages=["a", "b"], seeds=3, tasks=["t", "u"], points=2), "made")
    effects, better = summary.effects, summary.metrics["higher_is_better"][0]
    shown = {
        effects["factor"][n]: (1 if better else -1) * effects["estimate"][n]
        for n in range(len(effects["task"]))
        if (effects["task"][n], effects["metric"][n]) == ("u", summary.head.primary)
    }
    table = make_table("gains", summary, Asked(tasks=("u",)))
    assert {line[0].text: line[1].value for line in table.rows} == pytest.approx(shown)
    assert any("u, leave one out" in note for note in table.notes)
    for kind in ("gains", "stages", "design"):
        with pytest.raises(ConfigError, match="one task, got 2: t, u; table=tasks"):
            make_table(kind, summary, Asked(tasks=("t", "u")))


def test_columns_that_are_asked_for_stay(make_summary: Callable[..., Summary]) -> None:
    whole = make_table("gains", make_summary())
    some = make_table("gains", make_summary(), Asked(columns=("verdict", "gain")))
    assert [column.head for column in some.columns] == ["stage", "gain", "verdict"]
    places = [[column.head for column in whole.columns].index(column.head) for column in some.columns]
    assert some.rows == tuple(tuple(line[place] for place in places) for line in whole.rows)
    with pytest.raises(ConfigError, match=r"paper\.columns: no column 'gian': .*gain"):
        make_table("gains", make_summary(), Asked(columns=("gian",)))


def test_bold_is_explained_where_something_is_bold(make_summary: Callable[..., Summary]) -> None:
    apart = make_summary(scores=((0.50, 0.52, 0.51), (0.40, 0.43, 0.40), (0.20, 0.22, 0.21)))
    assert any(note.startswith("Bold: ") for note in make_table("arms", apart).notes)
    running = replace(apart, head=replace(apart.head, complete=False))
    table = make_table("arms", running)
    assert not any(cell.bold for line in table.rows for cell in line)
    assert not any(note.startswith("Bold: ") for note in table.notes)
