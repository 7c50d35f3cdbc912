"""CALIBRATION.md: what the checks found, in tables and figures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from ablate.calibrate.simulate import BAND, Cell, not_claimed
from ablate.calibrate.trained import Economy, Share, Trained
from ablate.report.tables import markdown
from ablate.store import write_text


def write_simulated(cells: Sequence[Cell], folder: Path) -> str:
    """Write cells.csv; returns the section."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["design", "estimand", "noise", "interactions", "seeds", "arms", "contrasts", "studies", "coverage",
                     "worst_contrast", "in_band", "rejected", "familywise_error", "median_width", "repeat_finds", "not_claimed"])  # fmt: skip
    for c in cells:
        writer.writerow([c.case, c.estimand, c.noise, c.interactions, c.seeds, c.n_arms, c.contrasts, c.studies,
                         f"{c.coverage:.4f}", f"{c.worst:.4f}", c.in_band, f"{c.rejected / c.studies / c.contrasts:.4f}",
                         f"{c.familywise:.4f}", f"{c.width:.4f}", f"{c.repeated:.4f}", not_claimed(c)])  # fmt: skip
    write_text(folder / "cells.csv", out.getvalue())
    claimed = [c for c in cells if not not_claimed(c)]
    outside = [c for c in claimed if not c.in_band]
    loose = [c for c in claimed if not c.familywise_held]
    aa = [c for c in claimed if c.estimand == "aa"]
    low, high = BAND
    lines = [
        "## Simulated: known truth",
        f"{len(cells)} cells (design x estimand x noise x seeds), {cells[0].studies:,} studies each; `cells.csv` has all. "
        f"A cell is in the band when 95 % intervals cover {100 * low:.1f} to {100 * high:.1f} % on average and no single "
        "contrast is surely outside it (binomial p < 0.001).",
        f"- claimed: {len(claimed)} cells, of which {len(claimed) - len(outside)} are in the band"
        + (": " + "; ".join(map(_name, outside)) + " are not" if outside else ""),
        f"- family-wise error after Holm: held in {len(claimed) - len(loose)} of {len(claimed)} claimed cells (5 % or not "
        f"surely above); largest {100 * max((c.familywise for c in claimed), default=math.nan):.1f} %",
    ]
    for kind, tested in (
        ("normal noise", [c for c in aa if c.noise != "heavy_tails"]),
        ("heavy tails, where tests are cautious", [c for c in aa if c.noise == "heavy_tails"]),
    ):
        if tested:
            total = Share(sum(c.rejected for c in tested), sum(c.studies * c.contrasts for c in tested))
            holds = sum(_holds_five(c) for c in tested)
            lines.append(
                f"- A/A at 5 %, {kind}, claimed cells together: {total}; 5 % lies in the 99 % binomial interval of "
                f"{holds} of {len(tested)} cells"
            )
    for kind, tested in (
        ("equal noise", [c for c in claimed if c.noise == "equal"]),
        ("unequal noise or heavy tails", [c for c in claimed if c.noise != "equal"]),
    ):
        if tested:
            shares = sorted(100 * c.repeated for c in tested)
            lines.append(
                f"- the effect that a study says would have been found (80 % power) is found by a repeat of it, {kind}: in "
                f"{np.mean(shares):.1f} % on average over claimed cells; middle nine tenths of the cells "
                f"{np.quantile(shares, 0.05):.1f} to {np.quantile(shares, 0.95):.1f} %, least {shares[0]:.1f} %, most {shares[-1]:.1f} %"
            )
    reasons = sorted({not_claimed(c) for c in cells} - {""})
    lines.append("- not claimed, because the method cannot hold there; a report warns in the same places:")
    for reason in reasons:
        there = [c.coverage for c in cells if not_claimed(c) == reason]
        lines.append(f"    - {reason}: coverage {100 * min(there):.1f} to {100 * max(there):.1f} %")
    header = (
        "design",
        "estimand",
        "noise",
        "seeds",
        "coverage",
        "furthest contrast",
        "family-wise error",
        "in band",
        "not claimed",
    )
    rows = [
        [c.case, c.estimand, c.noise + (", interactions" if c.interactions else ""), str(c.seeds), f"{100 * c.coverage:.1f} %",
         f"{100 * c.worst:.1f} %", f"{100 * c.familywise:.1f} %", "yes" if c.in_band else "no", not_claimed(c)]
        for c in cells
    ]  # fmt: skip
    table = markdown(header, rows, left=3)
    return "\n\n".join([*lines[:2], "\n".join(lines[2:]), "![Coverage of every cell](coverage.svg)", table])


def _holds_five(cell: Cell) -> bool:
    found = binomtest(cell.rejected, cell.studies * cell.contrasts).proportion_ci(0.99)
    return bool(found.low <= 0.05 <= found.high)


