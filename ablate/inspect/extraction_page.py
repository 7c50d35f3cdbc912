"""The page, the table as CSV and the terminal's lines of `ablate inspect extraction`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ablate.inspect.extraction_score import SCORES, Mean, Scored, groups
from ablate.render.csv_text import csv_text
from ablate.render.tables import aligned, markdown

SEGMENTS = ("kept", "leaked")
LEGEND = (
    "Word 4-grams as a multiset, lower case, punctuation left out; characters of Chinese, Japanese, Thai and the like "
    "count as words. Means over pages with 95 % percentile intervals of a bootstrap over pages. Precision is over the "
    "pages from which a method gives any text; F1 is 0 for the others. A gold text that comes from a library favours "
    "extractors of its family, so kinds are never averaged."
)
SEGMENT_LEGEND = (
    "Of the segments that belong to the main text, the share that is found whole (more is better); of those that are "
    "boilerplate, the share that is found (less is better)."
)


def _shown(mean: Mean) -> str:
    if math.isnan(mean.value):
        return "–"
    bounds = "" if math.isnan(mean.low) else f" [{mean.low:.3f}, {mean.high:.3f}]"
    return f"{mean.value:.3f}{bounds}"


def table(scored: Scored, resamples: int) -> list[dict[str, object]]:
    """One row for each kind, language, method and score: the numbers of every table."""
    rows: list[dict[str, object]] = []
    for (kind, language), places in groups(scored.gold).items():
        has_text = scored.gold[places[0]].text is not None
        for method, scores in scored.scores.items():
            for name in SCORES if has_text else SEGMENTS:
                mean = Mean.of([getattr(scores[place], name) for place in places], resamples)
                rows.append(
                    {
                        "kind": kind,
                        "language": language,
                        "method": method,
                        "score": name,
                        "pages": len(places),
                        "mean": mean,
                    }
                )
    return rows


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """`extraction.csv`: kind, language, method, score, pages, value, low, high."""
    lines = []
    for row in rows:
        mean = row["mean"]
        assert isinstance(mean, Mean)
        first = [row["kind"], row["language"], row["method"], row["score"], row["pages"]]
        lines.append([*first, mean.value, mean.low, mean.high])
    return csv_text(("kind", "language", "method", "score", "pages", "value", "low", "high"), lines)


def tables(rows: Sequence[Mapping[str, object]]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Kind -> header and cells: a line for each language and method."""
    found: dict[str, tuple[list[str], list[list[str]]]] = {}
    for row in rows:
        mean, kind = row["mean"], str(row["kind"])
        assert isinstance(mean, Mean)
        header, cells = found.setdefault(kind, (["language", "pages", "method"], []))
        name = {"f1": "F1", "kept": "main text found", "leaked": "boilerplate found"}.get(
            str(row["score"]), str(row["score"])
        )
        if name not in header:
            header.append(name)
        line = [str(row["language"]), f"{row['pages']:,}", str(row["method"])]
        if not cells or cells[-1][:3] != line:
            cells.append(line)
        cells[-1].append(_shown(mean))
    return found


def speed_table(scored: Scored) -> tuple[list[str], list[list[str]]]:
    """Pages a second of each method, and relative to the slowest."""
    slowest = min(scored.pages_per_second.values())
    cells = [
        [name, f"{value:,.0f}" if value >= 10 else f"{value:.1f}", f"{value / slowest:.1f}x"]
        for name, value in scored.pages_per_second.items()
    ]
    return ["method", "pages a second", "relative"], cells


def extraction_page(
    title: str, facts: Mapping[str, str], scored: Scored, rows: Sequence[Mapping[str, object]]
) -> str:
    """The whole page."""
    parts = [f"# {title}", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    parts += [LEGEND] if any(one.text is not None for one in scored.gold) else []
    speed = markdown(*speed_table(scored))
    parts += ["## Speed", "One core, reading the page's text to giving its main text.", speed]
    for kind, (header, cells) in tables(rows).items():
        heading = kind[:1].upper() + kind[1:] if kind else "Gold texts"
        parts += [f"## {heading}", *([SEGMENT_LEGEND] if "boilerplate found" in header else [])]
        parts.append(markdown(header, cells, left=3))
    return "\n\n".join(parts) + "\n"


def terminal(scored: Scored, rows: Sequence[Mapping[str, object]]) -> str:
    """All languages together, for each kind, and the speed."""
    parts = []
    for kind, (header, cells) in tables(rows).items():
        some = [line[1:] for line in cells if line[0] == "all"]
        parts.append(f"{kind or 'gold texts'}\n{aligned(header[1:], some, left=2)}")
    return "\n\n".join([*parts, aligned(*speed_table(scored))])
