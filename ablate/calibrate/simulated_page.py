"""CALIBRATION.md: what simulation found, in tables; what does not hold is listed from the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablate.calibrate.few_items import FewItems
from ablate.calibrate.missing import Missing
from ablate.calibrate.null_reports import NullReports
from ablate.calibrate.populations import POPULATIONS
from ablate.calibrate.repeats import APART, PROMISED, TENTHS, Repeats, kept
from ablate.calibrate.shapes import Noticed
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import BAND, Cell
from ablate.render.csv_text import csv_text
from ablate.render.tables import markdown
from ablate.store import write_text

Columns = Mapping[str, Callable[[Any], object]]


def write_csv(path: Path, rows: Iterable[Any], columns: Columns) -> None:
    """One line for each of `rows`; a column is a function of one of them."""
    cells = ([value(row) for value in columns.values()] for row in rows)
    write_text(path, csv_text(columns, cells, floats=".4f"))


def _interval(name: str, share: Callable[[Any], Share]) -> Columns:
    return {
        name: lambda row: share(row).share,
        f"{name}_low": lambda row: share(row).interval[0],
        f"{name}_high": lambda row: share(row).interval[1],
    }


def _seeds(shared: bool) -> str:
    return "shared" if shared else "own"


def standing(cell: Cell) -> str:
    """What the numbers say of a cell: "held", "too narrow" or "wider than needed"."""
    return "too narrow" if cell.narrow else "wider than needed" if cell.wide else "held"


def write_cells(cells: Sequence[Cell], folder: Path) -> str:
    """Write cells.csv; returns the section on coverage."""
    write_csv(
        folder / "cells.csv",
        cells,
        {
            "design": lambda c: c.case,
            "estimand": lambda c: c.estimand,
            "noise": lambda c: c.noise,
            "interactions": lambda c: c.interactions,
            "seeds": lambda c: c.seeds,
            "arms_seeds": lambda c: _seeds(c.shared),
            "default": lambda c: c.default,
            "arms": lambda c: c.n_arms,
            "contrasts": lambda c: c.contrasts,
            "studies": lambda c: c.studies,
            "coverage": lambda c: c.coverage,
            **_interval("furthest_contrast", lambda c: c.worst),
            "rejected": lambda c: c.rejected / c.studies / c.contrasts,
            **_interval("familywise_error", lambda c: c.familywise),
            "median_width": lambda c: c.width,
            "standing": standing,
        },
    )
    low, high = BAND
    narrow, wide = [c for c in cells if c.narrow], [c for c in cells if c.wide]
    loose = [c for c in cells if not c.familywise_held]
    assumed = [c for c in cells if c.assumed]
    failed = [c for c in assumed if c.narrow]
    lines = [
        "## Simulated: known truth",
        f"{len(cells):,} cells (design x estimand x noise x seeds, arms sharing their seeds or not), {cells[0].studies:,} studies each; "
        "`cells.csv` has all, with exact binomial intervals. What does not hold is read off the numbers: intervals are *too narrow* in a "
        f"cell whose 95 % intervals cover less than {100 * low:.1f} % on average, in which a single contrast surely does (binomial p < 0.001), or in "
        "which Holm's family-wise error is surely above 5 %; such cells are **not claimed**. They are *wider than needed* where coverage is "
        f"above {100 * high:.1f} % in the same sense.",
        "\n".join(
            [
                f"- held in {len(cells) - len(narrow) - len(wide):,} cells, wider than needed in {len(wide):,}, too narrow in {len(narrow):,}",
                f"- of the {len(assumed):,} cells for which intervals are derived (normal noise, equal or not, gains that add up): "
                + (
                    f"too narrow in {len(failed)}: {'; '.join(map(_name, failed))}"
                    if failed
                    else "too narrow in none"
                ),
                f"- family-wise error after Holm surely above 5 % in {len(loose):,} cells",
                *_aa(cells),
            ]
        ),
        "![Coverage of every cell](coverage.svg)",
        markdown(
            (
                "noise",
                "arms' seeds",
                "cells",
                "held",
                "wider than needed",
                "too narrow",
                "least mean coverage",
                "largest family-wise error",
            ),
            [_summary(group) for group in _groups(cells).values()],
            left=2,
        ),
        "### Not claimed",
        "By noise, from the numbers: designs (and numbers of seeds) in which intervals are too narrow.",
        "\n".join(_not_claimed(group) for group in _groups(cells).values() if any(c.narrow for c in group))
        or "None.",
    ]
    return "\n\n".join(lines)


def _groups(cells: Sequence[Cell]) -> dict[tuple[str, bool, bool], list[Cell]]:
    found: dict[tuple[str, bool, bool], list[Cell]] = {}
    for c in cells:
        found.setdefault((c.noise, c.interactions, c.shared), []).append(c)
    order = {name: number for number, name in enumerate(POPULATIONS)}
    return dict(sorted(found.items(), key=lambda one: (order[one[0][0]], one[0][1], not one[0][2])))


def _noise(cell: Cell) -> str:
    words = POPULATIONS[cell.noise].words
    return f"`{cell.noise}`: {words}" + ("; strong interactions" if cell.interactions else "")


def _summary(group: Sequence[Cell]) -> list[str]:
    least, loosest = min(group, key=lambda c: c.coverage), max(group, key=lambda c: c.familywise.share)
    narrow, wide = sum(c.narrow for c in group), sum(c.wide for c in group)
    return [
        _noise(group[0]),
        _seeds(group[0].shared),
        str(len(group)),
        str(len(group) - narrow - wide),
        str(wide),
        str(narrow),
        f"{100 * least.coverage:.1f} % ({least.case} {least.estimand}, {least.seeds} seeds)",
        f"{100 * loosest.familywise.share:.1f} % ({loosest.case} {loosest.estimand}, {loosest.seeds} seeds)",
    ]


def _not_claimed(group: Sequence[Cell]) -> str:
    narrow = [c for c in group if c.narrow]
    where: dict[str, list[str]] = {}
    for c in narrow:
        where.setdefault(f"{c.case} {c.estimand}", []).append(str(c.seeds))
    coverage = [c.coverage for c in narrow]
    worst = max(narrow, key=lambda c: c.familywise.share).familywise
    designs = "; ".join(f"{name} ({', '.join(seeds)})" for name, seeds in where.items())
    return (
        f"- {_noise(group[0])}, {_seeds(group[0].shared)} seeds: {len(narrow)} of {len(group)} cells, mean coverage "
        f"{100 * min(coverage):.1f} to {100 * max(coverage):.1f} %, family-wise error up to {worst.percent}: {designs}"
    )


def _aa(cells: Sequence[Cell]) -> list[str]:
    lines = []
    for kind, tested in (
        ("normal noise", [c for c in cells if c.estimand == "aa" and c.assumed]),
        ("all other noise", [c for c in cells if c.estimand == "aa" and not c.assumed]),
    ):
        if tested:
            total = Share(sum(c.rejected for c in tested), sum(c.studies * c.contrasts for c in tested))
            lines.append(f"- A/A contrasts rejected at 5 %, {kind}: {total}")
    return lines


def _name(cell: Cell) -> str:
    return (
        f"{cell.case} {cell.estimand}, {cell.noise}, {cell.seeds} seeds, {_seeds(cell.shared)} ({100 * cell.coverage:.1f} %, "
        f"furthest contrast {cell.worst.percent}, family-wise {cell.familywise.percent})"
    )


def write_null(reports: Sequence[NullReports], folder: Path) -> str:
    """Write global_null.csv; returns the section on false claims."""
    write_csv(
        folder / "global_null.csv",
        reports,
        {
            "design": lambda r: r.case,
            "noise": lambda r: r.noise,
            "seeds": lambda r: "+".join(map(str, np.diff([0, *r.looks]))),
            "arms_seeds": lambda r: _seeds(r.shared),
            "default": lambda r: r.default,
            "gains": lambda r: r.gains,
            "estimands": lambda r: r.estimands,
            "tasks": lambda r: 5,
            "studies": lambda r: r.studies,
            **_interval("any_helps", lambda r: r.any_helps),
            **_interval("any_claim", lambda r: r.any_claim),
            **_interval("any_helps_in_any_report", lambda r: r.ever_helps),
            **_interval("any_claim_in_any_report", lambda r: r.ever_claim),
            "held": lambda r: r.held,
        },
    )
    rows, failing = [], []
    for fixed in (True, False):
        for shared in (True, False):
            for noise in dict.fromkeys(r.noise for r in reports):
                group = [
                    r
                    for r in reports
                    if (len(r.looks) == 1) == fixed and r.shared == shared and r.noise == noise
                ]
                if not group:
                    continue
                helps, claim = (
                    max(group, key=lambda r: r.any_helps.share),
                    max(group, key=lambda r: r.any_claim.share),
                )
                ever = max(group, key=lambda r: r.ever_claim.share)
                rows.append(
                    [
                        f"`{noise}`",
                        _seeds(shared),
                        "fixed" if fixed else "added twice",
                        str(len(group)),
                        str(sum(r.held for r in group)),
                        f"{helps.any_helps.percent} ({helps.case}, {_plus(helps)})",
                        f"{claim.any_claim.percent} ({claim.case}, {_plus(claim)})",
                        "–" if fixed else f"{ever.ever_claim.percent} ({ever.case})",
                    ]
                )
                failing += [r for r in group if not r.held]
    lines = [
        "## A report's chance of any false claim",
        f"No stage does anything; each report has an aggregate, five tasks and up to three estimands, {reports[0].studies:,} reports a cell, every "
        "design of `conf/design` that has gains, `global_null.csv`. Counted are reports with any `helps`, and with any `helps` or `hurts`, by "
        "the code that words a report. *Held*: any claim in no more than 5 % of reports, or not surely more (binomial p < 0.001). *Added "
        "twice*: seeds after 3 and after 5, with the boundaries that the journal of plans asks for; the last report is counted, and, in the last column, "
        "any of the three, as for someone who stops at the first report with a claim. The first of them could not know of the others.",
        markdown(
            (
                "noise",
                "arms' seeds",
                "number of seeds",
                "cells",
                "held",
                "most with any `helps`",
                "most with any claim",
                "in any of three reports",
            ),
            rows,
            left=3,
        ),
    ]
    if failing:
        lines += [
            "Not claimed, where more than 5 % have one:",
            "\n".join(
                f"- {r.case}, `{r.noise}`, {_plus(r)} seeds, {_seeds(r.shared)}: any `helps` {r.any_helps.percent}, any claim {r.any_claim.percent}"
                for r in failing
            ),
        ]
    return "\n\n".join(lines)


def _plus(report: NullReports) -> str:
    return "+".join(str(n) for n in np.diff([0, *report.looks]))


def write_repeats(repeats: Sequence[Repeats], folder: Path) -> str:
    """Write repeats.csv; returns the section on the effect that a table says it can see."""
    write_csv(
        folder / "repeats.csv",
        repeats,
        {
            "design": lambda r: r.case,
            "noise": lambda r: r.noise,
            "seeds": lambda r: r.seeds,
            "arms_seeds": lambda r: _seeds(r.shared),
            "contrasts": lambda r: r.contrasts,
            "studies": lambda r: r.studies,
            "called": lambda r: r.share,
            **_by_tenths("tenth", lambda r: r.tenths(r.called)),
            **_by_tenths("differing_tenth", lambda r: r.differing),
            **_by_tenths("upper_tenth", lambda r: r.tenths(r.upper)),
            "stated_90_over_10": lambda r: r.spread,
        },
    )
    low, high = PROMISED
    good = [r for r in repeats if low <= r.share <= high]
    least, most = [r.tenths(r.called)[0] for r in repeats], [r.tenths(r.called)[-1] for r in repeats]
    return "\n\n".join(
        [
            "## The effect that a report says it can see",
            "*An effect of X in one stage is called by 80 % of repeats of this study, as its noise was measured; one of Y by at least as many, with 95 % confidence*: "
            "each study states its X and Y, the next one has an effect of that size, in each stage alone, and calls it or not after Holm; "
            f"{repeats[0].studies:,} studies a cell, `repeats.csv`. By tenths of the studies, from those that state the smallest to those that state the largest.",
            f"- **X, all studies together**: {100 * low:.0f} to {100 * high:.0f} % in {len(good)} of {len(repeats)} cells"
            + (
                f"; else {', '.join(f'{r.case} `{r.noise}` {r.seeds} seeds {100 * r.share:.0f} %' for r in repeats if r not in good)}"
                if len(good) < len(repeats)
                else ""
            )
            + f"\n- **X, by tenths, where studies differ in noise** (by a factor of up to {APART:.0f}, as tasks, metrics and studies do): over all cells "
            + ", ".join(f"{100 * np.mean([r.differing[n] for r in repeats]):.0f}" for n in range(TENTHS))
            + f" %; {_all_tenths([r.differing for r in repeats])}. What is off at the two ends is the end of the range: nobody has less noise than the least."
            + f"\n- **X, by tenths, where all studies have the same noise**, so that only luck makes one state less than another: {_all_tenths([r.tenths(r.called) for r in repeats])}. "
            f"No figure from the study's own noise could: in the tenth that states least {100 * min(least):.0f} to {100 * max(least):.0f} % of repeats call it, in the tenth that states most "
            f"{100 * min(most):.0f} to {100 * max(most):.0f} %."
            + f"\n- **Y, by tenths, same noise**: surely below {100 * low:.0f} % in {sum(r.upper_below for r in repeats)} of all {TENTHS * len(repeats)} tenths"
            + "".join(
                f"; {r.case} `{r.noise}` {r.seeds} seeds: {r.upper_below}, least {100 * min(r.tenths(r.upper)):.0f} %"
                for r in repeats
                if r.upper_below
            )
            + ".",
            "Shares of repeats that call X, tenths of same noise; least and most of tenths of differing noise; the least tenth of Y.",
            markdown(
                (
                    "design",
                    "noise",
                    "seeds",
                    "arms' seeds",
                    "all",
                    *(str(n + 1) for n in range(TENTHS)),
                    "differing",
                    "Y, least",
                    "X, 90th over 10th percentile",
                ),
                [
                    [
                        r.case,
                        f"`{r.noise}`",
                        str(r.seeds),
                        _seeds(r.shared),
                        f"{100 * r.share:.1f} %",
                        *(f"{100 * share:.0f}" for share in r.tenths(r.called)),
                        f"{100 * min(r.differing):.0f} to {100 * max(r.differing):.0f}",
                        f"{100 * min(r.tenths(r.upper)):.0f}",
                        f"{r.spread:.2f}",
                    ]
                    for r in repeats
                ],
                left=2,
            ),
        ]
    )


def _all_tenths(cells: Sequence[Sequence[float]]) -> str:
    whole, tenths = sum(kept(cell) == TENTHS for cell in cells), sum(map(kept, cells))
    low, high = PROMISED
    return f"{100 * low:.0f} to {100 * high:.0f} % in every tenth in {whole} of {len(cells)} cells, in {tenths} of all {TENTHS * len(cells)} tenths"


def _by_tenths(name: str, shares: Callable[[Repeats], Sequence[float]]) -> Columns:
    return {f"{name}_{n + 1}": lambda r, n=n: shares(r)[n] for n in range(TENTHS)}  # type: ignore[misc]


def write_missing(found: Sequence[Missing], folder: Path) -> str:
    """Write missing.csv; returns the section on runs that fail."""
    write_csv(
        folder / "missing.csv",
        found,
        {
            "failing": lambda m: m.rate,
            "which": lambda m: _which(m),
            "seeds": lambda m: m.seeds,
            "studies": lambda m: m.studies,
            "measured": lambda m: m.measured / m.studies,
            **_interval("coverage", lambda m: m.coverage),
            "bias": lambda m: m.bias,
            "worst_case_bias": lambda m: m.worst_bias,
            "failures_noticed": lambda m: m.noticed / m.studies,
            "standing": lambda m: "too narrow" if m.narrow else "held",
        },
    )
    rows = [
        [
            f"{100 * m.rate:.0f} %",
            _which(m),
            str(m.seeds),
            f"{100 * m.measured / m.studies:.1f} %",
            m.coverage.percent,
            f"{m.bias:+.2f}",
            f"{m.worst_bias:+.2f}",
            f"{100 * m.noticed / m.studies:.1f} %",
            "too narrow: not claimed" if m.narrow else "held",
        ]
        for m in found
    ]
    return "\n\n".join(
        [
            "## Runs that fail",
            "Leave-one-out over four stages; runs of the first stage's arm fail, all others do not. The truth is the gain that all runs would have shown. "
            "Bias in standard deviations of a run: of the gain among the runs that are left, and of the bound that gives failed runs the worst score there is. "
            f"{found[0].studies:,} studies a cell, `missing.csv`.",
            markdown(
                (
                    "failing",
                    "which",
                    "seeds",
                    "has an interval",
                    "coverage",
                    "bias of the gain",
                    "of the worst case",
                    "Fisher's test notices",
                    "standing",
                ),
                rows,
                left=2,
            ),
        ]
    )


def _which(one: Missing) -> str:
    return "none" if not one.rate else "those that score worst" if one.lowest else "any"


def write_items(found: Sequence[FewItems], folder: Path) -> str:
    """Write items.csv; returns the section on few items."""
    write_csv(
        folder / "items.csv",
        found,
        {
            "items": lambda i: i.items,
            "tasks": lambda i: i.tasks,
            "seeds": lambda i: i.seeds,
            "studies": lambda i: i.studies,
            **_interval("seeds_alone", lambda i: i.coverage_alone),
            **_interval("seeds_and_items", lambda i: i.coverage),
            "wider": lambda i: i.wider,
            "standing": lambda i: "too narrow" if i.narrow else "held",
        },
    )
    rows = [
        [
            str(i.items),
            str(i.tasks),
            str(i.seeds),
            i.coverage_alone.percent,
            i.coverage.percent,
            f"{i.wider:.2f}",
            "too narrow: not claimed" if i.narrow else "held",
        ]
        for i in found
    ]
    return "\n\n".join(
        [
            "## Few items",
            "Seeds and items are drawn anew in each study (crossed random effects); the truth is the gain over all of both. With 40 items the items' error is about "
            f"twice the seeds' at five seeds. {found[0].studies:,} studies a cell, `items.csv`.",
            markdown(
                (
                    "items a task",
                    "tasks",
                    "seeds",
                    "interval over seeds covers",
                    "over seeds and items",
                    "its width over the other's",
                    "standing of the second",
                ),
                rows,
            ),
        ]
    )


def write_shapes(found: Sequence[Noticed], folder: Path) -> str:
    """Write shapes.csv; returns the section on what reports notice of the noise's shape."""
    write_csv(
        folder / "shapes.csv",
        found,
        {
            "noise": lambda n: n.noise,
            "seeds": lambda n: n.seeds,
            "studies": lambda n: n.studies,
            **_interval("split", lambda n: n.split_share),
            "arm_named": lambda n: n.named / n.studies,
            **_interval("leans", lambda n: n.leans_share),
        },
    )
    seeds = list(dict.fromkeys(n.seeds for n in found))
    rows = []
    for noise in dict.fromkeys(n.noise for n in found):
        there = {n.seeds: n for n in found if n.noise == noise}
        rows.append(
            [
                f"`{noise}`: {POPULATIONS[noise].words}",
                *(f"{100 * there[n].split_share.share:.0f} %" for n in seeds if n in there),
                *(f"{100 * there[n].leans_share.share:.0f} %" for n in seeds if n in there),
            ]
        )
    normal = [n for n in found if POPULATIONS[n.noise].assumed]
    alarms = [
        f"- false alarms ({what}), normal noise equal or not: {min(shares, key=lambda s: s.share).percent} to {max(shares, key=lambda s: s.share).percent}"
        for what, shares in (
            ("split", [n.split_share for n in normal]),
            ("leans", [n.leans_share for n in normal]),
        )
        if shares
    ]
    header = ("noise", *(f"split, {n} seeds" for n in seeds), *(f"leans, {n} seeds" for n in seeds))
    return "\n\n".join(
        [
            "## What a report notices of the noise's shape",
            f"Leave-one-out over seven stages: reports that say that *runs split into two groups*, and that *noise leans to one side*; {found[0].studies:,} studies a "
            "cell, `shapes.csv`. A warning that stays away says little where power is small: runs that split in the reference alone can only be seen where both kinds are "
            "among its few runs.",
            *(["\n".join(alarms)] if alarms else []),
            markdown(header, rows),
        ]
    )


def held(cells: Sequence[Cell]) -> bool:
    """Whether intervals hold in every cell for which they are derived."""
    return not any(c.narrow for c in cells if c.assumed)