def _name(cell: Cell) -> str:
    return (
        f"{cell.case} {cell.estimand}, {cell.noise}, {cell.seeds} seeds ({100 * cell.coverage:.1f} %, "
        f"furthest contrast {100 * cell.worst:.1f} %)"
    )


def write_trained(found: Mapping[str, Trained], folder: Path) -> str:
    """Write contrasts.csv; returns the section."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "study",
            "factor",
            "estimate",
            "ci_low",
            "ci_high",
            "p_value",
            "truth",
            "truth_error",
            "covered",
            "power",
        ]
    )
    for name, trained in found.items():
        for c in trained.contrasts:
            writer.writerow([name, c.factor, *(f"{v:.6g}" for v in (c.estimate, c.ci_low, c.ci_high, c.p_value, c.truth,
                                                                     c.truth_error)), c.covered, f"{c.power:.4f}"])  # fmt: skip
    write_text(folder / "contrasts.csv", out.getvalue())
    rows = []
    for name, trained in found.items():
        planted = [c for c in trained.contrasts if c.planted]
        rows += [
            [name, f"coverage of 95 % intervals, {len(trained.contrasts)} gains", str(trained.coverage)],
            ["", f"coverage, the {len(planted)} gains with a planted effect", str(Share(sum(c.covered for c in planted), len(planted)))],
            ["", "A/A contrasts rejected at 5 %", str(trained.false_positives)],
            ["", "planted signs recovered", str(trained.signs)],
            ["", "planted effects detected at 5 %", str(trained.found)],
            ["", "their predicted power, mean", f"{100 * trained.predicted:.1f} %"],
            ["", "correlation between arms that share seeds", f"{trained.shared:.2f}"],
        ]  # fmt: skip
    text = (
        "Each study below is cut into small studies of three seeds; the truth of a gain is its mean over the study's "
        "other seeds, and the interval is widened for that mean's own error. An effect counts as planted where that "
        "mean is three standard errors from zero. A/A contrasts compare runs of one arm under different seeds. "
        "Intervals of the shares are exact binomial ones and take contrasts as independent, though those of one small "
        "study share its reference runs."
    )
    return "\n\n".join(
        ["## Trained: real proxies", text, markdown(("study", "figure", "found"), rows, left=2),
         "![Estimates from three seeds against the truth](trained.svg)", "Gains one by one:", _by_factor(found)]
    )  # fmt: skip


def _by_factor(found: Mapping[str, Trained]) -> str:
    rows = []
    for name, trained in found.items():
        for factor in dict.fromkeys(c.factor for c in trained.contrasts):
            there = [c for c in trained.contrasts if c.factor == factor]
            truth = float(np.mean([c.truth for c in there]))
            hits = sum(c.p_value <= 0.05 for c in there)
            rows.append([
                name, factor, f"{truth:+.4f}", f"{np.mean([c.truth_error for c in there]):.4f}",
                str(Share(sum(c.covered for c in there), len(there))), str(Share(hits, len(there))),
                f"{100 * float(np.mean([c.power for c in there])):.0f} %",
            ])  # fmt: skip
    header = ("study", "stage", "gain, other seeds", "its error", "covered", "p <= 0.05", "predicted power")
    return markdown(header, rows, left=2)


def economy_section(found: Sequence[Economy], how: str) -> str:
    """Runs that designs need for intervals of one width; `how` the widths were found."""
    rows = [[e.design, str(e.seeds), str(e.runs), f"{e.width:.4f}", str(e.studies)] for e in found]
    lines = [
        f"## Economy: {how}",
        markdown(("design", "seeds", "runs", "mean width of a gain's 95 % interval", "small studies"), rows),
    ]
    one_at_a_time = [e for e in found if e.design == "leave_one_out"]
    for cheap in (e for e in found if e.design != "leave_one_out"):
        enough = [e for e in one_at_a_time if e.width <= cheap.width]
        if enough:
            need = min(enough, key=lambda e: e.runs)
            lines.append(
                f"- {cheap.design} with {cheap.runs} runs: leave-one-out needs {need.runs} runs for intervals as narrow, "
                f"{need.runs / cheap.runs:.1f} times as many"
            )
        elif one_at_a_time:
            most = max(one_at_a_time, key=lambda e: e.runs)
            lines.append(
                f"- {cheap.design} with {cheap.runs} runs: leave-one-out's intervals are wider even with {most.runs} runs, "
                f"{most.runs / cheap.runs:.1f} times as many"
            )
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def held(cells: Sequence[Cell]) -> bool:
    """Whether every claimed cell is in the band and keeps its family-wise error."""
    return all(c.in_band and c.familywise_held for c in cells if not not_claimed(c))
