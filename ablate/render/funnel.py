"""The funnel of a corpus as a table: what is left after each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from ablate.render.tables import aligned

FUNNEL_HEADER = (
    "after",
    "documents",
    "kept",
    "MB",
    "kept",
    "tokens",
    "changed",
    "found",
    "dropped because of",
)


class FunnelRow(TypedDict):
    """What is left after a stage, and what it did.

    Attributes:
        stage: its name; "input" for what comes in.
        documents, bytes: left, and their UTF-8.
        tokens: of those; None where they are not counted (HTML source).
        dropped: reason -> documents.
        changed: documents whose text it rewrote and kept.
        found: what its steps count -> number.
    """

    stage: str
    documents: int
    bytes: int
    tokens: int | None
    dropped: dict[str, int]
    changed: int
    found: dict[str, int]


def funnel_cells(lines: Sequence[FunnelRow]) -> list[list[str]]:
    """Cells of the funnel: what is left after each stage, and the share that it kept."""
    cells = []
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else line
        share = [
            f"{100 * now / then:.1f} %" if number and then else ""
            for now, then in ((line["documents"], before["documents"]), (line["bytes"], before["bytes"]))
        ]
        reasons = ", ".join(
            f"{name} {count:,}"
            for name, count in sorted(line["dropped"].items(), key=lambda e: (-e[1], e[0]))
        )
        found = ", ".join(f"{name} {count:,}" for name, count in line.get("found", {}).items())
        cells.append(
            [
                line["stage"],
                f"{line['documents']:,}",
                share[0],
                f"{line['bytes'] / 1e6:,.2f}",
                share[1],
                "–" if line["tokens"] is None else f"{line['tokens']:,}",
                f"{line['changed']:,}",
                found or "–",
                reasons or "–",
            ]
        )
    return cells


def funnel_table(lines: Sequence[FunnelRow]) -> str:
    """The funnel as plain text."""
    return aligned(FUNNEL_HEADER, funnel_cells(lines))
