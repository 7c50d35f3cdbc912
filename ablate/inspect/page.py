"""The pages and tables of the audit: Markdown, CSV, terminal."""

from __future__ import annotations

import html
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from ablate.inspect.diversity import MEASURES, SAMPLES, WINDOW, Diversity
from ablate.inspect.retention import FALSE_SHARE, Retention, leads
from ablate.render.csv_text import csv_text
from ablate.render.tables import aligned, markdown, p_text, unsigned

NAMED = 8
"""Groups listed per stage and direction; audit.csv has all."""
SHORT = 300
COLUMNS = ("stage", "column", "group", "before", "kept", "share", "low", "high", "overall", "ratio", "p_value",
           "p_adjusted", "lead")  # fmt: skip
LEAD_HEADER = ("group", "before", "kept", "share", "95 % interval", "ratio", "p adjusted", "")
READING = f"""\
- **Kept** is the share of the documents that reached the stage; **ratio** is it over the stage's overall share.
- A group is named when a group of its size drawn at random from what reached the stage would seldom differ as much
  (hypergeometric, two-sided), after Benjamini and Hochberg's correction over every group tested on this page: of the
  groups named, at most {100 * FALSE_SHARE:.0f} % are expected to be there by chance. Named groups are ranked by how far Wilson's
  95 % interval lies from the overall share.
- Where a large group loses much, the overall share falls, and the others stand out on the other side.
- A stage is meant to remove some groups more than others. This page says which, not whether that is right.
- Documents of one host resemble one another, and all groups of a stage look at the same documents: a domain stands
  out when one large host in it does. The intervals take documents as independent.
- `tld` is the last label of the host (`uk` of `bbc.co.uk`); no list of public suffixes is used. `length` is cut at the
  quintiles of the text that reaches the stage, in bytes, HTML source included where a stage receives that.
- `language` and `source` are what the origin says, not what a stage measured."""
DIVERSITY = f"""\
- **distinct-n**: share of distinct word n-grams. **TTR**: type-token ratio over {WINDOW:,} words, mean of windows.
  **compression**: bytes over compressed bytes (Zstandard, level 9); higher is more redundant, unlike the others.
- In brackets: the lowest and highest change from the line above over {SAMPLES} samples. A range that excludes 0 says that
  every sample changed the same way; where the corpus is small against the sample, samples overlap, the range
  is too narrow, and it is no confidence interval.
- Samples are whole documents, so fewer and longer documents count as less diverse. Text without blanks between words
  (Chinese, Japanese) counts whole runs as words."""


def audit_csv(lines: Iterable[Retention]) -> str:
    """Every group of every stage; an empty cell is a value that was not tested."""
    return csv_text(COLUMNS, ([getattr(line, name) for name in COLUMNS] for line in lines))


def diversity_csv(diversity: Diversity) -> str:
    """Every measure of every sample."""
    cells = (
        (point, number, diversity.n_words, diversity.n_bytes, *map(float, row))
        for point, values in diversity.values.items()
        for number, row in enumerate(values)
    )
    return csv_text(("after", "sample", "words", "bytes", *MEASURES), cells)


