"""The funnel of a corpus as a table: what is left after each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def funnel_cells(lines: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Cells of the funnel: what is left after each stage, and the share that it kept."""
    cells = []
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else line
        share = [
            f"{100 * line[k] / before[k]:.1f} %" if number and before[k] else ""
            for k in ("documents", "bytes")
        ]
        reasons = ", ".join(
            f"{name} {count:,}"
            for name, count in sorted(line["dropped"].items(), key=lambda e: (-e[1], e[0]))
        )
        found = ", ".join(f"{name} {count:,}" for name, count in line.get("found", {}).items())
        cells.append([
            line["stage"], f"{line['documents']:,}", share[0], f"{line['bytes'] / 1e6:,.2f}", share[1],
            "–" if line["tokens"] is None else f"{line['tokens']:,}", f"{line['changed']:,}", found or "–",
            reasons or "–",
        ])  # fmt: skip
    return cells


def funnel_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """The funnel as plain text."""
    return aligned(FUNNEL_HEADER, funnel_cells(lines))
