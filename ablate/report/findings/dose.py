"""Findings about a dose: whether scores rise or fall along it, and where they turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.design.base import Factor
from ablate.effects.estimate import Floats
from ablate.effects.lack_of_fit import LackOfFit, lack_of_fit
from ablate.effects.ratio import ratio_of_means
from ablate.effects.trend import Trend, monotone_trend
from ablate.estimand.dose_response import dose_arms, polynomial
from ablate.render.tables import p_text
from ablate.report.findings.base import DOUBT, Finding
from ablate.report.row import Row
from ablate.study.results import Study


@dataclass(frozen=True, eq=False)
class Along(Finding):
    """Whether scores rise, fall or turn along a dose.

    Attributes:
        factor: the dose.
        trend: what was found.
        higher_is_better: direction of the metric.
    """

    listed: ClassVar[bool] = False
    factor: str
    trend: Trend
    higher_is_better: bool

    def __str__(self) -> str:
        trend, name = self.trend, self.factor
        up, down = ("better", "worse") if self.higher_is_better else ("worse", "better")
        tried = f"largest of {trend.shapes} monotone shapes, multivariate t"
        step = trend.step
        where = (
            f"Above {step.below:g} ({step.above:g} and more) against {step.below:g} and less: {step.estimate:+.3g} "
            f"[{step.ci_low:+.3g}, {step.ci_high:+.3g}], simultaneously for all shapes"
        )
        found = trend.found()
        if not found:
            smaller = min(trend.p_rises, trend.p_falls)
            return f"**No trend seen** along {name} (p = {p_text(smaller)}, {tried}). The largest step: {where[0].lower()}{where[1:]}."
        if found == "turns":
            return (
                f"**The curve of {name} turns**: some of it rises and some of it falls (p = {p_text(trend.p_turns)}, all "
                f"neighbouring stretches, multivariate t). The largest step: {where[0].lower()}{where[1:]}."
            )
        p = trend.p_rises if found == "rises" else trend.p_falls
        return (
            f"**Scores get {up if found == 'rises' else down} with {name}** (p = {p_text(p)}, {tried}; most like {trend.shape}). "
            f"{where}. Not among the claims above."
        )


@dataclass(frozen=True, eq=False)
class NoParabola(Finding):
    """Scores along a dose are no parabola, so where one would turn says nothing.

    Attributes:
        factor: the dose.
        fit: of the parabola.
    """

    listed: ClassVar[bool] = False
    factor: str
    fit: LackOfFit

    def __str__(self) -> str:
        return (
            f"**No turning point** of {self.factor}: the scores are not a parabola (lack of fit p = {p_text(self.fit.p_value)}), whose turning "
            "point would then be elsewhere than the curve's. Read the arms themselves, or run values closer around the best of them."
        )


@dataclass(frozen=True, eq=False)
class TurningPoint(Finding):
    """Where the parabola through the scores along a dose turns.

    Attributes:
        factor: the dose.
        at, ci_low, ci_high: where, with Fieller's 95 % interval; NaN for an unbounded one.
        best: whether scores are best there; else worst.
        inside: whether it lies among the values that were run.
    """

    listed: ClassVar[bool] = False
    factor: str
    at: float
    ci_low: float
    ci_high: float
    best: bool
    inside: bool

    def __str__(self) -> str:
        where = (
            f"[{self.ci_low:.3g}, {self.ci_high:.3g}]"
            if not math.isnan(self.ci_low)
            else "unbounded: the curvature is not clear of zero"
        )
        beyond = "" if self.inside else " (outside the values that were run: not to be relied on)"
        kind = "best" if self.best else "worst"
        return f"**Turning point** of {self.factor}: {kind} at {self.at:.3g}{beyond}, 95 % interval {where} (Fieller)."


def doses(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Look for trend and turning point of every parameter whose curve is reported.

    Args:
        study: with the values.
        table: the headline's scores, shape (n_arms, n_seeds).
        rows: of the report.
    """
    if not any(row.estimand == "dose_response" for row in rows):
        return []
    factors, found = study.plan.factors, list[Finding]()
    arms = study.plan.levels
    better = study.metrics[study.primary]
    for factor in factors:
        names, values = dose_arms(arms, factors, factor)
        scores = table[[study.arms.index(name) for name in names]]
        scores = scores[:, np.isfinite(scores).all(axis=0)]
        if len(values) < 3 or scores.shape[1] < 1:
            continue
        trend = monotone_trend(scores, values)
        if not math.isnan(trend.p_rises):
            found.append(Along(factor.name, trend, better))
        found.append(_turning(factor, scores, values, better))
    return found


def _turning(factor: Factor, scores: Floats, values: Floats, higher_is_better: bool) -> Finding:
    fit = lack_of_fit(scores, np.vander(values, 3))
    if fit.p_value < DOUBT:
        return NoParabola(factor.name, fit)
    _, slope, curvature = polynomial(values, 2) @ scores
    at, low, high = ratio_of_means(-slope, 2 * curvature)
    best = (float(curvature.mean()) < 0.0) == higher_is_better
    return TurningPoint(factor.name, at, low, high, best, bool(values.min() <= at <= values.max()))
