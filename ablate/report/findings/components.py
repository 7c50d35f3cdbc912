"""Findings about where noise comes from, where a study crosses its sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.effects.components import percent, variance_components
from ablate.effects.estimate import Floats
from ablate.render.tables import markdown
from ablate.report.findings.base import Finding
from ablate.study.results import Study


@dataclass(frozen=True, eq=False)
class DrawsMissing(Finding):
    """Not every combination of the crossed draws has a run.

    Attributes:
        sources: that were crossed.
    """

    listed: ClassVar[bool] = False
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"**Components of the noise** ({', '.join(self.sources)}): not every combination of draws has a run."


@dataclass(frozen=True, eq=False)
class Components(Finding):
    """How much of the noise comes from where.

    Attributes:
        variances: source -> variance component, in squared units of the headline; below zero where noise makes it so.
    """

    listed: ClassVar[bool] = False
    variances: Mapping[str, float]

    @property
    def deviations(self) -> dict[str, float]:
        """Standard deviation of each component; zero where its variance comes out below zero."""
        return {name: math.sqrt(max(0.0, value)) for name, value in self.variances.items()}

    def __str__(self) -> str:
        shares = percent(self.variances)
        cells = [
            [name, f"{deviation:.4f}", f"{shares[name]:.0f} %"] for name, deviation in self.deviations.items()
        ]
        text = (
            "**Components of the noise**, from crossed draws: `weights` is the initial weights, `order` the order of the data and so "
            "which of it the budget reaches, a stage's seed its curation; `together` is what arises only in combination."
        )
        return f"{text}\n\n{markdown(('source', 'standard deviation', 'share of the variance'), cells)}"


def components(study: Study, table: Floats) -> list[Finding]:
    """Measure shares of the noise by source, where the study crosses sources of chance."""
    factors = study.plan.factors
    chance = study.plan.chance
    if not chance or {factor.name for factor in factors} != set(chance):
        return []
    grid = np.full([len(factor.levels) for factor in factors], np.nan)
    for number, arm in enumerate(study.arms):
        levels = study.plan.arms[arm].levels
        grid[tuple(factor.levels.index(levels[factor.name]) for factor in factors)] = table[number, 0]
    if np.isnan(grid).any():
        return [DrawsMissing(tuple(chance))]
    return [Components(variance_components(grid, [factor.name for factor in factors]))]
