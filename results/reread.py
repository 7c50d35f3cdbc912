"""Report the committed scores of trained studies again by the present code, without training anything.

Scores, effects, screening, decisions and the words about them are made anew by what `ablate import` does. What a report says
of the corpora (funnel, epochs, leaks) cannot follow from scores and is carried over from the report of the runs, as is
how to make it again. Items are not part of `scores.csv`, so item errors, which the report of the runs had, are dashes.

`results/study_json.py` makes each folder's study.json from what is then there.

Run: python results/reread.py [screening memorisation dose]      (about half a minute)
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ablate.importing.csv_file import read_csv
from ablate.importing.study import write_study
from ablate.report.page import write_report
from ablate.study.results import load_study

HERE = Path(__file__).parent
FILES = ("effects.csv", "screening.csv", "decisions.csv", "table.tex")
KEPT = (
    "## What was kept",
    "## What each arm trained on",
    "## What the corpora give away",
    "## To make it again",
)
MARK = "Read again from the committed scores"


@dataclass(frozen=True)
class Reread:
    """How one study's scores are to be read.

    Attributes:
        primary: the headline's metric.
        aggregate: its tasks; None for all that have it.
        reference: the full recipe.
        estimands: that the plan of the runs had.
        levels: arm -> level of each factor.
        chance: "task/metric" -> score of a guess.
        lower: metrics of which less is better.
    """

    primary: str
    aggregate: tuple[str, ...] | None
    reference: str
    estimands: tuple[str, ...]
    levels: Callable[[str], Mapping[str, str]]
    chance: Mapping[str, float] = field(default_factory=dict)
    lower: tuple[str, ...] = ()


def _without(*stages: str) -> Callable[[str], Mapping[str, str]]:
    return lambda arm: {stage: "off" if arm == f"without_{stage}" else "on" for stage in stages}


STUDIES = {
    "screening": Reread(
        "prob",
        ("facts",),
        "full",
        ("leave_one_out",),
        lambda arm: {
            "extraction": "raw" if arm == "extraction=raw" else "resiliparse",
            "minhash_dedup": "off" if arm == "without_minhash_dedup" else "on",
        },
        {
            f"{task}/{metric}": 0.25
            for task in ("facts", "leaked", "coin")
            for metric in ("acc", "acc_norm", "prob")
        },
    ),
    "memorisation": Reread(
        "copied",
        ("memorisation",),
        "full",
        ("leave_one_out",),
        _without("exact_dedup"),
        lower=("copied", "copied_prompted"),
    ),
    "dose": Reread(
        "bpb",
        ("heldout",),
        "fineweb_quality=0.12",
        ("dose", "dose_response"),
        lambda arm: {"fineweb_quality": arm.removeprefix("fineweb_quality=")},
    ),
}


def reread(name: str, how: Reread) -> None:
    """Write the files of one study's report anew."""
    folder = HERE / name
    old = (folder / "REPORT.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / name
        table = Path(scratch) / "scores.csv"
        _with_levels(folder / "scores.csv", table, how)
        write_study(
            read_csv(table, dict.fromkeys(how.lower, False), how.chance),
            place,
            name=name,
            title=_title(old),
            question="",
            primary=how.primary,
            aggregate=how.aggregate,
            reference=how.reference,
            allow_missing=False,
            replan=False,
            estimands=how.estimands,
        )
        write_report(load_study(place))
        for file in FILES:
            if (folder / file).exists():
                (folder / file).write_bytes((place / file).read_bytes())
        for figure in (folder / "figures").iterdir():
            if (place / "figures" / figure.name).exists():
                figure.write_bytes((place / "figures" / figure.name).read_bytes())
        new = (place / "REPORT.md").read_text(encoding="utf-8")
    (folder / "REPORT.md").write_text(_joined(old, new, folder), encoding="utf-8")


def _with_levels(source: Path, target: Path, how: Reread) -> None:
    """The scores with a column for every factor."""
    with source.open(newline="") as file, target.open("w", newline="") as out:
        rows = list(csv.DictReader(file))
        factors = list(how.levels(how.reference))
        writer = csv.DictWriter(out, [*rows[0], *factors])
        writer.writeheader()
        writer.writerows(row | dict(how.levels(row["arm"])) for row in rows)


def _title(report: str) -> str:
    return report.splitlines()[0].removeprefix("# ")


def _sections(report: str) -> dict[str, str]:
    """Heading -> section; what stands before the first heading under ""."""
    parts = re.split(r"(?m)^(?=## )", report)
    return {(part.splitlines()[0] if number else ""): part.rstrip() for number, part in enumerate(parts)}


def _joined(old: str, new: str, folder: Path) -> str:
    """The new report with what only the runs could tell."""
    before, after = _sections(old), _sections(new)
    asked = [line for line in before[""].split("\n\n") if line.startswith(("**Question", "**Prediction"))]
    title, *lead = after[""].split("\n\n")
    note = (
        f"{MARK} by `python results/reread.py {folder.name}`: effects, screening and words are the present code's; what is said of "
        "the corpora is the report of the runs. The plan was made before the runs, which `imported` below does not know."
    )
    kept = {heading: before[heading] for heading in KEPT if heading in before}
    body = [part for heading, part in after.items() if heading and heading not in kept]
    reading = next(number for number, part in enumerate(body) if part.startswith("## How to read this"))
    corpora = [kept[heading] for heading in KEPT[:-1] if heading in kept]
    parts = [title, *asked, note, *lead, *body[:reading], *corpora, *body[reading:], kept[KEPT[-1]]]
    found = "\n\n".join(parts) + "\n"
    pictures = {path.name for path in (folder / "figures").iterdir()}
    lines = [
        line
        for line in found.split("\n\n")
        if not (m := re.match(r"!\[.*\]\(figures/(.*)\)$", line)) or m[1] in pictures
    ]
    return "\n\n".join(lines)


if __name__ == "__main__":
    for study in sys.argv[1:] or STUDIES:
        reread(study, STUDIES[study])
