"""`check_report_section`: whether a section of one's own can stand in any report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ablate.importing.csv_file import read_csv
from ablate.importing.study import write_study
from ablate.report.effects_table import effects_table
from ablate.report.section import Section
from ablate.study.results import load_study
from ablate.testing.contract import ContractError, require

SEEDS = (0, 1, 2)
STUDIES = {
    "three arms with three seeds": [
        (arm, seed) for arm in ("full", "without_a", "without_b") for seed in SEEDS
    ],
    "a run missing": [("full", 0), ("full", 1), ("full", 2), ("without_a", 0), ("without_a", 2)],
    "one seed": [("full", 0), ("without_a", 0)],
    "one arm, so no gain": [("full", 0), ("full", 1)],
}
"""What a study is like -> runs that it has scores of."""


def check_report_section(section: Section) -> None:
    """Check what a report relies on, in studies of several shapes: whole, with a run missing, of one seed, without a gain.

    Its title is words; its paragraphs are text that opens no section of its own; the same records give the same ones, and
    the records and gains that it is given stay as they are. In one of these studies at least it has something to say.

    Args:
        section: to check.
    Raises:
        ContractError: for what does not hold; says in which study.
    """
    what = type(section).__name__
    title = section.title
    require(
        isinstance(title, str)
        and title.strip() == title
        and title
        and "\n" not in title
        and title[-1] != ".",
        f"{what}.title must be words on one line without a full stop, got {title!r}",
    )
    spoke = False
    for shape, folder in _studies():
        told = _paragraphs(section, folder, f"{what}, in a study with {shape}")
        require(
            told == _paragraphs(section, folder, what),
            f"{what}, in a study with {shape}: the second time it says something else",
        )
        spoke = spoke or bool(told)
    require(spoke, f"{what} says nothing of any of these studies: {', '.join(STUDIES)}")


def _paragraphs(section: Section, folder: Path, what: str) -> list[str]:
    study = load_study(folder)
    rows = effects_table(study)
    before = repr((study.plan, study.records, rows))
    try:
        told = section.paragraphs(study, rows)
    except Exception as error:
        raise ContractError(f"{what}: it raises {type(error).__name__}: {error}") from error
    require(repr((study.plan, study.records, rows)) == before, f"{what}: it changes what it was given")
    require(
        isinstance(told, list) and all(isinstance(part, str) and part.strip() for part in told),
        f"{what}: expected a list of paragraphs, each with text, got {told!r}",
    )
    for line in "\n".join(told).splitlines():
        require(
            not line.startswith(("# ", "## ")),
            f"{what}: {line!r} opens another section; headings within one begin with ###",
        )
    return told


def _studies() -> Iterator[tuple[str, Path]]:
    """What a study is like, and the folder in which it stands while it is looked at."""
    for shape, runs in STUDIES.items():
        with TemporaryDirectory(prefix="ablate-section-") as place:
            scores, folder = Path(place) / "scores.csv", Path(place) / "study"
            lines = [
                f"{arm},{seed},{tokens},{task},acc,{_score(arm, seed, tokens, task)}"
                for arm, seed in runs
                for tokens in (1000, 2000)
                for task in ("first", "second")
            ]
            scores.write_text(
                "\n".join(["arm,seed,tokens,task,metric,score", *lines]) + "\n", encoding="utf-8"
            )
            write_study(
                read_csv(scores, {}, {}),
                folder,
                name="section",
                title="",
                question="",
                primary="acc",
                aggregate=None,
                reference="full",
                allow_missing=True,
                replan=False,
            )
            yield shape, folder


def _score(arm: str, seed: int, tokens: int, task: str) -> float:
    """A made-up score: arms and tasks differ, seeds scatter, more tokens help."""
    level = {"full": 0.5, "without_a": 0.4, "without_b": 0.45}[arm] + 0.05 * (task == "second")
    return round(level + 0.01 * ((7 * seed + 3 * len(arm)) % 5) + tokens / 100_000, 4)
