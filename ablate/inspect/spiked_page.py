"""The page and the table of `ablate inspect spike`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.inspect.page import between, percent
from ablate.inspect.retention import Share
from ablate.inspect.spiked import NOT_PLANTED, WHOLE, Outcome
from ablate.render.csv_text import csv_text
from ablate.render.tables import aligned, markdown

HEADER = (
    "defect",
    "planted",
    "removed by the whole recipe",
    "95 %",
    "stages that removed most",
    "pieces gone from the rest",
)
STAGE_HEADER = ("documents", "reached it", "removed", "share", "95 %", "pieces gone", "95 %", "text left")
CSV_HEADER = (
    "stage", "kind", "strength", "reached", "removed", "share", "low", "high", "pieces", "pieces_gone", "gone_share",
    "gone_low", "gone_high", "bytes_before", "bytes_after",
)  # fmt: skip
READING = """\
- **Removed** is recall: of the documents with this defect that reached a stage, those that it dropped. A document can be
  dropped for what it was before anything was planted into it; the line *not planted* of the same stage says how often
  that happens, and only what lies above it can be the defect's doing.
- Of a **copy**, a stage that compares documents has removed the pair when not both are left: to keep the copy and drop
  its original does the same to the corpus. The original is then counted in no other line.
- **Of what it dropped, planted** is precision in a narrow sense: planted against not planted. A real document that is
  dropped may have the same defect, or another; nothing here says that it was good. The share also depends on how much
  was planted.
- **Pieces gone**: texts that were added (banner and footer lines, addresses, items), of those that stood in documents
  which the stage kept. **Text left**: bytes after and before the stage of the documents that it kept, where both are text.
- A defect of a kind that is planted is a simple one. A stage that finds it need not find what the web holds of the kind."""


def _name(outcome: Outcome, several: Mapping[str, int]) -> str:
    return f"{outcome.kind} at {outcome.strength:g}" if several[outcome.kind] > 1 else outcome.kind


def _cells(found: Sequence[Outcome]) -> list[list[str]]:
    whole = [one for one in found if one.stage == WHOLE]
    several = _strengths(whole)
    rows = []
    for one in whole:
        mine = [
            other
            for other in found
            if (other.kind, other.strength) == (one.kind, one.strength)
            and other.stage != WHOLE
            and other.removed.hits
        ]
        most = sorted(mine, key=lambda other: -other.removed.hits)[:2]
        rows.append(
            [
                _name(one, several),
                f"{one.removed.total:,}",
                percent(one.removed.value),
                between(*one.removed.interval),
                ", ".join(f"{other.stage} {other.removed.hits:,}" for other in most) or "none",
                _of(one.gone),
            ]
        )
    return rows


def _strengths(found: Sequence[Outcome]) -> dict[str, int]:
    kinds = [one.kind for one in found]
    return {kind: kinds.count(kind) for kind in kinds}


def _of(share: Share) -> str:
    return f"{share.hits:,} of {share.total:,}" if share.total else "–"


def spike_table(found: Sequence[Outcome]) -> str:
    """For the terminal: what became of each defect."""
    return aligned(HEADER, _cells(found))


def spike_csv(found: Sequence[Outcome]) -> str:
    """One line for each stage, kind and strength."""
    lines: list[list[object]] = []
    for one in found:
        shares = [_numbers(share) for share in (one.removed, one.gone)]
        bytes_of = [one.n_before, one.n_after] if one.n_before else [None, None]
        lines.append([one.stage, one.kind, f"{one.strength:g}", *shares[0], *shares[1], *bytes_of])
    return csv_text(CSV_HEADER, lines)


def _numbers(share: Share) -> list[object]:
    if not share.total:
        return [0, 0, None, None, None]
    return [share.total, share.hits, *map(float, (share.value, *share.interval))]


def spike_page(title: str, found: Sequence[Outcome], facts: Mapping[str, object], cost: str = "") -> str:
    """The whole page.

    Args:
        facts: name -> value, shown at the end.
        cost: what the defects cost in trained runs, as Markdown; "" where nothing was trained.
    """
    parts = [f"# {title}: what the stages make of planted defects"]
    parts += [markdown(HEADER, _cells(found))] if found else []
    if cost:
        parts += ["## What they cost", cost]
    for stage in dict.fromkeys(one.stage for one in found if one.stage != WHOLE):
        parts += [f"## {stage}", *_stage([one for one in found if one.stage == stage])]
    if found:
        parts += ["## How to read this", READING, "## To make it again"]
        parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    return "\n\n".join(parts) + "\n"


def _stage(found: Sequence[Outcome]) -> list[str]:
    several = _strengths(found)
    planted = sum(one.removed.hits for one in found if one.kind != NOT_PLANTED)
    other = sum(one.removed.hits for one in found if one.kind == NOT_PLANTED)
    gone = any(one.gone.hits for one in found)
    shown = found if gone or planted or other or any(one.n_before != one.n_after for one in found) else []
    if not shown:
        return ["It removed and changed nothing."]
    of = Share(planted, planted + other)
    said = (
        f"It dropped {planted + other:,} documents, {planted:,} of them planted (of what it dropped, planted: "
        f"{percent(of.value)}, {between(*of.interval)})."
        if planted + other
        else "It dropped no document."
    )
    rows = [
        [
            _name(one, several),
            f"{one.removed.total:,}",
            f"{one.removed.hits:,}",
            percent(one.removed.value),
            between(*one.removed.interval),
            _of(one.gone),
            between(*one.gone.interval),
            percent(one.n_after / one.n_before) if one.n_before else "–",
        ]
        for one in shown
    ]
    return [said, markdown(STAGE_HEADER, rows, remark=False)]
