"""Findings about the intervals themselves: over items too, and from all runs where arms have different numbers of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.design.base import weight_matrix
from ablate.effects.estimate import Estimate, Floats
from ablate.render.tables import interval, markdown, signed
from ablate.report.effects_table import headline
from ablate.report.findings.base import Finding
from ablate.report.mixed_model import mixed_contrast
from ablate.report.row import Row
from ablate.study.results import Study


@dataclass(frozen=True, eq=False)
class SeedsAndItems(Finding):
    """How far gains would move with other seeds and other items.

    Attributes:
        rows: of the gains.
    """

    listed: ClassVar[bool] = False
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        text = (
            "Seeds and items drawn anew together (crossed random effects, items paired between arms, each task's items "
            "its own): how far a gain would move with other seeds *and* other questions of the same kind."
        )
        cells = [
            [
                row.name,
                signed(row.estimate),
                interval(row.ci_low, row.ci_high),
                interval(row.ci_low_items, row.ci_high_items),
            ]
            for row in self.rows
        ]
        header = ("stage", "gain", "95 % interval, seeds", "seeds and items")
        return f"{text}\n\n{markdown(header, cells)}"


@dataclass(frozen=True, eq=False)
class Unbalanced(Finding):
    """Arms have different numbers of runs, of which pairing leaves some out.

    Attributes:
        gains: paired, and from all runs.
    """

    listed: ClassVar[bool] = False
    gains: tuple[tuple[Row, Estimate], ...]

    def __str__(self) -> str:
        text = "Arms with different numbers of runs: pairing leaves some out; a mixed model (arms fixed, seeds random, REML) uses all."
        cells = [
            [
                row.name,
                signed(row.estimate),
                interval(row.ci_low, row.ci_high),
                signed(all_runs.estimate),
                interval(all_runs.ci_low, all_runs.ci_high),
            ]
            for row, all_runs in self.gains
        ]
        header = ("stage", "gain, paired", "95 % interval", "gain, mixed model", "95 % interval")
        return f"{text}\n\n{markdown(header, cells)}"


def seeds_and_items(study: Study, rows: Sequence[Row]) -> list[Finding]:
    """Collect the headline's intervals over seeds and items together."""
    lead = tuple(row for row in headline(rows, study) if not math.isnan(row.ci_low_items))
    return [SeedsAndItems(lead)] if lead else []


def unbalanced(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Estimate the headline's gains by a mixed model where an arm has runs that pairing cannot use."""
    found = []
    for row in headline(rows, study):
        (weights,) = weight_matrix([row], study.arms)
        runs = np.isfinite(table[weights != 0.0])
        alike = runs.all(axis=0).sum() == runs.sum(axis=1).max()
        if row.method not in ("identical", "unpaired") and runs.any(axis=1).all() and not alike:
            found.append((row, mixed_contrast(table, weights)))
    return [Unbalanced(tuple(found))] if found else []
