"""What a dose's scores say beyond single values: whether they rise or fall along it, and where they turn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ablate.design.base import Factor
from ablate.effects.estimate import Floats
from ablate.effects.lack_of_fit import lack_of_fit
from ablate.effects.ratio import ratio_of_means
from ablate.effects.trend import Trend, monotone_trend
from ablate.estimand.dose_response import dose_arms, polynomial
from ablate.render.tables import p_text
from ablate.report.effects_table import Row
from ablate.study.results import Study

DOUBT = 0.05


def section(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    """Trend and turning point of every parameter whose curve is reported.

    Args:
        study: with the values.
        table: the headline's scores, shape (n_arms, n_seeds).
        rows: of the report.
    """
    if not any(row["estimand"] == "dose_response" for row in rows):
        return []
    factors, lines = study.plan.factors, []
    arms = study.plan.levels
    for factor in factors:
        names, values = dose_arms(arms, factors, factor)
        scores = table[[study.arms.index(name) for name in names]]
        scores = scores[:, np.isfinite(scores).all(axis=0)]
        if len(values) < 3 or scores.shape[1] < 1:
            continue
        trend = monotone_trend(scores, values)
        if not math.isnan(trend.p_rises):
            lines.append(_trend(factor, trend, study.metrics[study.primary]))
        lines.append(_turning(factor, scores, values, study.metrics[study.primary]))
    return lines


def _trend(factor: Factor, trend: Trend, higher_is_better: bool) -> str:
    up, down = ("better", "worse") if higher_is_better else ("worse", "better")
    tried = f"largest of {trend.shapes} monotone shapes, multivariate t"
    step = trend.step
    where = (
        f"Above {step.below:g} ({step.above:g} and more) against {step.below:g} and less: {step.estimate:+.3g} "
        f"[{step.ci_low:+.3g}, {step.ci_high:+.3g}], simultaneously for all shapes"
    )
    found = trend.found()
    if not found:
        smaller = min(trend.p_rises, trend.p_falls)
        return f"**No trend seen** along {factor.name} (p = {p_text(smaller)}, {tried}). The largest step: {where[0].lower()}{where[1:]}."
    if found == "turns":
        return (
            f"**The curve of {factor.name} turns**: some of it rises and some of it falls (p = {p_text(trend.p_turns)}, all "
            f"neighbouring stretches, multivariate t). The largest step: {where[0].lower()}{where[1:]}."
        )
    p = trend.p_rises if found == "rises" else trend.p_falls
    return (
        f"**Scores get {up if found == 'rises' else down} with {factor.name}** (p = {p_text(p)}, {tried}; most like {trend.shape}). "
        f"{where}. Not among the claims above."
    )


def _turning(factor: Factor, scores: Floats, values: Floats, higher_is_better: bool) -> str:
    """Where the parabola through the scores turns, where they are one."""
    fit = lack_of_fit(scores, np.vander(values, 3))
    if fit.p_value < DOUBT:
        return (
            f"**No turning point** of {factor.name}: the scores are not a parabola (lack of fit p = {p_text(fit.p_value)}), whose turning "
            "point would then be elsewhere than the curve's. Read the arms themselves, or run values closer around the best of them."
        )
    _, slope, curvature = polynomial(values, 2) @ scores
    at, low, high = ratio_of_means(-slope, 2 * curvature)
    bottom = (float(curvature.mean()) < 0.0) == higher_is_better
    kind = "best" if bottom else "worst"
    where = (
        f"[{low:.3g}, {high:.3g}]" if not math.isnan(low) else "unbounded: the curvature is not clear of zero"
    )
    inside = (
        ""
        if values.min() <= at <= values.max()
        else " (outside the values that were run: not to be relied on)"
    )
    return f"**Turning point** of {factor.name}: {kind} at {at:.3g}{inside}, 95 % interval {where} (Fieller)."
