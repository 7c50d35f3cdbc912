"""`study.json`: all that can be shown of a study. Pages, frames, tables and trackers read it and nothing else.

Every table is an object of columns of equal length, so `pandas.DataFrame(table)` reads it; null is a value that was
not measured. Scores are in the metric's own units, effects are level minus versus, not turned. docs/study_json.md
describes every field; `SCHEMA` goes up when a field changes its meaning or goes away, not when one is added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from ablate.errors import DataError
from ablate.shape import from_json
from ablate.store import read_json, write_text

FILE = "study.json"
SCHEMA = 1
Columns = Mapping[str, list[Any]]
"""A table: column -> values, all of one length."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a study is, from its plan.

    Attributes:
        name, title, question, prediction, design: as planned; the prediction was written before the runs.
        digest: of the plan.
        records: digest of what this was made from, plan and records; see `state_of`.
        reference: the arm that funnels and costs of stages are told of, the full recipe as a rule.
        primary: the headline's metric.
        headline: the task that the gains lead with: "aggregate", or the only task there is.
        aggregate: what the aggregate was asked to be of: "all", "screened" or names of tasks.
        seeds: in the order in which they were planned.
        stages: of the recipe, in order; empty for imported results.
        sequential: whether arms were to be dropped between rounds of seeds.
        complete: whether no planned run is waiting; where one is, effects have no interval, p-value or verdict.
        imported: where results of another tool came from; empty for runs of our own.
    """

    name: str
    title: str
    question: str
    prediction: str
    design: str
    digest: str
    records: str
    reference: str
    primary: str
    headline: str
    aggregate: str | tuple[str, ...]
    seeds: tuple[int, ...]
    stages: tuple[str, ...]
    sequential: bool
    complete: bool
    imported: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A study. The tables' columns are those of docs/study_json.md.

    Attributes:
        head: the plan's head.
        words: what the report says in sentences: name -> text.
        factors: name -> levels.
        arms: one row per arm: `arm`, `levels` and `changes`, both objects.
        metrics: one row per task and metric.
        aggregates: metric -> tasks in its aggregate.
        contrasts: one row per contrast: `stage` (in words), factor, level, versus, estimand, weights by arm.
        runs: one row per planned run, with its status.
        points: distinct lists of tokens seen at the points of a curve; `runs.points` names one.
        scores: one row per task and metric: `end` by run and `curve` by run and point.
        effects: one row per contrast, task and metric.
        corpora: one row per distinct corpus of an arm.
        funnel, dropped: what is left after each stage of each arm, and why documents went.
        dropped_texts: some of the texts that each stage dropped; no rows in what an earlier version wrote.
        screening, noise, decisions, leaks: as in the report.
        cost: one row per run, and per trunk where runs branch.
        curation: one row per stage: CPU-seconds on the reference arm's texts.
        provenance: one row per machine and version that runs were made with.
    """

    head: Head
    words: Mapping[str, str]
    factors: Mapping[str, list[str]]
    arms: Columns
    metrics: Columns
    aggregates: Mapping[str, list[str]]
    contrasts: Columns
    runs: Columns
    points: list[list[int]]
    scores: Columns
    effects: Columns
    corpora: Columns
    funnel: Columns
    dropped: Columns
    screening: Columns
    noise: Columns
    decisions: Columns
    leaks: Columns
    cost: Columns
    curation: Columns
    provenance: Columns
    dropped_texts: Columns = field(default_factory=dict)


TABLES = tuple(entry.name for entry in fields(Summary) if entry.type == "Columns")

ADDED = tuple(entry.name for entry in fields(Summary) if entry.default_factory is not MISSING)
"""Tables that files of an earlier version lack."""


def to_json(summary: Summary) -> str:
    """The text of `study.json`: one line per column, so that two versions can be told apart by eye; the same bytes each time."""
    parts = [f' "schema": {SCHEMA}', f' "head": {_line(vars(summary.head))}']
    for entry in fields(Summary)[1:]:
        value = getattr(summary, entry.name)
        if entry.name in TABLES:
            lines = ",\n".join(f"  {_line(name)}: {_line(column)}" for name, column in value.items())
            parts.append(
                f" {_line(entry.name)}: {{\n{lines}\n }}" if lines else f" {_line(entry.name)}: {{}}"
            )
        else:
            parts.append(f" {_line(entry.name)}: {_line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_dict(summary: Summary) -> dict[str, Any]:
    """What `study.json` holds, as it is read from there."""
    tables = {entry.name: getattr(summary, entry.name) for entry in fields(Summary)[1:]}
    return {"schema": SCHEMA, "head": dict(vars(summary.head)), **tables}


def write_summary(summary: Summary, folder: Path) -> Path:
    """Write `study.json` into a folder; returns its path."""
    path = folder / FILE
    write_text(path, to_json(summary))
    return path


def read_summary(path: Path) -> Summary:
    """Read a `study.json`, or the one in a folder.

    Raises:
        DataError: when there is none, another version of ablate wrote it, or it lacks something.
    """
    path = path / FILE if path.is_dir() else path
    return from_dict(read_json(path), str(path))


def from_dict(read: Any, where: str) -> Summary:
    """The model of what was read; `where` names the file in errors.

    Raises:
        DataError: when its schema is another one, or a field is missing or of the wrong kind.
    """
    again = "make it again with `ablate report study=...`"
    schema = read.get("schema") if isinstance(read, dict) else None
    if schema != SCHEMA:
        raise DataError(f"{where}: its schema is {schema!r}, this version of ablate reads {SCHEMA}; {again}")
    read = {**{name: {} for name in ADDED}, **read}
    lost = [entry.name for entry in fields(Summary) if not isinstance(read.get(entry.name), (dict, list))]
    if lost:
        raise DataError(f"{where}: {lost[0]!r} is missing or is no object; {again}")
    for name in TABLES:
        columns = read[name]
        if not isinstance(columns, dict) or not all(isinstance(one, list) for one in columns.values()):
            raise DataError(f"{where}: {name!r} is not a table of columns; {again}")
        if len({len(column) for column in columns.values()}) > 1:
            raise DataError(f"{where}: the columns of {name!r} differ in length; {again}")
    named = {entry.name for entry in fields(Head)}
    if not isinstance(read["head"], dict) or named - read["head"].keys():
        raise DataError(f"{where}: 'head' lacks {min(named - set(read['head']))!r}; {again}")
    known = {
        name: value for name, value in read["head"].items() if name in named
    }  # a later version may have more
    head = from_json(Head, known, f"{where}: 'head'")
    rest = {entry.name: read[entry.name] for entry in fields(Summary)[1:]}
    return Summary(head=head, **rest)
