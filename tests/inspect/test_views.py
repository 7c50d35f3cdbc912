"""`ablate inspect VIEW` as a user meets it."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ablate.cli import main
from ablate.commands.inspect import view, views
from ablate.stages.base import Table
from ablate.stages.gopher_quality import GopherQuality

Run = Callable[..., int]
WORDS = (
    "river",
    "stone",
    "window",
    "garden",
    "winter",
    "letter",
    "market",
    "bridge",
    "candle",
    "forest",
    "silver",
)
FILLER = "The man and the cat have to be in the house with that dog of ours. "


@pytest.fixture
def ablate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line on 240 pages of two hosts: `short.example` is half too short for Gopher's rules."""
    monkeypatch.chdir(tmp_path)
    letters, lines = random.Random(0), []
    for i in range(240):
        if i % 4 == 1:  # this page, with a word more or less the next ones too: near-duplicates
            body = " ".join(letters.choices(WORDS, k=80 + letters.randrange(60)))
        text = "Far too short." if i % 8 == 0 else f"{body}. {FILLER}{'end' * (i % 2)}"
        url = f"https://{'short' if i % 4 == 0 else 'long'}.example/{i}"
        lines.append({"text": f"|<&> {text}{' !' * (i % 3)}", "url": url, "topic": "abc"[i % 3]})
    Path("pages.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    fixed = (
        "study.name=small", "pool=files", "pool.paths=[pages.jsonl]", "recipe=gopher", "evaluate=heldout",
        "evaluate.heldout=pages.jsonl", "workers=1", "stages.language.enabled=false",
        "stages.gopher_repetition.enabled=false", "stages.decontamination.enabled=false",
        "stages.exact_dedup.enabled=false",
    )  # fmt: skip
    return lambda view, *more: main(["inspect", view, *fixed, *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_audit_counts_names_and_repeats(ablate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    by = "inspect.by=[host,topic,length]"
    assert ablate("audit", by) == 0
    shown = capsys.readouterr().out
    assert "host long.example 100.0 % of 180" in shown and "studies/small/audit/audit.md" in shown
    folder = Path("studies/small/audit")
    first = contents(folder)
    assert list(first) == ["audit.csv", "audit.md", "diversity.csv", "retention.png", "retention.svg"]
    rows = list(csv.DictReader(first["audit.csv"].decode().splitlines()))
    gopher = {(row["column"], row["group"]): row for row in rows if row["stage"] == "gopher_quality"}
    short, long = gopher["host", "short.example"], gopher["host", "long.example"]
    assert (short["before"], short["kept"], short["lead"]) == ("60", "30", "over-removed")
    assert (long["before"], long["kept"], long["lead"]) == ("180", "180", "under-removed")
    assert float(short["overall"]) == 210 / 240 and float(short["ratio"]) == pytest.approx(
        0.5 / 0.875, rel=1e-5
    )
    assert {row["lead"] for (column, _), row in gopher.items() if column == "topic"} == {""}
    for stage in {row["stage"] for row in rows}:
        totals = {
            column: sum(
                int(row["before"]) for row in rows if (row["stage"], row["column"]) == (stage, column)
            )
            for column in ("host", "topic", "length")
        }
        assert len(set(totals.values())) == 1  # every document stands in one group of each column
    page = first["audit.md"].decode()
    assert "**Over-removed**" in page and "gopher\\_short\\_doc" in page and "Far too short." in page
    assert (
        "<&>" not in page and "\\|&lt;&amp;&gt; Far too short." in page
    )  # a page's own markup is shown, not obeyed
    assert ablate("audit", by) == 0
    assert contents(folder) == first
    assert ablate("audit", by, "workers=2", "store=elsewhere") == 0
    assert contents(folder) == first


def test_groups_that_are_all_too_small_are_not_an_error(ablate: Run) -> None:
    assert ablate("audit", "inspect.by=[host]", "inspect.min_group=1000", "inspect.samples=0") == 0
    rows = list(csv.DictReader(Path("studies/small/audit/audit.csv").read_text().splitlines()))
    assert {row["group"] for row in rows} == {"(2 groups below 1000)"} and {row["lead"] for row in rows} == {
        ""
    }
    page = Path("studies/small/audit/audit.md").read_text()
    assert "No group stands out from chance." in page and "Dropped beside kept" not in page


def test_duplicates_compare_candidates_with_truth(ablate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate("duplicates", "inspect.pairs=8", "inspect.samples=1") == 0
    shown = capsys.readouterr().out
    assert "210 documents reach it" in shown and "210 compared each with each" in shown
    folder = Path("studies/small/duplicates")
    first = contents(folder)
    assert list(first) == ["candidates.png", "candidates.svg", "duplicates.md"]
    page = first["duplicates.md"].decode()
    # Of 60 bodies the first and third page are equal up to punctuation; for 30 the second and fourth as well.
    (equal,) = [line for line in page.splitlines() if line.startswith("| 1 |")]
    assert equal == "| 1 | 90 | 90 | 100.00 % | [95.9, 100.0] | 100.00 % |  |"
    assert page.count("<br>") == 2 * 8
    assert ablate("duplicates", "inspect.pairs=8") == 0
    assert contents(folder) == first
    exact = ("inspect.stage=exact_dedup", "stages.exact_dedup.enabled=true")
    assert ablate("duplicates", *exact, "inspect.subsample=50") == 0
    assert "exact_dedup: 210 documents reach it" in capsys.readouterr().out


def test_the_funnel_shows_what_was_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pages = ["It rained.\nRead more!", "It snowed.\nread more", "Read more", "The wind blew."]
    Path("pages.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in pages))
    overrides = (
        "study.name=lines", "pool=files", "pool.paths=[pages.jsonl]", "recipe=c4", "evaluate=heldout",
        "evaluate.heldout=pages.jsonl", "workers=1", "stages.language.enabled=false",
        "stages.c4_quality.enabled=false", "stages.line_dedup.unit=line", "inspect.stage=line_dedup",
    )  # fmt: skip
    assert main(["inspect", "funnel", *overrides]) == 0
    shown = capsys.readouterr().out
    assert "line_dedup: empty: 1 documents" in shown
    assert "line_dedup: rewritten: 1 documents" in shown and "20 to 10 characters" in shown
    assert "- It snowed. read more\n      + It snowed." in shown
    (line,) = [re.split(r"\s{2,}", line) for line in shown.splitlines() if line.startswith("line_dedup  ")]
    assert line[1] == "3" and line[6:] == ["1", "repeated_pieces 2", "empty 1"]


def test_a_dose_is_decided_anew_and_measured_once(
    ablate: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    factors = "design.factors={gopher_quality: {min_words: {from: 0, to: 200, points: 5}}}"
    fixed = (
        "design=dose",
        factors,
        "inspect.sample_bytes=5000",
        "stages.minhash_dedup.enabled=false",
        "stages.gopher_quality.min_stop_words=0",
        "stages.gopher_quality.min_alpha_words=0",
    )
    measured = []
    inner = GopherQuality.measure_many

    def counting(stage: GopherQuality, texts: Sequence[str]) -> Table:
        measured.extend(texts)
        return inner(stage, texts)

    monkeypatch.setattr(GopherQuality, "measure_many", counting)
    assert ablate("dose", *fixed) == 0
    assert len(measured) == 240
    shown = capsys.readouterr().out
    folder = Path("studies/small/dose")
    first = contents(folder)
    assert list(first) == ["dose.csv", "dose.md", "gopher_quality.png", "gopher_quality.svg"]
    rows = list(csv.DictReader(first["dose.csv"].decode().splitlines()))
    kept = {row["value"]: int(row["result"]) for row in rows if row["quantity"] == "documents"}
    # 30 of 240 pages have about a dozen words; the others have 80 to 139 and 17 more.
    assert list(kept) == ["0", "50", "100", "150", "200"] and "50 *" in shown
    assert (kept["0"], kept["50"]) == (240, 210) and kept["50"] >= kept["100"] > kept["150"] > kept[
        "200"
    ] == 0
    assert {row["value"] for row in rows if row["quantity"] == "distinct_3"} < set(kept)
    assert ablate("dose", *fixed) == 0
    assert contents(folder) == first


@pytest.mark.parametrize(
    ("view", "more", "said"),
    [
        ("adit", [], "unknown view 'adit': did you mean 'audit'?"),
        ("audit", ["inspect.by=[topics]"], "no column 'topics': did you mean 'topic'?"),
        ("audit", ["inspect.by=[]"], "inspect.by is empty"),
        ("dose", [], "which is no number; a dose needs values"),
        ("audit", ["inspect.min_group=0"], "inspect.min_group must be 1 or more, got 0"),
        (
            "duplicates",
            ["inspect.stage=minhash"],
            "no enabled deduplication 'minhash': did you mean 'minhash_dedup'?",
        ),
        ("duplicates", ["stages.minhash_dedup.enabled=false"], "no deduplication is enabled"),
        ("duplicates", ["inspect.subsample=1"], "inspect.subsample must be 2 or more, got 1"),
        ("duplicates", ["pool.limit=2", "stages.gopher_quality.enabled=false"], None),
        (
            "duplicates",
            ["pool.limit=1", "stages.gopher_quality.enabled=false"],
            "1 document reaches it; two are needed",
        ),
    ],
)
def test_what_is_wrong_is_said(
    ablate: Run, capsys: pytest.CaptureFixture[str], view: str, more: list[str], said: str | None
) -> None:
    assert ablate(view, *more) == (2 if said else 0)
    assert (said or "") in capsys.readouterr().err


@pytest.mark.parametrize("name", views())
def test_every_view_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(view(name).main)
    assert main(["inspect", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"ablate inspect {name}: ") and f"Example: ablate inspect {name} " in shown
    assert main(["inspect", "--help"]) == 0
    assert f"ablate inspect {name if name != 'funnel' else '[funnel]'} " in capsys.readouterr().out


def test_the_bare_command_is_the_funnel(ablate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("tokenizer.vocab_size=300",)
    assert ablate("funnel", *small) == 0
    funnel = capsys.readouterr().out
    assert "gopher_quality" in funnel and "ledger: " in funnel
    assert ablate("inspect.samples=3", *small) == 0  # the first word is an override, so no view is named
    assert capsys.readouterr().out == funnel


@pytest.mark.parametrize("line", ["ablate inspect audit study=", "ablate inspect study=", "ablate sweep stu"])
def test_completion_looks_past_the_view(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert main(["-sc", "query=bash"]) == 0
    assert "study=" in capsys.readouterr().out
