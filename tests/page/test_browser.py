"""The page in a real browser: opened as a file, without a network."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main
from ablate.summary.frames import FILES, csv_text
from ablate.summary.model import from_dict, write_summary
from ablate.tables.copies import with_copies
from ablate.testing.summary import made_study

STAGES = ["language", "dedup", "quality: strict vs loose", "pii"]
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">|$x$`\u202egnihton\u2066{{style}}"


def study(**changes: Any) -> dict[str, Any]:
    return made_study(**{"stages": STAGES, "seeds": 4, "tasks": ["arc", "blimp"], "points": 3, **changes})


def effects_csv(read: dict[str, Any], task: str | None = None) -> str:
    """What the command writes of a task, or of all."""
    make, without, digits = FILES["effects.csv"]
    text = csv_text(make(from_dict(read, "made")).drop(columns=list(without)), digits)
    head, *rows = text.splitlines(keepends=True)
    return head + "".join(row for row in rows if task is None or next(csv.reader([row]))[4] == task)


def stage_button(page: Any, stage: str) -> Any:
    return page.locator(f'#gains button[data-focus="stage/{stage}"]')


def all_drawn(page: Any) -> None:
    """Wait until every panel shows the view."""
    page.wait_for_selector("html[data-drawn=all]", timeout=60_000)


def test_it_opens_as_a_file_and_asks_for_nothing(opened: Any) -> None:
    found = opened([study(), study(name="other", draw=1)])
    all_drawn(found.page)
    assert found.page.locator("#gains svg").count() == 2
    assert found.said == [] and found.asked == []
    titles = found.page.locator("section.panel h2").all_inner_texts()
    assert len(titles) == 12
    assert all(
        found.page.locator("section.panel:visible .body").nth(n).inner_text() for n in range(len(titles))
    )


def test_a_choice_in_one_panel_is_a_choice_in_all(opened: Any) -> None:
    page = opened([study()]).page
    stage_button(page, "dedup").click()
    all_drawn(page)
    assert "pick=dedup" in page.url
    assert stage_button(page, "dedup").get_attribute("aria-pressed") == "true"
    assert page.locator("#matrix tr.picked th").inner_text() == "dedup"
    assert page.locator("#numbers tr.picked th").inner_text() == "dedup"
    assert page.locator("#stage .lead").inner_text().startswith("dedup: gain")
    assert page.locator("#curves .lead b").all_inner_texts() == ["full", "without_dedup"]
    assert page.locator("#runs tr.picked th").all_inner_texts() == ["full", "without_dedup"]
    page.locator('#matrix button[data-focus="matrix/pii"]').click()  # from another panel
    all_drawn(page)
    assert stage_button(page, "pii").get_attribute("aria-pressed") == "true"
    page.locator('#matrix button[data-focus="task/blimp"]').click()
    all_drawn(page)
    assert page.locator("#choose-task").input_value() == "blimp"
    assert "on blimp" in page.locator("#gains .says").inner_text()


def test_texts_that_a_stage_dropped_are_read_on_demand_and_stay_open_at_the_next_stage(opened: Any) -> None:
    page = opened([study()], "#pick=dedup").page
    all_drawn(page)
    texts = page.locator("#stage details.texts")
    assert not texts.locator("blockquote").first.is_visible()
    texts.locator("summary").focus()
    page.keyboard.press("Enter")
    assert texts.locator("blockquote").all_inner_texts() == ["A text of machine that dedup dropped."]
    assert texts.locator("h4").inner_text() == "dedup: too short"
    stage_button(page, "pii").click()
    all_drawn(page)
    page.locator("#stage details[open] blockquote").wait_for()
    assert page.locator("#stage blockquote").inner_text() == "A text of machine that pii dropped."


def test_the_address_keeps_the_view_and_back_undoes_a_choice(opened: Any) -> None:
    found = opened([study(), study(name="other", draw=1)], "#study=other&task=arc&pick=pii")
    page = found.page
    assert page.locator("h1").inner_text() == "A made study: other"
    assert page.locator("#choose-task").input_value() == "arc"
    assert stage_button(page, "pii").get_attribute("aria-pressed") == "true"
    stage_button(page, "language").click()
    page.locator("#choose-task").select_option("blimp")
    page.go_back()
    assert page.locator("#choose-task").input_value() == "arc"
    assert stage_button(page, "language").get_attribute("aria-pressed") == "true"
    page.go_back()
    assert stage_button(page, "pii").get_attribute("aria-pressed") == "true"
    assert found.said == []


def test_an_address_of_something_that_is_not_there_says_so(opened: Any) -> None:
    found = opened([study()], "#task=nowhere&pick=%E0%A4%A")
    assert 'task "nowhere" is not here' in found.page.locator("#said").inner_text()
    assert found.page.locator("#choose-task").input_value() == "aggregate"
    assert found.said == []


def test_the_numbers_on_the_page_are_those_of_effects_csv(opened: Any) -> None:
    read = study()
    page = opened([read], "#rows=every&at=numbers").page
    wanted = list(csv.DictReader(io.StringIO(effects_csv(read))))
    rows = page.locator("#numbers tbody tr").all()
    assert len(rows) == len(wanted) == 3 * len(STAGES)
    for row, expected in zip(rows, wanted, strict=True):
        assert row.locator("th").inner_text() == expected["factor"]
        for column in (
            "estimate",
            "ci_low",
            "ci_high",
            "seed_error",
            "p_value",
            "p_adjusted",
            "mde",
            "noise_floor",
        ):
            shown = row.locator(f'td[data-value="{column}"]').inner_text()
            assert shown.replace("\u2212", "-") == expected[column], column
        assert (
            row.locator('td[data-value="gain"]').inner_text().replace("\u2212", "-")
            == f"{-float(expected['estimate']):g}"
        )
        assert row.locator('td[data-value="verdict"]').inner_text() == expected["verdict"]


@pytest.mark.parametrize(("rows", "task"), [("", "aggregate"), ("&rows=every", None)])
def test_copied_csv_is_what_the_command_writes(opened: Any, rows: str, task: str | None) -> None:
    read = study(tasks=["arc, easy", 'b"q'])
    page = opened([read], f"#at=numbers{rows}").page
    page.locator('[data-copy="csv"]').click()
    page.locator("#said", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == effects_csv(read, task)


@pytest.mark.parametrize("form", ["latex", "markdown"])
@pytest.mark.parametrize(("rows", "kind"), [("", "gains"), ("&rows=every", "tasks")])
def test_copied_tables_are_what_ablate_table_prints(
    opened: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, kind: str, form: str
) -> None:
    summary = from_dict(study(stages=[*STAGES, "50% & $x_1$"]), "made")
    write_summary(summary, tmp_path)
    assert main(["table", f"study.dir={tmp_path}", f"table={kind}", f"format={form}"]) == 0
    page = opened([with_copies(summary)], f"#at=numbers{rows}").page
    page.locator(f'[data-copy="{form}"]').click()
    page.locator("#said", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == capsys.readouterr().out


def test_the_keyboard_reaches_every_stage_and_escape_lets_go(opened: Any) -> None:
    page = opened([study()]).page
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.dataset.focus || document.activeElement.id || document.activeElement.textContent"
            )
        )
        if reached[-1] == f"stage/{STAGES[-1]}":
            break
    assert [f"stage/{stage}" for stage in STAGES] == [name for name in reached if name.startswith("stage/")]
    assert {"choose-metric", "choose-task", "choose-est"} <= set(reached)
    page.keyboard.press("Enter")
    assert "pick=pii" in page.url
    assert (
        page.evaluate("document.activeElement.dataset.focus") == "stage/pii"
    )  # the focus outlives the drawing
    page.keyboard.press("Escape")
    assert "pick" not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened: Any, scheme: str) -> None:
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("THE PAGE IS NOT TESTED BY AXE: axe-playwright-python is not installed")
    failed = {("without_pii", 1): "OutOfMemoryError"}
    page = opened([study(failed=failed), study(name="other", draw=1)], "#pick=dedup", scheme=scheme).page
    all_drawn(page)
    page.evaluate((Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    told = page.evaluate("axe.run()")
    assert len(told["passes"]) > 20
    assert [
        (one["id"], one["impact"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
        for one in told["violations"]
    ] == []


def test_it_prints_light_whole_and_without_controls(opened: Any) -> None:
    page = opened([study()], "#pick=dedup", scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("#bar").is_visible()
    assert (
        page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('color-scheme')")
        == "light"
    )
    assert all(
        box.inner_text().strip() for box in page.locator("section.panel:visible .body").all()
    )  # none waits to be seen
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().right))"
    )
    assert widest <= 720
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.pdf(format="A4", print_background=True).startswith(b"%PDF")


def test_a_phone_shows_it_in_one_column(opened: Any) -> None:
    page = opened([study(), study(name="other", draw=1)], "#pick=dedup", width=390).page
    all_drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(stage_button(page, stage).is_visible() for stage in STAGES)


def test_foreign_names_stay_text_everywhere(opened: Any) -> None:
    read = study(
        stages=[HOSTILE, "b"], tasks=[HOSTILE, "t"], name=HOSTILE, host=HOSTILE, failed={("full", 0): HOSTILE}
    )
    found = opened([read, study()])
    page = found.page
    page.locator("#gains button.row").first.click()
    all_drawn(page)
    page.locator("#matrix thead button").nth(1).click()
    all_drawn(page)
    assert found.said == [] and found.asked == []
    assert "taken" not in page.title() or "onerror" in page.title()  # as text of the title at most
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.locator("script").count() == page.evaluate(
        "document.querySelectorAll('body > script').length"
    )
    assert page.locator("#gains button.row bdi").first.text_content() == HOSTILE
    assert page.locator("#matrix thead bdi").nth(1).text_content() == HOSTILE
    assert HOSTILE in (page.locator("#runs .failure p").first.text_content() or "")
    assert HOSTILE in (page.locator("#again").text_content() or "")
    assert HOSTILE in (page.locator("#stage blockquote").first.text_content() or "")


def test_there_is_no_verdict_while_a_planned_run_is_missing(opened: Any) -> None:
    read = study(waiting=2)
    whole = study()
    for column in ("ci_low", "ci_high", "p_value", "p_adjusted", "mde", "kind", "verdict"):
        read["effects"][column] = whole["effects"][column]  # even where a file held them
    page = opened([read], "#pick=language&rows=every").page
    all_drawn(page)
    text = "\n".join(
        page.locator(f"#{part}").inner_text()
        for part in ("head", "gains", "stage", "matrix", "cost", "numbers")
    )
    assert "No verdict before the plan is complete" in text and "2 planned runs of 20 are missing" in text
    for word in ("helps", "hurts", "no effect seen", "95 % interval", "after Holm", "p adjusted"):
        assert word not in text.replace("without intervals, p-values or verdicts", "")
    heads = page.locator("#numbers thead th").all_inner_texts()
    assert "95 % low" not in heads and "p" not in heads


def test_a_failed_run_shows_its_reason_and_the_end_of_its_log(opened: Any) -> None:
    page = opened([study(failed={("without_dedup", 2): "OutOfMemoryError: 9 GB"})], "#at=runs").page
    assert "1 run failed" in page.locator("#head").inner_text()
    assert "OutOfMemoryError: 9 GB" in page.locator("#runs .failure").inner_text()
    assert "step 2" in page.locator("#runs .failure pre").inner_text()


def test_studies_that_differ_are_not_compared_in_size(opened: Any) -> None:
    other = study(name="other", draw=1)
    other["runs"]["tokens"] = [tokens * 4 for tokens in other["runs"]["tokens"]]
    page = opened([study(), other], "#at=beside").page
    told = page.locator("#beside .differs").inner_text()
    assert "Not to be compared in size" in told and "tokens of a run: 4 M here, 1 M in" in told
    same = opened([study(), study(name="other", draw=1)], "#at=beside").page
    assert same.locator("#beside .differs").count() == 0
    assert "sizes may be compared" in same.locator("#beside .same").inner_text()