def percent(value: float, digits: int = 1) -> str:
    """A share in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def between(low: float, high: float) -> str:
    """An interval of shares in percent."""
    return "–" if math.isnan(low) else f"[{100 * low:.1f}, {100 * high:.1f}]"


def short(line: Retention) -> str:
    """One group in a few words."""
    return f"{line.column} {textwrap.shorten(line.group, 40, placeholder=' ...')} {percent(line.share)} of {line.before:,}"


def terminal(stages: Sequence[tuple[str, int, int]], lines: Sequence[Retention], diversity: Diversity) -> str:
    """One line for each stage: what it kept, the group furthest from that either way, diversity after it."""
    rows = []
    for stage, before, kept in stages:
        own = [line for line in lines if line.stage == stage]
        first = [
            short(found[0]) if (found := leads(own, which)) else "–"
            for which in ("over-removed", "under-removed")
        ]
        values = diversity.values.get(stage)
        distinct = "–" if values is None else unsigned(float(values[:, 2].mean()), 3)
        rows.append([stage, f"{before:,}", percent(kept / before), distinct, *first])
    header = ("stage", "documents in", "kept", "distinct-3 after", "most over-removed", "most under-removed")
    return aligned(header, rows)


def lead_table(found: Sequence[Retention]) -> str:
    """Named groups, as Markdown."""
    cells = [
        [
            f"{line.column}: {escape(line.group)}",
            f"{line.before:,}",
            f"{line.kept:,}",
            percent(line.share),
            between(line.low, line.high),
            unsigned(line.ratio, 2),
            p_text(line.p_adjusted),
            "",
        ]
        for line in found[:NAMED]
    ]
    more = f"\n\n{len(found) - NAMED:,} more in `audit.csv`." if len(found) > NAMED else ""
    return markdown(LEAD_HEADER, cells) + more


def diversity_table(diversity: Diversity, points: Sequence[str]) -> str:
    """Measures after each stage, with the range of the change, as Markdown."""
    header = ["after", "distinct-1", "distinct-2", "distinct-3", f"TTR at {WINDOW:,}", "compression", ""]
    rows, before = [], None
    for point in points:
        values = diversity.values.get(point)
        if values is None:
            rows.append([point, *["–"] * len(MEASURES), "HTML source, not comparable"])
            continue
        cells = [unsigned(mean, 3) for mean in values.mean(axis=0)]
        if before is not None:
            change = values - before
            ends = zip(cells, change.min(axis=0), change.max(axis=0), strict=True)
            cells = [
                cell if math.isnan(low) else f"{cell} ({low:+.3f} to {high:+.3f})" for cell, low, high in ends
            ]
        rows.append([point, *cells, ""])
        before = values
    return markdown(header, rows)


def group_counts(lines: Sequence[Retention], column: str) -> str:
    """How many groups of a column were tested, over all stages."""
    tested = {line.group for line in lines if line.column == column and not math.isnan(line.p_value)}
    return f"{column} ({len(tested):,})"


def audit_page(
    title: str,
    facts: Mapping[str, object],
    stages: Sequence[tuple[str, int, int]],
    lines: Sequence[Retention],
    diversity: Diversity,
    samples: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        facts: name -> value, shown at the end.
        stages: name, documents that reached it, documents it kept.
        samples: stage -> table of dropped beside kept documents.
    """
    parts = [f"# {title}: what each stage threw out", *_overview(stages, lines)]
    for stage, before, kept in stages:
        own = [line for line in lines if line.stage == stage]
        parts.append(f"## {stage}: {kept:,} of {before:,} documents kept ({percent(kept / before)})")
        if before == kept:
            parts.append("It dropped nothing.")
            continue
        over, under = leads(own, "over-removed"), leads(own, "under-removed")
        if over:
            parts += ["**Over-removed**", lead_table(over)]
        if under:
            parts += ["**Under-removed**", lead_table(under)]
        if not over and not under:
            parts.append("No group stands out from chance.")
        if stage in samples:
            parts += ["**Dropped beside kept**, the first of each by a hash of their keys", samples[stage]]
    parts += ["## Lexical diversity", *_diversity(diversity, stages)]
    parts += ["## How to read this", READING, "## To make it again"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    return "\n\n".join(parts) + "\n"


def _overview(stages: Sequence[tuple[str, int, int]], lines: Sequence[Retention]) -> list[str]:
    tested = sum(not math.isnan(line.p_value) for line in lines)
    columns = list(dict.fromkeys(line.column for line in lines))
    rows = []
    for stage, before, kept in stages:
        own = [line for line in lines if line.stage == stage]
        counts = [str(len(leads(own, which))) for which in ("over-removed", "under-removed")]
        rows.append([stage, f"{before:,}", f"{kept:,}", percent(kept / before), *counts, ""])
    header = ("stage", "documents in", "kept", "share", "groups over-removed", "groups under-removed", "")
    caption = (
        f"{tested:,} comparisons of a group with its stage's overall share; groups by column: "
        f"{', '.join(group_counts(lines, column) for column in columns)}."
    )
    return [caption, markdown(header, rows), "![Retention by group with 95 % intervals](retention.svg)"]


def _diversity(diversity: Diversity, stages: Sequence[tuple[str, int, int]]) -> list[str]:
    if not diversity.values:
        return ["Every text of this arm is HTML source, whose words are not comparable."]
    caption = (
        f"Mean of {SAMPLES} samples; {diversity.n_words:,} words of each for the n-grams, "
        f"{diversity.n_bytes:,} bytes for the compression ratio."
    )
    return [caption, diversity_table(diversity, ["input", *(stage for stage, _, _ in stages)]), DIVERSITY]


def escape(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]!#~])", r"\\\1", plain)


def sample_table(dropped: Sequence[tuple[str, str, str]], kept: Sequence[tuple[str, str]]) -> str:
    """Dropped and kept documents side by side, as Markdown.

    Args:
        dropped: address, reason and text, the text already shortened; `kept`: address and text.
    """
    rows = []
    for number in range(max(len(dropped), len(kept))):
        left = right = ""
        if number < len(dropped):
            url, reason, text = dropped[number]
            left = f"**{escape(reason)}** {_address(url)}<br>{text}"
        if number < len(kept):
            url, text = kept[number]
            right = f"{_address(url)}<br>{text}"
        rows.append([left, right])
    return markdown(("dropped", "kept"), rows, left=2)


def _address(url: str) -> str:
    return f"`{url.replace('`', '%60')}`" if url else "(no address)"
