"""Published gains of the same stages beside ours: sign, size in the paper's own units, text removed, agreement in words.

Never a difference between ours and theirs: metrics and scales differ. Where the source gives no noise, the file states
one and says whose it is; without any, a published gain cannot hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablate.literature.source import Published, published
from ablate.summary.model import Summary
from ablate.tables.asked import Asked
from ablate.tables.common import HOLD, SUGGEST, Row
from ablate.tables.model import MISSING, Cell, Column, number, text

BOTH, SAME, OPPOSITE = "same sign, both hold", "same sign", "opposite"
NOT_SEEN, NOT = "ours not seen", "not comparable"
Z = 1.96


def stages_of(row: Row) -> tuple[str, str, str]:
    """What a gain of ours is about, as the files of published numbers name it: stage, level, versus."""
    return row["factor"], row["level"], row["versus"]


def match(ours: Row, theirs: Published) -> list[dict[str, str]]:
    """What is published of the stage of one of our gains; where ours compares two levels by name, of the same two."""
    stage, level, versus = stages_of(ours)
    found = [row for row in theirs.rows if row["stage"] == stage]
    if (level, versus) == ("on", "off"):
        return found
    return [row for row in found if (row["level"], row["versus"]) == (level, versus)]


def sign(row: dict[str, str]) -> int | None:
    """Whether a published change is for the better, 1, the worse, -1, or neither; None where nothing is said."""
    if row["sign"]:
        return 1 if row["sign"] == "+" else -1
    if not row["gain"]:
        return None
    gain = float(row["gain"]) * (1 if row["higher_is_better"] == "True" else -1)
    return (gain > 0) - (gain < 0)


def holds(row: dict[str, str]) -> bool:
    """Whether a published gain is beyond what runs of the stated noise differ by, at 5 %, one comparison alone."""
    if not row["gain"] or not row["sd"]:
        return False
    runs = float(row["runs"] or 1)
    return abs(float(row["gain"])) > Z * float(row["sd"]) * math.sqrt(2 / runs)


def agreement(ours: Row, theirs: dict[str, str]) -> str:
    """Whether the signs agree, and whether both hold; nothing is said of a gain of ours that was not seen."""
    mine, other = ours["turned"], sign(theirs)
    if mine is None or other is None or not mine or not other or ours["kind"] == "identical":
        return NOT
    if ours["kind"] not in (*HOLD, *SUGGEST):
        return NOT_SEEN  # its sign is noise as likely as not
    if (mine > 0) != (other > 0):
        return OPPOSITE
    return BOTH if ours["kind"] in HOLD and holds(theirs) else SAME


def theirs_cells(row: dict[str, str]) -> list[Cell]:
    """Published value as printed, its gain turned so that plus is better, the metric, the text removed."""
    value = number(float(row["value"] or "nan"), decimals=len(row["value"].partition(".")[2]))
    if row["gain"]:
        turned = float(row["gain"]) * (1 if row["higher_is_better"] == "True" else -1)
        gain = number(turned, decimals=len(row["gain"].partition(".")[2][:4]), signed=True)
    else:
        gain = text(f"{row['sign']} (sign alone)" if row["sign"] else MISSING)
    removed = number(float(row["tokens_removed_percent"] or "nan"), decimals=1)
    metric = f"{row['metric']}, {row['unit']}" if row["unit"] else row["metric"]
    return [value, gain, text(metric), removed]


def columns() -> list[Column]:
    """Heads of what is published."""
    over = "published"
    return [
        Column(head="value", over=over),
        Column(head="gain", over=over),
        Column(head="metric", words=True, over=over),
        Column(head="removed", unit="%", over=over),
        Column(head="agreement", words=True, over=over),
    ]


def beside_columns(
    summary: Summary, asked: Asked, found: Sequence[Row]
) -> tuple[list[Column], list[list[Cell]], list[str]]:
    """Columns, a row of cells for each of our gains, and footnotes; dashes where nothing of the stage is published."""
    assert asked.published is not None
    theirs = published(asked.published)
    cells = []
    for row in found:
        matched = match(row, theirs)
        if matched:
            cells.append([*theirs_cells(matched[0]), text(agreement(row, matched[0]))])
        else:
            cells.append([text(MISSING), text(MISSING), text(""), text(MISSING), text(NOT)])
    return columns(), cells, notes(theirs)


def notes(theirs: Published) -> list[str]:
    """Where the published numbers stand, their scale and whose noise is meant."""
    told = [
        f"Published: {theirs.citation.replace(chr(10), '. ')}. In its own units, turned so that plus is better; sizes are not to be compared."
    ]
    said = dict.fromkeys(row["sd_source"] for row in theirs.rows if row["sd_source"])
    told += [
        f"Both hold: ours after the correction, theirs beyond 1.96 sd of a difference of runs, sd {source}."
        for source in said
    ]
    if not said:
        told.append("The source gives no noise and none is stated, so no published gain counts as holding.")
    return told
