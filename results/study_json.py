"""Write `study.json` for the shipped studies whose records are not part of the repository, from the files that are.

Scores are read as `ablate import` reads them; effects, cost, leaks and decisions are those of the CSV files, which the
runs' own records gave; title, question, prediction and the funnel of the full recipe stand in REPORT.md. What only the
records hold (status of runs, configuration, other arms' corpora, versions) is left out, and the page says so.

    python results/study_json.py                      about a minute
    ablate dashboard results/demo results/web_loo results/web_loo/controls results/web_loo/pools results/branching/web results/screening \\
        results/dose results/memorisation results/spike/dose results/epochs results/scarcity results/phi1 results/collapse \\
        results/share_dose results/overfilter results/foreign results/rungs dashboard.to=results/dashboard.html
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate.effects.verdict import Kind
from ablate.importing.csv_file import read_csv
from ablate.importing.study import write_study
from ablate.report.effects_table import effects_table
from ablate.report.summary import summarise
from ablate.study.results import load_study
from ablate.summary.model import Columns, Summary, write_summary

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from reread import STUDIES, Reread, _with_levels  # noqa: E402

REPORTED = {
    **STUDIES,
    "collapse": Reread(
        "prob",
        ("facts",),
        "replace-g0",
        ("generation_change", "generation_slope", "slope_contrast"),
        lambda arm: dict(zip(("kind", "generation"), arm.split("-g"), strict=True)),
        {
            f"{task}/{metric}": 0.25
            for task in ("facts", "facts_head", "facts_mid", "facts_tail")
            for metric in ("acc", "acc_norm", "prob")
        },
    ),
}
"""Reports whose records are not part of the repository; those of `reread.py` are made anew from their scores."""
KEY = ("factor", "level", "versus", "estimand", "task", "metric")


def study_json(name: str, how: Reread) -> None:
    """Write one study's file."""
    folder = HERE / name
    told = (folder / "REPORT.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        place, table = Path(scratch) / name, Path(scratch) / "scores.csv"
        _with_levels(folder / "scores.csv", table, how)
        write_study(
            read_csv(table, dict.fromkeys(how.lower, False), how.chance),
            place,
            name=name,
            title=told.splitlines()[0][2:],
            question=_said(told, "**Question.** "),
            primary=how.primary,
            aggregate=how.aggregate,
            reference=how.reference,
            allow_missing=False,
            replan=False,
            estimands=how.estimands,
        )
        study = load_study(place)
        made = summarise(study, effects_table(study))
    digest = re.search(r"plan digest `(\w+)`, design `(\w+)`", told)
    head = replace(
        made.head,
        prediction=_said(told, "**Prediction, written before the runs.** "),
        digest=digest[1] if digest else "",
        design=digest[2] if digest else made.head.design,
        imported=[f"results/{name}/{file}" for file in ("scores.csv", "effects.csv", "REPORT.md")],
    )
    funnel, dropped = _funnel(told, how.reference)
    write_summary(
        replace(
            made,
            head=head,
            effects=_effects(made, folder),
            funnel=funnel,
            dropped=dropped,
            provenance={},
            words={**made.words, "in_short": _said(told, "**In short.** ") or made.words.get("in_short", "")},
            **{
                table: _read(folder / f"{table}.csv")
                for table in ("cost", "decisions", "leaks")
                if (folder / f"{table}.csv").exists()
            },
        ),
        folder,
    )


def _said(report: str, start: str) -> str:
    return next((line.removeprefix(start) for line in report.splitlines() if line.startswith(start)), "")


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def _read(path: Path) -> Columns:
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        names = next(lines)
        rows = [[_number(cell) for cell in line] for line in lines]
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _effects(made: Summary, folder: Path) -> Columns:
    """The effects of the file, which knew the items too; what it lacks is that of the scores."""
    kept = _read(folder / "effects.csv")
    texts = ("level", "versus")
    rows: dict[tuple[str, ...], int] = {
        tuple(str(kept[name][place]) for name in KEY): place for place in range(len(kept["factor"]))
    }
    effects = {name: list(column) for name, column in made.effects.items()}
    for place in range(len(effects["factor"])):
        found = rows.pop(_like(tuple(str(effects[name][place]) for name in KEY), rows))
        for name in effects.keys() & kept.keys() - set(texts):
            value = kept[name][found]
            whole = isinstance(value, int) and isinstance(effects[name][place], float)
            effects[name][place] = float(value) if whole else value
            if name == "runs_failed":
                effects[name][place] = kept[name][found] or ""
        effects["kind"][place] = _kind(effects["verdict"][place])
    if rows:
        raise SystemExit(
            f"{folder.name}: effects.csv has a gain that its scores do not give: {next(iter(rows))}"
        )
    return effects


def _kind(verdict: str) -> str:
    """The kind that a verdict begins with the words of."""
    return max(
        (kind for kind in Kind if verdict.startswith(kind.value)), key=lambda kind: len(kind.value)
    ).name.lower()


def _like(key: tuple[str, ...], rows: Mapping[tuple[str, ...], int]) -> tuple[str, ...]:
    """The same key, whose levels may be numbers written in another way."""
    if key in rows:
        return key
    same: Callable[[str, str], bool] = lambda a, b: a == b or _number(a) == _number(b)  # noqa: E731
    return next(other for other in rows if all(map(same, key, other)))


def _funnel(report: str, arm: str) -> tuple[Columns, Columns]:
    """The table of what was kept; empty where the report has none."""
    funnel: dict[str, list[Any]] = {
        name: [] for name in ("arm", "stage", "documents", "bytes", "tokens", "changed")
    }
    dropped: dict[str, list[Any]] = {name: [] for name in ("arm", "stage", "what", "reason", "count")}
    part = report.partition("## What was kept")[2].partition("\n## ")[0]
    for line in (
        line for line in part.splitlines() if re.match(r"\| \w", line) and not line.startswith("| after")
    ):
        stage, documents, _, size, _, tokens, changed, pieces, reasons = (
            cell.strip() for cell in line.strip("| ").split(" | ")
        )
        whole = [_number(text.replace(",", "")) for text in (documents, tokens, changed)]
        documents_left, tokens_left, rewritten = (
            value if isinstance(value, int) else None for value in whole
        )
        for column, value in zip(
            funnel.values(),
            (arm, stage, documents_left, round(float(size) * 1e6), tokens_left, rewritten),
            strict=True,
        ):
            column.append(value)
        for what, text in (("found", pieces), ("dropped", reasons)):
            for reason, count in re.findall(r"(\S+) ([\d,]+)(?:, |$)", text):
                for column, value in zip(
                    dropped.values(), (arm, stage, what, reason, int(count.replace(",", ""))), strict=True
                ):
                    column.append(value)
    return funnel, dropped


if __name__ == "__main__":
    for chosen, how in REPORTED.items():
        study_json(chosen, how)
