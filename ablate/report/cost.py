"""Gain beside cost: what each stage brings and takes, and what each arm's runs took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ablate.design.controls import PARTS
from ablate.render.tables import interval, markdown, signed
from ablate.report.branching import TRUNK, trunks
from ablate.report.effects_table import headline
from ablate.report.row import Row
from ablate.report.tables import scale
from ablate.study.record import Record, TrunkRecord
from ablate.study.results import Study

UNKNOWN = "–"
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "train_s": ("training, s", lambda value: f"{value:,.1f}"),
    "tokens_per_s": ("tokens/s", lambda value: f"{value:,.0f}"),
    "share_of_peak": ("of peak", lambda value: f"{100 * value:.1f} %"),
    "peak_memory_bytes": ("memory, MB", lambda value: f"{value / 1e6:,.0f}"),
    "evaluate_s": ("evaluation, s", lambda value: f"{value:,.1f}"),
    "run_s": ("whole run, s", lambda value: f"{value:,.1f}"),
    "curation_cpu_s": ("curation, CPU s", lambda value: f"{value:,.1f}"),
}
"""Cost in a record -> its heading, and how it is shown."""


def cost_page(study: Study, rows: Sequence[Row]) -> str:
    """COST.md. Like cost.csv it holds times, so it differs between machines and the report proper does not."""
    parts = [f"# {study.plan.title}: gain beside cost"]
    if rows and study.records:
        parts += _stages(study, rows)
    parts += _arms(study)
    return "\n\n".join(parts) + "\n"


def _stages(study: Study, rows: Sequence[Row]) -> list[str]:
    record = study.first_record(study.plan.reference)
    spent = dict(record.curation_cpu_s or {}) if record else {}
    total = sum(spent.values())
    lead = [row for row in headline(rows, study) if row.estimand not in PARTS]
    cells = []
    for row in lead:
        seconds = spent.get(row.factor)
        share = UNKNOWN if seconds is None or not total else f"{100 * seconds / total:.0f} %"
        shown = UNKNOWN if seconds is None else f"{seconds:,.1f}"
        cells.append(
            [
                row.name,
                signed(row.estimate),
                interval(row.ci_low, row.ci_high),
                shown,
                share,
                str(row.verdict),
            ]
        )
    text = (
        f"Gain in **{study.primary}** ({scale(study)}) beside the CPU-seconds that the stage's measurements took on the "
        f"texts of arm `{study.plan.reference}`. What was measured once for several arms counts for each."
    )
    header = ("stage", "gain", "95 % interval", "curation, CPU s", "of all curation", "verdict")
    others = {name: seconds for name, seconds in spent.items() if name not in {row.factor for row in lead}}
    rest = ", ".join(f"{name} {seconds:,.1f}" for name, seconds in others.items())
    return [text, markdown(header, cells), *([f"Not varied: {rest} CPU s."] if rest else [])]


def _arms(study: Study) -> list[str]:
    cells, took = [], list(trunks(study).values())
    if took:
        shown = [_mean([one.cost.get(name) for one in took], form) for name, (_, form) in COLUMNS.items()]
        cells.append([TRUNK, _mean([one.flops for one in took], lambda v: f"{v:.3g}"), *shown, _device(took)])
    for arm in study.arms:
        records = [study.records[arm, seed] for seed in study.seeds if (arm, seed) in study.records]
        if not records:
            cells.append([arm, *["missing"] * (len(COLUMNS) + 1), ""])
            continue
        flops = [r.model.flops for r in records if r.model]
        shown = [_mean([r.cost.get(name) for r in records], form) for name, (_, form) in COLUMNS.items()]
        cells.append([arm, _mean(flops, lambda value: f"{value:.3g}"), *shown, _device(records)])
    header = ["arm", "FLOPs", *(heading for heading, _ in COLUMNS.values()), "device"]
    text = (
        "Means over seeds. FLOPs of training; *of peak*: FLOPs a second as a share of what the device can do in the "
        "run's precision (GPUs: bf16 as stated by the maker; CPUs: a large matrix product measured with the run's threads). Of "
        "runs trained in lockstep each bears its part of the time. `cost.csv` has every run."
    )
    if took:
        text += f" The {len(took)} trunks stand in a line of their own; what branches took is without them."
    return ["## What the runs took", text, markdown(header, cells)]


def _mean(values: Sequence[Any], form: Callable[[float], str]) -> str:
    numbers = [float(value) for value in values if value is not None]
    return form(float(np.mean(numbers))) if numbers else UNKNOWN


def _device(records: Sequence[Record | TrunkRecord]) -> str:
    kinds = {
        f"{record.cost.get('device', UNKNOWN)}, {record.cost.get('precision', UNKNOWN)}" for record in records
    }
    return "; ".join(sorted(kinds))
