"""CALIBRATION.md: what trained runs say, and what designs cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ablate.calibrate.economy import Economy
from ablate.calibrate.share import Share
from ablate.calibrate.trained import Trained
from ablate.render.csv_text import csv_text
from ablate.render.tables import markdown
from ablate.store import write_text


def write_trained(found: Mapping[str, Trained], folder: Path) -> str:
    """Write contrasts.csv; returns the section."""
    header = (
        "study", "factor", "estimate", "ci_low", "ci_high", "p_value", "truth", "truth_error", "covered", "power",
    )  # fmt: skip
    cells = (
        (
            name,
            c.factor,
            c.estimate,
            c.ci_low,
            c.ci_high,
            c.p_value,
            c.truth,
            c.truth_error,
            c.covered,
            f"{c.power:.4f}",
        )
        for name, trained in found.items()
        for c in trained.contrasts
    )
    write_text(folder / "contrasts.csv", csv_text(header, cells))
    rows = []
    for name, trained in found.items():
        planted = [c for c in trained.contrasts if c.planted]
        rows += [
            [name, f"coverage of 95 % intervals, {len(trained.contrasts)} gains", str(trained.coverage)],
            [
                "",
                f"coverage, the {len(planted)} gains with a planted effect",
                str(Share(sum(c.covered for c in planted), len(planted))),
            ],
            ["", "A/A contrasts rejected at 5 %", str(trained.false_positives)],
            ["", "planted signs recovered", str(trained.signs)],
            ["", "planted effects detected at 5 %", str(trained.found)],
            ["", "their predicted power, mean", f"{100 * trained.predicted:.1f} %"],
            ["", "correlation between arms that share seeds", f"{trained.shared:.2f}"],
        ]
    text = (
        "Each study below is cut into small studies of three seeds; the truth of a gain is its mean over the study's "
        "other seeds, and the interval is widened for that mean's own error. An effect counts as planted where that "
        "mean is three standard errors from zero. A/A contrasts compare runs of one arm under different seeds. "
        "Intervals of the shares are exact binomial ones and take contrasts as independent, though those of one small "
        "study share its reference runs."
    )
    return "\n\n".join(
        [
            "## Trained: real proxies",
            text,
            markdown(("study", "figure", "found"), rows, left=2),
            "![Estimates from three seeds against the truth](trained.svg)",
            "Gains one by one:",
            _by_factor(found),
        ]
    )


def _by_factor(found: Mapping[str, Trained]) -> str:
    rows = []
    for name, trained in found.items():
        for factor in dict.fromkeys(c.factor for c in trained.contrasts):
            there = [c for c in trained.contrasts if c.factor == factor]
            truth = float(np.mean([c.truth for c in there]))
            hits = sum(c.p_value <= 0.05 for c in there)
            rows.append(
                [
                    name,
                    factor,
                    f"{truth:+.4f}",
                    f"{np.mean([c.truth_error for c in there]):.4f}",
                    str(Share(sum(c.covered for c in there), len(there))),
                    str(Share(hits, len(there))),
                    f"{100 * float(np.mean([c.power for c in there])):.0f} %",
                ]
            )
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
