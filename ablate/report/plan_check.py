"""What was planned against what happened: wall-clock and minimum detectable effect."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ablate.render.tables import aligned
from ablate.report.effects_table import effects_table, headline
from ablate.store import say
from ablate.study.forecast import detectable
from ablate.study.noise import seed_noise, typical
from ablate.study.prediction import Cost
from ablate.study.results import Study

HEADER = ("", "planned", "realised", "realised / planned", "")
SWEEPS = "sweeps.jsonl"
"""What `ablate.study.sweep` writes: a line per sweep, with the seconds of curation and of the runs, and runs trained."""


def compare(study: Study) -> list[list[str]]:
    """Cells under `HEADER`; empty when the plan predicted nothing or nothing has run."""
    predicted = study.plan.predicted
    if predicted is None or not study.records:
        return []
    cells = [*_costs(study, predicted.cost), *_effects(study, predicted.mde or {})]
    if noise := predicted.noise:
        cells.append(_line("noise of a run", noise.sd, seed_noise(study), "", f"from {noise.source}"))
    return cells


def _costs(study: Study, cost: Cost | None) -> list[list[str]]:
    if not cost:
        return []
    runs = [
        float(took) for record in study.records.values() if (took := record.cost.get("run_s")) is not None
    ]
    distinct = len({record.run for record in study.records.values()})
    cells = [_line("a run", cost.run_s, typical(runs), " s", "median over runs; evaluation included")]
    sweeps = _sweeps(study)
    trained = sum(sweep["trained"] for sweep in sweeps)
    if sweeps and trained >= distinct:
        curated, ran = (sum(sweep[name] for sweep in sweeps) for name in ("curate_s", "runs_s"))
        cells.append(_line("curation", cost.curate_s, curated, " s", "every arm"))
        note = f"{cost.runs} runs planned, {distinct} trained: the others were the same runs"
        cells.append(
            _line("the sweep", cost.total_s, curated + ran, " s", note if distinct < cost.runs else "")
        )
    else:
        cells.append(
            [
                "the sweep",
                f"{cost.total_s:.3g} s",
                "–",
                "–",
                "not comparable: runs were found in the store",
            ]
        )
    return cells


def _sweeps(study: Study) -> list[dict[str, Any]]:
    path = study.folder / SWEEPS
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            found += [json.loads(line)] if line else []
        except ValueError:  # the times of sweeps are no result: one that was cut off is left out
            say(f"{path}, line {number} is damaged; the comparison with the plan does without it")
    return found


def _effects(study: Study, planned: Mapping[str, float | None]) -> list[list[str]]:
    """Two lines an estimand: what the design sees at the noise that was met, and what the report states."""
    noise = seed_noise(study) if planned else math.nan
    met = detectable(study.plan, noise) if noise > 0 else {}
    rows = headline(effects_table(study), study) if planned and not study.waiting else []
    cells = []
    for kind, effect in planned.items():
        foreseen = math.nan if effect is None else effect
        there = met.get(kind)
        cells.append(
            _line(
                f"smallest effect, {kind}",
                foreseen,
                math.nan if there is None else there,
                "",
                "by the plan's formula, at the noise that was met; after the correction",
            )
        )
        cells.append(
            _line(
                "  as the report states it",
                foreseen,
                typical([row.detectable.effect for row in rows if row.estimand == kind]),
                "",
                "arms that are the same runs are not tested; larger where the noise is known from few runs",
            )
        )
    return cells


def _line(what: str, planned: float, realised: float, unit: str, note: str) -> list[str]:
    ratio = realised / planned if planned else math.nan
    shown = [f"{value:.3g}{unit}" if math.isfinite(value) else "–" for value in (planned, realised)]
    return [what, *shown, f"{ratio:.2f}" if math.isfinite(ratio) else "–", note]


def plan_check_text(study: Study) -> str:
    """The comparison as a table for the terminal; empty when there is none."""
    cells = compare(study)
    return f"Planned against realised:\n{aligned(HEADER, cells)}" if cells else ""
