"""The journal of a study's plans: what was planned before any run was seen, and how often results were looked at.

A gain that was named before runs existed is a claim. One that was named afterwards, or a headline that was changed, is
exploration. Seeds that were added to a study that had runs make it sequential, whether or not that was planned: testing after 3,
5 and 8 seeds as if each were the only look finds something in 9 % of studies without any effect, not in 5 %.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablate.design.base import ContrastSpec
from ablate.errors import DataError
from ablate.shape import from_json, to_json
from ablate.store import write_text
from ablate.study.schema import PAIRED, Headline, Plan

JOURNAL = "plans.jsonl"
"""One line for each plan of a study, oldest first."""


@dataclass(frozen=True)
class Entry:
    """One plan, as it was frozen.

    Attributes:
        digest: the plan's.
        seeds: in its order.
        metrics: the headline, and claims on single tasks.
        gains: estimand, factor, level and versus of each planned contrast.
        seen: seeds under which any run of the study had a record when the plan was made.
        pairing: of the gains, see `ablate.study.pairing`.
    """

    digest: str
    seeds: tuple[int, ...]
    metrics: Headline
    gains: tuple[tuple[str, ...], ...]
    seen: tuple[int, ...]
    pairing: str = PAIRED


@dataclass(frozen=True)
class Standing:
    """What a study's history leaves of its plan.

    Attributes:
        seeds: of the plan, in the order in which they were first planned.
        looks: seeds at each look at the results, the last with all; one look where nothing was added later.
        changed: why nothing is a claim any more; "" where the headline stands as it was planned.
        gains: that were planned before any run; None for all of the plan's.
        single: (task, stage) of the gains on single tasks that were claimed before any run; None for all of the plan's.
    """

    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    changed: str = ""
    gains: frozenset[tuple[str, ...]] | None = None
    single: frozenset[tuple[str, str]] | None = None


AT_ITS_WORD = Standing((), ())
"""Of a study without a journal: the plan as it is."""


def gain_key(contrast: ContrastSpec) -> tuple[str, ...]:
    """Name a contrast by what it is a gain of."""
    return contrast.estimand, contrast.factor, contrast.level, contrast.versus


def seeds_seen(folder: Path) -> tuple[int, ...]:
    """Return seeds under which any run of a study has a record, ascending."""
    records = folder.glob("runs/*/seed-*/record.json")
    return tuple(sorted({int(path.parent.name.removeprefix("seed-")) for path in records}))


def note_plan(plan: Plan, folder: Path, seen: tuple[int, ...]) -> None:
    """Add a plan to the journal of its study, unless it is the last one there.

    Args:
        plan: as it was frozen.
        folder: of the study.
        seen: `seeds_seen` before the plan was made.
    """
    entries = read_journal(folder)
    if entries and entries[-1].digest == plan.digest:
        return
    gains = tuple(gain_key(contrast) for contrast in plan.contrasts)
    entry = Entry(plan.digest, plan.seeds, plan.metrics, gains, seen, plan.pairing)
    lines = [json.dumps(to_json(one), ensure_ascii=False) for one in (*entries, entry)]
    write_text(folder / JOURNAL, "\n".join(lines) + "\n")


def read_journal(folder: Path) -> list[Entry]:
    """Read the plans of a study, oldest first; none where there is no journal.

    Raises:
        DataError: for a line that is not an entry; names it.
    """
    path = folder / JOURNAL
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(from_json(Entry, json.loads(line), "its entry"))
        except (ValueError, DataError) as error:
            raise DataError(
                f"{path}, line {number}: not an entry of the journal of plans ({error}). It says what was "
                "planned before the runs; without it all gains are exploration: delete the file to report them as such"
            ) from None
    return entries


def standing(plan: Plan, entries: Sequence[Entry]) -> Standing:
    """Say what the history of a study leaves of its plan.

    Args:
        plan: the present one.
        entries: its journal; empty for a study that has none, which is taken at its word.
    """
    seeds = plan.seeds
    if not entries:
        return Standing(seeds, (len(seeds),))
    first = {seed: number for number, entry in reversed(list(enumerate(entries))) for seed in entry.seeds}
    ordered = tuple(sorted(seeds, key=lambda seed: first.get(seed, len(entries))))
    before = [entry for entry in entries if not entry.seen]
    if not before:
        return Standing(ordered, (len(seeds),), "runs existed before the first plan")
    original = before[-1]
    counts = {sum(seed in entry.seen for seed in ordered) for entry in entries}
    looks = (*sorted(count for count in counts if 2 <= count < len(seeds)), len(seeds))
    dropped = sorted({seed for entry in entries for seed in entry.seen} - set(seeds))
    changed = ""
    if _headline(original.metrics) != _headline(plan.metrics):
        changed = "the headline was changed after runs had been seen"
    elif original.pairing != plan.pairing:
        changed = (
            f"gains were planned {original.pairing}, and design.pairing was changed after runs had been seen"
        )
    elif dropped:
        changed = f"seeds {', '.join(map(str, dropped))} were dropped after their runs had been seen"
    return Standing(ordered, looks, changed, frozenset(original.gains), single_claims(original.metrics))


def single_claims(metrics: Headline) -> frozenset[tuple[str, str]]:
    """Return (task, stage) of the gains on single tasks that a plan claims."""
    return frozenset((task, stage) for task, stages in metrics.claims.items() for stage in stages)


def _headline(metrics: Headline) -> Headline:
    """What all claims hang on; a claim on a single task that comes later is no claim, and spoils no other."""
    return replace(metrics, claims={})
